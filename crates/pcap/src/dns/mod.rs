//! DNS and its relatives: queries paired with their answers.
//!
//! Source: RFC 1035, 6762 (mDNS), 4795 (LLMNR), 1002 (NBNS). A query's row waits for the answer or for silence.
//! Limits: 1,024 open queries a shard; the oldest is written as unanswered when there are more.

pub(crate) mod message;
pub(crate) mod tcp;

use std::collections::VecDeque;

use casetrace_model::{JsonObject, Outcome, Text, member};

use crate::emit::{Cx, Emit, FlowInfo, Seen, clean_text, fields_of, say};
use crate::names;
use crate::net::addr::Addr;
use message::{Message, Protocol};

/// Resolvers have given up after this long.
const TIMEOUT_NS: i64 = 15_000_000_000;
const MAX_OPEN: usize = 1024;

/// Who asked, over which port, under which number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct QueryKey {
    client: (Addr, u16),
    /// The server asked; none for multicast and broadcast, which anyone answers.
    server: Option<Addr>,
    id: u16,
    kind: u16,
    protocol: Protocol,
}

struct Open {
    key: QueryKey,
    name: Text,
    info: FlowInfo,
    first: Seen,
    last_ns: i64,
    attempts: u32,
    opcode: u8,
}

/// Queries without an answer so far, oldest first.
#[derive(Default)]
pub(crate) struct Queries {
    open: VecDeque<Open>,
    /// Queries dropped because too many were open.
    pub(crate) evicted: u64,
}

/// The protocol of a UDP port pair.
pub(crate) fn protocol_of(sport: u16, dport: u16) -> Option<Protocol> {
    let of = |port| match port {
        53 => Some(Protocol::Dns),
        137 => Some(Protocol::Nbns),
        5353 => Some(Protocol::Mdns),
        5355 => Some(Protocol::Llmnr),
        _ => None,
    };
    of(dport).or_else(|| of(sport))
}

impl Queries {
    /// Takes one UDP message.
    pub(crate) fn datagram(
        &mut self,
        out: &mut Emit,
        seen: Seen,
        pid: Option<u32>,
        src: (Addr, u16),
        dst: (Addr, u16),
        data: &[u8],
    ) {
        let Some(protocol) = protocol_of(src.1, dst.1) else {
            return;
        };
        let Some(found) = message::parse_message(data, protocol) else {
            return;
        };
        let (client, server) = if found.response { (dst, src) } else { (src, dst) };
        let mut info = FlowInfo::new(seen.record, client, server, "udp", &mut out.memo);
        info.pid = pid;
        self.message(&mut Cx { out, info: &mut info }, seen, &found, protocol);
    }

    /// Takes one message, whatever carried it.
    pub(crate) fn message(&mut self, cx: &mut Cx<'_>, seen: Seen, found: &Message, protocol: Protocol) {
        self.expire(cx.out, seen.ts_ns);
        if found.response {
            self.answer(cx, seen, found, protocol);
        } else {
            self.query(cx, seen, found, protocol);
        }
    }

    fn query(&mut self, cx: &mut Cx<'_>, seen: Seen, found: &Message, protocol: Protocol) {
        let anyone = cx.info.server.0.is_multicast() || found.broadcast;
        let server = (!anyone).then_some(cx.info.server.0);
        let key = QueryKey {
            client: cx.info.client,
            server,
            id: found.id,
            kind: found.kind,
            protocol,
        };
        // mDNS questions all carry id 0 and are answered, if at all, to everybody.
        let single = protocol != Protocol::Mdns;
        if single
            && let Some(open) = self
                .open
                .iter_mut()
                .rev()
                .find(|o| o.key == key && o.name == found.name)
        {
            open.attempts += 1;
            open.last_ns = seen.ts_ns;
            return;
        }
        let open = Open {
            key,
            name: found.name.clone(),
            info: cx.info.clone(),
            first: seen,
            last_ns: seen.ts_ns,
            attempts: 1,
            opcode: found.opcode,
        };
        if !single {
            return open.write(cx.out, Outcome::Unknown);
        }
        if self.open.len() >= MAX_OPEN
            && let Some(oldest) = self.open.pop_front()
        {
            self.evicted += 1;
            oldest.write(cx.out, Outcome::Unknown);
        }
        self.open.push_back(open);
    }

    fn answer(&mut self, cx: &mut Cx<'_>, seen: Seen, found: &Message, protocol: Protocol) {
        let matches = |open: &Open| {
            open.key.protocol == protocol
                && open.key.id == found.id
                && open.key.client == cx.info.client
                && open.key.server.is_none_or(|server| server == cx.info.server.0)
                && (open.name == found.name && open.key.kind == found.kind
                    || !found.question
                    || protocol == Protocol::Nbns)
        };
        let query = self
            .open
            .iter()
            .position(matches)
            .and_then(|at| self.open.remove(at));
        let asked = query
            .as_ref()
            .map(|q| (q.first, q.last_ns, q.name.clone(), q.key.kind));
        if let Some(query) = query {
            cx.info.id = query.info.id;
            cx.info.pid = query.info.pid.or(cx.info.pid);
            query.write(
                cx.out,
                if found.rcode == 0 {
                    Outcome::Success
                } else {
                    Outcome::Failure
                },
            );
        }
        let name = add_response(cx, seen, found, protocol, asked);
        if matches!(found.kind, 1 | 28) {
            let place = cx.out.place;
            cx.out.resolved.extend(
                found
                    .addresses()
                    .map(|address| (place, address.clone(), name.clone())),
            );
        }
    }

