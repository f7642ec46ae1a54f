//! HTTP as text: messages pasted as they go over the wire, and what all who print exchanges share.

pub(crate) mod exchange;
pub(crate) mod raw;
