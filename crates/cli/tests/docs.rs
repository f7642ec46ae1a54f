//! The book: every command line in README.md and docs/ works, every link leads somewhere, and the generated page is fresh.
//!
//! A fenced block marked `sh` is run by the shell, all blocks of a page in order in one temporary folder that holds demo files
//! under the names the pages use. `casetrace` is the built command; `cargo run -p casetrace --` stands for it too, and other
//! cargo commands (which build and test the workspace, as whoever runs this test just did) do nothing. `/srv/uploads` is a share
//! with one upload, `/mnt/results` what a batch published of it, both in the page's folder. A block that can't be run
//! has the line `<!-- not run: REASON -->` above it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use common::{root, run, side_by_side, stdout};

const NOT_RUN: &str = "<!-- not run: ";

/// A fenced block and the line it begins at.
struct Block {
    line: usize,
    language: String,
    text: String,
    reason: Option<String>,
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    let mut above = "";
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        match &mut open {
            Some((block, indent)) => {
                if trimmed.starts_with("```") {
                    blocks.extend(open.take().map(|(block, _)| block));
                } else {
                    block.text.push_str(line.get(*indent..).unwrap_or(trimmed));
                    block.text.push('\n');
                }
            }
            None => {
                if let Some(language) = trimmed.strip_prefix("```") {
                    let reason = above
                        .trim()
                        .strip_prefix(NOT_RUN)
                        .and_then(|rest| rest.strip_suffix(" -->"));
                    let block = Block {
                        line: at + 1,
                        language: language.trim().to_owned(),
                        text: String::new(),
                        reason: reason.map(str::to_owned),
                    };
                    open = Some((block, line.len() - trimmed.len()));
                }
                above = line;
            }
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

/// The commands pages may call: ours, and stand-ins.
fn commands(folder: &Path) {
    fs::create_dir(folder).unwrap();
    symlink(env!("CARGO_BIN_EXE_casetrace"), folder.join("casetrace")).unwrap();
    let cargo = folder.join("cargo");
    fs::write(
        &cargo,
        "#!/bin/sh\ncase \"$*\" in \"run -p casetrace -- \"*) shift 4; exec casetrace \"$@\";; esac\n",
    )
    .unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The files the pages speak of.
fn files(folder: &Path, case: &Path) {
    fs::create_dir(folder).unwrap();
    let demo = root().join("fixtures/demo");
    for (name, from) in [
        ("upload.zip", "hybrid-join-407/upload/Authlogs.zip"),
        ("dsregcmd.txt", "hybrid-join-407/upload/dsregcmd-user.txt"),
        ("NetTrace.etl", "tls-inspection/upload/NetTrace.etl"),
        ("az-debug.txt", "tls-inspection/upload/az-login-debug.txt"),
        ("pw.txt", "healthy/passwords.txt"),
    ] {
        fs::copy(demo.join(from), folder.join(name)).unwrap();
    }
    for tree in ["fixtures", "pipelines"] {
        symlink(root().join(tree), folder.join(tree)).unwrap();
    }
    let finished = folder.join("upload.zip.casetrace");
    fs::create_dir(&finished).unwrap();
    for entry in fs::read_dir(case).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), finished.join(entry.file_name())).unwrap();
    }
}

/// A share with one upload, which no page has to wait for.
fn share(folder: &Path) {
    let case = folder.join("contoso-42");
    fs::create_dir_all(&case).unwrap();
    let upload = root().join("fixtures/demo/hybrid-join-407/upload/dsregcmd-user.txt");
    fs::copy(upload, case.join("dsregcmd-user.txt")).unwrap();
    fs::write(folder.join("casetrace-batch.toml"), "stable_for = \"0s\"\n").unwrap();
}

/// What a page may take for granted under `/srv` and `/mnt`, if it speaks of them.
fn places(folder: &Path, text: &str) {
    if text.contains("/srv/uploads") {
        share(&folder.join("srv/uploads"));
    }
    if text.contains("/mnt/results") {
        share(&folder.join("mnt/cases"));
        let published = run(
            folder,
            &["batch", "run", "--share", "mnt/cases", "--out", "mnt/results"],
        );
        assert!(published.status.success());
    }
}

