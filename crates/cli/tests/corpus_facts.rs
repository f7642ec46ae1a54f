//! The facts that the corpus' README names are in the timeline, for each of its text and bundle files, through the whole
//! command. Without a corpus (`CASETRACE_CORPUS`, or `../shared/corpus`) the tests say so and pass.

#![allow(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stderr, reason = "says what was skipped")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use common::{json, root, run, stdout};

const FACTS: &str = include_str!("corpus_facts.tsv");
const FOLDERS: [&str; 2] = ["text", "bundles"];
/// Of the encrypted archives, as the README gives it.
const PASSWORD: &str = "Passw0rd!\n";

/// One line of the table.
struct Fact {
    file: &'static str,
    shows: &'static str,
    of_member: bool,
    conditions: Vec<Condition>,
}

struct Condition {
    column: &'static str,
    whole: bool,
    value: &'static str,
}

impl Condition {
    fn parse(text: &'static str) -> Self {
        let at = text.find(['=', '~']).unwrap();
        Self {
            column: &text[..at],
            whole: text.as_bytes()[at] == b'=',
            value: &text[at + 1..],
        }
    }

    fn holds(&self, row: &Value) -> bool {
        let text = match &row[self.column] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match self.whole {
            true => text == self.value,
            false => text.contains(self.value),
        }
    }
}

fn facts() -> Vec<Fact> {
    let lines = FACTS.lines().filter(|line| !line.starts_with('#')).skip(1);
    let fact = |line: &'static str| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap();
        let (file, shows, of_member) = (cell(), cell(), cell() == "member");
        let conditions = cell().split(" && ").map(Condition::parse).collect();
        Fact {
            file,
            shows,
            of_member,
            conditions,
        }
    };
    lines.map(fact).collect()
}

fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("CASETRACE_CORPUS").map(PathBuf::from);
    let corpus = named.unwrap_or_else(|| root().join("../shared/corpus"));
    let there = corpus.join("text").is_dir();
    if !there {
        eprintln!("skipped: no corpus at {}", corpus.display());
    }
    there.then_some(corpus)
}

/// Rows and members of a file.
fn read(file: &Path, work: &Path) -> (Vec<Value>, Vec<Value>) {
    let passwords = work.join("passwords.txt");
    fs::write(&passwords, PASSWORD).unwrap();
    let case = work.join("case");
    let [file, case_text, passwords] = [file, &case, &passwords].map(|path| path.to_str().unwrap());
    let analyze = [
        "analyze",
        file,
        "-q",
        "-o",
        case_text,
        "--password-file",
        passwords,
    ];
    let done = run(&root(), &analyze);
    assert!(
        done.status.success(),
        "{file}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let rows = stdout(&run(&root(), &["timeline", case_text]));
    let rows = rows
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let members = json(&case.join("inventory.json"))["members"]
        .as_array()
        .unwrap()
        .clone();
    (rows, members)
}

#[test]
fn every_file_says_what_its_readme_says() {
    let Some(corpus) = corpus() else { return };
    let mut of_file: BTreeMap<&str, Vec<Fact>> = BTreeMap::new();
    for fact in facts() {
        of_file.entry(fact.file).or_default().push(fact);
    }
    let mut missing = Vec::new();
    for (file, facts) in of_file {
        let work = tempfile::tempdir().unwrap();
        let (rows, members) = read(&corpus.join(file), work.path());
        for fact in facts {
            let lines = if fact.of_member { &members } else { &rows };
            let found = lines
                .iter()
                .any(|line| fact.conditions.iter().all(|c| c.holds(line)));
            if !found {
                missing.push(format!("{file}: {}", fact.shows));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_table_has_every_file() {
    let Some(corpus) = corpus() else { return };
    let known: BTreeSet<&str> = facts().iter().map(|fact| fact.file).collect();
    for folder in FOLDERS {
        for entry in fs::read_dir(corpus.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let file = format!("{folder}/{name}");
            assert!(
                name.starts_with("README") || known.contains(file.as_str()),
                "{file} is in the corpus and has no fact in corpus_facts.tsv"
            );
        }
    }
}

#[test]
fn an_encrypted_archive_is_listed_and_asks_for_its_password() {
    let Some(corpus) = corpus() else { return };
    for name in ["recon-fiddler-aes256.saz", "recon-fiddler-zipcrypto.saz"] {
        let file = corpus.join("bundles").join(name);
        let said = stdout(&run(
            &root(),
            &["inspect", file.to_str().unwrap(), "--format", "json"],
        ));
        let said: Value = serde_json::from_str(&said).unwrap();
        let members: Vec<&str> = said["members"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|member| member["path"].as_str())
            .collect();
        assert!(
            members.iter().any(|path| path.ends_with("raw/1_c.txt")),
            "{name}: {members:?}"
        );
        assert!(said.to_string().contains("--password-file"), "{name}");
    }
}
