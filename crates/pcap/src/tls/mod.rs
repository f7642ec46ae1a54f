//! TLS sessions: hellos, certificates and alerts as rows, and how a ClientHello ended.
//!
//! Source: RFC 8446, 5246. A ClientHello's row waits until what followed is known: an answer, an alert, a reset, a
//! close, or silence. Limits: one handshake message up to 256 KiB; protected records are walked over.

pub(crate) mod cert;
pub(crate) mod hello;
pub(crate) mod ja;
pub(crate) mod offer;
pub(crate) mod record;
pub(crate) mod rows;
pub(crate) mod waiting;

use casetrace_model::{Outcome, Text, member};

use crate::emit::{Cx, Seen};
use crate::flow::End;
use record::{Found, Records};
use waiting::Waiting;

/// Silence of this length after a ClientHello counts as a timeout.
pub(crate) const SILENCE_NS: i64 = 5_000_000_000;

/// A client that hangs up after this long without an answer gave up waiting.
const GAVE_UP_NS: i64 = 900_000_000;

/// One TLS session over TCP.
#[derive(Default)]
pub(crate) struct Tls {
    client: Records,
    server: Records,
    state: State,
}

#[derive(Default)]
struct State {
    pending: Option<Box<Waiting>>,
    server_name: Option<Text>,
    session_id: Vec<u8>,
    ticket: bool,
    retry: bool,
    tls13: bool,
    answered: bool,
    client_data: bool,
    server_data: bool,
    client_protected_records: u32,
    certificate_requested: bool,
}

impl Tls {
    /// Takes new bytes; false if this is not TLS (any more) and need not be called again.
    pub(crate) fn data(&mut self, cx: &mut Cx<'_>, from_client: bool, seen: Seen, data: &[u8]) -> bool {
        let Self {
            client,
            server,
            state,
        } = self;
        let side = if from_client { client } else { server };
        if from_client
            && !side.any
            && record::is_ssl2_hello(data)
            && let Some(found) = hello::parse_ssl2_hello(data.get(2..).unwrap_or_default())
        {
            state.client_hello(cx, &found, seen, true);
            return true;
        }
        side.feed(data, seen, |protected, found| {
            state.found(cx, from_client, protected, found)
        });
        if !from_client && side.lost && !side.any {
            // An answer that is not TLS: a block page, or a server of another protocol.
            state.settle(cx, Outcome::Failure, Some("not_tls"));
        }
        !self.done()
    }

    /// Bytes of one direction are missing.
    pub(crate) fn gap(&mut self, cx: &mut Cx<'_>, from_client: bool) {
        let Self {
            client,
            server,
            state,
        } = self;
        let side = if from_client { client } else { server };
        let cut = side.salvage(|protected, found| state.found(cx, from_client, protected, found));
        if let Some((kind, body, seen)) = cut {
            state.cut_message(cx, kind, &body, seen, from_client);
        }
    }

    /// Bytes kept, about.
    pub(crate) fn held(&self) -> usize {
        let waiting = if self.state.pending.is_some() { 4096 } else { 512 };
        waiting + self.client.held() + self.server.held()
    }

    fn done(&self) -> bool {
        let over = |side: &Records| side.lost || side.protected;
        let quiet = self.state.client_data && self.state.server_data;
        self.state.pending.is_none()
            && (quiet || (self.client.lost && self.server.lost))
            && over(&self.client)
            && over(&self.server)
    }

    /// The connection is over, or given up.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>, end: End) {
        for from_client in [true, false] {
            self.gap(cx, from_client);
        }
        self.state.settle_at_end(cx, end);
    }
}

impl State {
    fn found(&mut self, cx: &mut Cx<'_>, from_client: bool, protected: &mut bool, found: Found<'_>) {
        match found {
            Found::Handshake { kind, body, seen } => {
                self.handshake(cx, from_client, protected, kind, body, seen);
            }
            Found::Alert { level, code, seen } => self.alert(cx, from_client, level, code, seen),
            Found::ChangeCipher => {
                cx.info.after = "change_cipher";
                // Around a HelloRetryRequest it is sent for show only, and clear messages follow.
                *protected = !self.retry;
            }
            Found::Protected { content, len, seen } => self.protected(cx, from_client, content, len, seen),
        }
    }

