//! Reader for Windows event trace logs (.etl) that needs no Windows.
//!
//! Two layers:
//!
//! - [`EtlReader`] finds the buffers of a file, expands them and lends every record of every kind in order of time, with its
//!   header fields and its payload as bytes.
//! - [`decode`] turns a whole file into timeline rows, captured packets and an [`Inspection`](casetrace_model::Inspection).
//!
//! ```
//! use casetrace_etl::{Options, decode};
//! use casetrace_model::Collected;
//!
//! # let file = casetrace_etl::doc_example();
//! let mut out = Collected::default();
//! let decoded = decode(&mut std::io::Cursor::new(&file), &Options::default(), &mut out, None);
//! assert_eq!(decoded.inspection.records, 1);
//! ```
//!
//! Facts about the format, and how well each is verified, are in `docs/etl-format.md`. A damaged or unclosed file gives
//! everything before, between and after the damage, and diagnostics that say what was lost.

mod bytes;
mod container;
mod decode;
mod diagnose;
mod expand;
#[doc(hidden)]
pub mod fuzz;
mod guid;
mod inspect;
mod mask;
mod names;
mod options;
mod packets;
mod process;
mod providers;
mod reader;
mod rows;
mod schema;
mod source;
mod survey;
mod table;
mod value;

pub use container::buffer::BufferHeader;
pub use container::clock::{Clock, ClockKind};
pub use container::extended::{ExtendedItem, ExtendedItems};
pub use container::logfile::LogfileHeader;
pub use container::merge::Events;
pub use container::record::{Event, HeaderKind};
pub use container::scan::BufferAt;
pub use decode::{Decoded, decode};
pub use expand::{Compression, ExpandError, expand};
pub use guid::Guid;
pub use options::Options;
pub use process::Processes;
pub use reader::{EtlReader, OpenError, Probe, probe};
#[cfg(windows)]
pub use source::WindowsTrace;
pub use source::{EtlSource, PortableTrace};

/// The smallest trace there is (a header buffer only), for examples in this documentation.
#[doc(hidden)]
pub fn doc_example() -> Vec<u8> {
    let mut file = vec![0_u8; 0x400];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in file.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    let record_len: u16 = 32 + 0x118 + 8;
    put(0, &0x400_u32.to_le_bytes());
    put(0x30, &(72 + u32::from(record_len)).to_le_bytes());
    put(0x34, &[0x20, 0, 4, 0]);
    put(72, &[2, 0, 2, 0xc0]);
    put(72 + 4, &record_len.to_le_bytes());
    put(72 + 32 + 0x2c, &[8]);
    put(72 + 32 + 0x100, &10_000_000_u64.to_le_bytes());
    put(72 + 32 + 0x110, &[1]);
    file
}
