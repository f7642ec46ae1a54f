//! HTTP/1 conversations: requests and responses paired, tunnels handed over.
//!
//! Source: RFC 9110, 9112; CONNECT and 407 as proxies do them. A response's row repeats what its request was about,
//! so that a rule can work on one row. After a gap the reader waits for the next start line.

pub(crate) mod auth;
pub(crate) mod body;
mod date;
pub(crate) mod fields;
pub(crate) mod head;
pub(crate) mod inflate;
mod reply;
pub(crate) mod rows;
mod side;

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::emit::{Cx, FlowInfo, Seen, Tunnel};
use body::{Body, Sample};
use fields::Asked;
use head::Head;
use reply::Reply;
use rows::Request;
use side::{Side, Taken};

/// Samples of bodies whose memory is kept for the next ones.
const MAX_SPARE: usize = 16;

/// Requests waiting for their response on one connection.
const MAX_PIPELINED: usize = 64;

/// What the connection turns into.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// More HTTP.
    Stay,
    /// A tunnel from here on; these bytes of the current direction are its first.
    Tunnel(Tunnel),
    /// Another protocol after an upgrade; its bytes are not read.
    Upgrade,
    /// Not HTTP.
    Lost,
}

/// Bytes, and pieces of them, that a client sends into a tunnel before the proxy has agreed to it.
const MAX_AHEAD: usize = 64 << 10;
const MAX_AHEAD_PIECES: usize = 64;

/// Bytes of the client with the packet each piece came in.
pub(crate) type Ahead = Vec<(Seen, Vec<u8>)>;

/// One HTTP connection.
#[derive(Default)]
pub(crate) struct Http {
    client: Side,
    server: Side,
    waiting: VecDeque<Request>,
    reply: Option<Reply>,
    request_body: Option<KerberosBody>,
    /// What the client sent behind a CONNECT that is not answered yet: a hello that does not wait.
    ahead: Ahead,
    ahead_bytes: usize,
}

/// A Kerberos proxy message on its way up (MS-KKDCP).
struct KerberosBody {
    seen: Seen,
    sample: Sample,
}

impl Http {
    /// Takes new bytes; returns what the connection turns into, and how many bytes were taken.
    pub(crate) fn data(
        &mut self,
        cx: &mut Cx<'_>,
        from_client: bool,
        seen: Seen,
        data: &[u8],
    ) -> (Next, usize) {
        let mut at = 0;
        while at < data.len() {
            let rest = data.get(at..).unwrap_or_default();
            let (next, used) = if from_client {
                self.client_step(cx, seen, rest)
            } else {
                self.server_step(cx, seen, rest)
            };
            at = at.saturating_add(used).min(data.len());
            if next != Next::Stay {
                return (next, at);
            }
            if used == 0 {
                break;
            }
        }
        (Next::Stay, data.len())
    }

    fn client_step(&mut self, cx: &mut Cx<'_>, seen: Seen, data: &[u8]) -> (Next, usize) {
        if !self.client.body.is_over() {
            let mut unused = Sample::default();
            let sample = self.request_body.as_mut().map_or(&mut unused, |b| &mut b.sample);
            let used = self.client.body.take(data, sample);
            if self.client.body.is_over() {
                self.kerberos_request(cx);
            }
            return (Next::Stay, used);
        }
        if self.runs_ahead(data) {
            self.keep_ahead(seen, data);
            return (Next::Stay, data.len());
        }
        let (bytes, used) = match self.client.head(data, seen, true) {
            Ok(Taken::More(used)) => return (Next::Stay, used),
            Ok(Taken::Here(end)) => (Cow::Borrowed(data.get(..end).unwrap_or_default()), end),
            Ok(Taken::Joined(bytes, used)) => (Cow::Owned(bytes), used),
            Err(next) => return (next, data.len()),
        };
        if let Some(head) = head::parse(&bytes, true, &mut cx.out.memo.field_names) {
            self.request(cx, &head, self.client.seen);
        }
        (Next::Stay, used)
    }

    fn request(&mut self, cx: &mut Cx<'_>, head: &Head<'_>, seen: Seen) {
        let request = rows::request(cx, head, seen);
        self.client.body = request_body(head);
        if request.kerberos && !self.client.body.is_over() {
            let sample = Sample::new(true, None);
            self.request_body = Some(KerberosBody { seen, sample });
        }
        cx.info.after = "http_request";
        if self.waiting.len() < MAX_PIPELINED {
            // Mostly one at a time; a queue that grows by itself begins with room for four.
            if self.waiting.is_empty() {
                self.waiting.reserve_exact(1);
            }
            self.waiting.push_back(request);
        }
    }

