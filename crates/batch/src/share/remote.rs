//! A share in an object store. Inputs are fetched into the work folder; a change shows in the ETag.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use object_store::ObjectMeta;

use super::Share;
use crate::blob::Blobs;
use crate::bundle::{Bundle, InputFile};
use crate::clock;
use crate::config::{CONFIG_FILE, Role, ShareRules};
use crate::error::{BatchError, Result};

/// The prefix.
#[derive(Debug)]
pub(crate) struct RemoteShare {
    blobs: Blobs,
}

/// Files of one case while they are gathered.
#[derive(Debug, Default)]
struct Gathered {
    folder: bool,
    files: Vec<InputFile>,
    uploading: bool,
    finished: bool,
}

impl RemoteShare {
    pub(crate) fn new(blobs: Blobs) -> Self {
        Self { blobs }
    }

    fn gather(&self, prefix: &str, rules: &ShareRules) -> Result<Vec<Bundle>> {
        let mut cases: BTreeMap<String, Gathered> = BTreeMap::new();
        for meta in self.blobs.list(prefix)? {
            let name = self.blobs.name(&meta);
            let Some(case) = case_of(&name, rules) else {
                continue;
            };
            let gathered = cases.entry(case.to_owned()).or_default();
            gathered.folder |= case.len() < name.len();
            let file = name.rsplit('/').next().unwrap_or(&name);
            let newest_ns = meta.last_modified.timestamp_micros().saturating_mul(1000);
            gathered.finished |= rules.finished_by.as_deref() == Some(file);
            gathered.uploading |= rules.is_uploading(file, clock::age(newest_ns));
            gathered.files.push(input(&name, &meta, newest_ns));
        }
        let bundle = |(path, g): (String, Gathered)| {
            let waits = g.folder && rules.finished_by.is_some() && !g.finished;
            Bundle::new(&path, g.folder, g.files, g.uploading || waits)
        };
        Ok(cases.into_iter().map(bundle).collect())
    }
}

impl Share for RemoteShare {
    fn config(&self) -> Result<Option<String>> {
        let found = self.blobs.get(CONFIG_FILE)?;
        Ok(found.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn scan(&self, rules: &ShareRules) -> Result<Vec<Bundle>> {
        self.gather("", rules)
    }

    fn look(&self, path: &str, rules: &ShareRules) -> Result<Option<Bundle>> {
        let mut found = self.gather(path, rules)?;
        if found.is_empty()
            && let Some(meta) = self.blobs.head(path)?
        {
            // Listing a prefix gives what is below it, not the object of that very name.
            let newest_ns = meta.last_modified.timestamp_micros().saturating_mul(1000);
            return Ok(Some(Bundle::new(
                path,
                false,
                vec![input(path, &meta, newest_ns)],
                false,
            )));
        }
        found.retain(|bundle| bundle.path == path);
        Ok(found.pop())
    }

    fn hash(&self, file: &InputFile) -> Result<blake3::Hash> {
        let mut hash = blake3::Hasher::new();
        self.blobs.read(&file.name, |bytes| {
            hash.update(bytes);
            Ok(())
        })?;
        Ok(hash.finalize())
    }

    fn fetch(&self, bundle: &Bundle, work: &Path) -> Result<PathBuf> {
        let failed = || BatchError::on("cannot keep a fetched input");
        let name = bundle.path.rsplit('/').next().unwrap_or(&bundle.path);
        let root = work.join(clean(name)?);
        for file in &bundle.files {
            let below = file.name.strip_prefix(&bundle.path).unwrap_or_default();
            let below = below.trim_start_matches('/');
            let place = if below.is_empty() {
                root.clone()
            } else {
                root.join(clean(below)?)
            };
            if let Some(folder) = place.parent() {
                fs::create_dir_all(folder).map_err(failed())?;
            }
            self.blobs.download(&file.name, &place)?;
        }
        Ok(root)
    }
}

fn input(name: &str, meta: &ObjectMeta, newest_ns: i64) -> InputFile {
    InputFile {
        name: name.to_owned(),
        place: PathBuf::from(name),
        size: meta.size,
        stamp: format!("{} {newest_ns}", meta.e_tag.as_deref().unwrap_or_default()),
        newest_ns,
    }
}

/// The case an object belongs to: the longest-known rule is the first prefix of its name that is a case.
fn case_of<'a>(name: &'a str, rules: &ShareRules) -> Option<&'a str> {
    let components: Vec<&str> = name.split('/').collect();
    let mut end = 0;
    for (at, component) in components.iter().enumerate() {
        end += component.len() + usize::from(at > 0);
        match rules.role(components.get(..=at)?) {
            Role::Case => return name.get(..end),
            Role::Shelf => {}
            Role::Nothing => return None,
        }
    }
    None
}

/// Keys are the uploader's text: they must not name anything outside the work folder.
fn clean(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !name.contains('\\') {
        Ok(path)
    } else {
        Err(BatchError::Usage("an object's key is no plain path".to_owned()))
    }
}
