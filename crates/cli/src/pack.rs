//! The rule pack a command works with: the built-in one, with the user's files on top.

use std::fs;
use std::path::{Path, PathBuf};

use casetrace_rules::{Loaded, RulePack};

use crate::exit::Failure;

/// Largest rule file that is read.
const MAX_RULE_FILE: u64 = 16 << 20;

/// Loads the pack; faulty rules are warned about and left out.
pub(crate) fn load(folder: Option<&Path>) -> Result<RulePack, Failure> {
    let Loaded { pack, errors } = match folder {
        None => RulePack::builtin(),
        Some(folder) => RulePack::load(&files(folder)?),
    };
    for error in &errors {
        tracing::warn!("A rule is left out.\n{error}");
    }
    Ok(pack)
}

/// The fingerprint [`load`]ing would give.
pub(crate) fn version(folder: Option<&Path>) -> Result<String, Failure> {
    load(folder).map(|pack| pack.version().to_owned())
}

/// Name and text of all rule files in a folder, in name order.
fn files(folder: &Path) -> Result<Vec<(String, String)>, Failure> {
    let shown = folder.display().to_string();
    let listing = fs::read_dir(folder).map_err(|error| Failure::io(&shown, &error))?;
    let mut paths: Vec<PathBuf> = listing
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::Usage(format!("{shown}: no .toml files in this folder")));
    }
    paths.iter().map(|path| file(path)).collect()
}

/// Name and text of one rule file.
pub(crate) fn file(path: &Path) -> Result<(String, String), Failure> {
    let shown = path.display().to_string();
    let failed = |error: &std::io::Error| Failure::io(&shown, error);
    let size = path.metadata().map_err(|error| failed(&error))?.len();
    if size > MAX_RULE_FILE {
        return Err(Failure::Usage(format!(
            "{shown}: {size} bytes is too large for a rule file"
        )));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    Ok((shown, text))
}
