//! Rows about a connection as a whole: how it began, how it went, who ended it.

use std::fmt::Write;

use casetrace_model::{Outcome, Text, member};

use super::{Flow, Shared};
use crate::emit::{Seen, fields_of, say};

impl Flow {
    pub(super) fn close_row(
        &mut self,
        shared: &mut Shared<'_>,
        kind: &'static str,
        seen: Seen,
        by_client: bool,
        idle_ms: i64,
    ) {
        let info = &self.info;
        let row = shared.out.add(info, kind, seen, by_client);
        row.server_name.clone_from(&info.server_name);
        let by = if by_client { "client" } else { "server" };
        let what = if kind == "tcp.reset" {
            "Connection reset"
        } else {
            "Connection closed"
        };
        let after = word(info.after);
        let mut digits = itoa::Buffer::new();
        let idle = digits.format(idle_ms);
        say(
            &mut row.message,
            &[what, " by the ", by, " after ", after, ", idle ", idle, " ms"],
        );
        row.outcome = Some(if kind == "tcp.reset" {
            Outcome::Reset
        } else {
            Outcome::Success
        });
        row.fields = fields_of(row, 126)
            .str(member!("by"), by)
            .num(member!("idle_ms"), idle_ms)
            .str(member!("after"), after)
            .finish();
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
        let row = shared.out.add(&self.info, "tcp.connect", self.first, true);
        row.server_name.clone_from(&self.info.server_name);
        row.outcome = Some(outcome);
        self.message(outcome, &mut row.message);
        let mut fields = fields_of(row, 320).num(member!("syns"), self.syns);
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
        row.fields = fields.finish();
    }

    fn message(&self, outcome: Outcome, out: &mut String) {
        let (addr, port) = self.info.server;
        let to = addr.with_port(port);
        // Writing to a String can't fail.
        let _ = match outcome {
            Outcome::Success => return say(out, &["Connected to ", &to]),
            Outcome::Refused => return say(out, &["Connection to ", &to, " refused"]),
            Outcome::Timeout => write!(out, "No answer from {to} to {} SYN", self.syns),
            Outcome::Failure => write!(
                out,
                "{to} unreachable: {}",
                self.icmp.as_deref().map_or("", Text::as_str)
            ),
            _ if self.syns > 0 => write!(
                out,
                "Connection attempt to {to}; the capture ends before its outcome"
            ),
            _ => return say(out, &["Connection to ", &to, ", its start not captured"]),
        };
    }
}

fn word(after: &'static str) -> &'static str {
    if after.is_empty() { "unknown" } else { after }
}
