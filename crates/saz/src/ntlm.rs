//! The target names in an NTLM challenge, which tell whose server asked ([MS-NLMP] 2.2.1.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Target name of a type 2 message in a `WWW-Authenticate` or `Proxy-Authenticate` value.
pub(crate) fn target(value: &str) -> Option<String> {
    let (scheme, blob) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("ntlm") && !scheme.eq_ignore_ascii_case("negotiate") {
        return None;
    }
    let bytes = STANDARD.decode(blob.trim()).ok()?;
    if !bytes.starts_with(b"NTLMSSP\0\x02\0\0\0") {
        return None;
    }
    let len = usize::from(u16::from_le_bytes(bytes.get(12..14)?.try_into().ok()?));
    let at = usize::try_from(u32::from_le_bytes(bytes.get(16..20)?.try_into().ok()?)).ok()?;
    let name = bytes.get(at..at.checked_add(len)?)?;
    let units = name
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or('\u{fffd}'))
        .filter(|c| !c.is_control())
        .collect();
    (!text.is_empty() && text.len() <= 255).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_its_domain() {
        let mut blob = b"NTLMSSP\0\x02\0\0\0\x08\0\x08\0\x14\0\0\0".to_vec();
        blob.extend("CORP".encode_utf16().flat_map(u16::to_le_bytes));
        let value = format!("NTLM {}", STANDARD.encode(blob));
        assert_eq!(target(&value).as_deref(), Some("CORP"));
        assert_eq!(target("NTLM"), None);
        assert_eq!(target("Negotiate !!!"), None);
    }
}
