//! Clears what killed workers left, mends the tables across cases, joins small files.

use std::path::Path;

use crate::error::Result;
use crate::location::Location;
use crate::store::{self, Cleaning, CleaningOptions};

/// Cleans an output once.
pub fn clean(out: &Location, work: &Path, options: &CleaningOptions) -> Result<Cleaning> {
    store::open(out, work)?.clean(options)
}
