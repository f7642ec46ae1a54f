//! The first pass: counts every record and keeps the few that explain the others.
//!
//! Schemas, interface tables, component lists and process names are written at the end of a trace, so they have to be
//! collected before anything is decoded. Nothing here depends on the order of the buffers, which lets threads share the work.

mod counts;
mod keep;
mod run;

pub(crate) use counts::{Class, Counts, PacketCounts, ProviderEvent, class_of, kernel_group_name};
pub(crate) use keep::{EVENT_SOURCE_MANIFEST, Kept, KeptKind};
pub(crate) use run::{Survey, survey};
