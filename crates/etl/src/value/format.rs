//! How single values are written.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::bytes::{array, u8_at, u16_at};
use crate::schema::Out;

/// A number with its sign and stored width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) bits: u64,
    pub(super) signed: bool,
    pub(super) bytes: u8,
}

impl Number {
    pub(super) fn unsigned(bits: u64, bytes: u8) -> Self {
        Self {
            bits,
            signed: false,
            bytes,
        }
    }

    /// Sign-extends what was stored.
    pub(super) fn signed(bits: u64, bytes: u8) -> Self {
        let unused = 64 - 8 * u32::from(bytes.clamp(1, 8));
        Self {
            bits: ((bits << unused) as i64 >> unused) as u64,
            signed: true,
            bytes,
        }
    }

    fn truncated(self) -> u64 {
        let unused = 64 - 8 * u32::from(self.bytes.clamp(1, 8));
        self.bits << unused >> unused
    }
}

/// Writes a number the way its output type asks for.
pub(super) fn push_number(out: &mut String, number: Number, output: Out) {
    match output {
        Out::Hex => push_hex_number(out, number.truncated(), 1),
        Out::HResult | Out::NtStatus => push_hex_number(out, u64::from(number.truncated() as u32), 8),
        Out::Boolean => out.push_str(if number.truncated() == 0 { "false" } else { "true" }),
        Out::Port => push_digits(out, u64::from((number.bits as u16).swap_bytes())),
        Out::Ipv4 => push_ipv4(out, (number.bits as u32).to_le_bytes()),
        Out::FileTime => push_filetime(out, number.truncated()),
        Out::Signed => push_decimal(out, Number::signed(number.bits, number.bytes)),
        Out::Unsigned => push_decimal(out, Number::unsigned(number.truncated(), number.bytes)),
        _ => push_decimal(out, number),
    }
}

fn push_decimal(out: &mut String, number: Number) {
    let mut value = number.bits;
    if number.signed && (value as i64) < 0 {
        out.push('-');
        value = (value as i64).unsigned_abs();
    }
    push_digits(out, value);
}

fn push_digits(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// `0x` and at least `width` digits.
fn push_hex_number(out: &mut String, mut value: u64, width: usize) {
    let mut digits = [b'0'; 18];
    let mut at = digits.len();
    while value != 0 || at > digits.len() - width {
        at -= 1;
        digits[at] = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
    digits[at - 1] = b'x';
    out.push_str(std::str::from_utf8(&digits[at - 2..]).unwrap_or_default());
}

fn push_ipv4(out: &mut String, address: [u8; 4]) {
    for (place, part) in address.into_iter().enumerate() {
        if place > 0 {
            out.push('.');
        }
        push_digits(out, part.into());
    }
}

fn push_filetime(out: &mut String, filetime: u64) {
    match casetrace_model::time::from_filetime(filetime) {
        Some(ts_ns) if filetime != 0 => out.push_str(&casetrace_model::time::to_rfc3339(ts_ns)),
        _ => push_decimal(out, Number::unsigned(filetime, 8)),
    }
}

/// SYSTEMTIME: year, month, day of week, day, hour, minute, second, millisecond.
pub(super) fn push_systemtime(out: &mut String, bytes: &[u8]) {
    let part = |i: usize| u16_at(bytes, i * 2);
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}",
        part(0),
        part(1),
        part(3),
        part(4),
        part(5),
        part(6),
        part(7)
    );
}

/// Hex digits of a blob, cut at `max` bytes of it.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8], max: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes.iter().take(max) {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    if bytes.len() > max {
        out.push('…');
    }
}

/// Length of a SID that starts at the front of `bytes`.
pub(super) fn sid_len(bytes: &[u8]) -> usize {
    8 + 4 * usize::from(u8_at(bytes, 1))
}

/// `S-1-5-…`.
pub(crate) fn push_sid(out: &mut String, sid: &[u8]) {
    let authority = array::<8>(sid, 0).map_or(0, |head| u64::from_be_bytes(head) & 0xffff_ffff_ffff);
    let _ = write!(out, "S-{}-{authority}", u8_at(sid, 0));
    for part in sid
        .get(8..)
        .unwrap_or_default()
        .chunks_exact(4)
        .take(usize::from(u8_at(sid, 1)))
    {
        let _ = write!(out, "-{}", crate::bytes::u32_at(part, 0));
    }
}

/// A SOCKADDR; false if it is of no family that has addresses.
pub(super) fn push_socket_address(out: &mut String, bytes: &[u8]) -> bool {
    let port = array(bytes, 2).map_or(0, u16::from_be_bytes);
    let address: SocketAddr = match (u16_at(bytes, 0), array::<4>(bytes, 4), array::<16>(bytes, 8)) {
        (2, Some(v4), _) => (Ipv4Addr::from(v4), port).into(),
        (23, _, Some(v6)) => SocketAddrV6::new(Ipv6Addr::from(v6), port, 0, 0).into(),
        _ => return false,
    };
    let _ = write!(out, "{address}");
    true
}

/// 8-bit text: UTF-8 if it is, else the most common code page.
pub(super) fn push_ansi(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => out.push_str(text),
        Err(_) => out.push_str(&encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: Number, output: Out) -> String {
        let mut out = String::new();
        push_number(&mut out, number, output);
        out
    }

    #[test]
    fn numbers_follow_their_output_type() {
        assert_eq!(shown(Number::signed(0xffff_ffff, 4), Out::Default), "-1");
        assert_eq!(shown(Number::signed(0xffff_ffff, 4), Out::HResult), "0xffffffff");
        assert_eq!(shown(Number::unsigned(0, 4), Out::Hex), "0x0");
        assert_eq!(
            shown(Number::unsigned(0xc000_0001, 4), Out::NtStatus),
            "0xc0000001"
        );
        assert_eq!(shown(Number::unsigned(5, 4), Out::HResult), "0x00000005");
        assert_eq!(
            shown(Number::unsigned(u64::MAX, 8), Out::Hex),
            "0xffffffffffffffff"
        );
        assert_eq!(shown(Number::unsigned(0x5000, 2), Out::Port), "80");
        assert_eq!(shown(Number::unsigned(0x0102_00c0, 4), Out::Ipv4), "192.0.2.1");
        assert_eq!(shown(Number::signed(0xff, 1), Out::Unsigned), "255");
        assert_eq!(
            shown(Number::unsigned(u64::MAX, 8), Out::Default),
            u64::MAX.to_string()
        );
        assert_eq!(
            shown(Number::signed(1 << 63, 8), Out::Default),
            i64::MIN.to_string()
        );
    }

    #[test]
    fn addresses_and_sids() {
        let mut out = String::new();
        assert!(push_socket_address(&mut out, &[2, 0, 1, 0xbb, 192, 0, 2, 7]));
        assert_eq!(out, "192.0.2.7:443");
        out.clear();
        let mut v6 = vec![23, 0, 0, 53, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8];
        v6.resize(28, 0);
        assert!(push_socket_address(&mut out, &v6));
        assert_eq!(out, "[2001:db8::]:53");
        assert!(!push_socket_address(&mut out, &[]));
        out.clear();
        push_sid(&mut out, &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0]);
        assert_eq!(out, "S-1-5-32-544");
    }
}
