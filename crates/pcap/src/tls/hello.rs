//! ClientHello and ServerHello bodies.
//!
//! Source: RFC 8446, 5246, 6066, 7301, 9849 (ECH), and SSL 2.0's hello as RFC 5246 appendix E.2 shows it. Read by
//! hand because a hello that was cut by the snap length or a lost segment must give what it still holds (the server
//! name usually stands in front of the key shares), and because JA3 and JA4 need order and unknown numbers kept.

use casetrace_model::Text;

/// Big-endian reader that gives less than asked for when the end comes early, and remembers that it did.
#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
    cut: bool,
}

impl<'a> Cursor<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest, cut: false }
    }

    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn u16(&mut self) -> Option<u16> {
        let (head, rest) = self.rest.split_first_chunk::<2>()?;
        self.rest = rest;
        Some(u16::from_be_bytes(*head))
    }

    /// The next `len` bytes, or as many as there are.
    fn up_to(&mut self, len: usize) -> &'a [u8] {
        if len > self.rest.len() {
            self.cut = true;
        }
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}

/// What a client offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `legacy_version`.
    pub version: u16,
    /// Session id to resume, or TLS 1.3's compatibility value.
    pub session_id: Vec<u8>,
    /// Cipher suites in order.
    pub ciphers: Vec<u16>,
    /// Extension numbers in order.
    pub extensions: Vec<u16>,
    /// Server name as sent.
    pub server_name: Option<Text>,
    /// Protocols of ALPN in order, as sent.
    pub alpn: Vec<Vec<u8>>,
    /// `supported_versions` in order.
    pub versions: Vec<u16>,
    /// `supported_groups` in order.
    pub groups: Vec<u16>,
    /// Groups of the key shares sent along.
    pub key_shares: Vec<u16>,
    /// EC point formats.
    pub point_formats: Vec<u8>,
    /// Signature algorithms (extension 13 only).
    pub signature_algorithms: Vec<u16>,
    /// Encrypted Client Hello (real or GREASE) or the older encrypted SNI is there.
    pub ech: bool,
    /// A pre-shared key (TLS 1.3 resumption) is offered.
    pub psk: bool,
    /// A non-empty session ticket (TLS 1.2 resumption) is offered.
    pub ticket: bool,
    /// The end is missing.
    pub cut: bool,
}

/// What a server chose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// `legacy_version`.
    pub version: u16,
    /// The version that counts.
    pub chosen_version: u16,
    /// Cipher suite.
    pub cipher: u16,
    /// Session id.
    pub session_id: Vec<u8>,
    /// Chosen protocol.
    pub alpn: Option<Vec<u8>>,
    /// Asks for a second ClientHello.
    pub hello_retry: bool,
    /// The pre-shared key was accepted.
    pub psk: bool,
    /// Group of the key share.
    pub group: Option<u16>,
}

/// SHA-256 of "HelloRetryRequest", the ServerHello.random that says so (RFC 8446 section 4.1.3).
const HELLO_RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Most values of one list that are kept; a hello of 16 KiB can't hold more ciphers worth knowing.
const MAX_LIST: usize = 512;

/// Reads the body of a ClientHello handshake message, whole or cut.
///
/// Shape: `None` if not even version and random are there. Errors: none; a cut body sets [`ClientHello::cut`].
pub fn parse_client_hello(body: &[u8]) -> Option<ClientHello> {
    let mut hello = ClientHello::default();
    hello.read(body).then_some(hello)
}

fn fill(hello: &mut ClientHello, at: &mut Cursor<'_>) -> Option<()> {
    let len = at.u8()?;
    hello.session_id.extend_from_slice(at.up_to(usize::from(len)));
    let len = at.u16()?;
    read_list(&mut hello.ciphers, at.up_to(usize::from(len)));
    let len = at.u8()?;
    at.up_to(usize::from(len));
    if at.rest.is_empty() && !at.cut {
        // Hellos of SSL 3.0 and early TLS 1.0 end here.
        return Some(());
    }
    let len = at.u16()?;
    let mut extensions = Cursor::new(at.up_to(usize::from(len)));
    while !extensions.rest.is_empty() && hello.extensions.len() < MAX_LIST {
        let (kind, len) = (extensions.u16()?, extensions.u16()?);
        hello.extensions.push(kind);
        client_extension(hello, kind, extensions.up_to(usize::from(len)));
        at.cut |= extensions.cut;
    }
    Some(())
}

