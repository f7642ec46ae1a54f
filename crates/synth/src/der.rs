//! A small DER writer: enough for certificates, Kerberos and LDAP messages.
//!
//! Source: ITU-T X.690. Lengths are always definite and minimal.

/// One TLV with any identifier octet.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let n = content.len();
    if n < 0x80 {
        out.push(n as u8);
    } else {
        let bytes: Vec<u8> = (n as u32)
            .to_be_bytes()
            .into_iter()
            .skip_while(|b| *b == 0)
            .collect();
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(&bytes);
    }
    out.extend_from_slice(content);
    out
}

/// SEQUENCE of ready parts.
pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// SET of ready parts.
pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

/// Context tag, constructed.
pub fn context(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

/// Application tag, constructed.
pub fn application(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x60 | number, content)
}

/// INTEGER, minimal two's complement.
pub fn integer(value: i64) -> Vec<u8> {
    tlv(0x02, &integer_content(value))
}

/// ENUMERATED.
pub fn enumerated(value: i64) -> Vec<u8> {
    tlv(0x0a, &integer_content(value))
}

fn integer_content(value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let mut start = 0;
    while start < 7 {
        let redundant = if bytes[start + 1] & 0x80 == 0 { 0x00 } else { 0xff };
        if bytes[start] != redundant {
            break;
        }
        start += 1;
    }
    bytes[start..].to_vec()
}

/// OCTET STRING.
pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

/// BIT STRING of whole bytes.
pub fn bits(content: &[u8]) -> Vec<u8> {
    let mut inner = vec![0];
    inner.extend_from_slice(content);
    tlv(0x03, &inner)
}

/// BOOLEAN.
pub fn boolean(value: bool) -> Vec<u8> {
    tlv(0x01, &[if value { 0xff } else { 0 }])
}

/// UTF8String.
pub fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

/// PrintableString.
pub fn printable(text: &str) -> Vec<u8> {
    tlv(0x13, text.as_bytes())
}

/// GeneralString (Kerberos).
pub fn general(text: &str) -> Vec<u8> {
    tlv(0x1b, text.as_bytes())
}

/// OBJECT IDENTIFIER from dotted text.
pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u32> = dotted.split('.').filter_map(|a| a.parse().ok()).collect();
    let (Some(first), Some(second)) = (arcs.first(), arcs.get(1)) else {
        return tlv(0x06, &[]);
    };
    let mut out = vec![(first * 40 + second) as u8];
    for arc in arcs.iter().skip(2) {
        let mut groups = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.extend(groups.iter().rev());
    }
    tlv(0x06, &out)
}

/// NULL.
pub fn null() -> Vec<u8> {
    tlv(0x05, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_numbers_are_minimal() {
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(integer(-1), [2, 1, 0xff]);
        assert_eq!(oid("1.2.840.113549"), [6, 6, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]);
        assert_eq!(tlv(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
