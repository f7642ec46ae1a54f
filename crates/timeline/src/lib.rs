//! The timeline: rows of all decoders, sorted, as compact columns and as polars frames.
//!
//! A timeline of five million rows with its 58 columns would take gigabytes as a plain frame, because most texts repeat
//! and most cells are empty. Columns are therefore kept as narrow codes and numbers in chunks, long texts in compressed blocks
//! which may lie in a file (`store`), and frames are made for the columns and rows that a condition, a query or a file needs.
//!
//! ```
//! use casetrace_model::{Row, Source};
//! use casetrace_timeline::{Condition, Filter, TimelineBuilder};
//!
//! let mut builder = TimelineBuilder::new();
//! let mut row = Row::new(Source::Pcap, "dns.query", 1).at(1_772_414_171_123_456_700);
//! row.server_name = Some("login.microsoftonline.com".into());
//! builder.push("case.zip!/a.pcap", Some("PC042"), row);
//! let timeline = builder.finish();
//!
//! let filter = Filter { condition: Some(Condition::parse("kind LIKE 'dns.%'")?), ..Filter::default() };
//! assert_eq!(timeline.filter(&filter)?.len(), 1);
//! # Ok::<(), casetrace_timeline::TimelineError>(())
//! ```

mod alone;
mod bounded;
mod builder;
mod cell;
mod clocks;
mod condition;
mod decide;
mod error;
mod filter;
mod frame;
mod members;
mod order;
mod parquet;
mod scan;
mod sql;
mod store;
mod timeline;
mod walk;
mod write;

pub use alone::Alone;
pub use builder::TimelineBuilder;
pub use cell::{frame_cell, write_frame_csv, write_frame_jsonl};
pub use clocks::{ClockBasis, ClockOffset, clock_offsets};
pub use condition::{Condition, Known, parse_expression};
pub use error::{SqlError, TimelineError};
pub use filter::Filter;
pub use frame::{Rows, schema};
pub use members::{Member, MemberType, number as parse_number_text, read_members, time as parse_time_text};
pub use parquet::{
    ParquetExport, read_parquet, read_parquet_parts, scan_parquet, write_labelled_parquet, write_parquet,
};
pub use scan::{Scan, side_by_side};
pub use sql::{TABLES, query, query_timeline};
pub use store::Spill;
pub use timeline::{Cells, ColumnId, LongCells, Timeline};
pub use walk::{Stop, change, look};
pub use write::{Export, Naming, TextFormat, Written};

pub use casetrace_model::{COLUMNS, Column, ColumnType};
pub use polars;
pub use sqlparser;
