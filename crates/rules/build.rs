//! Lists the rule files of `pipelines/` so that they are embedded in the binary.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let pipelines = Path::new("../../pipelines");
    let mut names = vec!["predicates.toml".to_owned(), "attempts.toml".to_owned()];
    let rules = pipelines.join("rules");
    let mut found: Vec<String> = fs::read_dir(&rules)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".toml"))
        .map(|name| format!("rules/{name}"))
        .collect();
    found.sort();
    names.extend(found);
    let mut code = String::from("&[\n");
    for name in &names {
        // Not an absolute path: what this script wrote may be used again for another checkout of the same state.
        let path = format!("/../../pipelines/{name}");
        writeln!(
            code,
            "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),"
        )
        .map_err(io::Error::other)?;
        println!("cargo::rerun-if-changed={}", pipelines.join(name).display());
    }
    code.push(']');
    println!("cargo::rerun-if-changed={}", rules.display());
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("builtin.rs"), code)
}
