//! Recorded HTTP exchanges as timeline rows: Fiddler's session files and HTTP archives (HAR).
//!
//! Both become `http.request` and `http.response` rows; the text Fiddler writes into CONNECT tunnels becomes
//! `tls.client_hello`, `tls.server_hello` and `tls.certificate` rows. Unpacking and decrypting a SAZ is the bundle
//! crate's work: [`group`] finds which of its members belong together, [`decode_session`] takes their bytes.
//!
//! Credentials never get into a row: header values, URL parameters and body fields that carry them are replaced by
//! `***`, and of a body at most 256 bytes are shown. What support needs from bodies (AADSTS and OAuth errors,
//! correlation ids, HTML where JSON was due) is read from up to 64 KiB of it.
//!
//! Source: the archives Fiddler Classic writes; HAR 1.2.
//!
//! ```
//! use casetrace_model::Collected;
//! use casetrace_saz::{Options, Session, decode_session};
//!
//! let session = Session {
//!     id: 1,
//!     client: b"GET http://example.org/?code=abc HTTP/1.1\r\nHost: example.org\r\n\r\n",
//!     server: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
//!     meta: None,
//! };
//! let mut out = Collected::default();
//! decode_session(&session, &Options::default(), &mut out);
//! assert_eq!(out.rows[0].url.as_deref(), Some("http://example.org/?code=***"));
//! assert_eq!(out.rows[1].http_status, Some(200));
//! ```

mod body;
mod exchange;
mod har;
mod head;
mod mask;
mod meta;
mod ntlm;
mod rows;
mod session;
mod tunnel;

use casetrace_model::Limits;

pub use har::decode_har;
pub use session::{Group, Session, decode_session, group};

/// How to decode.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Ceilings on what the input may decide.
    pub limits: Limits,
}
