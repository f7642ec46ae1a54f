//! Verbs that read what strangers wrote, against faults while they read: a message and an exit code, and nothing left behind.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(unused_crate_dependencies, reason = "each test file uses a part")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{json, root};
use sha2::{Digest, Sha256};

const DEMO: &str = "fixtures/demo/hybrid-join-407/upload";
const TRACE: &str = "fixtures/demo/tls-inspection/upload/NetTrace.etl";

/// A folder for results and one for temporary files.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casetrace"));
        command
            .current_dir(root())
            .args(arguments)
            .env("TMPDIR", self.path("tmp"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, fault: &str, arguments: &[&str]) -> Output {
        self.command(arguments)
            .env("CASETRACE_FAULT", fault)
            .output()
            .unwrap()
    }

    /// The demo's case.
    fn case(&self) -> PathBuf {
        let case = self.path("case");
        let output = self.run("", &["analyze", DEMO, "-q", "-o", case.to_str().unwrap()]);
        assert!(output.status.success());
        case
    }

    fn assert_tidy(&self) {
        let left: Vec<_> = fs::read_dir(self.path("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_verb_that_dies_ends_with_a_message() {
    let desk = Desk::new();
    let case = desk.case();
    let case = case.to_str().unwrap();
    let pcapng = desk.path("out.pcapng");
    let verbs = [
        vec!["query", case, "SELECT 1 AS one FROM timeline"],
        vec!["report", case],
        vec!["diff", case, case],
        vec!["inspect", TRACE],
        vec!["timeline", TRACE],
        vec!["convert", TRACE, "-o", pcapng.to_str().unwrap()],
    ];
    for verb in verbs {
        let whole = desk.run("", &verb);
        assert!(whole.status.success(), "{verb:?}: {}", told(&whole));
        for (fault, how) in [
            ("abort", "was ended by SIGABRT"),
            ("stack", "was ended by SIG"),
            ("panic", "stopped at a fault of its own"),
        ] {
            let output = desk.run(&format!("{fault}:{}", verb[0]), &verb);
            let told = told(&output);
            assert_eq!(output.status.code(), Some(1), "{verb:?} {fault}: {told}");
            assert!(told.contains(how), "{verb:?} {fault}: {told}");
            assert!(told.contains("please report it"), "{verb:?} {fault}: {told}");
            desk.assert_tidy();
        }
    }
}

/// Without a process of its own for the work, too.
#[test]
fn a_panic_ends_with_1_and_says_what_to_do() {
    let desk = Desk::new();
    let case = desk.path("case");
    let arguments = ["analyze", DEMO, "--in-process", "-o", case.to_str().unwrap()];
    let output = desk.run("panic:Nettrace.etl", &arguments);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("a fault was asked for"), "{told}");
    assert!(
        told.contains("stopped at a fault of its own, named above"),
        "{told}"
    );
    assert!(!case.exists());
    desk.assert_tidy();
}

#[test]
fn an_interrupted_verb_leaves_nothing_behind() {
    let desk = Desk::new();
    let mut child = desk
        .command(&["timeline", TRACE])
        .env("CASETRACE_FAULT", "wait:timeline")
        .spawn()
        .unwrap();
    let tmp = desk.path("tmp");
    while fs::read_dir(&tmp).unwrap().next().is_none() {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -TERM {}", child.id())])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    desk.assert_tidy();
}

/// Writes the timeline's hash of now into the inventory, as somebody would who means harm.
fn forge(case: &Path) {
    let mut inventory = json(&case.join("inventory.json"));
    let hash = Sha256::digest(fs::read(case.join("timeline.parquet")).unwrap());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    for output in inventory["outputs"].as_array_mut().unwrap() {
        if output["name"] == "timeline.parquet" {
            output["sha256"] = hash.clone().into();
        }
    }
    fs::write(case.join("inventory.json"), inventory.to_string()).unwrap();
}

/// Numbers from a seed, the same in every run.
fn numbers(mut state: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some((state >> 33) as usize)
    })
}

/// polars' reader of Parquet panics over some of these, or does worse.
#[test]
fn a_forged_timeline_ends_with_an_exit_code() {
    let desk = Desk::new();
    let case = desk.case();
    let timeline = case.join("timeline.parquet");
    let whole = fs::read(&timeline).unwrap();
    let footer =
        whole.len() - 8 - u32::from_le_bytes(whole[whole.len() - 8..][..4].try_into().unwrap()) as usize;
    let mut numbers = numbers(2026);
    let mut codes = std::collections::BTreeMap::new();
    for variant in 0..60 {
        let mut bytes = whole.clone();
        let mut number = |below: usize| numbers.next().unwrap() % below;
        match variant % 3 {
            0 => bytes.truncate(number(whole.len())),
            1 => bytes[footer + number(whole.len() - footer)] ^= 1 << number(8),
            _ => (0..4).for_each(|_| bytes[number(footer)] = number(256) as u8),
        }
        fs::write(&timeline, bytes).unwrap();
        forge(&case);
        let arguments = match variant % 2 {
            0 => vec![
                "query",
                case.to_str().unwrap(),
                "SELECT * FROM timeline ORDER BY message LIMIT 3",
            ],
            _ => vec!["report", case.to_str().unwrap()],
        };
        let output = desk.run("", &arguments);
        let code = output.status.code();
        assert!(
            matches!(code, Some(0..=2)),
            "{variant}: {code:?} {}",
            told(&output)
        );
        assert!(
            code == Some(0) || told(&output).contains("casetrace: "),
            "{variant}"
        );
        *codes.entry(code).or_insert(0) += 1;
        desk.assert_tidy();
    }
    // Most are told apart from good files.
    assert!(
        codes.get(&Some(2)).is_some_and(|refused| *refused > 20),
        "{codes:?}"
    );
}
