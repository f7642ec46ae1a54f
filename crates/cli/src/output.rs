//! Files appear under their names only when they are whole.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use casetrace_pipeline::replace;

use crate::exit::Failure;

/// Writes `path` with `fill`.
pub(crate) fn to_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error| Failure::io(&path.display().to_string(), &error);
    replace(path, failed, fill)
}
