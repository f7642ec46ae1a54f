//! From protocol state to rows: the columns every row of a conversation shares.

use casetrace_model::{JsonObject, Row, Source, Text, TsSource};

use crate::flow::queue::Spare as SpareSegments;
use crate::http::fields::FieldNames;
use crate::http::inflate::Inflater;
use crate::net::addr::{Addr, AddrTexts};
use crate::rows::{Place, Rows};
use crate::tls::cert::CertificateCache;
use crate::tls::hello::ClientHello;
use crate::tls::offer::OfferCache;

/// Where something was seen: capture time and record number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub(crate) ts_ns: i64,
    pub(crate) record: u64,
}

/// Rows on their way out.
#[derive(Debug)]
pub(crate) struct Emit {
    pub(crate) source: Source,
    pub(crate) rows: Rows,
    pub(crate) place: Place,
    /// Addresses and the names they were found under.
    pub(crate) resolved: Vec<(Place, Text, Text)>,
    pub(crate) memo: Memo,
}

/// What this worker worked out before. Depends on nothing but its key, so it never shows in rows.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    pub(crate) certificates: CertificateCache,
    pub(crate) offers: OfferCache,
    pub(crate) field_names: FieldNames,
    pub(crate) addresses: AddrTexts,
    /// No result, but room for the lists of the next hello.
    pub(crate) hello: ClientHello,
    /// No result, but a decompressor and its buffers.
    pub(crate) inflater: Inflater,
    /// No results, but memory to be used again.
    pub(crate) segments: SpareSegments,
    pub(crate) texts: Texts,
    pub(crate) samples: Vec<Vec<u8>>,
}

/// Memory of long texts that are no longer needed, for what waits until a row shows it.
#[derive(Debug, Default)]
pub(crate) struct Texts(Vec<String>);

impl Texts {
    const MAX: usize = 32;
    const MAX_BYTES: usize = 8 << 10;

    /// An empty text, with room if there was one to be used again.
    pub(crate) fn take(&mut self) -> String {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&mut self, mut text: String) {
        if (1..=Self::MAX_BYTES).contains(&text.capacity()) && self.0.len() < Self::MAX {
            text.clear();
            self.0.push(text);
        }
    }
}

impl Emit {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            rows: Rows::default(),
            place: Place::default(),
            resolved: Vec::new(),
            memo: Memo::default(),
        }
    }

    // Inlined, so that the row is moved into the list and not into an argument first.
    #[inline]
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(self.place, row);
    }

    /// Adds a row about a message, with sender and receiver as its ends.
    pub(crate) fn add(
        &mut self,
        info: &FlowInfo,
        kind: &'static str,
        seen: Seen,
        from_client: bool,
    ) -> &mut Row {
        self.add_with_memo(info, kind, seen, from_client).0
    }

    /// The same, with what was worked out before beside it.
    pub(crate) fn add_with_memo(
        &mut self,
        info: &FlowInfo,
        kind: &'static str,
        seen: Seen,
        from_client: bool,
    ) -> (&mut Row, &mut Memo) {
        let row = self.rows.add(self.place, self.source, kind, seen.record);
        info.fill(row, seen, from_client);
        (row, &mut self.memo)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.resolved.is_empty()
    }
}

/// A connection through a proxy: what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tunnel {
    /// `address:port` of the proxy.
    pub(crate) proxy: Text,
    /// Host the tunnel leads to.
    pub(crate) target: Text,
}

/// What is known of a conversation as a whole; in this order in memory, what every packet needs first.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct FlowInfo {
    pub(crate) client: (Addr, u16),
    pub(crate) pid: Option<u32>,
    /// The last milestone: `syn`, `handshake`, `client_hello`, `http_request`…
    pub(crate) after: &'static str,
    pub(crate) server: (Addr, u16),
    /// Record number of the conversation's first packet; unique within the artifact.
    pub(crate) id: u64,
    /// The addresses of both as text: every row has them.
    client_text: Text,
    server_text: Text,
    pub(crate) transport: &'static str,
    pub(crate) tunnel: Option<Box<Tunnel>>,
    pub(crate) server_name: Option<Text>,
}

