//! Which protocol a connection speaks, told by its first bytes; and later, if it turned to another.

use super::{App, Round};
use crate::emit::{FlowInfo, Seen};
use crate::flow::{End, Shared};
use crate::http::head;
use crate::tls::record;

/// Bytes of one direction that are looked at before the protocol counts as unknown.
const MAX_DETECT: usize = 64;

/// First bytes of both directions.
#[derive(Default)]
pub(crate) struct Detect {
    client: Vec<u8>,
    server: Vec<u8>,
    client_seen: Seen,
    server_seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Tls,
    Http,
    Dns,
    Kerberos,
    Ldap,
    Socks,
    More,
    Unknown,
}

impl App {
    pub(super) fn detect(
        &mut self,
        shared: &mut Shared<'_>,
        info: &mut FlowInfo,
        from_client: bool,
        seen: Seen,
        data: &[u8],
    ) -> Round {
        let Self::Detect(held) = self else {
            return Round::Consumed;
        };
        let before = held
            .as_ref()
            .map_or(&[][..], |d| if from_client { &d.client } else { &d.server });
        let verdict = if before.is_empty() {
            if is_backwards(data, from_client) {
                return Round::Flip;
            }
            probe(data, from_client, info)
        } else {
            let mut joined = before.to_vec();
            joined.extend_from_slice(data.get(..MAX_DETECT).unwrap_or(data));
            probe(&joined, from_client, info)
        };
        if verdict == Verdict::More && before.len() + data.len() < MAX_DETECT {
            held.get_or_insert_default().hold(from_client, seen, data);
            return Round::Consumed;
        }
        let early = held.take();
        *self = fresh(verdict);
        // What was held back goes first; the current bytes follow in the next round.
        if let Some(early) = early {
            for (side, bytes, at) in [
                (true, early.client, early.client_seen),
                (false, early.server, early.server_seen),
            ] {
                if !bytes.is_empty() {
                    self.data(shared, info, side, at, &bytes);
                }
            }
        }
        Round::Again { used: 0 }
    }

    /// Looks for a start of TLS or HTTP in the middle of an unknown conversation.
    pub(super) fn watch(&mut self, from_client: bool, data: &[u8]) -> Round {
        if record::is_client_hello(data) {
            *self = Self::Tls(Box::default());
            return if from_client {
                Round::Again { used: 0 }
            } else {
                Round::Flip
            };
        }
        if crate::kerberos::looks_right_tcp(data) {
            *self = Self::Kerberos(Box::default());
            return Round::Again { used: 0 };
        }
        if crate::ldap::looks_right(data) {
            *self = Self::Ldap(Box::default());
            return Round::Again { used: 0 };
        }
        let request = data.first().is_some_and(u8::is_ascii_uppercase) && is_request_line(data);
        if request || head::starts_response(data) && data.len() > 12 {
            *self = Self::Http(Box::default());
            return if from_client == request {
                Round::Again { used: 0 }
            } else {
                Round::Flip
            };
        }
        Round::Consumed
    }
}

impl Detect {
    /// The sides were taken for each other.
    pub(super) fn flip(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
        std::mem::swap(&mut self.client_seen, &mut self.server_seen);
    }

    fn hold(&mut self, from_client: bool, seen: Seen, data: &[u8]) {
        let (buf, at) = if from_client {
            (&mut self.client, &mut self.client_seen)
        } else {
            (&mut self.server, &mut self.server_seen)
        };
        if buf.is_empty() {
            *at = seen;
        }
        buf.extend_from_slice(data);
    }

    /// A connection that ended within its first bytes: a hello cut by the snap length is still worth a look.
    pub(super) fn end(&mut self, shared: &mut Shared<'_>, info: &mut FlowInfo, end: End) {
        let (client, seen) = (std::mem::take(&mut self.client), self.client_seen);
        let mut app = match probe_whole(&client) {
            Verdict::Tls => App::Tls(Box::default()),
            Verdict::Http => App::Http(Box::default()),
            _ => return,
        };
        app.data(shared, info, true, seen, &client);
        app.end(shared, info, end);
    }
}

fn fresh(verdict: Verdict) -> App {
    match verdict {
        Verdict::Tls => App::Tls(Box::default()),
        Verdict::Http => App::Http(Box::default()),
        Verdict::Dns => App::Dns(Box::default()),
        Verdict::Kerberos => App::Kerberos(Box::default()),
        Verdict::Ldap => App::Ldap(Box::default()),
        Verdict::Socks => App::Socks(Box::default()),
        Verdict::More | Verdict::Unknown => App::Watched(0),
    }
}

/// A client's opening coming from what was taken for the server, or the other way round.
fn is_backwards(data: &[u8], from_client: bool) -> bool {
    if from_client {
        head::starts_response(data) && data.len() > 12
    } else {
        record::is_client_hello(data) || is_request_line(data)
    }
}

/// A whole word of a method and `HTTP/1.` in the first line (as far as it was captured).
fn is_request_line(data: &[u8]) -> bool {
    if !head::starts_request(data) || !data.contains(&b' ') {
        return false;
    }
    let line = data.split(|b| *b == b'\n').next().unwrap_or_default();
    line.windows(7).any(|w| w == b"HTTP/1.")
}

fn probe(data: &[u8], from_client: bool, info: &FlowInfo) -> Verdict {
    if record::is_record(data) || record::is_ssl2_hello(data) {
        return Verdict::Tls;
    }
    if head::starts_request(data) && from_client || head::starts_response(data) {
        return Verdict::Http;
    }
    let dns = [53, 5353, 5355].contains(&info.server.1) || [53, 5353, 5355].contains(&info.client.1);
    if dns && crate::dns::tcp::looks_right(data) {
        return Verdict::Dns;
    }
    if crate::kerberos::looks_right_tcp(data) {
        return Verdict::Kerberos;
    }
    if crate::ldap::looks_right(data) {
        return Verdict::Ldap;
    }
    if from_client && crate::socks::looks_right(data) {
        return Verdict::Socks;
    }
    // Short prefixes of anything above.
    if data.len() < 11 && could_grow(data) {
        Verdict::More
    } else {
        Verdict::Unknown
    }
}

fn could_grow(data: &[u8]) -> bool {
    matches!(
        data.first(),
        Some(0 | 4 | 5 | 20..=23 | 0x30 | 0x80..=0x9f | b'A'..=b'Z')
    )
}

fn probe_whole(data: &[u8]) -> Verdict {
    match data {
        [22, 3, ..] => Verdict::Tls,
        _ if head::starts_request(data) => Verdict::Http,
        _ => Verdict::Unknown,
    }
}
