//! HTTP authentication: schemes offered and used, and what an NTLM message says in clear.
//!
//! Source: RFC 9110 section 11, RFC 4559, MS-NLMP 2.2.1. Credentials themselves are never kept.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use casetrace_model::Text;

use super::fields::Asked;
use super::head::Head;

/// What an NTLM message shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ntlm {
    /// 1 negotiate, 2 challenge, 3 authenticate.
    pub message: u32,
    /// Domain or computer that challenges (message 2).
    pub target: Option<Text>,
    /// DNS name of the computer that challenges (message 2).
    pub dns_host: Option<Text>,
    /// `DOMAIN\user` (message 3).
    pub user: Option<Text>,
    /// Workstation (message 3).
    pub workstation: Option<Text>,
}

/// Schemes of all challenges in a field, in order, each once.
pub(crate) fn schemes(head: &Head<'_>, field: Asked) -> Vec<Text> {
    let mut out: Vec<Text> = Vec::new();
    for value in head.values(field) {
        for scheme in schemes_in(value) {
            if !out.iter().any(|known| known.eq_ignore_ascii_case(&scheme)) {
                out.push(scheme);
            }
        }
    }
    out
}

/// A challenge starts a value or follows a comma; parameters have an equals sign in their first word.
fn schemes_in(value: &str) -> impl Iterator<Item = Text> + '_ {
    let parts = split_unquoted(value);
    parts.into_iter().filter_map(|part| {
        let word = part.trim().split(' ').next()?;
        let plain = !word.is_empty()
            && word.len() <= 32
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        plain.then(|| canonical(word))
    })
}

fn split_unquoted(value: &str) -> Vec<&str> {
    let (mut out, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in value.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                out.push(value.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(value.get(start..).unwrap_or_default());
    out
}

fn canonical(scheme: &str) -> Text {
    let known = [
        "Negotiate",
        "NTLM",
        "Basic",
        "Digest",
        "Bearer",
        "Kerberos",
        "Nego2",
    ];
    match known.iter().find(|k| k.eq_ignore_ascii_case(scheme)) {
        Some(known) => Text::new_static(known),
        None => Text::new(scheme),
    }
}

/// The scheme of an `Authorization` field, with the NTLM message or mechanism inside it: `NTLM/1`, `Negotiate/NTLM/3`,
/// `Negotiate/Kerberos`.
pub(crate) fn used_scheme(value: &str) -> (Text, Option<Ntlm>) {
    let (scheme, blob) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    let scheme = canonical(crate::mask::cut(scheme, 32));
    if !matches!(scheme.as_str(), "NTLM" | "Negotiate") {
        return (scheme, None);
    }
    let Some(bytes) = decode(blob) else {
        return (scheme, None);
    };
    if let Some(ntlm) = parse_ntlm(&bytes) {
        let inner = if scheme == "NTLM" { "" } else { "/NTLM" };
        return (
            Text::from(format!("{scheme}{inner}/{}", ntlm.message)),
            Some(ntlm),
        );
    }
    // SPNEGO or bare Kerberos: the mechanism's object identifier stands near the front.
    let head = bytes.get(..256).unwrap_or(&bytes);
    let kerberos = [
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2][..],
        &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2],
    ];
    let found = kerberos
        .iter()
        .any(|oid| head.windows(oid.len()).any(|w| w == *oid));
    (
        if found {
            Text::from(format!("{scheme}/Kerberos"))
        } else {
            scheme
        },
        None,
    )
}

/// The NTLM challenge a response carries, if any.
pub(crate) fn challenge(head: &Head<'_>, field: Asked) -> Option<Ntlm> {
    head.values(field)
        .filter_map(|value| used_scheme(value).1)
        .find(|ntlm| ntlm.message == 2)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.split([',', ' ']).next()?;
    let text = text.get(..text.len().min(16 << 10))?;
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, config)
        .decode(text)
        .ok()
        .filter(|bytes| !bytes.is_empty())
}

