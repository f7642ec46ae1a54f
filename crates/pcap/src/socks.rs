//! SOCKS 4, 4a and 5: what was asked of the proxy, what it said, and then the protocol inside.
//!
//! Source: RFC 1928, 1929 and the SOCKS 4/4a notes. Passwords are skipped, user names kept out of rows.

use casetrace_model::{JsonObject, Outcome, Row, Text, member};

use crate::emit::{Cx, Seen, Tunnel, clean_text, host_name};
use crate::flow::End;
use crate::net::addr::Addr;

/// What to do after some bytes.
#[derive(Debug)]
pub(crate) enum Step {
    /// More SOCKS to come.
    Stay,
    /// The tunnel is open; so many bytes of the current ones were SOCKS, and these the client sent ahead.
    Tunnel(Tunnel, usize, Vec<u8>),
    /// Not SOCKS, or refused.
    Lost,
}

/// One SOCKS connection.
#[derive(Default)]
pub(crate) struct Socks {
    client: Vec<u8>,
    server: Vec<u8>,
    phase: Phase,
    request: Option<Request>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// Before the methods are agreed on.
    #[default]
    Greeting,
    /// A login or the request is due.
    Request,
    /// The answer to the request is due.
    Reply,
}

struct Request {
    row: Row,
    version: u8,
    command: u8,
    host: Text,
    port: u16,
}

/// Handshakes are short; more than this is something else.
const MAX_PENDING: usize = 1024;
const MAX_AHEAD: usize = 64 << 10;

/// True if `data` can be a client's first bytes.
pub(crate) fn looks_right(data: &[u8]) -> bool {
    match data {
        [5, count @ 1..=16, methods @ ..] => {
            methods.len() == usize::from(*count) && methods.iter().all(|m| matches!(m, 0..=9 | 0x80..=0x9f))
        }
        [4, 1 | 2, _, _, _, _, _, _, rest @ ..] => rest.last() == Some(&0) && rest.len() < 300,
        _ => false,
    }
}

impl Socks {
    pub(crate) fn data(&mut self, cx: &mut Cx<'_>, from_client: bool, seen: Seen, data: &[u8]) -> Step {
        let buf = if from_client {
            &mut self.client
        } else {
            &mut self.server
        };
        let before = buf.len();
        buf.extend_from_slice(data);
        // Bytes sent ahead of the reply belong to the protocol inside; a hello is enough of them.
        if buf.len()
            > if self.phase == Phase::Reply {
                MAX_AHEAD
            } else {
                MAX_PENDING
            }
        {
            return Step::Lost;
        }
        if from_client {
            self.client_bytes(cx, seen)
        } else {
            self.server_bytes(cx, before)
        }
    }

    fn client_bytes(&mut self, cx: &mut Cx<'_>, seen: Seen) -> Step {
        loop {
            let used = match (self.phase, self.client.first()) {
                (Phase::Greeting, Some(4)) => return self.request4(cx, seen),
                (Phase::Greeting, Some(5)) => {
                    let Some(count) = self.client.get(1) else {
                        return Step::Stay;
                    };
                    let len = 2 + usize::from(*count);
                    if self.client.len() < len {
                        return Step::Stay;
                    }
                    self.phase = Phase::Request;
                    len
                }
                // A login starts with its own version, 1.
                (Phase::Request, Some(1)) => {
                    let Some(len) = login_len(&self.client) else {
                        return Step::Stay;
                    };
                    self.phase = Phase::Request;
                    len
                }
                (Phase::Request, Some(5)) => return self.request5(cx, seen),
                (_, None) => return Step::Stay,
                // Data sent ahead of the reply.
                (Phase::Reply, _) => return Step::Stay,
                _ => return Step::Lost,
            };
            self.client.drain(..used);
        }
    }

    fn request4(&mut self, cx: &mut Cx<'_>, seen: Seen) -> Step {
        let Some([_, command, p0, p1, ip @ ..]) = self.client.first_chunk::<8>().copied() else {
            return Step::Stay;
        };
        let mut texts = self.client.get(8..).unwrap_or_default().split(|b| *b == 0);
        // User id, and for 4a (an address 0.0.0.x) the host name; each ends in a zero byte.
        let named = ip[..3] == [0, 0, 0] && ip[3] != 0;
        let zeros = self.client.iter().skip(8).filter(|b| **b == 0).count();
        if zeros < if named { 2 } else { 1 } {
            return Step::Stay;
        }
        let host = if named {
            clean_text(texts.nth(1).unwrap_or_default(), 255)
        } else {
            Addr::v4(ip).text()
        };
        self.ask(cx, seen, 4, command, host, u16::from_be_bytes([p0, p1]));
        self.client.clear();
        Step::Stay
    }

    fn request5(&mut self, cx: &mut Cx<'_>, seen: Seen) -> Step {
        let Some((command, host, port, len)) = address5(&self.client) else {
            return if self.client.len() > 300 {
                Step::Lost
            } else {
                Step::Stay
            };
        };
        self.ask(cx, seen, 5, command, host, port);
        self.client.drain(..len);
        Step::Stay
    }