    fn handshake(
        &mut self,
        cx: &mut Cx<'_>,
        from_client: bool,
        protected: &mut bool,
        kind: u8,
        body: &[u8],
        seen: Seen,
    ) {
        match (kind, from_client) {
            (1, _) => {
                let mut found = std::mem::take(&mut cx.out.memo.hello);
                if found.read(body) {
                    self.client_hello(cx, &found, seen, from_client);
                }
                cx.out.memo.hello = found;
            }
            (2, _) => {
                if let Some(found) = hello::parse_server_hello(body) {
                    self.server_hello(cx, &found, seen, from_client);
                    self.tls13 = found.chosen_version == 0x0304 || found.chosen_version >> 8 == 0x7f;
                    *protected = self.tls13 && !found.hello_retry;
                }
            }
            (11, _) => self.certificate(cx, body, seen, from_client),
            (13, _) => {
                self.certificate_requested = true;
                let row = rows::certificate_request(cx, body, seen, self.server_name.as_ref(), from_client);
                cx.push(row);
            }
            _ => {}
        }
    }

    fn client_hello(&mut self, cx: &mut Cx<'_>, found: &hello::ClientHello, seen: Seen, from_client: bool) {
        cx.info.after = "client_hello";
        if let Some(old) = self.pending.take() {
            finish(*old, cx, Outcome::Unknown, None);
        }
        self.server_name = found.server_name.as_deref().map(crate::emit::host_name);
        if self.server_name.is_some() {
            cx.info.server_name.clone_from(&self.server_name);
        }
        self.session_id.clone_from(&found.session_id);
        self.ticket = found.ticket;
        let waiting = Waiting::new(cx, found, self.server_name.clone(), 't', seen, from_client);
        self.pending = Some(Box::new(waiting));
    }

    fn server_hello(&mut self, cx: &mut Cx<'_>, found: &hello::ServerHello, seen: Seen, from_client: bool) {
        cx.info.after = "server_hello";
        self.answered = true;
        self.retry = found.hello_retry;
        let resumed = found.psk
            || (!self.session_id.is_empty()
                && self.session_id == found.session_id
                && found.chosen_version < 0x0304);
        if let Some(mut pending) = self.pending.take() {
            let answer_ms = (seen.ts_ns - pending.seen.ts_ns) / 1_000_000;
            let fields = pending.fields();
            fields.push_raw(member!("session_resumed"), if resumed { "true" } else { "false" });
            fields.push_num(member!("answer_ms"), answer_ms);
            finish(*pending, cx, Outcome::Success, None);
        }
        rows::server_hello(cx, found, seen, self.server_name.as_ref(), from_client);
    }

    fn certificate(&mut self, cx: &mut Cx<'_>, body: &[u8], seen: Seen, from_client: bool) {
        let known = &mut cx.out.memo.certificates;
        let chain: Vec<_> = cert::certificate_list(body).map(|der| known.get(der)).collect();
        if from_client {
            let row = rows::client_certificate(cx, &chain, seen, self.server_name.as_ref());
            cx.push(row);
        } else if !chain.is_empty() {
            cx.info.after = "certificate";
            let row = rows::certificate(cx, &chain, seen, self.server_name.as_ref());
            cx.push(row);
        }
    }

    fn alert(&mut self, cx: &mut Cx<'_>, from_client: bool, level: u8, code: u8, seen: Seen) {
        let (name, fatal) = (crate::names::TLS_ALERTS.or_number(u32::from(code)), level == 2);
        if !from_client || fatal {
            // A warning from the server (unrecognized_name) may precede its hello.
            if fatal {
                self.settle(cx, Outcome::Failure, Some(&name));
            }
        }
        cx.info.after = "alert";
        let row = rows::alert(
            cx,
            &name,
            level,
            code,
            seen,
            self.server_name.as_ref(),
            from_client,
        );
        cx.push(row);
    }

