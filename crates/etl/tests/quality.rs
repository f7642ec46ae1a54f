//! How well the corpus decodes: every event either fits its layout to the last byte or is listed here with the reason.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use casetrace_etl::{Options, decode};
use casetrace_model::Collected;

#[test]
#[ignore = "prints a table"]
fn table() {
    let root = std::env::var_os("CASETRACE_CORPUS")
        .map_or(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
            PathBuf::from,
        )
        .join("etl");
    let mut files: Vec<_> = std::fs::read_dir(&root)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "etl"))
        .collect();
    files.sort();
    for path in files {
        let mut out = Collected::default();
        decode(
            &mut std::fs::File::open(&path).unwrap(),
            &Options::default(),
            &mut out,
            None,
        );
        let mut by = BTreeMap::<(String, u32, u8, &str), u64>::new();
        for row in &out.rows {
            let state = ["_schema\":\"none", "_cut", "_rest", "_schema\":\"builtin_older"]
                .into_iter()
                .find(|s| row.fields.contains(s))
                .unwrap_or("ok");
            let id = if state == "ok" {
                0
            } else {
                row.event_id.unwrap_or(0)
            };
            let v = if state == "ok" {
                0
            } else {
                row.event_version.unwrap_or(0)
            };
            *by.entry((row.provider.clone().unwrap_or_default().to_string(), id, v, state))
                .or_default() += 1;
        }
        eprintln!(
            "{} {} rows",
            path.file_name().unwrap().to_string_lossy(),
            out.rows.len()
        );
        for (key, n) in by {
            eprintln!("   {n:6} {key:?}");
        }
        for d in out.diagnostics {
            eprintln!("   {} {}", d.code, d.message);
        }
    }
}
