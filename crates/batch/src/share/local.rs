//! A share that is a folder: local disk, NFS, SMB.
//!
//! Symbolic links are not followed: an upload must not be able to point at other files of the machine.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::Share;
use crate::bundle::{Bundle, BundleId, InputFile};
use crate::clock;
use crate::config::{CONFIG_FILE, Role, ShareRules};
use crate::error::{BatchError, Result};

/// Folders within a case that are followed.
const MAX_DEPTH: usize = 32;
/// Files of a case that are listed.
const MAX_FILES: usize = 200_000;

/// The folder.
#[derive(Debug)]
pub(crate) struct LocalShare {
    root: PathBuf,
}

impl LocalShare {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Cases below a shelf, of that name or all.
    fn shelf(
        &self,
        path: &str,
        rules: &ShareRules,
        only: Option<&BundleId>,
        found: &mut Vec<Bundle>,
    ) -> Result<()> {
        let wanted = |path: &str| only.is_none_or(|id| BundleId::of_path(path) == *id);
        let folder = self.root.join(path);
        for (name, place) in list(&folder)? {
            let below = join(path, &name);
            let components: Vec<&str> = below.split('/').collect();
            match rules.role(&components) {
                Role::Nothing => {}
                Role::Case if wanted(&below) => found.extend(case(&below, &place, rules)?),
                Role::Shelf if is_folder(&place) => self.shelf(&below, rules, only, found)?,
                Role::Case | Role::Shelf => {}
            }
        }
        Ok(())
    }
}

impl Share for LocalShare {
    fn config(&self) -> Result<Option<String>> {
        match fs::read_to_string(self.root.join(CONFIG_FILE)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BatchError::io(CONFIG_FILE, error)),
        }
    }

    fn scan(&self, rules: &ShareRules) -> Result<Vec<Bundle>> {
        let mut found = Vec::new();
        self.shelf("", rules, None, &mut found)?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn find(&self, id: &BundleId, rules: &ShareRules) -> Result<Option<Bundle>> {
        let mut found = Vec::new();
        self.shelf("", rules, Some(id), &mut found)?;
        Ok(found.pop())
    }

    fn look(&self, path: &str, rules: &ShareRules) -> Result<Option<Bundle>> {
        // A share that is gone is trouble; a case that is gone is an answer.
        self.root
            .metadata()
            .map_err(BatchError::on("cannot reach the share"))?;
        case(path, &self.root.join(path), rules)
    }

    fn hash(&self, file: &InputFile) -> Result<blake3::Hash> {
        let failed = || BatchError::on("cannot read an input");
        let opened = fs::File::open(&file.place).map_err(failed())?;
        let mut hash = blake3::Hasher::new();
        hash.update_reader(opened).map_err(failed())?;
        Ok(hash.finalize())
    }

    fn fetch(&self, bundle: &Bundle, _: &Path) -> Result<PathBuf> {
        let place = self.root.join(&bundle.path);
        place.metadata().map_err(BatchError::on("cannot read an input"))?;
        Ok(place)
    }
}

/// Names and paths in a folder, in name order. Names that are no Unicode are shown with replacement characters.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed = || BatchError::on(format!("cannot list {}", folder.display()));
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        all.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    all.sort();
    Ok(all)
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|m| m.is_dir())
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}

/// The case at `place`; `None` if there is nothing to analyse.
fn case(path: &str, place: &Path, rules: &ShareRules) -> Result<Option<Bundle>> {
    let Ok(meta) = place.symlink_metadata() else {
        return Ok(None);
    };
    let mut walk = Walk {
        rules,
        files: Vec::new(),
        uploading: false,
        finished: rules.finished_by.is_none() || !meta.is_dir(),
    };
    if meta.is_dir() {
        walk.folder(path, place, 0)?;
    } else if meta.is_file() {
        walk.file(path, place, &meta);
    }
    if walk.files.is_empty() {
        return Ok(None);
    }
    let uploading = walk.uploading || !walk.finished;
    Ok(Some(Bundle::new(path, meta.is_dir(), walk.files, uploading)))
}

struct Walk<'a> {
    rules: &'a ShareRules,
    files: Vec<InputFile>,
    uploading: bool,
    finished: bool,
}

impl Walk<'_> {
    fn folder(&mut self, path: &str, place: &Path, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        for (name, place) in list(place)? {
            // Gone between listing and looking: the upload goes on.
            let Ok(meta) = place.symlink_metadata() else {
                self.uploading = true;
                continue;
            };
            let below = join(path, &name);
            if meta.is_dir() {
                self.folder(&below, &place, depth + 1)?;
            } else if meta.is_file() && self.files.len() < MAX_FILES {
                self.finished |= self.rules.finished_by.as_deref() == Some(name.as_str());
                self.file(&below, &place, &meta);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &str, place: &Path, meta: &Metadata) {
        let newest_ns = newest_ns(meta);
        let name = path.rsplit('/').next().unwrap_or(path);
        self.uploading |= self.rules.is_uploading(name, clock::age(newest_ns));
        self.files.push(InputFile {
            name: path.to_owned(),
            place: place.to_owned(),
            size: meta.len(),
            stamp: stamp(meta),
            newest_ns,
        });
    }
}

/// A copying tool can set the modification time back, but not the change time.
#[cfg(unix)]
fn newest_ns(meta: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    let ns = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    ns(meta.mtime(), meta.mtime_nsec()).max(ns(meta.ctime(), meta.ctime_nsec()))
}

#[cfg(not(unix))]
fn newest_ns(meta: &Metadata) -> i64 {
    let times = [meta.modified(), meta.created()];
    times.into_iter().flatten().map(clock::unix_ns).max().unwrap_or(0)
}

#[cfg(unix)]
fn stamp(meta: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!(
        "{}.{} {}.{} {}",
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
        meta.ino()
    )
}

#[cfg(not(unix))]
fn stamp(meta: &Metadata) -> String {
    let ns = |time: std::io::Result<std::time::SystemTime>| time.map_or(0, clock::unix_ns);
    format!("{} {}", ns(meta.modified()), ns(meta.created()))
}
