//! Builders of small, odd and broken inputs for tests, fuzzing and demos.
//!
//! Nothing here depends on a decoder, and no layout is shared with one: each builder is written from the format's
//! public description, so that a decoder's mistake can't hide behind the same mistake in its input. All output is
//! deterministic: "random" bytes are hashes of labels, times are given by the caller.
//!
//! ```
//! let bundles = casetrace_synth::scenario::demo::bundles();
//! assert!(bundles.iter().any(|bundle| bundle.name == "hybrid-join-407"));
//! ```

pub mod archive;
pub mod bytes;
pub mod der;
pub mod etl;
pub mod event;
pub mod evtx;
pub mod identity;
pub mod moment;
pub mod net;
pub mod pcap;
pub mod scenario;
pub mod text;
pub mod x509;