#[test]
fn every_command_line_of_the_book_works() {
    let work = tempfile::tempdir().unwrap();
    let (bin, case) = (work.path().join("bin"), work.path().join("case"));
    commands(&bin);
    let upload = root().join("fixtures/demo/hybrid-join-407/upload/Authlogs.zip");
    let arguments = [
        "analyze",
        upload.to_str().unwrap(),
        "-q",
        "-o",
        case.to_str().unwrap(),
    ];
    assert!(run(&root(), &arguments).status.success());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());

    let found = Mutex::new((0, Vec::new()));
    let numbered: Vec<(usize, PathBuf)> = pages().into_iter().enumerate().collect();
    side_by_side(&numbered, |(number, page)| {
        let text = fs::read_to_string(page).unwrap();
        let folder = work.path().join(number.to_string());
        files(&folder, &case);
        places(&folder, &text);
        for block in blocks(&text) {
            if block.language != "sh" || block.reason.is_some() {
                continue;
            }
            let output = Command::new("sh")
                .args([
                    "-euc",
                    &block.text.replace(" /srv/", " srv/").replace(" /mnt/", " mnt/"),
                ])
                .current_dir(&folder)
                .env("PATH", &path)
                .env("HOME", &folder)
                .output()
                .unwrap();
            let (count, failed) = &mut *found.lock().unwrap();
            *count += 1;
            if !output.status.success() {
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                failed.push(format!("{}:{}: {stderr}", page.display(), block.line));
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    });
    let (count, failed) = found.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(count >= 20, "only {count} blocks were found");
}

#[test]
fn the_two_commands_of_the_quick_start_stay() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("\ncargo run -p casetrace -- analyze fixtures/demo/hybrid-join-407/upload\n"));
    assert!(readme.contains("\ncargo test --workspace\n"));
}

#[test]
fn every_block_says_what_it_is() {
    for page in pages() {
        for block in blocks(&fs::read_to_string(&page).unwrap()) {
            let at = format!("{}:{}", page.display(), block.line);
            assert!(
                !block.language.is_empty(),
                "{at}: name the language of this block"
            );
            assert!(
                !matches!(block.language.as_str(), "bash" | "shell" | "console"),
                "{at}: write sh, so that the block is run"
            );
            if let Some(reason) = block.reason {
                assert!(reason.len() >= 10, "{at}: say why it is not run");
            }
        }
    }
}

#[test]
fn every_link_of_the_book_leads_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") || file.contains('`') || file.contains(' ') {
                continue;
            }
            if !page.parent().unwrap().join(file).exists() {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn every_page_is_reachable_from_the_book() {
    let contents = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for page in pages() {
        let Ok(name) = page.strip_prefix(root().join("docs")) else {
            continue;
        };
        let name = name.to_str().unwrap();
        assert!(
            name == "README.md" || contents.contains(&format!("({name})")),
            "docs/README.md does not name {name}"
        );
    }
}

/// `docs/columns.md` is made from `casetrace schema`; `UPDATE_GOLDEN=1` writes it again.
#[test]
fn the_page_of_columns_is_that_of_the_command() {
    let columns: Vec<serde_json::Value> =
        serde_json::from_str(&stdout(&run(&root(), &["schema", "--format", "json"]))).unwrap();
    let mut page = String::from(
        "# Columns\n\n<!-- Made from `casetrace schema`; crates/cli/tests/docs.rs compares. -->\n\n\
         One row is one observed fact. The same columns are in `timeline.parquet`, in every export and in SQL. `null` means \
         unknown; a column marked `!` always has a value. Which columns a kind of row fills: [Vocabulary](vocabulary.md). \
         ECS is the field of the same meaning in the Elastic Common Schema.\n\n\
         | column | type | meaning | example | ECS |\n|---|---|---|---|---|\n",
    );
    for column in &columns {
        let text = |key: &str| column[key].as_str().unwrap().replace('|', "\\|");
        let code = |key: &str| match text(key).as_str() {
            "" => String::new(),
            value => format!("`{value}`"),
        };
        let mark = if column["nullable"] == false { " !" } else { "" };
        page.push_str(&format!(
            "| `{}` | {}{mark} | {} | {} | {} |\n",
            text("name"),
            text("type"),
            text("meaning"),
            code("example"),
            code("ecs"),
        ));
    }
    let path = root().join("docs/columns.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), page);
}
