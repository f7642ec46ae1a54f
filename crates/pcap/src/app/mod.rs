//! Which protocol a connection speaks, told by its first bytes, and where its bytes go then.
//!
//! Ports only break ties (DNS). A connection of unknown protocol is watched for a while: mail and database protocols
//! turn to TLS in the middle, and captures begin in the middle of conversations.

mod detect;

use crate::dns::tcp::DnsTcp;
use crate::emit::{Cx, FlowInfo, Seen, Tunnel};
use crate::flow::{End, Shared};
use crate::http::{Http, Next};
use crate::kerberos::KerberosTcp;
use crate::ldap::Ldap;
use crate::socks::{Socks, Step};
use crate::tls::{Tls, record};
use detect::Detect;

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

impl App {
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// True if nobody will look at the next `bytes` of a direction, whatever comes or is missing among them.
    pub(crate) fn skips(&self, from_client: bool, bytes: u64) -> bool {
        matches!(self, Self::Http(http) if http.skips(from_client, bytes))
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
                    info.flip();
                    if let Self::Detect(Some(detect)) = self {
                        detect.flip();
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
        let fine = match self {
            Self::Done => true,
            Self::Detect(_) => return self.detect(shared, info, from_client, seen, data),
            Self::Watched(count) => {
                *count += 1;
                if *count <= MAX_WATCHED {
                    return self.watch(from_client, data);
                }
                false
            }
            Self::Http(_) => return self.http(shared, info, from_client, seen, data),
            Self::Socks(_) => return self.socks(shared, info, from_client, seen, data),
            Self::Ldap(_) => return self.ldap(shared, info, from_client, seen, data),
            Self::Tls(tls) => tls.data(&mut cx(shared, info), from_client, seen, data),
            Self::Dns(dns) => dns.data(&mut cx(shared, info), from_client, seen, data),
            Self::Kerberos(kerberos) => kerberos.data(&mut cx(shared, info), from_client, seen, data),
        };
        if !fine {
            *self = Self::Done;
        }
        Round::Consumed
    }

    fn http(
        &mut self,
        shared: &mut Shared<'_>,
        info: &mut FlowInfo,
        from_client: bool,
        seen: Seen,
        data: &[u8],
    ) -> Round {
        let Self::Http(http) = self else {
            return Round::Consumed;
        };
        let (next, used) = http.data(&mut cx(shared, info), from_client, seen, data);
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

    fn socks(
        &mut self,
        shared: &mut Shared<'_>,
        info: &mut FlowInfo,
        from_client: bool,
        seen: Seen,
        data: &[u8],
    ) -> Round {
        let Self::Socks(socks) = self else {
            return Round::Consumed;
        };
        match socks.data(&mut cx(shared, info), from_client, seen, data) {
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
        }
    }

    fn ldap(
        &mut self,
        shared: &mut Shared<'_>,
        info: &mut FlowInfo,
        from_client: bool,
        seen: Seen,
        data: &[u8],
    ) -> Round {
        let Self::Ldap(ldap) = self else {
            return Round::Consumed;
        };
        if ldap.data(&mut cx(shared, info), from_client, seen, data) {
            return Round::Consumed;
        }
        // StartTLS, or sealed buffers.
        *self = Self::Watched(0);
        if record::is_client_hello(data) {
            self.watch(from_client, data)
        } else {
            Round::Consumed
        }
    }

    fn enter(&mut self, info: &mut FlowInfo, tunnel: Tunnel) {
        if !tunnel.target.is_empty() {
            info.server_name = Some(tunnel.target.clone());
        }
        info.after = "tunnel";
        info.tunnel = Some(Box::new(tunnel));
        *self = Self::default();
    }

    /// Bytes of one direction are missing.
    pub(crate) fn gap(&mut self, shared: &mut Shared<'_>, info: &mut FlowInfo, from_client: bool, lost: u64) {
        let cx = &mut cx(shared, info);
        match self {
            Self::Detect(None) => *self = Self::Watched(0),
            Self::Tls(tls) => tls.gap(cx, from_client),
            Self::Http(http) => http.gap(cx, from_client, lost),
            Self::Dns(dns) => {
                dns.gap(cx);
                *self = Self::Watched(0);
            }
            Self::Kerberos(_) | Self::Ldap(_) | Self::Socks(_) => *self = Self::Watched(0),
            _ => {}
        }
    }

    /// The connection is over.
    pub(crate) fn end(&mut self, shared: &mut Shared<'_>, info: &mut FlowInfo, end: End) {
        let mut cx = cx(shared, info);
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

fn cx<'a>(shared: &'a mut Shared<'_>, info: &'a mut FlowInfo) -> Cx<'a> {
    Cx {
        out: shared.out,
        info,
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
