//! A ClientHello whose row waits until it is known what became of it.
//!
//! Only what the row will show is kept: thousands wait at a time, and a row is a kilobyte.

use casetrace_model::{JsonObject, Outcome, Text};

use super::hello::ClientHello;
use super::offer::Offer;
use super::rows;
use crate::emit::{Cx, Seen, say};

/// A hello over TCP or QUIC.
pub(crate) struct Waiting {
    offer: Offer,
    server_name: Option<Text>,
    pid: Option<u32>,
    from_client: bool,
    pub(crate) seen: Seen,
}

impl Waiting {
    /// Remembers a hello; `transport` is JA4's letter for TCP or QUIC.
    pub(crate) fn new(
        cx: &mut Cx<'_>,
        hello: &ClientHello,
        server_name: Option<Text>,
        transport: char,
        seen: Seen,
        from_client: bool,
    ) -> Self {
        Self {
            offer: rows::offer(cx, hello, transport),
            server_name,
            pid: cx.info.pid,
            from_client,
            seen,
        }
    }

    /// The members that this hello has for itself, to add others.
    pub(crate) fn fields(&mut self) -> &mut JsonObject {
        &mut self.offer.own
    }

    /// Adds its row; the message is put between two parts.
    pub(crate) fn write(
        self,
        cx: &mut Cx<'_>,
        kind: &'static str,
        outcome: Outcome,
        before: [&str; 3],
        after: &str,
    ) {
        let row = cx.add(kind, self.seen, self.from_client);
        // Of the moment it was sent: the process may have become known later.
        row.pid = self.pid;
        row.outcome = Some(outcome);
        let [a, b, c] = before;
        let version = self.offer.version();
        match &self.server_name {
            Some(name) => say(
                &mut row.message,
                &[a, b, c, "ClientHello for ", name, ", up to ", version, after],
            ),
            None => say(
                &mut row.message,
                &[a, b, c, "ClientHello without server name, up to ", version, after],
            ),
        }
        row.server_name = self.server_name;
        self.offer.fill(row);
    }
}
