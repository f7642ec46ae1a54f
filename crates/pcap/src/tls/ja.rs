//! JA3 and JA4 fingerprints of a ClientHello.
//!
//! Source: the public descriptions of JA3 (BSD) and JA4 (the TLS client part, BSD-3-Clause; the rest of JA4+ is not
//! open and not here). Reserved GREASE values are left out everywhere.

use std::fmt::Write;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::hello::{ClientHello, is_grease};

/// MD5 over version, ciphers, extensions, groups and point formats in the order sent.
pub(crate) fn ja3(hello: &ClientHello) -> String {
    let mut text = String::with_capacity(256);
    push_number(&mut text, u32::from(hello.version));
    for list in [&hello.ciphers, &hello.extensions, &hello.groups] {
        text.push(',');
        join(
            &mut text,
            list.iter().filter(|v| !is_grease(**v)).map(|v| u32::from(*v)),
        );
    }
    text.push(',');
    join(&mut text, hello.point_formats.iter().map(|v| u32::from(*v)));
    hex(&Md5::digest(text.as_bytes()))
}

fn join(text: &mut String, values: impl Iterator<Item = u32>) {
    for (i, value) in values.enumerate() {
        if i > 0 {
            text.push('-');
        }
        push_number(text, value);
    }
}

/// Decimal digits without the formatting machinery.
pub(crate) fn push_number(text: &mut String, value: u32) {
    text.push_str(itoa::Buffer::new().format(value));
}

/// JA4 with `t` for TCP or `q` for QUIC in front.
pub(crate) fn ja4(hello: &ClientHello, transport: char) -> String {
    let mut ciphers: Vec<u16> = hello.ciphers.iter().copied().filter(|v| !is_grease(*v)).collect();
    let extensions = hello.extensions.iter().copied().filter(|v| !is_grease(*v));
    let count = extensions.clone().count();
    // Server name and ALPN are in the first part already.
    let mut hashed: Vec<u16> = extensions.filter(|v| !matches!(v, 0 | 16)).collect();
    ciphers.sort_unstable();
    hashed.sort_unstable();
    let mut out = String::with_capacity(36);
    let named = if hello.extensions.contains(&0) { 'd' } else { 'i' };
    let _ = write!(out, "{transport}{}{named}", version(numeric_highest(hello)));
    let _ = write!(
        out,
        "{:02}{:02}{}",
        ciphers.len().min(99),
        count.min(99),
        alpn_tag(hello)
    );
    out.push('_');
    let mut text = String::with_capacity(512);
    hex_list(&mut text, &ciphers);
    push_short_hash(&mut out, &text);
    text.clear();
    hex_list(&mut text, &hashed);
    if !text.is_empty() && !hello.signature_algorithms.is_empty() {
        text.push('_');
        hex_list(&mut text, &hello.signature_algorithms);
    }
    out.push('_');
    push_short_hash(&mut out, &text);
    out
}

/// The numerically highest offer, as JA4 has it: a draft's number beats the final version and has no name.
fn numeric_highest(hello: &ClientHello) -> u16 {
    hello
        .versions
        .iter()
        .copied()
        .filter(|v| !is_grease(*v))
        .max()
        .unwrap_or(hello.version)
}

fn version(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol; of its hex form if either is not alphanumeric.
fn alpn_tag(hello: &ClientHello) -> String {
    let Some((first, last)) = hello
        .alpn
        .first()
        .and_then(|name| Some((*name.first()?, *name.last()?)))
    else {
        return String::from("00");
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(first), char::from(last)].iter().collect();
    }
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    [digit(first >> 4), digit(last & 15)].iter().collect()
}

fn hex_list(out: &mut String, values: &[u16]) {
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_hex(out, &value.to_be_bytes());
    }
}

/// The first twelve digits of a SHA-256, or twelve zeros for an empty text.
fn push_short_hash(out: &mut String, text: &str) {
    if text.is_empty() {
        out.push_str("000000000000");
    } else if let Some(start) = Sha256::digest(text.as_bytes()).first_chunk::<6>() {
        push_hex(out, start);
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    push_hex(&mut out, bytes);
    out
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_leave_grease_out_and_sort_what_they_should() {
        let hello = ClientHello {
            version: 0x0303,
            ciphers: vec![0x2a2a, 0x1302, 0x1301],
            extensions: vec![0x1a1a, 0, 43, 13, 16],
            groups: vec![0x3a3a, 29],
            versions: vec![0x4a4a, 0x0304, 0x0303],
            signature_algorithms: vec![0x0804, 0x0403],
            alpn: vec![b"h2".to_vec()],
            ..ClientHello::default()
        };
        // md5("771,4866-4865,0-43-13-16,29,")
        assert_eq!(ja3(&hello), hex(&Md5::digest(b"771,4866-4865,0-43-13-16,29,")));
        let b = &hex(&Sha256::digest(b"1301,1302"))[..12];
        let c = &hex(&Sha256::digest(b"000d,002b_0804,0403"))[..12];
        assert_eq!(ja4(&hello, 't'), format!("t13d0204h2_{b}_{c}"));
        assert_eq!(
            ja4(&ClientHello::default(), 'q'),
            "q00i000000_000000000000_000000000000"
        );
    }

    #[test]
    fn odd_protocol_names_use_their_hex_form() {
        let hello = |name: &[u8]| ClientHello {
            alpn: vec![name.to_vec()],
            ..ClientHello::default()
        };
        assert_eq!(alpn_tag(&hello(b"http/1.1")), "h1");
        assert_eq!(alpn_tag(&hello(&[0xab, 0xcd])), "ad");
        assert_eq!(alpn_tag(&hello(b"h")), "hh");
        assert_eq!(alpn_tag(&hello(b"")), "00");
    }
}
