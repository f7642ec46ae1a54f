//! DNS messages: header, question and the records an identity engineer asks about.
//!
//! Source: RFC 1035, 2782 (SRV), 9460 (SVCB/HTTPS), 1002 (NBNS). Read by hand: one bad record must not lose the
//! message, and a cut message must give what it holds. Limits: 255 bytes and 128 labels a name, 128 pointer jumps,
//! 128 records.

use casetrace_model::Text;

use crate::net::addr::Addr;

const MAX_JUMPS: usize = 128;
const MAX_NAME: usize = 255;
const MAX_RECORDS: usize = 128;

/// A record of the answer section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Owner name, lower case.
    pub name: Text,
    /// Type number.
    pub kind: u16,
    /// Value as text: address, target name, `priority target params` for SVCB…
    pub value: Text,
}

/// A DNS, mDNS, LLMNR or NBNS message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Transaction id.
    pub id: u16,
    /// A response.
    pub response: bool,
    /// Operation: 0 query, 5 update…
    pub opcode: u8,
    /// Response code, extended by EDNS where present.
    pub rcode: u16,
    /// The TC bit: the answer was cut, ask over TCP.
    pub truncated: bool,
    /// NBNS: sent to everybody.
    pub broadcast: bool,
    /// Name asked for, lower case without trailing dot.
    pub name: Text,
    /// Type asked for.
    pub kind: u16,
    /// There is a question.
    pub question: bool,
    /// Number of questions.
    pub questions: u16,
    /// Answers, in order, as far as they are readable.
    pub answers: Vec<Record>,
    /// Something behind the question was not readable.
    pub damaged: bool,
}

/// Which relative of DNS a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Port 53.
    Dns,
    /// Port 5353.
    Mdns,
    /// Port 5355.
    Llmnr,
    /// Port 137.
    Nbns,
}

impl Protocol {
    /// As shown in `fields.protocol`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
            Self::Nbns => "nbns",
        }
    }
}

/// Reads a message; `None` if not even header and question make sense.
pub fn parse_message(data: &[u8], protocol: Protocol) -> Option<Message> {
    let head = data.first_chunk::<12>()?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let flags = word(2);
    let (questions, answers) = (word(4), word(6));
    let mut out = Message {
        id: word(0),
        response: flags & 0x8000 != 0,
        opcode: (flags >> 11 & 15) as u8,
        rcode: flags & 15,
        truncated: flags & 0x0200 != 0,
        broadcast: protocol == Protocol::Nbns && flags & 0x10 != 0,
        questions,
        ..Message::default()
    };
    let mut at = 12;
    for i in 0..questions.min(64) {
        let Some((name, next)) = read_name(data, at, protocol) else {
            if i == 0 {
                return None;
            }
            out.damaged = true;
            return Some(out);
        };
        let Some(kind) = u16_at(data, next) else {
            out.damaged = true;
            return (i > 0).then_some(out);
        };
        if i == 0 {
            (out.name, out.kind, out.question) = (name, kind, true);
        }
        at = next + 4;
    }
    out.records(data, at, usize::from(answers), protocol);
    Some(out)
}

impl Message {
    fn records(&mut self, data: &[u8], mut at: usize, count: usize, protocol: Protocol) {
        for _ in 0..count.min(MAX_RECORDS) {
            let Some((name, next)) = read_name(data, at, protocol) else {
                return self.damaged = true;
            };
            let (Some(kind), Some(len)) = (u16_at(data, next), u16_at(data, next + 8)) else {
                return self.damaged = true;
            };
            let start = next + 10;
            let end = start + usize::from(len);
            let whole = data.len() >= end;
            if whole || kind == 5 {
                let value = value(data, kind, start, end.min(data.len()), protocol);
                self.answers.push(Record { name, kind, value });
            }
            if !whole {
                return self.damaged = true;
            }
            at = end;
        }
    }

