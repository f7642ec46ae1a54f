//! Event logs (`.evtx`): file and chunk headers with right checksums, BinXML templates, typed substitutions.
//!
//! Source: the layout as described by libyal's libevtx documentation and MS-EVEN6 §2.2.12 (BinXml). Each kind of
//! event gets one template per chunk, as Windows does; EventData and UserData stand in the same template as System.

mod chunk;
mod log;
mod tree;

pub use log::{Evtx, head};
