//! Packets to facts: TCP, TLS, HTTP, proxies, DNS, Kerberos, LDAP, QUIC.
//!
//! What: reads pcap and pcapng captures, or packets handed in one by one, and writes one row per observed fact as
//! `docs/vocabulary.md` lists them. Where from: the RFC or draft named at the head of each module. What can go wrong:
//! nothing stops the decoder; damage becomes a diagnostic with its file offset, and cut messages give what they hold.
//! Touches neither disk nor terminal; memory is bounded by [`Options::limits`].
//!
//! ```
//! use casetrace_model::Collected;
//! use casetrace_pcap::{Options, decode};
//!
//! // An empty little-endian pcap of Ethernet frames.
//! let file = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
//! let mut out = Collected::default();
//! let inspection = decode(&mut &file[..], &Options::default(), &mut out);
//! assert_eq!((inspection.records, out.rows.len(), out.diagnostics.len()), (0, 0, 0));
//! ```

mod ahead;
mod analyzer;
mod app;
mod batch;
mod board;
mod decode;
mod dns;
mod emit;
mod file;
mod finisher;
mod flow;
mod http;
mod index;
mod join;
mod kerberos;
mod ldap;
mod mask;
mod names;
mod net;
mod parallel;
pub mod protocols;
mod quic;
mod router;
mod rows;
mod shard;
mod socks;
mod tls;
mod udp;
mod unit;
mod writer;

pub use analyzer::{Analyzer, Options, ProcessLookup};
pub use decode::decode;
pub use file::{CaptureKind, probe};
pub use writer::PcapngWriter;

/// A URL with its secrets masked, as rows show it.
pub fn mask_url(url: &str) -> casetrace_model::Text {
    mask::url(url)
}

/// The IANA name of a TLS cipher suite, or its number as `0x…`.
pub fn cipher_name(id: u16) -> casetrace_model::Text {
    names::cipher(id)
}

/// The name of a DNS response code, or its number.
pub fn dns_rcode_name(rcode: u32) -> casetrace_model::Text {
    names::DNS_RCODES.or_number(rcode)
}

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
