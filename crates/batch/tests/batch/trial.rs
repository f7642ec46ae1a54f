//! A share, an output, and the stand-in command.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Place {
    pub(crate) folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["share", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// A share with `count` cases of one file each.
    pub(crate) fn with_cases(count: usize) -> Self {
        let place = Self::new();
        for at in 0..count {
            place.put(&format!("case{at:03}/log.txt"), &format!("content {at}"));
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.path("share").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_batch-trial"));
        command
            .current_dir(self.folder.path())
            .args(arguments)
            // What a killed one leaves goes with the test.
            .env("TMPDIR", self.path("tmp"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran(self.command(arguments).output().unwrap())
    }

    /// Starts and waits until it has stopped at a step.
    pub(crate) fn until_reached(&self, arguments: &[&str]) -> Child {
        let mut child = self.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        loop {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "ended before the step");
            if line.starts_with("reached") {
                break;
            }
        }
        // Keeps the pipe open, so that what it says later does not kill it.
        std::thread::spawn(move || out.lines().for_each(drop));
        child
    }

    /// Names below a folder of the output.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let Ok(listing) = fs::read_dir(self.path("out").join(folder)) else {
            return Vec::new();
        };
        let mut all: Vec<String> = listing
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        all.sort();
        all
    }

    pub(crate) fn published(&self) -> Vec<String> {
        let mut all = self.names("cases");
        all.retain(|name| name.starts_with("bundle="));
        all
    }

    pub(crate) fn stages(&self) -> Vec<String> {
        let mut all = self.names("cases");
        all.retain(|name| name.starts_with(".tmp-"));
        all
    }

    /// Everything a reader relies on, for a share of `count` sound cases.
    pub(crate) fn assert_whole(&self, count: usize) {
        assert_eq!(self.published().len(), count, "published once each");
        for name in self.published() {
            let folder = self.path("out/cases").join(&name);
            let manifest = fs::read(folder.join("_manifest.json")).unwrap();
            let manifest = casetrace_batch::Manifest::parse(&manifest).unwrap();
            for file in &manifest.files {
                let bytes = fs::read(folder.join(&file.name)).unwrap();
                assert_eq!(blake3::hash(&bytes).to_hex().as_str(), file.blake3, "{name}");
            }
        }
        for table in ["timeline", "findings"] {
            assert_eq!(
                self.names(&format!("{table}/month=2026-03")).len(),
                count,
                "{table} has each case once"
            );
        }
        assert_eq!(self.stages(), Vec::<String>::new(), "no staging folder is left");
        assert_eq!(self.names("leases"), Vec::<String>::new(), "no lease is left");
    }
}

pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    /// The JSON documents it printed, one a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .filter_map(|line| serde_json::from_str(line.trim_end_matches("again").trim()).ok())
            .collect()
    }

    pub(crate) fn last(&self) -> Value {
        self.lines().pop().unwrap_or_else(|| panic!("{}", self.text()))
    }
}

/// SIGKILL.
pub(crate) fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Through the shell, which has `kill` built in where there is no such program.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status();
    assert!(sent.unwrap().success());
}

/// The processes that this one started and that have not ended.
pub(crate) fn children(of: &Child) -> Vec<u32> {
    let goes_on = |id: u32| -> Option<bool> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        Some(fields.next()? != "Z" && fields.next()? == of.id().to_string())
    };
    let ids = fs::read_dir("/proc").unwrap();
    ids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|id| goes_on(*id) == Some(true))
        .collect()
}

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