fn client_extension(hello: &mut ClientHello, kind: u16, data: &[u8]) {
    match kind {
        0 if hello.server_name.is_none() => hello.server_name = server_name(data),
        10 => read_list(&mut hello.groups, data.get(2..).unwrap_or_default()),
        11 => {
            hello.point_formats.clear();
            let formats = data.get(1..).unwrap_or_default();
            hello.point_formats.extend_from_slice(formats);
        }
        13 => read_list(&mut hello.signature_algorithms, data.get(2..).unwrap_or_default()),
        16 => read_protocols(&mut hello.alpn, data),
        35 => hello.ticket = !data.is_empty(),
        41 => hello.psk = true,
        43 => read_list(&mut hello.versions, data.get(1..).unwrap_or_default()),
        51 => read_key_shares(&mut hello.key_shares, data),
        0xfe0d | 0xffce => hello.ech = true,
        _ => {}
    }
}

fn read_list(list: &mut Vec<u16>, data: &[u8]) {
    let pairs = data.as_chunks::<2>().0.iter().take(MAX_LIST);
    list.clear();
    list.extend(pairs.map(|pair| u16::from_be_bytes(*pair)));
}

fn server_name(data: &[u8]) -> Option<Text> {
    let mut at = Cursor::new(data);
    let _list = at.u16()?;
    let kind = at.u8()?;
    let len = at.u16()?;
    let name = at.up_to(usize::from(len));
    // Half a name would be a wrong name.
    (kind == 0 && !name.is_empty() && !at.cut).then(|| crate::emit::clean_text(name, 255))
}

/// Names of ALPN; those that were in the list are written over.
fn read_protocols(list: &mut Vec<Vec<u8>>, data: &[u8]) {
    let mut at = Cursor::new(data.get(2..).unwrap_or_default());
    let mut count = 0;
    while let Some(len) = at.u8() {
        let name = at.up_to(usize::from(len));
        if at.cut || count >= 64 {
            break;
        }
        match list.get_mut(count) {
            Some(old) => name.clone_into(old),
            None => list.push(name.to_vec()),
        }
        count += 1;
    }
    list.truncate(count);
}

fn read_key_shares(list: &mut Vec<u16>, data: &[u8]) {
    let mut at = Cursor::new(data.get(2..).unwrap_or_default());
    list.clear();
    while let (Some(group), Some(len)) = (at.u16(), at.u16()) {
        list.push(group);
        at.up_to(usize::from(len));
        if list.len() >= 64 {
            break;
        }
    }
}

/// Reads the body of a ServerHello (or HelloRetryRequest) handshake message.
pub fn parse_server_hello(body: &[u8]) -> Option<ServerHello> {
    let mut at = Cursor::new(body);
    let version = at.u16()?;
    let random = at.up_to(32);
    let mut hello = ServerHello {
        version,
        chosen_version: version,
        ..ServerHello::default()
    };
    hello.hello_retry = random == HELLO_RETRY;
    // Drafts of TLS 1.3 before 22 had neither session id nor compression here.
    if !(0x7f00..0x7f16).contains(&version) {
        let len = at.u8()?;
        hello.session_id = at.up_to(usize::from(len)).to_vec();
        hello.cipher = at.u16()?;
        let _compression = at.u8()?;
    } else {
        hello.cipher = at.u16()?;
    }
    let len = at.u16().unwrap_or(0);
    let mut extensions = Cursor::new(at.up_to(usize::from(len)));
    while let (Some(kind), Some(len)) = (extensions.u16(), extensions.u16()) {
        server_extension(&mut hello, kind, extensions.up_to(usize::from(len)));
    }
    Some(hello)
}

fn server_extension(hello: &mut ServerHello, kind: u16, data: &[u8]) {
    let first = || data.first_chunk::<2>().map(|b| u16::from_be_bytes(*b));
    match kind {
        16 => {
            let mut names = Vec::new();
            read_protocols(&mut names, data);
            hello.alpn = names.into_iter().next();
        }
        41 => hello.psk = true,
        43 => hello.chosen_version = first().unwrap_or(hello.version),
        51 => hello.group = first(),
        _ => {}
    }
}