/// Finds and reads an NTLM message, bare or inside SPNEGO.
pub fn parse_ntlm(bytes: &[u8]) -> Option<Ntlm> {
    let start = bytes.windows(8).take(512).position(|w| w == b"NTLMSSP\0")?;
    let message = bytes.get(start..)?;
    let kind = u32_at(message, 8)?;
    let mut out = Ntlm {
        message: kind,
        ..Ntlm::default()
    };
    match kind {
        1 => {}
        2 => {
            let unicode = u32_at(message, 20)? & 1 != 0;
            out.target = field(message, 12, unicode);
            out.dns_host = target_info(message, 3);
        }
        3 => {
            let unicode = u32_at(message, 60).is_none_or(|flags| flags & 1 != 0);
            let (domain, user) = (field(message, 28, unicode), field(message, 36, unicode));
            out.user = match (domain, user) {
                (Some(domain), Some(user)) => Some(Text::from(format!("{domain}\\{user}"))),
                (None, user) => user,
                (Some(_), None) => None,
            };
            out.workstation = field(message, 44, unicode);
        }
        _ => return None,
    }
    Some(out)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk::<4>()
        .map(|b| u32::from_le_bytes(*b))
}

/// A field descriptor: length, allocated length, offset from the message's start.
fn span(message: &[u8], at: usize) -> Option<&[u8]> {
    let len = (u32_at(message, at)? & 0xffff) as usize;
    let offset = u32_at(message, at + 4)? as usize;
    message
        .get(offset..offset.checked_add(len)?)
        .filter(|bytes| !bytes.is_empty())
}

fn field(message: &[u8], at: usize, unicode: bool) -> Option<Text> {
    let bytes = span(message, at)?;
    Some(if unicode {
        utf16(bytes)
    } else {
        crate::emit::clean_text(bytes, 256)
    })
}

fn utf16(bytes: &[u8]) -> Text {
    let units = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .take(256)
        .map(|b| u16::from_le_bytes(*b));
    char::decode_utf16(units)
        .map(|c| c.ok().filter(|c| !c.is_control()).unwrap_or('\u{fffd}'))
        .collect()
}

/// An attribute of the challenge's target information.
fn target_info(message: &[u8], wanted: u16) -> Option<Text> {
    let mut rest = span(message, 40)?;
    for _ in 0..32 {
        let head = rest.first_chunk::<4>()?;
        let (id, len) = (
            u16::from_le_bytes([head[0], head[1]]),
            usize::from(u16::from_le_bytes([head[2], head[3]])),
        );
        let value = rest.get(4..4 + len)?;
        if id == wanted {
            return Some(utf16(value));
        }
        if id == 0 {
            return None;
        }
        rest = rest.get(4 + len..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn head<'a>(values: &[&'a str]) -> Head<'a> {
        Head::of_fields(
            &values
                .iter()
                .map(|v| ("Proxy-Authenticate", *v))
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn schemes_are_listed_once_and_in_order() {
        let found = schemes(
            &head(&[
                "Negotiate",
                "ntlm",
                "Basic realm=\"a, b\", Digest realm=x, nonce=y",
            ]),
            Asked::ProxyAuthenticate,
        );
        assert_eq!(found, ["Negotiate", "NTLM", "Basic", "Digest"]);
    }

    #[test]
    fn an_ntlm_challenge_names_its_target() {
        let target: Vec<u8> = "CONTOSO".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let host: Vec<u8> = "px.contoso.com"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
        let info_len = host.len() as u16 + 8;
        message.extend([target.len() as u8, 0, target.len() as u8, 0, 56, 0, 0, 0]);
        message.extend(1_u32.to_le_bytes());
        message.extend([0; 16]);
        message.extend(info_len.to_le_bytes());
        message.extend(info_len.to_le_bytes());
        message.extend((56 + target.len() as u32).to_le_bytes());
        message.extend([0; 8]);
        message.extend(&target);
        message.extend([3, 0]);
        message.extend((host.len() as u16).to_le_bytes());
        message.extend(&host);
        message.extend([0; 4]);
        let text = base64::engine::general_purpose::STANDARD.encode(&message);
        let (scheme, ntlm) = used_scheme(&format!("Negotiate {text}"));
        let ntlm = ntlm.unwrap();
        assert_eq!(scheme, "Negotiate/NTLM/2");
        assert_eq!(ntlm.target.as_deref(), Some("CONTOSO"));
        assert_eq!(ntlm.dns_host.as_deref(), Some("px.contoso.com"));
        for len in 0..message.len() {
            let _ = parse_ntlm(&message[..len]);
        }
    }
}
