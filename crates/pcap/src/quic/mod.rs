//! QUIC handshakes.

use crate::emit::{Cx, Seen};

/// One QUIC conversation.
#[derive(Default)]
pub(crate) struct Quic;

/// True if `data` can be a QUIC long-header packet of a known version.
pub(crate) fn looks_right(_data: &[u8]) -> bool {
    false
}

impl Quic {
    /// Takes one UDP payload.
    pub(crate) fn datagram(&mut self, _cx: &mut Cx<'_>, _from_client: bool, _seen: Seen, _data: &[u8]) {}

    /// The conversation is over.
    pub(crate) fn end(&mut self, _cx: &mut Cx<'_>) {}
}
