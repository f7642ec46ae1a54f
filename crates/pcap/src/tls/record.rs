//! The TLS record layer of one direction: records joined over segments, handshake messages joined over records.
//!
//! Source: RFC 8446 section 5, RFC 5246 section 6. Records of protected data are walked over, not kept.

use crate::emit::Seen;
use crate::join::{Joiner, Step};

/// Longest handshake message that is collected; long certificate chains stay under it.
const MAX_MESSAGE: usize = 256 << 10;
/// RFC 8446 allows 2^14 + 256, older versions 2^14 + 2048.
const MAX_RECORD: usize = (1 << 14) + 2048;

/// One thing the record layer found.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A handshake message: type and body.
    Handshake { kind: u8, body: &'a [u8], seen: Seen },
    /// A clear alert.
    Alert { level: u8, code: u8, seen: Seen },
    /// A record whose content can't be read: content type and length.
    Protected { content: u8, len: usize, seen: Seen },
    /// From here on this direction is protected (TLS 1.2 and older).
    ChangeCipher,
}

/// Reads one direction.
#[derive(Debug, Default)]
pub(crate) struct Records {
    joiner: Joiner,
    messages: Messages,
    /// Bytes of a protected record still to come.
    skip: usize,
    pub(crate) protected: bool,
    /// The bytes were not TLS, or a message grew beyond reason; nothing more is read.
    pub(crate) lost: bool,
    pub(crate) any: bool,
}

/// True if `bytes` can start a TLS record.
pub(crate) fn is_record(bytes: &[u8]) -> bool {
    match bytes {
        [20..=23, 3, 0..=4, hi, lo, ..] => {
            (1..=MAX_RECORD).contains(&usize::from(u16::from_be_bytes([*hi, *lo])))
        }
        _ => false,
    }
}

/// True if `bytes` start with a record that starts with a ClientHello.
pub(crate) fn is_client_hello(bytes: &[u8]) -> bool {
    match bytes {
        [22, 3, 0..=4, _, _, 1, 0 | 1, _, _, 3, 0..=4, ..] => true,
        // A first record that holds only a piece of the message head.
        [22, 3, 0..=4, 0, 1..=5, 1, ..] => true,
        _ => false,
    }
}

/// True for an SSL 2.0 framed hello: two-byte length with the top bit, type 1, version.
pub(crate) fn is_ssl2_hello(bytes: &[u8]) -> bool {
    match bytes {
        [hi, lo, 1, 3, 0..=3, 0, _, 0, 0 | 16 | 32, 0, 16..=32, ..]
        | [hi, lo, 1, 0, 2, 0, _, 0, 0 | 16, 0, 16..=32, ..] => {
            hi & 0xc0 == 0x80 && usize::from(u16::from_be_bytes([hi & 0x3f, *lo])) >= 9
        }
        _ => false,
    }
}

