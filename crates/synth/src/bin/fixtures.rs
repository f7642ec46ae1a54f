//! Writes the demo bundles: `fixtures OUT-DIR` makes one folder per bundle with `upload/`, `expected.json` and,
//! where a member is encrypted, `passwords.txt`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use casetrace_synth::scenario::{Bundle, demo};

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
    let Some(root) = std::env::args_os().nth(1) else {
        eprintln!("usage: fixtures OUT-DIR");
        return ExitCode::from(2);
    };
    for bundle in demo::bundles() {
        if let Err(error) = write(Path::new(&root), &bundle) {
            eprintln!("{}: {error}", bundle.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
