//! File operations that know what a slow or shared file system does to them.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use crate::error::{BatchError, Result};
use crate::manifest::Manifest;

/// Renames a scanner or a slow server may spoil for a moment.
const RENAME_TRIES: u32 = 6;

pub(super) fn absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// Names in a folder; none if it is not there.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = || BatchError::on(format!("cannot list {}", folder.display()));
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed()(error)),
    };
    let mut all = Vec::new();
    for entry in listing {
        all.push(
            entry
                .map_err(failed())?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    all.sort();
    Ok(all)
}

/// Writes beside, brings to disk, renames.
pub(crate) fn put_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut part = tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist(path).map(drop).map_err(|error| error.error)
}

pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if !absent(&error) => {
            Err(BatchError::io(format!("cannot remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if !absent(&error) => {
            Err(BatchError::io(format!("cannot remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

/// A rename that waits out a virus scanner holding a file, as happens on SMB.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let mut wait = Duration::from_millis(20);
    for _ in 1..RENAME_TRIES {
        match fs::rename(from, to) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ResourceBusy
                ) && to.symlink_metadata().is_err() =>
            {
                std::thread::sleep(wait);
                wait *= 2;
            }
            other => return other,
        }
    }
    fs::rename(from, to)
}

/// Everything of the file system `folder` is on.
#[cfg(target_os = "linux")]
pub(super) fn sync_all(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sync_all(_: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// The files of one flat folder, and the folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Files that are not as the manifest says.
pub(super) fn disagreements(folder: &Path, manifest: &Manifest) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for file in &manifest.files {
        let agrees = match File::open(folder.join(&file.name)) {
            Ok(opened) => {
                let mut hash = blake3::Hasher::new();
                hash.update_reader(opened).is_ok() && hash.finalize().to_hex().as_str() == file.blake3
            }
            Err(_) => false,
        };
        if !agrees {
            wrong.push(format!("{}/{}", manifest.bundle, file.name));
        }
    }
    Ok(wrong)
}
