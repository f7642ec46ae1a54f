//! DNS over TCP: messages behind a two-byte length.
//!
//! Source: RFC 7766.

use super::Queries;
use super::message::{Protocol, parse_message};
use crate::emit::{Cx, Seen};
use crate::join::{Joiner, Step};

/// One DNS connection.
#[derive(Default)]
pub(crate) struct DnsTcp {
    client: Joiner,
    server: Joiner,
    queries: Queries,
    last_ns: i64,
}

/// True if `data` can start a DNS message over TCP.
pub(crate) fn looks_right(data: &[u8]) -> bool {
    match data {
        [hi, lo, _, _, flags, _, 0, questions @ 0..=4, ..] => {
            u16::from_be_bytes([*hi, *lo]) >= 12 && matches!(flags >> 3 & 15, 0 | 2 | 4 | 5) && *questions > 0
        }
        _ => false,
    }
}

impl DnsTcp {
    /// Takes new bytes; false if this is not DNS.
    pub(crate) fn data(&mut self, cx: &mut Cx<'_>, from_client: bool, seen: Seen, data: &[u8]) -> bool {
        let protocol = match cx.info.server.1 {
            5355 => Protocol::Llmnr,
            5353 => Protocol::Mdns,
            _ => Protocol::Dns,
        };
        self.last_ns = seen.ts_ns;
        let Self {
            client,
            server,
            queries,
            ..
        } = self;
        let joiner = if from_client { client } else { server };
        joiner.feed(data, seen, 65_537, |bytes, seen| {
            let Some(len) = bytes
                .first_chunk::<2>()
                .map(|b| usize::from(u16::from_be_bytes(*b)))
            else {
                return Step::More;
            };
            let Some(body) = bytes.get(2..2 + len) else {
                return Step::More;
            };
            if let Some(found) = parse_message(body, protocol) {
                queries.message(cx, seen, &found, protocol);
            }
            Step::Used(2 + len)
        })
    }

    /// Bytes are missing: where the next message begins is not known any more.
    pub(crate) fn gap(&mut self, cx: &mut Cx<'_>) {
        self.queries.give_up(cx.out);
    }

    /// The connection is over.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>) {
        self.queries.finish(cx.out, self.last_ns);
    }
}
