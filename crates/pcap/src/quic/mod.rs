//! QUIC handshakes: the ClientHello and ServerHello inside Initial packets.
//!
//! Source: RFC 9000, 9001, 9369. Versions 1, 2 and drafts 23 to 34 are opened; others are named. CRYPTO frames are
//! joined by offset over packets, in any order. Limits: 16 KiB and 64 pieces of a hello.

mod crypto;
mod packet;

use casetrace_model::{JsonObject, Outcome, Text, member};

use crate::emit::{Cx, Seen, clean_text, host_name};
use crate::tls::hello::{self, ClientHello};
use crate::tls::waiting::Waiting;
use crate::tls::{ja::hex, rows};
use crypto::Keys;
use packet::{Frame, Frames, Kind, LongHeader};

const MAX_HELLO: usize = 16 << 10;
const MAX_PIECES: usize = 64;

/// One QUIC conversation.
#[derive(Default)]
pub(crate) struct Quic {
    version: u32,
    /// The client's first destination connection id, which the keys hang on.
    dcid: Vec<u8>,
    keys: Option<(Keys, Keys)>,
    client: Pieces,
    server: Pieces,
    /// A hello whose outcome is open, and its version of QUIC.
    pending: Option<(Waiting, Text)>,
    server_name: Option<Text>,
    hello_done: bool,
    server_done: bool,
    server_seen: bool,
    retried: bool,
    reported_unknown: bool,
}

/// Pieces of a hello by offset.
#[derive(Default)]
struct Pieces {
    parts: Vec<(u64, Vec<u8>)>,
    /// Stream offset of the first byte kept.
    base: u64,
    bytes: usize,
    seen: Option<Seen>,
}

/// True if `data` starts with a QUIC long header of a version known to exist.
pub(crate) fn looks_right(data: &[u8]) -> bool {
    let Some([first, version @ .., dcid_len]) = data.first_chunk::<6>().copied() else {
        return false;
    };
    let version = u32::from_be_bytes(version);
    // Google's own versions have the fixed bit clear in places; theirs start with a letter.
    let google = matches!(version >> 24, 0x51 | 0x54) && version & 0x00ff_0000 == 0x0030_0000;
    let known = crypto::suite(version).is_some() || version == 0x709a_50c4 || google && first & 0xc0 == 0xc0;
    first & 0x80 != 0 && known && dcid_len <= 20 && data.len() >= 20
}

/// `1`, `2`, `draft-29`, or the number.
fn version_name(version: u32) -> Text {
    match version {
        1 => Text::new_static("1"),
        0x6b33_43cf => Text::new_static("2"),
        0xff00_0001..=0xff00_00ff => Text::from(format!("draft-{}", version & 0xff)),
        _ => {
            let letters = version.to_be_bytes();
            match std::str::from_utf8(&letters) {
                Ok(text) if letters.iter().all(u8::is_ascii_alphanumeric) => Text::new(text),
                _ => Text::from(format!("{version:#010x}")),
            }
        }
    }
}

impl Quic {
    /// Takes one UDP payload.
    pub(crate) fn datagram(&mut self, cx: &mut Cx<'_>, from_client: bool, seen: Seen, data: &[u8]) {
        self.server_seen |= !from_client;
        if self.hello_done && self.server_done {
            self.client.parts = Vec::new();
            self.server.parts = Vec::new();
            return;
        }
        let mut rest = data;
        for _ in 0..8 {
            let Some(head) = packet::long_header(rest, |v| crypto::suite(v).map(|s| s.v2)) else {
                return;
            };
            let Some(packet) = rest.get(..head.end.min(rest.len())) else {
                return;
            };
            match head.kind {
                Kind::Initial => self.initial(cx, from_client, seen, &head, packet),
                Kind::Retry if !from_client => self.retry(),
                Kind::VersionNegotiation if !from_client => self.negotiation(cx, rest, head.number_at),
                Kind::Unknown => self.unknown(cx, from_client, seen, &head),
                _ => {}
            }
            rest = rest.get(head.end..).unwrap_or_default();
            if rest.is_empty() {
                return;
            }
        }
    }

