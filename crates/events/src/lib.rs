//! What a Windows event means, whichever container it came in (.evtx or .etl).
//!
//! A decoder fills the row's System columns (provider, event id, version, level…), offers the event's own fields
//! through [`FieldSource`], and calls [`promote()`]: the tables in `pipelines/events/*.tsv` decide which field goes
//! to which column, what the outcome is, which free text is searched for codes and ids, and what the one-line
//! sentence says. Nothing about a single event is written in code.
//!
//! Source of the facts: the tables' own headers. Limits: a sentence quotes at most [`MAX_QUOTE`] bytes of one
//! field and is at most [`MAX_MESSAGE`] bytes; free text is searched in its first [`MAX_SCAN`] bytes.
//!
//! ```
//! use casetrace_events::{Fields, promote};
//! use casetrace_model::{Row, Source};
//!
//! let mut row = Row::new(Source::Etl, "event", 1);
//! row.provider = Some("Microsoft-Windows-AAD".into());
//! row.event_id = Some(1084);
//! let mut fields = Fields::default();
//! fields.push("Result", "-2147012889");
//! fields.push("Target", "{2F1C2DDB-3D5C-4A1E-9D5A-0C7B7A5D2B11}");
//! row.fields = fields.to_json();
//! promote(&mut row, &fields);
//! assert_eq!(row.error_code.as_deref(), Some("0x80072ee7"));
//! assert_eq!(row.correlation_id.as_deref(), Some("2f1c2ddb-3d5c-4a1e-9d5a-0c7b7a5d2b11"));
//! ```

mod column;
mod fields;
mod opcode;
pub mod promote;
mod rule;
mod scan;
mod table;
mod template;
mod value;

pub use fields::{FieldSource, Fields};
pub use opcode::opcode_name;
pub use promote::{Meaning, promote};
pub use table::{Problem, check, is_known};

/// Bytes of one field that a sentence quotes.
pub const MAX_QUOTE: usize = 240;
/// Bytes of one sentence.
pub const MAX_MESSAGE: usize = 600;
/// Bytes of one free-text field that are searched for codes and ids.
pub const MAX_SCAN: usize = 16 << 10;
