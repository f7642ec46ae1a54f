//! Event trace logs (`.etl`): container, record headers, embedded schema, packets, process lists.
//!
//! Source: the layout tables of `ntwmi.h` (WMI_BUFFER_HEADER, TRACE_LOGFILE_HEADER), evntcons.h, tdh.h and
//! KernelTraceControl.h. What a real file holds beyond that and no reader needs (stack walks, image lists) is
//! left out.

mod container;
mod kernel;
mod packets;
mod record;
mod schema;
mod tracelogging;
mod xpress;

pub use container::{Clock, Etl};
pub use kernel::Process;
pub use packets::{Interface, NDIS_PACKET_CAPTURE};
pub use record::{Extended, event_header, full, message, system};
pub use tracelogging::{TraceLogging, provider_guid};
pub use xpress::compress;
