//! Error codes, event ids and endpoints: what they mean, in which phase they appear and what to do.
//!
//! The facts are tables under `pipelines/knowledge/` (English, and Japanese for everything the source documents
//! cover), embedded at build time; each row names its source. Code only knows how the many spellings of one
//! number relate: hex, signed and unsigned decimal, bare WinHTTP numbers, and the wrappers Windows puts around
//! them (`0x80072ee7`, `12007` and `0xcaa82ee7` are one failure). A code that is in no table is taken apart into
//! facility and number and said to be unknown; nothing is invented.
//!
//! ```
//! use casetrace_knowledge::{Knowledge, Lang};
//!
//! let knowledge = Knowledge::builtin();
//! let entries = knowledge.explain("-2145648607");
//! assert_eq!(entries[0].symbol, "DSREG_AUTOJOIN_DISC_FAILED");
//! assert!(!entries[0].meaning.get(Lang::Ja).is_empty());
//! assert_eq!(knowledge.symbol("0x80072ee7"), Some("ERROR_WINHTTP_NAME_NOT_RESOLVED"));
//! assert!(knowledge.endpoint("device.login.microsoftonline.com").unwrap().must_not_inspect);
//! ```

mod endpoint;
mod entry;
mod explain;
mod notable;
mod query;
mod suggest;
mod table;

pub use endpoint::Endpoint;
pub use entry::{Entry, Kind, Lang, Phrase};
pub use explain::Knowledge;
pub use notable::Trait;
pub use suggest::closest;
pub use table::{Fact, TableError};