    /// Address values of the answers.
    pub fn addresses(&self) -> impl Iterator<Item = &Text> {
        self.answers
            .iter()
            .filter(|r| matches!(r.kind, 1 | 28) || r.kind == 32 && !r.value.is_empty())
            .map(|r| &r.value)
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk::<2>().map(|b| u16::from_be_bytes(*b))
}

/// A name and the place behind it.
fn read_name(data: &[u8], start: usize, protocol: Protocol) -> Option<(Text, usize)> {
    let mut bytes = [0_u8; MAX_NAME + 1];
    let (mut len, mut at, mut after, mut labels) = (0, start, None, 0);
    for _ in 0..MAX_JUMPS + 128 {
        let head = *data.get(at)?;
        match head {
            0 => {
                let name = name_text(bytes.get(..len)?, protocol, labels);
                return Some((name, after.unwrap_or(at + 1)));
            }
            0xc0..=0xff => {
                let target = usize::from(u16_at(data, at)? & 0x3fff);
                after.get_or_insert(at + 2);
                // Pointers lead back; anything else is a loop or an attack.
                if target >= at {
                    return None;
                }
                at = target;
            }
            1..=63 => {
                let label = data.get(at + 1..at + 1 + usize::from(head))?;
                if len > 0 {
                    *bytes.get_mut(len)? = b'.';
                    len += 1;
                }
                bytes.get_mut(len..len + label.len())?.copy_from_slice(label);
                len += label.len();
                labels += 1;
                at += 1 + label.len();
            }
            _ => return None,
        }
    }
    None
}

fn name_text(bytes: &[u8], protocol: Protocol, labels: usize) -> Text {
    if protocol == Protocol::Nbns
        && bytes.len() >= 32
        && labels >= 1
        && let Some(name) = netbios_name(bytes)
    {
        return name;
    }
    if bytes.iter().all(|b| (0x21..0x7f).contains(b)) && std::str::from_utf8(bytes).is_ok() {
        return crate::emit::host_name(std::str::from_utf8(bytes).unwrap_or_default());
    }
    // Names of mDNS services hold spaces and any UTF-8; anything else is written as RFC 4343 has it.
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => crate::emit::host_name(text),
        _ => {
            let shown = |b: &u8| match b {
                0x20..=0x7e => char::from(b.to_ascii_lowercase()).to_string(),
                other => format!("\\{other:03}"),
            };
            Text::from(bytes.iter().map(shown).collect::<String>())
        }
    }
}