impl Records {
    /// Takes new bytes of this direction.
    pub(crate) fn feed(&mut self, mut data: &[u8], seen: Seen, mut found: impl FnMut(&mut bool, Found<'_>)) {
        if self.lost {
            return;
        }
        if self.skip > 0 {
            let n = self.skip.min(data.len());
            self.skip -= n;
            data = data.get(n..).unwrap_or_default();
        }
        if data.is_empty() {
            return;
        }
        let Self {
            joiner,
            messages,
            skip,
            protected,
            any,
            ..
        } = self;
        let fine = joiner.feed(data, seen, MAX_RECORD + 5, |bytes, seen| {
            let (content, len) = match record_head(bytes) {
                Ok(head) => head,
                Err(step) => return step,
            };
            *any = true;
            if *protected || !matches!(content, 20..=22) {
                found(protected, Found::Protected { content, len, seen });
                let have = bytes.len() - 5;
                *skip = len.saturating_sub(have);
                return Step::Used(5 + len.min(have));
            }
            let Some(body) = bytes.get(5..5 + len) else {
                return Step::Need(5 + len);
            };
            match content {
                20 => found(protected, Found::ChangeCipher),
                21 => alert(body, seen, protected, &mut found),
                _ => messages.take(body, seen, protected, &mut found),
            }
            if messages.bytes.len() > MAX_MESSAGE {
                return Step::Stop;
            }
            Step::Used(5 + len)
        });
        if !fine {
            self.stop();
        }
    }

    /// Bytes kept for messages that are not complete.
    pub(crate) fn held(&self) -> usize {
        self.joiner.held() + self.messages.bytes.capacity()
    }

    /// Gives up this direction.
    pub(crate) fn stop(&mut self) {
        self.lost = true;
        self.joiner.clear();
        self.messages.bytes = Vec::new();
    }

    /// Takes what can still be read when the next bytes are missing (or nothing more will come): whole messages of an
    /// unfinished record through `found`, and the type and beginning of a message that is cut.
    pub(crate) fn salvage(
        &mut self,
        mut found: impl FnMut(&mut bool, Found<'_>),
    ) -> Option<(u8, Vec<u8>, Seen)> {
        let Self {
            joiner,
            messages,
            protected,
            ..
        } = self;
        let (rest, seen) = joiner.rest();
        if !*protected && rest.first() == Some(&22) {
            messages.take(rest.get(5..).unwrap_or_default(), seen, protected, &mut found);
        }
        joiner.clear();
        self.skip = 0;
        let mut cut = std::mem::take(&mut self.messages.bytes);
        let kind = *cut.first()?;
        if cut.len() < 4 {
            return None;
        }
        cut.drain(..4);
        Some((kind, cut, self.messages.seen))
    }
}

/// Content type and length of the record that starts here, or what to do if there is none.
fn record_head(bytes: &[u8]) -> Result<(u8, usize), Step> {
    let Some([content, major, minor, hi, lo]) = bytes.first_chunk::<5>().copied() else {
        let plausible = matches!(bytes.first(), Some(20..=24)) && bytes.get(1).is_none_or(|b| *b == 3);
        return Err(if plausible { Step::More } else { Step::Stop });
    };
    let len = usize::from(u16::from_be_bytes([hi, lo]));
    if !(20..=24).contains(&content) || major != 3 || minor > 4 || len > MAX_RECORD {
        return Err(Step::Stop);
    }
    Ok((content, len))
}

fn alert(body: &[u8], seen: Seen, protected: &mut bool, found: &mut impl FnMut(&mut bool, Found<'_>)) {
    for pair in body.as_chunks::<2>().0.iter().take(4) {
        if matches!(pair[0], 1 | 2) {
            found(
                protected,
                Found::Alert {
                    level: pair[0],
                    code: pair[1],
                    seen,
                },
            );
        }
    }
}

/// Handshake bytes whose message is not complete, and where the first of them was seen.
#[derive(Debug, Default)]
struct Messages {
    bytes: Vec<u8>,
    seen: Seen,
}

impl Messages {
    /// Takes the body of a handshake record and hands over the messages that are whole now.
    fn take(
        &mut self,
        body: &[u8],
        seen: Seen,
        protected: &mut bool,
        found: &mut impl FnMut(&mut bool, Found<'_>),
    ) {
        if self.bytes.is_empty() {
            self.seen = seen;
            // Most records hold whole messages, which are read where they lie.
            let used = whole_messages(body, &mut self.seen, seen, protected, found);
            self.bytes.extend_from_slice(body.get(used..).unwrap_or_default());
        } else {
            self.bytes.extend_from_slice(body);
            let used = whole_messages(&self.bytes, &mut self.seen, seen, protected, found);
            self.bytes.drain(..used);
        }
    }
}

/// Hands over the whole messages at the start of `bytes`; returns how many bytes need not be kept.
///
/// `first_seen` is where the first message began; the later ones began in the record of `seen`.
fn whole_messages(
    bytes: &[u8],
    first_seen: &mut Seen,
    seen: Seen,
    protected: &mut bool,
    found: &mut impl FnMut(&mut bool, Found<'_>),
) -> usize {
    let mut used = 0;
    while let Some([kind, a, b, c]) = bytes
        .get(used..)
        .and_then(|rest| rest.first_chunk::<4>())
        .copied()
    {
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let Some(body) = bytes.get(used + 4..used + 4 + len) else {
            break;
        };
        let seen_at = std::mem::replace(first_seen, seen);
        found(
            protected,
            Found::Handshake {
                kind,
                body,
                seen: seen_at,
            },
        );
        used += 4 + len;
        if *protected {
            // What follows in these records is not ours to read.
            return bytes.len();
        }
    }
    used
}
