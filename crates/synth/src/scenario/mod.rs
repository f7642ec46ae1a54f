//! Whole cases: one story told coherently in packets, traces, event logs and texts, packed as customers send it.
//!
//! A [`Case`] has a clock, an [`Identity`](crate::identity::Identity) and collected evidence. Functions of [`network`] and [`events`] add
//! evidence, those of [`pack`] turn it into files, [`demo`] holds the five demonstration bundles, [`all`] the
//! labelled set. Times start at 2026-03-02T01:00:00Z, addresses are those reserved for documentation.

pub mod all;
pub mod canary;
mod case;
mod certificates;
pub mod demo;
pub mod endless;
pub mod events;
mod expected;
mod handshake;
pub mod large;
pub mod network;
mod noise;
pub mod pack;
pub mod world;

pub use case::Case;
pub use expected::{Bundle, Confidence, Evidence, Expected, Finding};