    fn initial(
        &mut self,
        cx: &mut Cx<'_>,
        from_client: bool,
        seen: Seen,
        head: &LongHeader<'_>,
        packet: &[u8],
    ) {
        let Some(opened) = self.open(from_client, head, packet) else {
            return;
        };
        let pieces = if from_client {
            &mut self.client
        } else {
            &mut self.server
        };
        let mut close = None;
        for frame in Frames(&opened) {
            match frame {
                Frame::Crypto { offset, data } => pieces.add(offset, data, seen),
                Frame::Close { code, reason } => close = Some((code, clean_text(reason, 128))),
            }
        }
        let message = pieces.message();
        match (from_client, message) {
            (true, Some((1, body))) if !self.hello_done => {
                let at = self.client.seen.unwrap_or(seen);
                self.client_hello(cx, &body, at, head);
            }
            (false, Some((2, body))) if !self.server_done => self.server_hello(cx, &body, seen),
            _ => {}
        }
        if let Some((code, reason)) = close {
            self.close(cx, from_client, seen, code, &reason);
        }
    }

    /// Opens a packet with the keys at hand, or with those of its own connection id (first packet, or after Retry).
    fn open(&mut self, from_client: bool, head: &LongHeader<'_>, packet: &[u8]) -> Option<Vec<u8>> {
        if let Some((client, server)) = &self.keys {
            let keys = if from_client { client } else { server };
            if let Some(opened) = keys.open(packet, head.number_at) {
                return Some(opened.payload);
            }
        }
        if !from_client || head.dcid == self.dcid.as_slice() {
            return None;
        }
        let suite = crypto::suite(head.version)?;
        let keys = Keys::derive(suite, head.dcid)?;
        let opened = keys.0.open(packet, head.number_at)?;
        // A new first packet: a retry, another version, or the ports used again.
        (self.client, self.server) = (Pieces::default(), Pieces::default());
        (self.hello_done, self.server_done) = (false, false);
        self.dcid = head.dcid.to_vec();
        self.version = head.version;
        self.keys = Some(keys);
        Some(opened.payload)
    }

    fn client_hello(&mut self, cx: &mut Cx<'_>, body: &[u8], seen: Seen, head: &LongHeader<'_>) {
        let mut found = std::mem::take(&mut cx.out.memo.hello);
        if found.read(body) {
            self.found_hello(cx, &found, seen, head);
        }
        cx.out.memo.hello = found;
    }

    fn found_hello(&mut self, cx: &mut Cx<'_>, found: &ClientHello, seen: Seen, head: &LongHeader<'_>) {
        self.hello_done = true;
        cx.info.after = "client_hello";
        self.settle(
            cx,
            if self.retried {
                Outcome::Success
            } else {
                Outcome::Unknown
            },
        );
        self.server_name = found.server_name.as_deref().map(host_name);
        let mut waiting = Waiting::new(cx, found, self.server_name.clone(), 'q', seen, true);
        let (version, fields) = (version_name(head.version), waiting.fields());
        fields.push_str(member!("version"), &version);
        fields.push_str(member!("dcid"), &hex(&self.dcid));
        fields.push_str(member!("scid"), &hex(head.scid));
        self.pending = Some((waiting, version));
    }

    fn server_hello(&mut self, cx: &mut Cx<'_>, body: &[u8], seen: Seen) {
        let Some(found) = hello::parse_server_hello(body) else {
            return;
        };
        // After a HelloRetryRequest the real one follows in the same stream.
        self.server_done = !found.hello_retry;
        cx.info.after = "server_hello";
        self.settle(cx, Outcome::Success);
        rows::server_hello(cx, &found, seen, self.server_name.as_ref(), false);
        if found.hello_retry {
            self.server.forget_first();
            self.client.forget_first();
            self.hello_done = false;
        }
    }

    fn retry(&mut self) {
        if let Some((waiting, _)) = &mut self.pending {
            waiting.fields().push_raw(member!("retry"), "true");
        }
        self.retried = true;
    }

    fn negotiation(&mut self, cx: &mut Cx<'_>, packet: &[u8], at: usize) {
        let Some((waiting, _)) = &mut self.pending else {
            return;
        };
        let list = packet.get(at..).unwrap_or_default().as_chunks::<4>().0;
        let versions: Vec<Text> = list
            .iter()
            .take(16)
            .map(|v| version_name(u32::from_be_bytes(*v)))
            .collect();
        let versions = versions.iter().map(Text::as_str);
        waiting.fields().push_list(member!("server_versions"), versions);
        self.settle(cx, Outcome::Failure);
    }