/// Reads an SSL 2.0 record that holds a client hello, after its two-byte length.
pub fn parse_ssl2_hello(record: &[u8]) -> Option<ClientHello> {
    let mut at = Cursor::new(record);
    if at.u8()? != 1 {
        return None;
    }
    let version = at.u16()?;
    let (ciphers_len, session_len, _challenge_len) = (at.u16()?, at.u16()?, at.u16()?);
    if ciphers_len % 3 != 0 || !matches!(version, 0x0002 | 0x0300..=0x0303) {
        return None;
    }
    let ciphers = at.up_to(usize::from(ciphers_len));
    // Three-byte numbers; those of SSL 3.0 and TLS start with zero.
    let ciphers = ciphers
        .as_chunks::<3>()
        .0
        .iter()
        .filter(|c| c[0] == 0)
        .take(MAX_LIST);
    let ciphers = ciphers.map(|c| u16::from_be_bytes([c[1], c[2]])).collect();
    let session_id = at.up_to(usize::from(session_len)).to_vec();
    Some(ClientHello {
        version,
        ciphers,
        session_id,
        cut: at.cut,
        ..ClientHello::default()
    })
}

/// A reserved value that clients send to keep servers tolerant (RFC 8701).
pub(crate) fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

impl ClientHello {
    /// Reads another body over what was read before, in the same memory; false if not even version and random are there.
    pub(crate) fn read(&mut self, body: &[u8]) -> bool {
        self.forget();
        let mut at = Cursor::new(body);
        let (Some(version), 32) = (at.u16(), at.up_to(32).len()) else {
            return false;
        };
        self.version = version;
        self.cut = fill(self, &mut at).is_none() || at.cut;
        // Names of the hello before are only kept to be written over.
        if !self.extensions.contains(&16) {
            self.alpn.clear();
        }
        true
    }

    /// Empties everything but ALPN.
    fn forget(&mut self) {
        self.server_name = None;
        self.session_id.clear();
        self.point_formats.clear();
        for list in [
            &mut self.ciphers,
            &mut self.extensions,
            &mut self.versions,
            &mut self.groups,
            &mut self.key_shares,
            &mut self.signature_algorithms,
        ] {
            list.clear();
        }
        (self.ech, self.psk, self.ticket) = (false, false, false);
    }

    /// The highest version offered, without GREASE.
    pub fn highest_version(&self) -> u16 {
        let offered = self.versions.iter().copied().filter(|v| !is_grease(*v));
        offered.max_by_key(|v| rank(*v)).unwrap_or(self.version)
    }
}

/// Drafts of TLS 1.3 rank above TLS 1.2 and below the final version.
fn rank(version: u16) -> u32 {
    match version {
        0x0304 => 0x1_0000,
        other => u32::from(other),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn hello() -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 4, 0x1a, 0x1a, 0x13, 0x01, 1, 0]);
        let mut extensions = vec![0, 0, 0, 8, 0, 6, 0, 0, 3, b'a', b'.', b'b'];
        extensions.extend([0, 16, 0, 5, 0, 3, 2, b'h', b'2']);
        extensions.extend([0, 43, 0, 7, 6, 0x7a, 0x7a, 3, 4, 3, 3]);
        extensions.extend([0, 51, 0, 9, 0, 7, 0, 29, 0, 3, 1, 2, 3]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        body
    }

    #[test]
    fn a_whole_hello_gives_everything() {
        let found = parse_client_hello(&hello()).unwrap();
        assert_eq!(found.server_name.as_deref(), Some("a.b"));
        assert_eq!(found.alpn, [b"h2".to_vec()]);
        assert_eq!(found.ciphers, [0x1a1a, 0x1301]);
        assert_eq!(found.extensions, [0, 16, 43, 51]);
        assert_eq!(found.key_shares, [29]);
        assert_eq!(found.highest_version(), 0x0304);
        assert!(!found.cut);
    }

    #[test]
    fn nothing_stays_of_the_hello_before() {
        let bare = [&[3, 1][..], &[9; 32], &[0, 0, 2, 0, 10, 1, 0]].concat();
        let mut found = ClientHello::default();
        for body in [&hello()[..], &bare, &hello(), &hello()[..50]] {
            assert!(found.read(body));
            assert_eq!(Some(&found), parse_client_hello(body).as_ref());
        }
        assert!(!found.read(&[3, 3, 1]));
    }

    #[test]
    fn a_cut_hello_gives_what_is_there() {
        let whole = hello();
        for len in 0..whole.len() {
            let Some(found) = parse_client_hello(&whole[..len]) else {
                assert!(len < 34);
                continue;
            };
            assert!(found.cut || len == 43, "{len}");
            if len >= 57 {
                assert_eq!(found.server_name.as_deref(), Some("a.b"));
            }
        }
    }
}
