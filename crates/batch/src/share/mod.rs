//! Where the cases lie: a folder, or a prefix of an object store.

mod local;
mod remote;

use std::path::{Path, PathBuf};

use crate::bundle::{Bundle, BundleId, InputFile};
use crate::config::ShareRules;
use crate::error::Result;
use crate::location::Location;

pub(crate) use local::LocalShare;
pub(crate) use remote::RemoteShare;

/// What planning and working need from a share.
pub(crate) trait Share: Send + Sync {
    /// The text of the share's own configuration file, if it has one.
    fn config(&self) -> Result<Option<String>>;
    /// All cases, in path order.
    fn scan(&self, rules: &ShareRules) -> Result<Vec<Bundle>>;
    /// The case of that name; only its own files are looked at.
    fn find(&self, id: &BundleId, rules: &ShareRules) -> Result<Option<Bundle>> {
        Ok(self.scan(rules)?.into_iter().find(|bundle| bundle.id == *id))
    }
    /// The case at `path` as it is now; `None` if it is gone.
    fn look(&self, path: &str, rules: &ShareRules) -> Result<Option<Bundle>>;
    /// Hash of one file's bytes.
    fn hash(&self, file: &InputFile) -> Result<blake3::Hash>;
    /// The case as a path that can be analysed; what has to be fetched goes below `work`.
    fn fetch(&self, bundle: &Bundle, work: &Path) -> Result<PathBuf>;
}

/// Opens a share.
pub(crate) fn open(location: &Location) -> Result<Box<dyn Share>> {
    Ok(match location {
        Location::Folder(folder) => Box::new(LocalShare::new(folder)),
        Location::Store(store) => Box::new(RemoteShare::new(store.open()?)),
    })
}