    /// True for bytes that can only be meant for the other end of the tunnel asked for.
    fn runs_ahead(&self, data: &[u8]) -> bool {
        let asked = self.waiting.back().is_some_and(|r| r.method == "CONNECT");
        asked && self.client.buf.is_empty() && (!self.ahead.is_empty() || !starts_message(data))
    }

    fn keep_ahead(&mut self, seen: Seen, data: &[u8]) {
        self.ahead_bytes += data.len();
        if self.ahead_bytes <= MAX_AHEAD && self.ahead.len() < MAX_AHEAD_PIECES {
            self.ahead.push((seen, data.to_vec()));
        }
    }

    /// The client's bytes for the tunnel that was just agreed to.
    pub(crate) fn take_ahead(&mut self) -> Ahead {
        self.ahead_bytes = 0;
        std::mem::take(&mut self.ahead)
    }

    /// A tunnel that was asked for and used, but not answered.
    pub(crate) fn unanswered_tunnel(&mut self, info: &FlowInfo) -> Option<(Tunnel, Ahead)> {
        let asked = self.waiting.back().filter(|r| r.method == "CONNECT")?;
        let tunnel = tunnel(info, asked);
        let ahead = self.take_ahead();
        (!ahead.is_empty()).then_some((tunnel, ahead))
    }

    fn kerberos_request(&mut self, cx: &mut Cx<'_>) {
        if let Some(body) = self.request_body.take() {
            crate::kerberos::proxied(cx, true, body.seen, body.sample.raw());
        }
    }

    fn server_step(&mut self, cx: &mut Cx<'_>, seen: Seen, data: &[u8]) -> (Next, usize) {
        if !self.server.body.is_over() {
            let mut unused = Sample::default();
            let sample = self.reply.as_mut().map_or(&mut unused, |r| &mut r.sample);
            let used = self.server.body.take(data, sample);
            if self.server.body.is_over() || self.reply.as_ref().is_some_and(|r| r.sample.is_full()) {
                self.finish_reply(cx);
            }
            return (Next::Stay, used);
        }
        let (bytes, used) = match self.server.head(data, seen, false) {
            Ok(Taken::More(used)) => return (Next::Stay, used),
            Ok(Taken::Here(end)) => (Cow::Borrowed(data.get(..end).unwrap_or_default()), end),
            Ok(Taken::Joined(bytes, used)) => (Cow::Owned(bytes), used),
            Err(next) => return (next, data.len()),
        };
        let Some(head) = head::parse(&bytes, false, &mut cx.out.memo.field_names) else {
            return (Next::Stay, used);
        };
        (self.response(cx, &head, self.server.seen), used)
    }

    fn response(&mut self, cx: &mut Cx<'_>, head: &Head<'_>, seen: Seen) -> Next {
        cx.info.after = "http_response";
        let interim = (100..200).contains(&head.status) && head.status != 101;
        let request = if interim {
            self.waiting.front().cloned()
        } else {
            self.waiting.pop_front()
        };
        let connect = request.as_ref().is_some_and(|r| r.method == "CONNECT");
        let tunnel = connect && (200..300).contains(&head.status);
        if connect && !tunnel && !interim {
            // Refused: what was sent ahead went nowhere.
            self.take_ahead();
        }
        self.server.body = if interim || tunnel {
            Body::None
        } else {
            response_body(head, request.as_ref())
        };
        let upgrade = head.status == 101;
        let into = request
            .as_ref()
            .filter(|_| tunnel)
            .map(|r| self::tunnel(cx.info, r));
        let kerberos = request.as_ref().is_some_and(|r| r.kerberos);
        let memory = cx.out.memo.samples.pop().unwrap_or_default();
        let sample = Sample::new(kerberos, head.field(Asked::ContentType)).within(memory);
        self.reply = Some(Reply::new(cx, head, request, seen, sample));
        if self.server.body.is_over() {
            self.finish_reply(cx);
        }
        if let Some(tunnel) = into {
            return Next::Tunnel(tunnel);
        }
        if upgrade { Next::Upgrade } else { Next::Stay }
    }

