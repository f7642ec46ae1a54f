//! Takes secrets and, on request, identities out of what leaves the tool.
//!
//! **Secrets** (tokens, cookies, passwords, assertions, codes, keys) become `***`, wherever they are: behind a telling
//! name, by their own shape, URL-encoded, in base64, or as JSON inside `fields`. **Identities** (users, hosts, domains,
//! addresses, SIDs, tenant and device ids) become pseudonyms of the same format, made by a keyed hash, so that one name
//! is one pseudonym in a whole case and nobody without the key can test a guess. What is the same for every customer
//! (Microsoft's host names, well-known SIDs, loopback) stays, and so do correlation ids.
//!
//! Redacting twice changes nothing: pseudonyms are recognised by their form (`user-1a2b3c4d`, `h-1a2b3c4d`, addresses in
//! 240.0.0.0/4 and `db8` groups, GUIDs that begin with `ca5e`).
//!
//! Most rows hold nothing to mask; a literal search tells so before any pattern runs. Rows repeat their values, so
//! what became of a value is remembered together with the names that were known when it was looked at.
//!
//! Limits: a bare computer or user name in free text is only recognised if the same row names it in a column or field,
//! or if it was given to [`Redactor::learn`]. Secrets without a telling name or shape cannot be recognised.
//!
//! ```
//! use casetrace_redact::{Mode, Redactor};
//!
//! let redactor = Redactor::new(Mode::Secrets, b"");
//! assert_eq!(redactor.redact_text("password=hunter2&user=me"), "password=***&user=me");
//! ```

mod announced;
mod cache;
mod clean;
mod encoded;
mod identity;
mod json;
mod known;
mod mode;
mod prefilter;
mod pseudonym;
mod quiet;
mod redactor;
mod rows;
mod secrets;
mod tables;

pub use mode::{Identity, Mode};
pub use redactor::Redactor;
