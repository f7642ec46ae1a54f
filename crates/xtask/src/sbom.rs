//! A bill of materials of the command, as CycloneDX 1.5: what is linked in, with version, licence, origin and checksum.
//!
//! Built from `cargo metadata` and `Cargo.lock`, so it says what this lock file builds; the same lock file gives the
//! same bytes. Only what the command needs at run time is listed, not tests and build scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

/// The package whose dependencies are listed.
const ROOT: &str = "casetrace";

/// Prints the document.
pub(crate) fn run() -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let lock = metadata["workspace_root"]
        .as_str()
        .and_then(|root| std::fs::read_to_string(format!("{root}/Cargo.lock")).ok())
        .unwrap_or_default();
    let document = document(&metadata, &checksums(&lock))?;
    println!("{document:#}");
    Ok(())
}

/// (name, version) → SHA-256 of the package, from the lock file.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    lock.split("[[package]]")
        .filter_map(|block| {
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name))?;
                Some(line.strip_prefix(" = \"")?.trim_end_matches('"').to_owned())
            };
            Some(((field("name")?, field("version")?), field("checksum")?))
        })
        .collect()
}

fn document(metadata: &Value, checksums: &BTreeMap<(String, String), String>) -> Result<Value, String> {
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let root = packages
        .iter()
        .find(|(_, package)| package["name"] == ROOT)
        .map(|(id, _)| *id)
        .ok_or("the workspace has no package of that name")?;
    let mut components: Vec<Value> = reachable(metadata, root)
        .into_iter()
        .filter(|id| *id != root)
        .filter_map(|id| packages.get(id))
        .map(|package| component(package, checksums))
        .collect();
    components.sort_by_key(|component| component["purl"].to_string());
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": packages.get(root).map(|package| component(package, checksums)) },
        "components": components,
    }))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Everything `root` needs at run time, on any platform.
fn reachable<'a>(metadata: &'a Value, root: &'a str) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let mut found = BTreeSet::new();
    let mut waiting = vec![root];
    while let Some(id) = waiting.pop() {
        if !found.insert(id) {
            continue;
        }
        let needs = nodes.get(id).into_iter().flat_map(|node| list(&node["deps"]));
        // A kind of null is an ordinary dependency; the others are "dev" and "build".
        let at_run_time = needs.filter(|dep| list(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null()));
        waiting.extend(at_run_time.filter_map(|dep| dep["pkg"].as_str()));
    }
    found
}

fn component(package: &Value, checksums: &BTreeMap<(String, String), String>) -> Value {
    let text = |field: &str| package[field].as_str().unwrap_or_default();
    let (name, version) = (text("name"), text("version"));
    let mut out = json!({
        "type": if name == ROOT { "application" } else { "library" },
        "name": name,
        "version": version,
        "purl": format!("pkg:cargo/{name}@{version}"),
        "licenses": [{ "expression": text("license").replace('/', " OR ") }],
    });
    if let Some(sum) = checksums.get(&(name.to_owned(), version.to_owned())) {
        out["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_what_is_linked_in_is_listed() {
        let dep = |id: &str, kind: Value| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] });
        let package =
            |name: &str| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0" });
        let metadata = json!({
            "packages": [package(ROOT), package("used"), package("below"), package("tests"), package("builds")],
            "resolve": { "nodes": [
                { "id": ROOT, "deps": [dep("used", Value::Null), dep("tests", "dev".into()), dep("builds", "build".into())] },
                { "id": "used", "deps": [dep("below", Value::Null)] },
            ]},
        });
        let lock = "[[package]]\nname = \"below\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n";
        let document = document(&metadata, &checksums(lock)).unwrap();
        let names: Vec<&str> = list(&document["components"])
            .map(|component| component["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["below", "used"]);
        assert_eq!(document["components"][0]["hashes"][0]["content"], "abc");
        assert_eq!(
            document["components"][1]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
    }
}
