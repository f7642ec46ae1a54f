//! Folders for what is fetched and made meanwhile, which nobody else may read.

use std::io;
use std::path::Path;

use tempfile::TempDir;

/// A new folder in `base` whose name begins with `prefix`; it goes when dropped.
pub(crate) fn folder(prefix: &str, base: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    // The default follows the umask, which mostly lets everybody read.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(base)
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_else_may_look() {
        let base = tempfile::tempdir().unwrap();
        let folder = super::folder("x-", base.path()).unwrap();
        let mode = folder.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
