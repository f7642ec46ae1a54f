//! One run, from inputs to a finished case folder.
//!
//! [`read()`] unpacks and decodes, [`analyze()`] adds judgement and report, [`write()`] puts the case folder in place. Which decoder
//! reads which kind of member is data (`pipelines/default.toml`). Results depend on the input's bytes and the
//! settings only: not on the number of threads, the clock, or where the input lies.

mod analyze;
mod context;
mod dataset;
mod decode;
mod definition;
mod enrich;
mod error;
mod inventory;
mod output;
mod progress;
mod read;
mod settings;
mod sink;
mod tables;

pub use analyze::{CaseResult, Rendered, analyze, report_again, write};
pub use casetrace_bundle::Secret;
pub use casetrace_redact::Mode;
pub use dataset::{DatasetFiles, dataset_tables, is_dataset, join_parquet, write_dataset};
pub use definition::{Decoder, Definition, Route};
pub use error::RunError;
pub use inventory::{ClockNote, Inventory, InventoryMember, OutputFile, ReadOutcome};
pub use output::{CaseFolder, FinishedCase, load, names, note_outputs};
pub use progress::{Progress, Silent, Stage};
pub use read::{CaseRows, InputFile, read};
pub use settings::{Care, Settings};
pub use tables::tables;
