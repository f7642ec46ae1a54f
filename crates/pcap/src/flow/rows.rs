//! Rows about a connection as a whole: how it began, how it went, who ended it.

use casetrace_model::{JsonObject, Outcome, Text, member};

use super::{Flow, Shared};
use crate::emit::{Cx, Seen};

impl Flow {
    pub(super) fn close_row(
        &mut self,
        shared: &mut Shared<'_>,
        kind: &'static str,
        seen: Seen,
        by_client: bool,
        idle_ms: i64,
    ) {
        let mut cx = Cx {
            out: shared.out,
            info: &mut self.info,
        };
        let mut row = cx.row(kind, seen, by_client);
        row.server_name.clone_from(&cx.info.server_name);
        let by = if by_client { "client" } else { "server" };
        let what = if kind == "tcp.reset" {
            "Connection reset"
        } else {
            "Connection closed"
        };
        row.message = format!(
            "{what} by the {by} after {}, idle {idle_ms} ms",
            word(cx.info.after)
        );
        row.outcome = Some(if kind == "tcp.reset" {
            Outcome::Reset
        } else {
            Outcome::Success
        });
        row.fields = JsonObject::new()
            .str(member!("by"), by)
            .num(member!("idle_ms"), idle_ms)
            .str(member!("after"), word(cx.info.after))
            .finish();
        cx.push(row);
    }

    fn outcome(&self, now_ns: i64) -> Outcome {
        if self.established {
            Outcome::Success
        } else if self.icmp.is_some() {
            Outcome::Failure
        } else if self.refused {
            Outcome::Refused
        } else if self.syns >= 2 || (self.syns == 1 && now_ns - self.first.ts_ns >= 3_000_000_000) {
            Outcome::Timeout
        } else {
            Outcome::Unknown
        }
    }

    pub(super) fn connect_row(&mut self, shared: &mut Shared<'_>, now_ns: i64) {
        let outcome = self.outcome(now_ns);
        let [client, server] = &self.halves;
        let mut fields = JsonObject::with_capacity(320).num(member!("syns"), self.syns);
        // A clock that steps back between the two packets gives no round trip.
        if let Some(rtt) = self.rtt_us.filter(|rtt| *rtt >= 0) {
            fields.push_num(member!("rtt_us"), rtt);
        }
        fields.push_num(
            member!("duration_ms"),
            (self.last_ns - self.first.ts_ns) / 1_000_000,
        );
        let counts = [
            (member!("packets_out"), client.packets),
            (member!("packets_in"), server.packets),
            (member!("bytes_out"), client.bytes),
            (member!("bytes_in"), server.bytes),
            (
                member!("retransmits"),
                u64::from(client.retransmits) + u64::from(server.retransmits),
            ),
            (
                member!("zero_window"),
                u64::from(client.zero_window) + u64::from(server.zero_window),
            ),
            (member!("gap_bytes"), client.gap_bytes + server.gap_bytes),
        ];
        for (name, count) in counts {
            fields.push_num(name, count);
        }
        fields = fields.opt_str(member!("icmp"), self.icmp.as_deref().map(Text::as_str));
        match self.closed {
            Some(closed) => {
                fields.push_str(member!("close"), if closed.reset { "rst" } else { "fin" });
                fields.push_str(
                    member!("closed_by"),
                    if closed.by_client { "client" } else { "server" },
                );
                fields.push_num(member!("idle_ms_before_close"), closed.idle_ms);
            }
            None => fields.push_str(member!("close"), "none"),
        }
        let message = self.message(outcome);
        let mut cx = Cx {
            out: shared.out,
            info: &mut self.info,
        };
        let mut row = cx.row("tcp.connect", self.first, true);
        row.server_name.clone_from(&cx.info.server_name);
        row.outcome = Some(outcome);
        row.message = message;
        row.fields = fields.finish();
        cx.push(row);
    }

    fn message(&self, outcome: Outcome) -> String {
        let (addr, port) = self.info.server;
        let to = addr.with_port(port);
        match outcome {
            Outcome::Success => ["Connected to ", &to].concat(),
            Outcome::Refused => ["Connection to ", &to, " refused"].concat(),
            Outcome::Timeout => format!("No answer from {to} to {} SYN", self.syns),
            Outcome::Failure => format!(
                "{to} unreachable: {}",
                self.icmp.as_deref().map_or("", Text::as_str)
            ),
            _ if self.syns > 0 => format!("Connection attempt to {to}; the capture ends before its outcome"),
            _ => ["Connection to ", &to, ", its start not captured"].concat(),
        }
    }
}

fn word(after: &'static str) -> &'static str {
    if after.is_empty() { "unknown" } else { after }
}
