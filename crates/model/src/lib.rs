//! The common ground of all decoders: what a timeline row is, how times, error codes, limits and damage are
//! expressed, and the two sinks that decoded facts and captured packets go into.
//!
//! Nothing here reads files, prints, or knows polars. Decoders depend on this crate only; everything above
//! them depends on it too, so a name that is spelled here is spelled the same everywhere.
//!
//! ```
//! use casetrace_model::{Collected, JsonObject, Row, Sink, Source};
//!
//! let mut out = Collected::default();
//! let mut row = Row::new(Source::Text, "log.line", 1);
//! row.ts_ns = Some(1_700_000_000_000_000_000);
//! row.message = "Hello".into();
//! row.fields = JsonObject::new().str("logger", "cli.azure").finish();
//! out.row(row);
//! assert_eq!(out.rows[0].fields, r#"{"logger":"cli.azure"}"#);
//! ```

pub mod code;
mod columns;
mod diagnostic;
mod guid;
mod inspection;
mod json;
mod limits;
mod packet;
mod row;
mod sink;
pub mod time;
mod words;

pub use columns::{COLUMNS, Column, ColumnType};
pub use diagnostic::{Diagnostic, Severity};
pub use guid::{find_guids, normalise_guid};
pub use inspection::{Inspection, Lost, ProviderCount};
pub use json::{JsonKey, JsonObject, Member, MemberName};
pub use limits::Limits;
pub use packet::{Direction, Packet, PacketSink, ProcessLookup};
pub use row::{Context, Level, Outcome, Row, Source, TsSource, Value};
pub use sink::{Collected, CountOnly, Part, PartMaker, PartTaker, ReadSeek, Sink};
pub use words::Words;

/// Short text that is cheap to clone: in line up to 23 bytes, static, or shared.
pub type Text = smol_str::SmolStr;