    /// Writes queries whose time is up.
    pub(crate) fn expire(&mut self, out: &mut Emit, now_ns: i64) {
        while self.open.front().is_some_and(|o| now_ns - o.last_ns > TIMEOUT_NS) {
            if let Some(open) = self.open.pop_front() {
                open.write(out, Outcome::Timeout);
            }
        }
    }

    /// Writes all that is open; the answers may have been in what is lost.
    pub(crate) fn give_up(&mut self, out: &mut Emit) {
        for open in std::mem::take(&mut self.open) {
            open.write(out, Outcome::Unknown);
        }
    }

    /// Writes all that is open at the end of the capture.
    pub(crate) fn finish(&mut self, out: &mut Emit, now_ns: i64) {
        for open in std::mem::take(&mut self.open) {
            // A query right before the end of the capture may have been answered after it.
            let waited = now_ns - open.first.ts_ns > 3_000_000_000 || open.attempts > 1;
            open.write(
                out,
                if waited {
                    Outcome::Timeout
                } else {
                    Outcome::Unknown
                },
            );
        }
    }
}

impl Open {
    fn write(self, out: &mut Emit, outcome: Outcome) {
        let row = out.add(&self.info, "dns.query", self.first, true);
        let protocol = self.key.protocol;
        let kind = kind_name(self.key.kind, protocol);
        let timeout = outcome == Outcome::Timeout;
        let end = if timeout { " asked, no answer" } else { " asked" };
        say(&mut row.message, &[kind.as_str(), " ", &self.name, end]);
        if timeout {
            row.dns_rcode = Some(Text::new_static("TIMEOUT"));
        }
        row.outcome = Some(outcome);
        let mut fields = fields_of(row, 126)
            .str(member!("protocol"), protocol.name())
            .str(member!("qtype"), &kind)
            .num(member!("id"), self.key.id)
            .num(member!("attempts"), self.attempts);
        if self.opcode != 0 {
            fields.push_num(member!("opcode"), self.opcode);
        }
        row.fields = fields.finish();
        row.server_name = Some(self.name);
    }
}

fn kind_name(kind: u16, protocol: Protocol) -> Text {
    match (kind, protocol) {
        (32, Protocol::Nbns) => Text::new_static("NB"),
        (33, Protocol::Nbns) => Text::new_static("NBSTAT"),
        _ => names::DNS_TYPES.or_number(u32::from(kind)),
    }
}

/// Adds the row of an answer; returns the name that was asked for.
fn add_response(
    cx: &mut Cx<'_>,
    seen: Seen,
    found: &Message,
    protocol: Protocol,
    asked: Option<(Seen, i64, Text, u16)>,
) -> Text {
    let row = cx.add("dns.response", seen, false);
    let (name, kind) = match (&asked, found.question) {
        (_, true) => (found.name.clone(), found.kind),
        (Some((_, _, name, kind)), false) => (name.clone(), *kind),
        // mDNS and NBNS answers repeat the name in the record only.
        (None, false) => found
            .answers
            .first()
            .map(|r| (r.name.clone(), r.kind))
            .unwrap_or_default(),
    };
    let rcode = names::DNS_RCODES.or_number(u32::from(found.rcode));
    row.outcome = Some(if found.rcode == 0 {
        Outcome::Success
    } else {
        Outcome::Failure
    });
    summarise(found, &name, &rcode, &mut row.message);
    row.server_name = Some(name.clone());
    row.dns_rcode = Some(rcode);
    let mut fields = fields_of(row, 126)
        .str(member!("protocol"), protocol.name())
        .str(member!("qtype"), &kind_name(kind, protocol))
        .num(member!("id"), found.id);
    if let Some((first, last_ns, _, _)) = asked {
        fields.push_num(member!("rtt_us"), (seen.ts_ns - last_ns) / 1000);
        fields.push_num(member!("query_record"), first.record);
    } else {
        fields = fields.bool(member!("unasked"), true);
    }
    answer_fields(&mut fields, found, protocol);
    row.fields = fields.finish();
    name
}

fn summarise(found: &Message, name: &Text, rcode: &Text, out: &mut String) {
    let mut values = found
        .answers
        .iter()
        .filter(|r| matches!(r.kind, 1 | 28 | 5 | 12 | 32))
        .map(|r| r.value.as_str());
    match (values.next(), values.count()) {
        (Some(first), 0) => say(out, &[name.as_str(), ": ", rcode, ", ", first]),
        (Some(first), more) => {
            let mut digits = itoa::Buffer::new();
            let more = digits.format(more);
            say(
                out,
                &[name.as_str(), ": ", rcode, ", ", first, " and ", more, " more"],
            );
        }
        (None, _) => say(out, &[name.as_str(), ": ", rcode]),
    }
}

fn answer_fields(fields: &mut JsonObject, found: &Message, protocol: Protocol) {
    fields.push_list_of(member!("answers"), &found.answers, |text, answer| {
        let value = clean_text(answer.value.as_bytes(), 512);
        say(text, &[&kind_name(answer.kind, protocol), " ", &value]);
    });
    fields.push_list(member!("addresses"), found.addresses().map(Text::as_str));
    fields.push_list(
        member!("cname"),
        found
            .answers
            .iter()
            .filter(|r| r.kind == 5)
            .map(|r| r.value.as_str()),
    );
    for (name, set) in [
        (member!("truncated"), found.truncated),
        (member!("damaged"), found.damaged),
    ] {
        if set {
            fields.push_raw(name, "true");
        }
    }
}
