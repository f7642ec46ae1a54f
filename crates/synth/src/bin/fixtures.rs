//! Writes bundles: `fixtures OUT-DIR` the demonstration ones, `fixtures OUT-DIR scenarios` the whole labelled set.
//! Each gets a folder with `upload/`, `expected.json` and, where a member is encrypted and the password known,
//! `passwords.txt`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use casetrace_synth::scenario::{Bundle, all, demo};

fn write(root: &Path, bundle: &Bundle) -> std::io::Result<()> {
    let folder = root.join(bundle.name);
    fs::create_dir_all(folder.join("upload"))?;
    for file in &bundle.files {
        fs::write(folder.join("upload").join(&file.name), &file.data)?;
    }
    fs::write(folder.join("expected.json"), bundle.expected.json())?;
    if let Some(passwords) = &bundle.passwords {
        fs::write(folder.join("passwords.txt"), passwords)?;
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a command-line tool")]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let bundles = match arguments.as_slice() {
        [_] => demo::bundles(),
        [_, set] if set == "scenarios" => all::scenarios(),
        _ => {
            eprintln!("usage: fixtures OUT-DIR [scenarios]");
            return ExitCode::from(2);
        }
    };
    for bundle in bundles {
        if let Err(error) = write(Path::new(&arguments[0]), &bundle) {
            eprintln!("{}: {error}", bundle.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