impl FlowInfo {
    pub(crate) fn new(
        id: u64,
        client: (Addr, u16),
        server: (Addr, u16),
        transport: &'static str,
        memo: &mut Memo,
    ) -> Self {
        Self {
            id,
            client,
            server,
            client_text: memo.addresses.of(client.0),
            server_text: memo.addresses.of(server.0),
            transport,
            pid: None,
            tunnel: None,
            after: "",
            server_name: None,
        }
    }

    /// The sides were taken for each other.
    pub(crate) fn flip(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
        std::mem::swap(&mut self.client_text, &mut self.server_text);
    }

    /// Fills in the columns that all rows of the conversation share.
    fn fill(&self, row: &mut Row, seen: Seen, from_client: bool) {
        let client = (&self.client_text, self.client.1);
        let server = (&self.server_text, self.server.1);
        let (src, dst) = if from_client {
            (client, server)
        } else {
            (server, client)
        };
        (row.ts_ns, row.ts_source) = (Some(seen.ts_ns), TsSource::Exact);
        row.src_ip = Some(src.0.clone());
        row.dst_ip = Some(dst.0.clone());
        row.src_port = Some(src.1);
        row.dst_port = Some(dst.1);
        row.transport = Some(Text::new_static(self.transport));
        row.flow_id = Some(self.id);
        row.pid = self.pid;
        row.proxy = self.tunnel.as_ref().map(|t| t.proxy.clone());
    }

    /// Remembers the process of a sent packet; System (0 and 4) gives way to anything better.
    pub(crate) fn saw_pid(&mut self, pid: Option<u32>) {
        if pid.is_some() && matches!(self.pid, None | Some(0 | 4)) {
            self.pid = pid;
        }
    }
}

/// What a protocol needs to write rows about one conversation.
pub(crate) struct Cx<'a> {
    pub(crate) out: &'a mut Emit,
    pub(crate) info: &'a mut FlowInfo,
}

impl Cx<'_> {
    /// A row about a message, with sender and receiver as its ends.
    pub(crate) fn row(&self, kind: &'static str, seen: Seen, from_client: bool) -> Row {
        let mut row = Row::new(self.out.source, kind, seen.record);
        self.info.fill(&mut row, seen, from_client);
        row
    }

    /// The same, made where rows wait to be handed over: the way for rows that are frequent.
    pub(crate) fn add(&mut self, kind: &'static str, seen: Seen, from_client: bool) -> &mut Row {
        self.out.add(self.info, kind, seen, from_client)
    }

    #[inline]
    pub(crate) fn push(&mut self, row: Row) {
        self.out.push(row);
    }

    pub(crate) fn tunnelled(&self) -> bool {
        self.info.tunnel.is_some()
    }
}

/// True if there is an ASCII control character; looks at all bytes, many at a time.
pub(crate) fn has_control(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(false, |found, b| found | (*b < 0x20) | (*b == 0x7f))
}

/// Bytes of unknown encoding as text, at most `limit` bytes of it, without control characters.
pub(crate) fn clean_text(bytes: &[u8], limit: usize) -> Text {
    let bytes = bytes.get(..limit).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if !has_control(bytes) => Text::new(text),
        _ => String::from_utf8_lossy(bytes)
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect(),
    }
}

/// A host name as `server_name` wants it: lower case, no trailing dot, no port.
pub(crate) fn host_name(text: &str) -> Text {
    lower(text.trim_end_matches('.'))
}

/// A text in lower case, as nearly all are that should be.
pub(crate) fn lower(text: &str) -> Text {
    // All bytes, many at a time.
    let upper = text
        .bytes()
        .fold(false, |found, b| found | b.is_ascii_uppercase());
    if upper {
        Text::from(text.to_ascii_lowercase())
    } else {
        Text::new(text)
    }
}

/// The object for a row's `fields`, in the memory they had before; room for `bytes`.
pub(crate) fn fields_of(row: &mut Row, bytes: usize) -> JsonObject {
    JsonObject::within(std::mem::take(&mut row.fields), bytes)
}

/// Adds the parts of a message.
pub(crate) fn say(message: &mut String, parts: &[&str]) {
    message.reserve(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| message.push_str(part));
}

/// A number's digits.
pub(crate) fn decimal(mut number: u16, digits: &mut [u8; 5]) -> &str {
    let mut from = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        if number == 0 && at < 4 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        (number, from) = (number / 10, at);
    }
    std::str::from_utf8(digits.get(from..).unwrap_or_default()).unwrap_or_default()
}