    fn ask(&mut self, cx: &mut Cx<'_>, seen: Seen, version: u8, command: u8, host: Text, port: u16) {
        let mut row = cx.row("socks.request", seen, true);
        row.server_name = Some(host_name(&host));
        row.proxy = Some(cx.info.server.0.with_port(cx.info.server.1));
        row.url = Some(Text::from(format!("{host}:{port}")));
        cx.info.after = "socks_request";
        self.phase = Phase::Reply;
        self.request = Some(Request {
            row,
            version,
            command,
            host,
            port,
        });
    }

    fn server_bytes(&mut self, cx: &mut Cx<'_>, before: usize) -> Step {
        if self.phase != Phase::Reply {
            // Method choice and login answers: two bytes each.
            let pairs = self.server.len() / 2 * 2;
            if self.server.first_chunk::<2>() == Some(&[5, 0xff]) {
                return Step::Lost;
            }
            self.server.drain(..pairs);
            return Step::Stay;
        }
        // Answers to the greeting may come in the same segment as (or after) the request was seen.
        while matches!(
            self.server.as_slice(),
            [5, 0 | 2] | [5, 0 | 2, 5, ..] | [1, 0] | [1, 0, 5, ..]
        ) && self.server.get(2) != Some(&0)
        {
            self.server.drain(..2);
        }
        let Some(request) = &self.request else {
            return Step::Lost;
        };
        let (code, len) = match (request.version, self.server.as_slice()) {
            (4, [_, code, ..]) if self.server.len() >= 8 => (*code, 8),
            (5, [5, ..]) => match address5(&self.server) {
                Some((code, _, _, len)) => (code, len),
                None => return Step::Stay,
            },
            (_, bytes) if bytes.len() < 10 => return Step::Stay,
            _ => return Step::Lost,
        };
        let Some(request) = self.request.take() else {
            return Step::Lost;
        };
        let granted = code == if request.version == 4 { 90 } else { 0 };
        let host = request.host.clone();
        request.write(
            cx,
            Some(code),
            if granted {
                Outcome::Success
            } else {
                Outcome::Failure
            },
        );
        if !granted {
            return Step::Lost;
        }
        let (addr, port) = cx.info.server;
        let tunnel = Tunnel {
            proxy: addr.with_port(port),
            target: host_name(&host),
        };
        Step::Tunnel(
            tunnel,
            len.saturating_sub(before),
            std::mem::take(&mut self.client),
        )
    }

    /// The connection is over.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>, end: End) {
        if let Some(request) = self.request.take() {
            let outcome = match end {
                End::Reset { .. } => Outcome::Reset,
                End::Closed { .. } => Outcome::Failure,
                End::Idle { .. } => Outcome::Unknown,
            };
            request.write(cx, None, outcome);
        }
    }
}

impl Request {
    fn write(mut self, cx: &mut Cx<'_>, code: Option<u8>, outcome: Outcome) {
        let command = match self.command {
            1 => "connect",
            2 => "bind",
            3 => "udp_associate",
            _ => "other",
        };
        let mut fields = JsonObject::new()
            .num(member!("version"), self.version)
            .str(member!("command"), command)
            .num(member!("port"), self.port);
        if let Some(code) = code {
            fields.push_num(member!("reply"), code);
            fields.push_str(member!("reply_name"), reply_name(self.version, code));
        }
        self.row.message = format!("SOCKS{} {command} to {}:{}", self.version, self.host, self.port);
        self.row.outcome = Some(outcome);
        self.row.fields = fields.finish();
        cx.push(self.row);
    }
}

fn reply_name(version: u8, code: u8) -> &'static str {
    match (version, code) {
        (5, 0) | (4, 90) => "granted",
        (5, 1) => "general_failure",
        (5, 2) => "not_allowed",
        (5, 3) => "network_unreachable",
        (5, 4) => "host_unreachable",
        (5, 5) => "connection_refused",
        (5, 6) => "ttl_expired",
        (5, 7) => "command_not_supported",
        (5, 8) => "address_type_not_supported",
        (4, 91) => "rejected",
        (4, 92) => "identd_unreachable",
        (4, 93) => "identd_mismatch",
        _ => "other",
    }
}

fn login_len(data: &[u8]) -> Option<usize> {
    let user = usize::from(*data.get(1)?);
    let password = usize::from(*data.get(2 + user)?);
    let len = 3 + user + password;
    (data.len() >= len).then_some(len)
}

/// Command or reply code, host, port and length of a SOCKS 5 request or reply.
fn address5(data: &[u8]) -> Option<(u8, Text, u16, usize)> {
    let [_, code, _, kind] = *data.first_chunk::<4>()?;
    let (host, len) = match kind {
        1 => (Addr::v4(*data.get(4..)?.first_chunk()?).text(), 8),
        3 => {
            let name_len = usize::from(*data.get(4)?);
            (clean_text(data.get(5..5 + name_len)?, 255), 5 + name_len)
        }
        4 => (Addr::v6(*data.get(4..)?.first_chunk()?).text(), 20),
        _ => return None,
    };
    let port = u16::from_be_bytes(*data.get(len..)?.first_chunk::<2>()?);
    Some((code, host, port, len + 2))
}
