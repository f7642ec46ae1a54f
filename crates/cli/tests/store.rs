//! A batch output in an object store: written, then asked where it is. Against moto on this machine; skipped with a word without it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use casetrace_synth::scenario::demo;

use common::stdout;

const MOTO: &str = "
import logging, sys, urllib.request
try:
    from moto.server import ThreadedMotoServer
except ImportError:
    sys.exit(7)
logging.disable(logging.CRITICAL)
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0)
server.start()
place = 'http://127.0.0.1:%d' % server.get_host_and_port()[1]
urllib.request.urlopen(urllib.request.Request(place + '/results', method='PUT'))
print(place, flush=True)
sys.stdin.read()
";

struct Store {
    child: Child,
    endpoint: String,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Store {
    /// With an empty bucket `results`.
    fn start() -> Option<Self> {
        let mut child = Command::new("python3")
            .args(["-c", MOTO])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        std::thread::spawn(move || said.lines().for_each(drop));
        let endpoint = line.trim().to_owned();
        let store = Self { child, endpoint };
        store.endpoint.starts_with("http://127.0.0.1:").then_some(store)
    }

    fn run(&self, folder: &Path, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_casetrace"))
            .current_dir(folder)
            .env("AWS_ENDPOINT", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .args(arguments)
            .output()
            .unwrap()
    }
}

#[test]
fn a_dataset_in_a_store_answers_like_one_in_a_folder() {
    let Some(store) = Store::start() else {
        println!("skipped: Python has no moto[server]");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    for bundle in demo::bundles().iter().take(2) {
        for file in &bundle.files {
            let path = root.path().join("share").join(bundle.name).join(&file.name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &file.data).unwrap();
        }
    }
    let batch = |out: &str| {
        let ran = store.run(
            root.path(),
            &[
                "batch",
                "run",
                "--share",
                "share",
                "--out",
                out,
                "--stable-for",
                "0s",
            ],
        );
        assert_eq!(
            ran.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    };
    let ask = |out: &str, sql: &str| {
        let asked = store.run(root.path(), &["query", out, sql, "--format", "csv"]);
        assert_eq!(
            asked.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&asked.stderr)
        );
        stdout(&asked)
    };
    batch("out");
    batch("s3://results/night");
    for sql in [
        "SELECT bundle, kind, COUNT(*) AS n FROM timeline GROUP BY bundle, kind ORDER BY bundle, kind",
        "SELECT f.bundle, f.rule_id, b.rows FROM findings f JOIN bundles b ON f.bundle = b.bundle ORDER BY f.bundle, f.rule_id",
    ] {
        let answer = ask("s3://results/night", sql);
        assert!(answer.lines().count() > 2, "{answer}");
        assert_eq!(answer, ask("out", sql));
    }
    let beside = store.run(root.path(), &["query", "s3://results/night", "out", "SELECT 1"]);
    assert_eq!(beside.status.code(), Some(2));
    let nothing = store.run(
        root.path(),
        &["query", "s3://results/empty", "SELECT bundle FROM findings"],
    );
    assert_eq!(nothing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("nothing is published there"));
}

#[test]
fn what_reads_folders_says_what_to_do_about_stores() {
    let refused = common::run(
        Path::new("."),
        &["batch", "report", "--out", "az://results/night"],
    );
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("copy the output here first"));
}
