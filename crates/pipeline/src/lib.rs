//! One run, from inputs to a finished case folder.
//!
//! [`read()`] unpacks and decodes, [`analyze()`] adds judgement and report, [`write()`] puts the case folder in place. Which decoder
//! reads which kind of member is data (`pipelines/default.toml`). Results depend on the input's bytes and the
//! settings only: not on the number of threads, the clock, or where the input lies.
//!
//! ```
//! use casetrace_knowledge::Lang;
//! use casetrace_pipeline::{Settings, Silent, analyze, write};
//! use casetrace_rules::RulePack;
//!
//! let folder = tempfile::tempdir()?;
//! let log = folder.path().join("az.txt");
//! std::fs::write(&log, "AADSTS50126: Error validating credentials due to invalid username or password.\n")?;
//!
//! let settings = Settings::new()?;
//! let result = analyze(&[log], &settings, &RulePack::builtin().pack, Lang::En, &Silent)?;
//! write(&result, &folder.path().join("az.casetrace"))?;
//! assert!(folder.path().join("az.casetrace/findings.json").is_file());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// The example of `docs/library.md` compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/library.md")]
struct Library;

mod again;
mod analyze;
mod context;
mod dataset;
mod decode;
mod definition;
mod enrich;
mod error;
mod inventory;
mod memory;
mod output;
mod progress;
mod read;
mod settings;
mod sink;
mod stream;
mod tables;

pub use again::{Hider, analyze_again};
pub use analyze::{CaseResult, Rendered, analyze, analyze_into, compare, write};
pub use casetrace_bundle::Secret;
pub use casetrace_redact::Mode;
pub use casetrace_report::{Diff, RenderError, Templates, diff_html, diff_markdown};
pub use dataset::{DATASET_TABLES, DatasetFiles, dataset_tables, is_dataset, join_parquet, write_dataset};
pub use definition::{Decoder, Definition, Route};
pub use error::RunError;
pub use inventory::{ClockNote, Inventory, InventoryMember, OutputFile, ReadOutcome};
pub use output::{CaseFolder, FinishedCase, load, names, note_outputs, replace};
pub use progress::{Progress, Silent, Stage};
pub use read::{CaseRows, InputFile, read, stream};
pub use settings::{Backend, Care, Settings};
pub use stream::PART_ROWS;
pub use tables::tables;
