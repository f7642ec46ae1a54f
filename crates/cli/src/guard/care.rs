//! What one attempt tells the next: a small file in the work folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use casetrace_pipeline::Care;

fn file(folder: &Path) -> PathBuf {
    folder.join("care")
}

/// Writes it for the next attempt. Paths are logical ones, without control characters.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "there is no supervisor"))]
pub(super) fn save(folder: &Path, care: &Care) -> io::Result<()> {
    let left_out = care
        .leave_out
        .iter()
        .map(|(path, reason)| format!("without\t{path}\t{reason}\n"));
    let alone = care.one_by_one.iter().map(|path| format!("alone\t{path}\n"));
    fs::write(file(folder), left_out.chain(alone).collect::<String>())
}

/// Reads it; a first attempt finds nothing.
pub(super) fn load(folder: &Path) -> Care {
    let mut care = Care::default();
    for line in fs::read_to_string(file(folder)).unwrap_or_default().lines() {
        let mut parts = line.split('\t');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("without"), Some(path), Some(reason)) => {
                care.leave_out.push((path.to_owned(), reason.to_owned()));
            }
            (Some("alone"), Some(path), None) => care.one_by_one.push(path.to_owned()),
            _ => {}
        }
    }
    care
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_next_attempt_reads_what_this_one_wrote() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), Care::default());
        let care = Care {
            leave_out: vec![("u.zip!/a b.etl".into(), "was ended by signal 6".into())],
            one_by_one: vec!["u.zip!/c.evtx".into(), "u.zip!/d".into()],
        };
        save(folder.path(), &care).unwrap();
        assert_eq!(load(folder.path()), care);
    }
}
