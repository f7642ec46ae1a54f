//! Which protocol a connection speaks, told by its first bytes, and where its bytes go then.
//!
//! Ports only break ties (DNS). A connection of unknown protocol is watched for a while: mail and database protocols
//! turn to TLS in the middle, and captures begin in the middle of conversations.

use crate::dns::tcp::DnsTcp;
use crate::emit::{Cx, FlowInfo, Seen, Tunnel};
use crate::flow::{End, Shared};
use crate::http::{Http, Next, head};
use crate::kerberos::KerberosTcp;
use crate::ldap::Ldap;
use crate::socks::{Socks, Step};
use crate::tls::{Tls, record};

/// Bytes of one direction that are looked at before the protocol counts as unknown.
const MAX_DETECT: usize = 64;
/// Segments of an unknown protocol that are watched for a start of TLS or HTTP.
const MAX_WATCHED: u32 = 200;

/// The protocol on top of one connection.
pub(crate) enum App {
    /// Too few bytes to tell.
    Detect(Option<Box<Detect>>),
    Tls(Box<Tls>),
    Http(Box<Http>),
    Dns(Box<DnsTcp>),
    Kerberos(Box<KerberosTcp>),
    Ldap(Box<Ldap>),
    Socks(Box<Socks>),
    /// Unknown, still watched; counts segments.
    Watched(u32),
    /// Nothing more to learn.
    Done,
}