    fn protected(&mut self, cx: &mut Cx<'_>, from_client: bool, content: u8, len: usize, seen: Seen) {
        let before_data = !self.client_data && !self.server_data;
        match content {
            21 if before_data && self.answered => {
                let row = rows::protected_alert(cx, seen, self.server_name.as_ref(), from_client, false);
                cx.push(row);
            }
            23 if self.tls13 && from_client => {
                self.client_protected_records += 1;
                // Two alert bytes, the content type and a 16-byte tag. The client's first protected record is
                // otherwise its certificate or Finished, both longer.
                if self.client_protected_records == 1 && len == 19 {
                    cx.info.after = "alert";
                    let row = rows::protected_alert(cx, seen, self.server_name.as_ref(), from_client, true);
                    cx.push(row);
                }
            }
            _ => {}
        }
        if content == 23 {
            let side = if from_client {
                &mut self.client_data
            } else {
                &mut self.server_data
            };
            if !*side {
                *side = true;
                cx.info.after = "data";
            }
            if !from_client {
                self.settle(cx, Outcome::Unknown, None);
            }
        }
    }

    fn cut_message(&mut self, cx: &mut Cx<'_>, kind: u8, body: &[u8], seen: Seen, from_client: bool) {
        match kind {
            1 if from_client => {
                let mut found = std::mem::take(&mut cx.out.memo.hello);
                if found.read(body) {
                    self.client_hello(cx, &found, seen, true);
                }
                cx.out.memo.hello = found;
            }
            2 => {
                if let Some(found) = hello::parse_server_hello(body).filter(|f| f.cipher != 0) {
                    self.server_hello(cx, &found, seen, from_client);
                }
            }
            11 => self.certificate(cx, body, seen, from_client),
            _ => {}
        }
    }

    fn settle(&mut self, cx: &mut Cx<'_>, outcome: Outcome, detail: Option<&str>) {
        if let Some(pending) = self.pending.take() {
            finish(*pending, cx, outcome, detail);
        }
    }

    fn settle_at_end(&mut self, cx: &mut Cx<'_>, end: End) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let waited = |now_ns: i64, at_least: i64| now_ns - pending.seen.ts_ns >= at_least;
        let outcome = match end {
            // A client that waited and then hung up met silence; the hang-up is only its consequence.
            End::Reset {
                by_client: true,
                now_ns,
            }
            | End::Closed {
                by_client: true,
                now_ns,
            } if waited(now_ns, GAVE_UP_NS) => Outcome::Timeout,
            End::Closed { by_client: true, .. } => Outcome::Unknown,
            End::Reset { .. } => Outcome::Reset,
            End::Closed { .. } => Outcome::Refused,
            End::Idle { now_ns, answered } if answered && waited(now_ns, SILENCE_NS) => Outcome::Timeout,
            End::Idle { .. } => Outcome::Unknown,
        };
        let detail = match end {
            End::Reset { by_client, .. } | End::Closed { by_client, .. } => {
                Some(if by_client { "client" } else { "server" })
            }
            End::Idle { .. } => None,
        };
        finish(*pending, cx, outcome, detail);
    }
}

fn finish(mut pending: Waiting, cx: &mut Cx<'_>, outcome: Outcome, detail: Option<&str>) {
    let key = match detail {
        Some("client" | "server") => "ended_by",
        _ => "answer",
    };
    if let Some(detail) = detail {
        pending.fields().push_str(key, detail);
    }
    let after = match outcome {
        Outcome::Reset => ": reset without an answer",
        Outcome::Timeout => ": no answer",
        Outcome::Refused => ": closed without an answer",
        Outcome::Failure => ": refused",
        Outcome::Success | Outcome::Unknown => "",
    };
    pending.write(cx, "tls.client_hello", outcome, [""; 3], after);
}