/// The first-level encoding of NetBIOS names: two letters a byte, the sixteenth byte is the service.
fn netbios_name(bytes: &[u8]) -> Option<Text> {
    let (encoded, scope) = bytes.split_at_checked(32)?;
    let mut out = [0_u8; 16];
    for (slot, pair) in out.iter_mut().zip(encoded.as_chunks::<2>().0) {
        let nibble = |b: u8| b.checked_sub(b'A').filter(|n| *n < 16);
        *slot = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    let mut name = String::new();
    for byte in out.get(..15)? {
        match byte {
            0x20..=0x7e => name.push(char::from(byte.to_ascii_lowercase())),
            other => push_code(&mut name, *other),
        }
    }
    name.truncate(name.trim_end().len());
    push_code(&mut name, out[15]);
    name.push_str(&crate::emit::clean_text(scope, 200));
    Some(Text::from(name))
}

/// A byte in hex, in brackets.
fn push_code(name: &mut String, byte: u8) {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    name.extend(['<', digit(byte >> 4), digit(byte & 15), '>']);
}

fn value(data: &[u8], kind: u16, start: usize, end: usize, protocol: Protocol) -> Text {
    let body = data.get(start..end).unwrap_or_default();
    let name = |at| read_name(data, at, protocol).map(|(name, _)| name);
    let text = match (kind, protocol) {
        (32, Protocol::Nbns) => body
            .get(2..)
            .and_then(|b| b.first_chunk())
            .map(|b| Addr::v4(*b).text()),
        (33, Protocol::Nbns) => None,
        (1, _) => body.first_chunk().map(|b| Addr::v4(*b).text()),
        (28, _) => body.first_chunk().map(|b| Addr::v6(*b).text()),
        (2 | 5 | 12 | 39, _) => name(start),
        (6, _) => name(start),
        (15, _) => name(start + 2),
        (16 | 99, _) => Some(strings(body)),
        (33, _) => service(body, name(start + 6)),
        (64 | 65, _) => Some(binding(data, body, start, protocol)),
        _ => None,
    };
    text.unwrap_or_default()
}

/// SRV: `priority weight port target`.
fn service(body: &[u8], target: Option<Text>) -> Option<Text> {
    let [p0, p1, w0, w1, q0, q1] = *body.first_chunk::<6>()?;
    let word = |a, b| u16::from_be_bytes([a, b]);
    Some(Text::from(format!(
        "{} {} {} {}",
        word(p0, p1),
        word(w0, w1),
        word(q0, q1),
        target?
    )))
}

fn strings(mut body: &[u8]) -> Text {
    let mut out = String::new();
    while let Some((len, rest)) = body.split_first() {
        let len = usize::from(*len).min(rest.len());
        if out.len() > 512 {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&crate::emit::clean_text(rest.get(..len).unwrap_or_default(), 255));
        body = rest.get(len..).unwrap_or_default();
    }
    Text::from(out)
}

/// SVCB and HTTPS: `priority target alpn=… port=… ech`.
fn binding(data: &[u8], body: &[u8], start: usize, protocol: Protocol) -> Text {
    let priority = u16_at(body, 0).unwrap_or(0);
    let Some((target, next)) = read_name(data, start + 2, protocol) else {
        return Text::from(priority.to_string());
    };
    let target = if target.is_empty() {
        Text::new_static(".")
    } else {
        target
    };
    let mut out = format!("{priority} {target}");
    let mut rest = body.get(next.saturating_sub(start)..).unwrap_or_default();
    while let (Some(key), Some(len)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let Some(value) = rest.get(4..4 + usize::from(len)) else {
            break;
        };
        parameter(&mut out, key, value);
        rest = rest.get(4 + usize::from(len)..).unwrap_or_default();
        if out.len() > 512 {
            break;
        }
    }
    Text::from(out)
}

fn parameter(out: &mut String, key: u16, value: &[u8]) {
    use std::fmt::Write;
    let list = |texts: Vec<Text>| texts.iter().map(Text::as_str).collect::<Vec<_>>().join(",");
    let _ = match key {
        1 => write!(out, " alpn={}", strings(value).replace(' ', ",")),
        3 => write!(out, " port={}", u16_at(value, 0).unwrap_or(0)),
        4 => write!(
            out,
            " ipv4hint={}",
            list(
                value
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|a| Addr::v4(*a).text())
                    .collect()
            )
        ),
        5 => write!(out, " ech"),
        6 => write!(
            out,
            " ipv6hint={}",
            list(
                value
                    .as_chunks::<16>()
                    .0
                    .iter()
                    .map(|a| Addr::v6(*a).text())
                    .collect()
            )
        ),
        _ => write!(out, " key{key}"),
    };
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn answer() -> Vec<u8> {
        let mut m = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        m.extend(b"\x05Login\x04test\0\0\x01\0\x01");
        m.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03www\xc0\x12");
        m.extend(b"\xc0\x28\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07");
        m
    }

    #[test]
    fn answers_are_read_through_pointers() {
        let m = parse_message(&answer(), Protocol::Dns).unwrap();
        assert_eq!(
            (m.name.as_str(), m.kind, m.rcode, m.response),
            ("login.test", 1, 0, true)
        );
        assert_eq!(m.answers[0].value, "www.test");
        assert_eq!(m.addresses().collect::<Vec<_>>(), ["192.0.2.7"]);
        assert!(!m.damaged);
    }

    #[test]
    fn cut_messages_keep_the_question() {
        let whole = answer();
        for len in 0..whole.len() {
            let found = parse_message(&whole[..len], Protocol::Dns);
            assert_eq!(found.is_some(), len >= 26, "{len}");
            if let Some(found) = found {
                assert_eq!(found.name, "login.test");
                assert!(found.damaged);
            }
        }
    }

    #[test]
    fn pointer_loops_end() {
        let mut m = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1];
        assert_eq!(parse_message(&m, Protocol::Dns), None);
        m[13] = 14;
        assert_eq!(parse_message(&m, Protocol::Dns), None);
    }

    #[test]
    fn netbios_names_are_decoded() {
        let mut m = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 32];
        for byte in b"WPAD           \0" {
            m.extend([b'A' + (byte >> 4), b'A' + (byte & 15)]);
        }
        m.extend([0, 0, 32, 0, 1]);
        assert_eq!(parse_message(&m, Protocol::Nbns).unwrap().name, "wpad<00>");
    }
}
