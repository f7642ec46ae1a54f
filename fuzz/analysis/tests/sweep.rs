//! The sweep through analyses, over a few small files and with its second process.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn a_small_sweep_keeps_all_promises_and_is_not_done_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = folder.path().join("files");
    fs::create_dir(&files).expect("a fresh folder");
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo/hybrid-join-407/upload");
    for name in ["dsregcmd-user.txt", "dsregcmd-system.txt"] {
        if demo.join(name).is_file() {
            fs::copy(demo.join(name), files.join(name)).expect("it can be copied");
        }
    }
    let log = folder.path().join("log.tsv");
    let sweep = || {
        Command::new(env!("CARGO_BIN_EXE_casetrace-fuzz-analysis"))
            .args(["sweep", "--variants", "40", "--seed", "5", "--log"])
            .arg(&log)
            .arg(&files)
            .output()
            .expect("it runs")
    };
    let first = sweep();
    assert!(first.status.success(), "{first:?}");
    let lines = fs::read_to_string(&log).expect("there is a log");
    assert_eq!(lines.lines().count(), 1, "one pack holds all: {lines}");
    let numbers: Vec<f64> = lines.split('\t').filter_map(|n| n.trim().parse().ok()).collect();
    let (variants, members, rows) = (numbers[1], numbers[3], numbers[4]);
    assert!(variants >= 40.0 && members >= variants, "{lines}");
    assert!(rows > variants, "{lines}");
    let again = sweep();
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(fs::read_to_string(&log).ok(), Some(lines));
}
