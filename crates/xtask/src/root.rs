//! Where the checkout is.

use std::path::PathBuf;

/// The folder of the workspace: as the cargo that runs us tells it, since a program may be older than the folder it was built in.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(package).join("../..")
}
