//! The command against what uploads and circumstances can do to it: decoders that die, interrupts, a curious neighbour.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]
#![allow(unused_crate_dependencies, reason = "each test file uses a part")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{json, root};
use serde_json::Value;

const DEMO: &str = "fixtures/demo/hybrid-join-407/upload";

/// A scratch folder: `out` for results, `tmp` for temporary files.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Self(folder)
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    fn tmp(&self) -> PathBuf {
        self.0.path().join("tmp")
    }

    /// `analyze` of the demo, with this failure on demand.
    fn command(&self, fault: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casetrace"));
        command
            .current_dir(root())
            .args(["analyze", DEMO, "-o"])
            .arg(self.out())
            .args(more)
            .env("TMPDIR", self.tmp())
            .env("CASETRACE_FAULT", fault)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, fault: &str, more: &[&str]) -> Output {
        self.command(fault, more).output().unwrap()
    }

    fn inventory(&self) -> Vec<Value> {
        let document = json(&self.out().join("inventory.json"));
        document["members"].as_array().unwrap().clone()
    }

    fn assert_tidy(&self) {
        assert_eq!(
            names(&self.tmp()),
            Vec::<String>::new(),
            "nothing temporary is left"
        );
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

const RESULTS: [&str; 6] = [
    "attempts.json",
    "findings.json",
    "inventory.json",
    "report.html",
    "report.md",
    "timeline.parquet",
];

fn failed(members: &[Value]) -> Vec<&str> {
    members
        .iter()
        .filter(|m| m["outcome"] == "failed")
        .map(|m| m["path"].as_str().unwrap())
        .collect()
}

#[test]
fn a_decoder_that_dies_costs_its_own_member() {
    let whole = Desk::new();
    assert!(whole.run("", &["-q"]).status.success());
    let all = whole.inventory();
    assert!(failed(&all).is_empty());
    for (fault, how) in [
        ("abort:Nettrace.etl", "SIGABRT"),
        ("stack:Nettrace.etl", "SIG"),
        ("memory:Nettrace.etl", "SIGABRT"),
        ("panic:Nettrace.etl", "panic"),
    ] {
        let desk = Desk::new();
        let output = desk.run(fault, &["--memory-limit", "1500M", "--jobs", "3"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{fault}: {told}");
        assert_eq!(names(&desk.out()), RESULTS, "{fault}");
        let members = desk.inventory();
        let lost = failed(&members);
        assert!(
            lost.len() == 1 && lost[0].ends_with("Nettrace.etl"),
            "{fault}: {lost:?}"
        );
        let diagnostic = &members.iter().find(|m| m["path"] == lost[0]).unwrap()["diagnostics"][0];
        assert_eq!(diagnostic["code"], "DecoderEnded", "{fault}");
        assert!(
            diagnostic["message"].as_str().unwrap().contains(how),
            "{diagnostic}"
        );
        assert!(told.contains("going on without it"), "{fault}: {told}");
        for (member, before) in members.iter().zip(&all).filter(|(m, _)| m["path"] != lost[0]) {
            assert_eq!(member["rows"], before["rows"], "{fault}: {}", member["path"]);
        }
        desk.assert_tidy();
    }
}

#[test]
fn several_that_die_cost_themselves_and_an_archive_its_entries() {
    let desk = Desk::new();
    let output = desk.run("abort:Dsregcmd.txt;abort:dsregcmd-user.txt", &["--jobs", "2"]);
    assert_eq!(output.status.code(), Some(0));
    let members = desk.inventory();
    let lost = failed(&members);
    assert!(
        !lost.is_empty() && lost.iter().all(|path| path.to_lowercase().contains("dsregcmd")),
        "{lost:?}"
    );
    // With --strict the loss shows in the exit code.
    let strict = Desk::new();
    assert_eq!(
        strict.run("abort:Authlogs.zip", &["--strict"]).status.code(),
        Some(5)
    );
    let members = strict.inventory();
    assert!(failed(&members)[0].ends_with("Authlogs.zip"));
    assert!(
        members
            .iter()
            .any(|m| m["path"].as_str().unwrap().ends_with("dsregcmd-user.txt") && m["outcome"] == "ok")
    );
    strict.assert_tidy();
}

/// Waits until the work process sleeps in a decoder; gives its id.
fn working(child: &Child, desk: &Desk) -> u32 {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(120) {
        let in_hand = names(&desk.tmp())
            .first()
            .and_then(|work| fs::read_to_string(desk.tmp().join(work).join("journal")).ok())
            .is_some_and(|text| {
                text.lines()
                    .any(|line| line.starts_with('+') && line.ends_with("Nettrace.etl"))
            });
        if in_hand {
            return children(child.id())[0];
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the work process did not begin with the trace");
}

/// Sends a signal through the shell, which has `kill` built in where there is no such program.
fn send(child: &Child, signal: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{signal} {}", child.id())])
        .status();
    assert!(sent.unwrap().success());
}

fn children(of: u32) -> Vec<u32> {
    let parent = |id: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|id| parent(*id) == Some(of))
        .collect()
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let desk = Desk::new();
        let child = desk.command("wait:Nettrace.etl", &[]).spawn().unwrap();
        let worker = working(&child, &desk);
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{signal}");
        assert!(!desk.out().exists(), "{signal}");
        desk.assert_tidy();
        assert!(
            !Path::new(&format!("/proc/{worker}")).exists(),
            "the work process is gone"
        );
    }
}

#[test]
fn a_killed_command_takes_its_work_process_and_folder_along() {
    let desk = Desk::new();
    let mut child = desk.command("wait:Nettrace.etl", &[]).spawn().unwrap();
    let worker = working(&child, &desk);
    child.kill().unwrap();
    child.wait().unwrap();
    let started = Instant::now();
    while Path::new(&format!("/proc/{worker}")).exists() && started.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    desk.assert_tidy();
    assert!(!desk.out().exists());
}

#[test]
fn an_interrupt_keeps_the_results_of_an_earlier_run() {
    let desk = Desk::new();
    assert!(desk.run("", &["-q"]).status.success());
    let before = fs::read(desk.out().join("report.md")).unwrap();
    fs::write(desk.out().join(".part-half"), "half").unwrap();
    let child = desk.command("wait:Nettrace.etl", &[]).spawn().unwrap();
    working(&child, &desk);
    send(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    assert_eq!(names(&desk.out()), RESULTS);
    assert_eq!(fs::read(desk.out().join("report.md")).unwrap(), before);
}

#[test]
fn the_work_process_is_private_and_limited_and_shows_no_password() {
    let desk = Desk::new();
    let secret = "canary-Zx81-password";
    let file = desk.0.path().join("passwords.txt");
    fs::write(&file, format!("{secret}\n")).unwrap();
    let child = desk
        .command(
            "wait:Nettrace.etl",
            &[
                "-vv",
                "--memory-limit",
                "3G",
                "--password-file",
                file.to_str().unwrap(),
            ],
        )
        .spawn()
        .unwrap();
    let worker = working(&child, &desk);
    let work = desk.tmp().join(&names(&desk.tmp())[0]);
    let mode = fs::metadata(&work).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    for inner in names(&work) {
        let meta = fs::metadata(work.join(&inner)).unwrap();
        assert!(
            !meta.is_dir() || meta.permissions().mode() & 0o777 == 0o700,
            "{inner}"
        );
    }
    let limits = fs::read_to_string(format!("/proc/{worker}/limits")).unwrap();
    let soft = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    // One byte is too little for any; none at all where the environment already forbids it for good.
    assert!(["0", "1"].contains(&soft("Max core file size").as_str()));
    // What the budget for rows and streams leaves out comes on top.
    assert_eq!(soft("Max data size"), (5_u64 << 30).to_string());
    assert!(soft("Max cpu time").parse::<u64>().is_ok());
    assert!(soft("Max address space").parse::<u64>().is_ok());
    assert!(soft("Max file size").parse::<u64>().is_ok());
    for id in [child.id(), worker] {
        for source in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{id}/{source}")).unwrap();
            assert!(!contains(&text, secret), "{source} of {id}");
        }
    }
    send(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert!(!contains(&output.stderr, secret) && !contains(&output.stdout, secret));
}

#[test]
fn a_password_shows_in_no_output_even_if_it_opens_nothing() {
    let desk = Desk::new();
    let (right, wrong) = ("canary-Zx81-right", "canary-Zx81-wrong");
    let file = desk.0.path().join("passwords.txt");
    fs::write(&file, format!("{wrong}\n{right}\n")).unwrap();
    let upload = desk.0.path().join("locked.zip");
    let zip = casetrace_synth::archive::Zip::new()
        .file(
            "dsregcmd.txt",
            fs::read(root().join(DEMO).join("dsregcmd-user.txt")).unwrap(),
        )
        .encrypted(casetrace_synth::archive::Encryption::Aes256, right);
    fs::write(&upload, zip.write()).unwrap();
    for passwords in [format!("{wrong}\n"), format!("{wrong}\n{right}\n")] {
        fs::write(&file, passwords).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_casetrace"))
            .arg("analyze")
            .arg(&upload)
            .arg("-o")
            .arg(desk.out())
            .args(["-vv", "--password-file"])
            .arg(&file)
            .output()
            .unwrap();
        let mut outputs = vec![
            ("stdout".to_owned(), output.stdout),
            ("stderr".to_owned(), output.stderr),
        ];
        outputs.extend(names(&desk.out()).into_iter().map(|name| {
            let bytes = fs::read(desk.out().join(&name)).unwrap();
            (name, bytes)
        }));
        assert!(outputs.len() >= 5);
        for (name, bytes) in outputs {
            assert!(!contains(&bytes, right) && !contains(&bytes, wrong), "{name}");
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What the system calls of a run say.
struct Trace(String);

impl Trace {
    /// Runs `analyze` under strace; `None` where there is none or it may not trace.
    fn of(desk: &Desk) -> Option<Self> {
        let log = desk.0.path().join("strace.txt");
        let calls = "trace=%network,openat,open,creat,mkdir,mkdirat,rmdir,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,truncate,chmod,fchmodat,mknod,mknodat";
        let status = Command::new("strace")
            .args(["-f", "-y", "-qq", "-s", "4096", "-e", calls, "-o"])
            .arg(&log)
            .arg(env!("CARGO_BIN_EXE_casetrace"))
            .args(["analyze", DEMO, "-q", "-o"])
            .arg(desk.out())
            .current_dir(root())
            .env("TMPDIR", desk.tmp())
            .status();
        match status {
            Ok(status) if status.success() => Some(Self(fs::read_to_string(log).unwrap())),
            _ => {
                println!("skipped: strace is not installed or may not trace");
                None
            }
        }
    }

    /// Paths that were made, changed or removed, or opened for writing.
    fn written(&self) -> Vec<PathBuf> {
        let mut out = Vec::new();
        for line in self.0.lines() {
            let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
            let Some((name, arguments)) = call.split_once('(') else {
                continue;
            };
            let writing = ["O_WRONLY", "O_RDWR", "O_CREAT"]
                .iter()
                .any(|flag| call.contains(flag));
            if call.contains("= -1 ") || (name.starts_with("open") && !writing) {
                continue;
            }
            // With -y a folder's number is followed by its path.
            let base = arguments
                .split_once('"')
                .and_then(|(before, _)| before.split_once('<')?.1.split_once('>'))
                .map_or_else(root, |(folder, _)| PathBuf::from(folder));
            out.extend(
                arguments
                    .split('"')
                    .skip(1)
                    .step_by(2)
                    .map(|path| base.join(path)),
            );
        }
        out
    }
}

#[test]
fn nothing_is_sent_and_nothing_is_written_elsewhere() {
    let desk = Desk::new();
    let Some(trace) = Trace::of(&desk) else { return };
    let network = [
        "socket(",
        "connect(",
        "sendto(",
        "sendmsg(",
        "bind(",
        "socketpair(",
    ];
    // The supervisor's own wake-up pipe for signals is a pair of connected local sockets.
    let local = |line: &&str| line.contains("socketpair(AF_UNIX") || line.contains("socket(AF_UNIX");
    let inherited = |line: &&str| line.contains("sendto(") && line.contains("MSG_DONTWAIT");
    for line in trace.0.lines().filter(|line| !local(line) && !inherited(line)) {
        assert!(!network.iter().any(|call| line.contains(call)), "{line}");
    }
    assert!(!trace.0.contains("AF_INET") && !trace.0.contains("connect("));
    let allowed = [
        desk.out(),
        desk.tmp(),
        PathBuf::from("/dev/null"),
        PathBuf::from("/dev/tty"),
    ];
    let written = trace.written();
    assert!(
        written.iter().any(|path| path.ends_with("report.md")),
        "the trace shows the results"
    );
    for path in written {
        assert!(
            allowed.iter().any(|folder| path.starts_with(folder)),
            "{} was written",
            path.display()
        );
    }
}

#[test]
fn the_inventory_names_what_was_written() {
    let desk = Desk::new();
    assert!(desk.run("", &["-q"]).status.success());
    let check = || {
        let document = json(&desk.out().join("inventory.json"));
        let outputs = document["outputs"].as_array().unwrap().clone();
        let listed: Vec<&str> = outputs.iter().map(|o| o["name"].as_str().unwrap()).collect();
        assert_eq!(
            listed,
            [
                "attempts.json",
                "findings.json",
                "report.html",
                "report.md",
                "timeline.parquet"
            ]
        );
        for output in &outputs {
            let path = desk.out().join(output["name"].as_str().unwrap());
            let sum = Command::new("sha256sum").arg(&path).output().unwrap();
            let sum = String::from_utf8(sum.stdout).unwrap();
            assert_eq!(sum.split(' ').next(), output["sha256"].as_str());
            assert_eq!(
                fs::metadata(&path).unwrap().len(),
                output["size"].as_u64().unwrap()
            );
        }
    };
    check();
    let again = Command::new(env!("CARGO_BIN_EXE_casetrace"))
        .arg("report")
        .arg(desk.out())
        .args(["--lang", "ja"])
        .output()
        .unwrap();
    assert!(again.status.success());
    check();
}
