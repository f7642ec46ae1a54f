//! `casetrace batch janitor`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casetrace_batch::{
    BatchError, Cleaning, CleaningOptions, Compaction, CompactionOptions, Join, Unwatched, clean, compact,
};
use casetrace_pipeline::join_parquet;

use super::failure;
use crate::args::TextFormat;
use crate::batch_args::Janitor;
use crate::exit::{Failure, UNREADABLE};

/// Readers that are listing a month have long finished after this.
const KEEP_REPLACED: Duration = Duration::from_mins(15);

/// Cleans, then joins if asked to.
pub(crate) fn run(args: &Janitor, out: &mut dyn Write) -> Result<(), Failure> {
    let options = CleaningOptions {
        dry_run: args.dry_run,
        older_than: args.older_than,
        lease_ttl: args.lease_time,
        verify: args.verify,
    };
    let cleaned = clean(&args.out, &std::env::temp_dir(), &options).map_err(failure)?;
    let joined = if args.compact { Some(join(args)?) } else { None };
    match args.format {
        TextFormat::Json => {
            let document = serde_json::json!({ "cleaning": cleaned, "compaction": joined });
            writeln!(out, "{document}")?;
        }
        TextFormat::Text => text(&cleaned, joined.as_ref(), out)?,
    }
    if cleaned.corrupt.is_empty() {
        Ok(())
    } else {
        Err(Failure::Code(UNREADABLE))
    }
}

fn join(args: &Janitor) -> Result<Compaction, Failure> {
    let Some(folder) = args.out.folder() else {
        return Err(Failure::Usage(
            "compaction works on folders; an object store has no exchange of names".to_owned(),
        ));
    };
    let options = CompactionOptions {
        small_bytes: args.small,
        at_least: args.at_least.max(2),
        allow_gap: args.allow_gap,
        keep_replaced: KEEP_REPLACED,
        dry_run: args.dry_run,
    };
    compact(folder, &options, &ParquetJoin, &Unwatched).map_err(failure)
}

struct ParquetJoin;

impl Join for ParquetJoin {
    fn join(
        &self,
        earlier: Option<&Path>,
        without: &[String],
        inputs: &[PathBuf],
        output: &Path,
    ) -> Result<u64, BatchError> {
        join_parquet(earlier, without, inputs, output)
            .map_err(|error| BatchError::Internal(error.to_string()))
    }
}

fn text(cleaned: &Cleaning, joined: Option<&Compaction>, out: &mut dyn Write) -> Result<(), Failure> {
    let lines = [
        (
            cleaned.stages_removed,
            "left-over staging folders or uploads removed",
        ),
        (cleaned.leases_removed, "left-over leases removed"),
        (
            cleaned.damaged_put_aside,
            "results with a damaged manifest put aside",
        ),
        (cleaned.index_added, "entries added to the tables across cases"),
        (
            cleaned.index_removed,
            "entries removed from the tables across cases",
        ),
        (
            cleaned.failures_cleared,
            "failure records of published cases removed",
        ),
    ];
    let mut quiet = true;
    for (count, what) in lines.iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "{count} {what}")?;
        quiet = false;
    }
    for name in &cleaned.corrupt {
        writeln!(out, "differs from its manifest: {name}")?;
        quiet = false;
    }
    if let Some(joined) = joined {
        writeln!(
            out,
            "{} files joined in {} partitions, {} rows",
            joined.files_joined, joined.partitions, joined.rows
        )?;
        if joined.refused > 0 {
            writeln!(
                out,
                "{} partitions left alone: this file system can't exchange names (see --allow-gap)",
                joined.refused
            )?;
        }
        quiet = false;
    }
    if quiet {
        writeln!(out, "nothing to do")?;
    }
    Ok(())
}