    /// A version whose keys are not public (Google's) or not known: named once.
    fn unknown(&mut self, cx: &mut Cx<'_>, from_client: bool, seen: Seen, head: &LongHeader<'_>) {
        if std::mem::replace(&mut self.reported_unknown, true) {
            return;
        }
        let mut row = cx.row("quic.initial", seen, from_client);
        let version = version_name(head.version);
        row.message = format!("QUIC version {version}, handshake not readable");
        row.outcome = Some(Outcome::Unknown);
        let fields = JsonObject::new()
            .str(member!("version"), &version)
            .str(member!("dcid"), &hex(head.dcid))
            .bool(member!("opened"), false);
        row.fields = fields.finish();
        cx.push(row);
    }

    /// CONNECTION_CLOSE; codes from 0x100 are TLS alerts.
    fn close(&mut self, cx: &mut Cx<'_>, from_client: bool, seen: Seen, code: u64, reason: &Text) {
        let Some(alert) = code.checked_sub(0x100).and_then(|c| u8::try_from(c).ok()) else {
            return self.settle(cx, Outcome::Failure);
        };
        let name = crate::names::TLS_ALERTS.or_number(u32::from(alert));
        if let Some((waiting, _)) = &mut self.pending {
            waiting.fields().push_str(member!("close_reason"), reason);
        }
        self.settle(cx, Outcome::Failure);
        let row = rows::alert(cx, &name, 2, alert, seen, self.server_name.as_ref(), from_client);
        cx.push(row);
    }

    fn settle(&mut self, cx: &mut Cx<'_>, outcome: Outcome) {
        if let Some((waiting, version)) = self.pending.take() {
            waiting.write(cx, "quic.initial", outcome, ["QUIC ", &version, " "], "");
        }
    }

    /// The conversation is over; a hello that is still in pieces gives what it holds.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>, now_ns: i64) {
        if !self.hello_done
            && let Some((1, body)) = self.client.so_far()
        {
            let (seen, dcid) = (self.client.seen.unwrap_or_default(), self.dcid.clone());
            let head = LongHeader {
                version: self.version,
                dcid: &dcid,
                scid: &[],
                kind: Kind::Initial,
                number_at: 0,
                end: 0,
            };
            self.client_hello(cx, &body, seen, &head);
        }
        let waited = self
            .pending
            .as_ref()
            .is_some_and(|(waiting, _)| now_ns - waiting.seen.ts_ns >= crate::tls::SILENCE_NS);
        self.settle(
            cx,
            if waited && !self.server_seen {
                Outcome::Timeout
            } else {
                Outcome::Unknown
            },
        );
    }
}

impl Pieces {
    fn add(&mut self, offset: u64, data: &[u8], seen: Seen) {
        let Some(offset) = offset.checked_sub(self.base) else {
            return;
        };
        if self.bytes + data.len() > MAX_HELLO || self.parts.len() >= MAX_PIECES || offset > MAX_HELLO as u64
        {
            return;
        }
        self.seen.get_or_insert(seen);
        self.bytes += data.len();
        let at = self.parts.partition_point(|(known, _)| *known <= offset);
        self.parts.insert(at, (offset, data.to_vec()));
    }

    /// The bytes from offset 0 up to the first hole.
    fn joined(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (offset, data) in &self.parts {
            let offset = *offset as usize;
            if offset > out.len() {
                break;
            }
            out.extend_from_slice(data.get(out.len() - offset..).unwrap_or_default());
        }
        out
    }

    /// Type and body of the first handshake message, once it is whole.
    fn message(&self) -> Option<(u8, Vec<u8>)> {
        let bytes = self.joined();
        let [kind, a, b, c] = *bytes.first_chunk::<4>()?;
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        Some((kind, bytes.get(4..4 + len)?.to_vec()))
    }

    fn so_far(&self) -> Option<(u8, Vec<u8>)> {
        let bytes = self.joined();
        Some((*bytes.first()?, bytes.get(4..)?.to_vec()))
    }

    /// Moves on to the second message of the stream.
    fn forget_first(&mut self) {
        let Some((_, body)) = self.message() else { return };
        let len = body.len() + 4;
        let rest = self.joined().get(len..).map(<[u8]>::to_vec).unwrap_or_default();
        self.base += len as u64;
        let later = std::mem::take(&mut self.parts);
        let moved = later
            .into_iter()
            .filter(|(offset, _)| *offset >= len as u64)
            .map(|(o, d)| (o - len as u64, d));
        self.parts = std::iter::once((0, rest))
            .filter(|(_, d)| !d.is_empty())
            .chain(moved)
            .collect();
    }
}
