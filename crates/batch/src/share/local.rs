//! A share that is a folder: local disk, NFS, SMB.
//!
//! Symbolic links are not followed: an upload must not be able to point at other files of the machine.

use std::fs::{self, FileType, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Share;
use crate::abreast::ask_all;
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

    /// Places of cases below a shelf, of that name or all.
    fn shelf(
        &self,
        path: &str,
        rules: &ShareRules,
        only: Option<&BundleId>,
        found: &mut Vec<(String, Entry)>,
    ) -> Result<()> {
        let wanted = |path: &str| only.is_none_or(|id| BundleId::of_path(path) == *id);
        let folder = self.root.join(path);
        let entries = list(&folder).map_err(cannot_list(&folder))?;
        for entry in entries {
            let below = join(path, &entry.name);
            let components: Vec<&str> = below.split('/').collect();
            match rules.role(&components) {
                Role::Case if wanted(&below) => found.push((below, entry)),
                Role::Shelf if entry.is_folder() => self.shelf(&below, rules, only, found)?,
                Role::Nothing | Role::Case | Role::Shelf => {}
            }
        }
        Ok(())
    }
}

impl Share for LocalShare {
    fn config(&self) -> Result<Option<String>> {
        match fs::read_to_string(self.root.join(CONFIG_FILE)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BatchError::io(CONFIG_FILE, error)),
        }
    }

    fn scan(&self, rules: &ShareRules) -> Result<Vec<Bundle>> {
        let mut places = Vec::new();
        self.shelf("", rules, None, &mut places)?;
        let looked = ask_all(&places, |(path, entry)| case(path, entry, rules));
        let cases: Vec<Option<Bundle>> = looked.into_iter().collect::<Result<_>>()?;
        let mut found: Vec<Bundle> = cases.into_iter().flatten().collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn find(&self, id: &BundleId, rules: &ShareRules) -> Result<Option<Bundle>> {
        let mut places = Vec::new();
        self.shelf("", rules, Some(id), &mut places)?;
        match places.pop() {
            Some((path, entry)) => case(&path, &entry, rules),
            None => Ok(None),
        }
    }

    fn look(&self, path: &str, rules: &ShareRules) -> Result<Option<Bundle>> {
        // A share that is gone is trouble; a case that is gone is an answer.
        self.root
            .metadata()
            .map_err(BatchError::on("cannot reach the share"))?;
        let place = self.root.join(path);
        let Ok(meta) = place.symlink_metadata() else {
            return Ok(None);
        };
        let entry = Entry {
            name: path.to_owned(),
            kind: Some(meta.file_type()),
            place,
        };
        case(path, &entry, rules)
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

/// A name in a folder.
#[derive(Debug)]
struct Entry {
    /// Names that are no Unicode are shown with replacement characters.
    name: String,
    place: PathBuf,
    /// As the listing tells it, so that folders need no look of their own; none if it was gone by then.
    kind: Option<FileType>,
}

impl Entry {
    fn is_folder(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_dir())
    }

    fn is_file(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_file())
    }
}

/// What is in a folder, in name order.
fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        all.push(Entry {
            name: entry.file_name().to_string_lossy().into_owned(),
            kind: entry.file_type().ok(),
            place: entry.path(),
        });
    }
    all.sort_by(|a, b| (&a.name, &a.place).cmp(&(&b.name, &b.place)));
    Ok(all)
}

fn cannot_list(folder: &Path) -> impl FnOnce(io::Error) -> BatchError {
    BatchError::on(format!("cannot list {}", folder.display()))
}

/// Gone, or a file now: somebody works there.
fn moved(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}

/// The case at `entry`; `None` if there is nothing to analyse.
fn case(path: &str, entry: &Entry, rules: &ShareRules) -> Result<Option<Bundle>> {
    let mut walk = Walk {
        rules,
        files: Vec::new(),
        uploading: false,
        finished: rules.finished_by.is_none() || !entry.is_folder(),
    };
    if entry.is_folder() {
        walk.folder(path, &entry.place, 0)?;
    } else if entry.is_file()
        && let Ok(meta) = entry.place.symlink_metadata()
    {
        walk.file(path, &entry.place, &meta);
    }
    if walk.files.is_empty() {
        return Ok(None);
    }
    let uploading = walk.uploading || !walk.finished;
    Ok(Some(Bundle::new(path, entry.is_folder(), walk.files, uploading)))
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
        let entries = match list(place) {
            Err(error) if moved(&error) => {
                self.uploading = true;
                return Ok(());
            }
            listed => listed.map_err(cannot_list(place))?,
        };
        for entry in entries {
            let below = join(path, &entry.name);
            if entry.is_folder() {
                self.folder(&below, &entry.place, depth + 1)?;
            } else if entry.is_file() && self.files.len() < MAX_FILES {
                self.finished |= self.rules.finished_by.as_deref() == Some(entry.name.as_str());
                // Gone between listing and looking: the upload goes on.
                match entry.place.symlink_metadata() {
                    Ok(meta) => self.file(&below, &entry.place, &meta),
                    Err(_) => self.uploading = true,
                }
            }
            self.uploading |= entry.kind.is_none();
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
