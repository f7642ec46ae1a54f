//! The stand-in's "Parquet" is text: joining is appending. Used by the stand-in command and by the tests.

use std::fs;
use std::path::{Path, PathBuf};

use casetrace_batch::{BatchError, Join, Result};

pub(crate) struct Append;

impl Join for Append {
    fn join(
        &self,
        earlier: Option<&Path>,
        without: &[String],
        inputs: &[PathBuf],
        output: &Path,
    ) -> Result<u64> {
        let wrong = |error: std::io::Error| BatchError::Internal(error.to_string());
        let earlier = earlier.map_or_else(|| Ok(String::new()), fs::read_to_string);
        let mut all = String::new();
        for block in earlier.map_err(wrong)?.split_inclusive("\n\n") {
            let dropped = |id: &String| block.starts_with(&format!("bundle {id}\n"));
            if !without.iter().any(dropped) {
                all.push_str(block);
            }
        }
        for input in inputs {
            all.push_str(fs::read_to_string(input).map_err(wrong)?.trim_end());
            all.push_str("\n\n");
        }
        fs::write(output, &all).map_err(wrong)?;
        Ok(all.matches("bundle ").count() as u64)
    }
}