    /// True if the next `bytes` of a direction are of a body of which enough is known. A hole in bodies of other framing
    /// would end them.
    pub(crate) fn skips(&self, from_client: bool, bytes: u64) -> bool {
        let (side, sampled) = match from_client {
            true => (&self.client, self.request_body.is_some()),
            false => (&self.server, self.reply.is_some()),
        };
        !sampled && matches!(side.body, Body::Length(left) if bytes <= left)
    }

    fn finish_reply(&mut self, cx: &mut Cx<'_>) {
        let Some(reply) = self.reply.take() else { return };
        let kerberos = reply.is_kerberos();
        let sample = reply.row(cx);
        if let Some(seen) = kerberos {
            crate::kerberos::proxied(cx, false, seen, sample.raw());
        }
        let (memory, spare) = (sample.into_memory(), &mut cx.out.memo.samples);
        if memory.capacity() > 0 && spare.len() < MAX_SPARE {
            spare.push(memory);
        }
    }

    /// Bytes kept, about.
    pub(crate) fn held(&self) -> usize {
        let body = |sample: &Sample| sample.raw().len();
        let bodies = self.reply.as_ref().map_or(0, |r| 2048 + body(&r.sample));
        let request = self.request_body.as_ref().map_or(0, |b| body(&b.sample));
        1024 + self.client.buf.capacity()
            + self.server.buf.capacity()
            + self.waiting.len() * 512
            + self.ahead_bytes.min(MAX_AHEAD)
            + bodies
            + request
    }

    /// Bytes are missing; `lost` is how many, if that is known.
    pub(crate) fn gap(&mut self, cx: &mut Cx<'_>, from_client: bool, lost: u64) {
        if !from_client {
            self.finish_reply(cx);
        }
        let side = if from_client {
            &mut self.client
        } else {
            &mut self.server
        };
        let (bytes, seen) = (std::mem::take(&mut side.buf), side.seen);
        side.gap(lost);
        if from_client && !self.ahead.is_empty() {
            // What follows the hole can't be joined to what is kept.
            self.ahead_bytes = MAX_AHEAD;
        }
        self.cut_head(cx, from_client, &bytes, seen);
    }

    /// The connection ended.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>) {
        self.finish_reply(cx);
        self.kerberos_request(cx);
        for from_client in [true, false] {
            let side = if from_client {
                &mut self.client
            } else {
                &mut self.server
            };
            let (bytes, seen) = (std::mem::take(&mut side.buf), side.seen);
            self.cut_head(cx, from_client, &bytes, seen);
        }
    }

    /// A head cut by the snap length or the end of the capture still has its start line.
    fn cut_head(&mut self, cx: &mut Cx<'_>, from_client: bool, bytes: &[u8], seen: Seen) {
        let Some(head) = head::parse_cut(bytes, from_client, &mut cx.out.memo.field_names) else {
            return;
        };
        if from_client {
            let request = rows::request(cx, &head, seen);
            self.waiting.push_back(request);
        } else {
            self.response(cx, &head, seen);
            self.finish_reply(cx);
            self.server.body = Body::None;
        }
    }
}

fn tunnel(info: &FlowInfo, connect: &Request) -> Tunnel {
    let (addr, port) = info.server;
    Tunnel {
        proxy: addr.with_port(port),
        target: connect.server_name.clone().unwrap_or_default(),
    }
}

/// True for the start of a request, or for the empty lines some clients send in front of one.
fn starts_message(data: &[u8]) -> bool {
    head::starts_request(data) || matches!(data.first(), Some(b'\r' | b'\n'))
}

fn request_body(head: &Head<'_>) -> Body {
    framed(head).unwrap_or(Body::None)
}

fn framed(head: &Head<'_>) -> Option<Body> {
    if head.has_token(Asked::TransferEncoding, "chunked") {
        return Some(Body::chunked());
    }
    let length = head.field(Asked::ContentLength)?;
    // Repeated values ("5, 5") count once.
    length.split(',').next()?.trim().parse().ok().map(Body::Length)
}

fn response_body(head: &Head<'_>, request: Option<&Request>) -> Body {
    let without = matches!(head.status, 204 | 304 | 101) || request.is_some_and(|r| r.method == "HEAD");
    if without {
        return Body::None;
    }
    framed(head).unwrap_or(Body::UntilClose)
}