impl Default for App {
    fn default() -> Self {
        Self::Detect(None)
    }
}

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
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Bytes kept for this connection, about; small fixed parts of others are not worth counting.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Tls(tls) => tls.held(),
            Self::Http(http) => http.held(),
            Self::Ldap(ldap) => ldap.held(),
            Self::Dns(_) | Self::Kerberos(_) | Self::Socks(_) => 2048,
            Self::Detect(Some(_)) => 256,
            Self::Detect(None) | Self::Watched(_) | Self::Done => 0,
        }
    }

    /// Takes stream bytes in order; true if client and server were mixed up so far.
    pub(crate) fn data(
        &mut self,
        shared: &mut Shared<'_>,
        info: &mut FlowInfo,
        from_client: bool,
        seen: Seen,
        data: &[u8],
    ) -> bool {
        let mut from_client = from_client;
        let mut flipped = false;
        let mut at = 0;
        // Each round either consumes the bytes or changes the protocol; four changes (SOCKS, CONNECT, CONNECT, TLS)
        // are more than any real connection has.
        for _ in 0..6 {
            let bytes = data.get(at..).unwrap_or_default();
            match self.round(shared, info, from_client, seen, bytes) {
                Round::Consumed => return flipped,
                Round::Again { used } => at = at.saturating_add(used),
                Round::Flip => {
                    std::mem::swap(&mut info.client, &mut info.server);
                    if let Self::Detect(Some(detect)) = self {
                        std::mem::swap(&mut detect.client, &mut detect.server);
                        std::mem::swap(&mut detect.client_seen, &mut detect.server_seen);
                    }
                    from_client = !from_client;
                    flipped = !flipped;
                }
            }
        }
        *self = Self::Done;
        flipped
    }

    fn round(
        &mut self,
        shared: &mut Shared<'_>,
        info: &mut FlowInfo,
        from_client: bool,
        seen: Seen,
        data: &[u8],
    ) -> Round {
        if data.is_empty() {
            return Round::Consumed;
        }
        match self {
            Self::Done => Round::Consumed,
            Self::Detect(_) => self.detect(shared, info, from_client, seen, data),
            Self::Watched(count) => {
                *count += 1;
                if *count > MAX_WATCHED {
                    *self = Self::Done;
                    return Round::Consumed;
                }
                self.watch(from_client, data)
            }
            Self::Tls(tls) => {
                let mut cx = Cx {
                    out: shared.out,
                    info,
                };
                if !tls.data(&mut cx, from_client, seen, data) {
                    *self = Self::Done;
                }
                Round::Consumed
            }
            Self::Http(http) => {
                let (next, used) = http.data(
                    &mut Cx {
                        out: shared.out,
                        info,
                    },
                    from_client,
                    seen,
                    data,
                );
                match next {
                    Next::Stay => return Round::Consumed,
                    Next::Tunnel(tunnel) => {
                        let ahead = http.take_ahead();
                        self.enter(info, tunnel);
                        for (at, bytes) in ahead {
                            self.data(shared, info, true, at, &bytes);
                        }
                    }
                    Next::Upgrade => *self = Self::Watched(0),
                    Next::Lost => *self = Self::Done,
                }
                Round::Again { used }
            }
            Self::Socks(socks) => match socks.data(
                &mut Cx {
                    out: shared.out,
                    info,
                },
                from_client,
                seen,
                data,
            ) {
                Step::Stay => Round::Consumed,
                Step::Tunnel(tunnel, used, ahead) => {
                    self.enter(info, tunnel);
                    if !ahead.is_empty() {
                        self.data(shared, info, true, seen, &ahead);
                    }
                    Round::Again { used }
                }
                Step::Lost => {
                    *self = Self::Done;
                    Round::Consumed
                }
            },
            Self::Dns(dns) => {
                let fine = dns.data(
                    &mut Cx {
                        out: shared.out,
                        info,
                    },
                    from_client,
                    seen,
                    data,
                );
                self.done_unless(fine)
            }
            Self::Kerberos(kerberos) => {
                let fine = kerberos.data(
                    &mut Cx {
                        out: shared.out,
                        info,
                    },
                    from_client,
                    seen,
                    data,
                );
                self.done_unless(fine)
            }
            Self::Ldap(ldap) => {
                if ldap.data(
                    &mut Cx {
                        out: shared.out,
                        info,
                    },
                    from_client,
                    seen,
                    data,
                ) {
                    Round::Consumed
                } else {
                    // StartTLS, or sealed buffers.
                    *self = Self::Watched(0);
                    if record::is_client_hello(data) {
                        self.watch(from_client, data)
                    } else {
                        Round::Consumed
                    }
                }
            }
        }
    }

    fn done_unless(&mut self, fine: bool) -> Round {
        if !fine {
            *self = Self::Done;
        }
        Round::Consumed
    }

    fn enter(&mut self, info: &mut FlowInfo, tunnel: Tunnel) {
        if !tunnel.target.is_empty() {
            info.server_name = Some(tunnel.target.clone());
        }
        info.after = "tunnel";
        info.tunnel = Some(Box::new(tunnel));
        *self = Self::default();
    }

    fn detect(
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
    fn watch(&mut self, from_client: bool, data: &[u8]) -> Round {
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

    /// Bytes of one direction are missing.
    pub(crate) fn gap(&mut self, shared: &mut Shared<'_>, info: &mut FlowInfo, from_client: bool, lost: u64) {
        let cx = &mut Cx {
            out: shared.out,
            info,
        };
        match self {
            Self::Detect(None) => *self = Self::Watched(0),
            Self::Tls(tls) => tls.gap(cx, from_client),
            Self::Http(http) => http.gap(cx, from_client, lost),
            Self::Dns(_) | Self::Kerberos(_) | Self::Ldap(_) | Self::Socks(_) => *self = Self::Watched(0),
            _ => {}
        }
    }

    /// The connection is over.
    pub(crate) fn end(&mut self, shared: &mut Shared<'_>, info: &mut FlowInfo, end: End) {
        let mut cx = Cx {
            out: shared.out,
            info,
        };
        match self {
            Self::Tls(tls) => tls.end(&mut cx, end),
            Self::Http(http) => {
                http.end(&mut cx);
                // Only the client's half was captured, or the proxy never spoke: the hello still tells where to.
                if let Some((tunnel, ahead)) = http.unanswered_tunnel(cx.info) {
                    self.enter(info, tunnel);
                    for (at, bytes) in ahead {
                        self.data(shared, info, true, at, &bytes);
                    }
                    self.end(shared, info, end);
                }
            }
            Self::Dns(dns) => dns.end(&mut cx),
            Self::Socks(socks) => socks.end(&mut cx, end),
            Self::Ldap(ldap) => ldap.end(&mut cx),
            Self::Detect(Some(detect)) => detect.end(shared, info, end),
            _ => {}
        }
    }
}

enum Round {
    Consumed,
    /// The protocol changed; offer the bytes behind the first `used` again.
    Again {
        used: usize,
    },
    Flip,
}

impl Detect {
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
    fn end(&mut self, shared: &mut Shared<'_>, info: &mut FlowInfo, end: End) {
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
