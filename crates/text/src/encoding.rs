//! Which encoding a file, and within it a line, is written in.
//!
//! Windows tools of one bundle write UTF-16LE with and without mark, UTF-8, and the ANSI or OEM code page of the
//! machine; two writers that append to one file leave a UTF-16 head with an ANSI tail. So the unit size (one or
//! two bytes) is looked at anew at each line start, and a line of bytes is UTF-8 if it is valid, else code page
//! 932 if it reads like Japanese, else code page 850 if letters of words sit where 1252 has none, else code page
//! 1252. Other code pages (437's few other letters, Chinese, Korean, Cyrillic) are not told apart and come out as
//! wrong letters; ASCII around them stays right.

use encoding_rs::{Encoding, SHIFT_JIS, WINDOWS_1252};

/// How wide a code unit is and which byte comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// One byte: ASCII, UTF-8 or a code page.
    Byte,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
}

/// A byte order mark at the start of `bytes`, with its length.
pub(crate) fn mark(bytes: &[u8]) -> Option<(Unit, usize)> {
    match bytes {
        [0xff, 0xfe, ..] => Some((Unit::Utf16Le, 2)),
        [0xfe, 0xff, ..] => Some((Unit::Utf16Be, 2)),
        [0xef, 0xbb, 0xbf, ..] => Some((Unit::Byte, 3)),
        _ => None,
    }
}

/// The unit of the line that starts with `window`, given the one of the line before.
///
/// Only the first line end in the window is judged, so that a change of writer is seen on the line where it
/// happens.
pub(crate) fn unit_at(window: &[u8], before: Unit) -> Unit {
    let end = memchr::memchr(b'\n', window);
    match before {
        Unit::Utf16Be => Unit::Utf16Be,
        Unit::Utf16Le if bytes_follow(window, end) => Unit::Byte,
        Unit::Utf16Le => Unit::Utf16Le,
        Unit::Byte => wide_follows(window, end).unwrap_or(Unit::Byte),
    }
}

/// True if a line of bytes starts here although the lines before were UTF-16LE.
///
/// Kanji may look like printable ASCII byte by byte, so only the line end decides: CR and LF side by side would
/// be U+0A0D and LF as high byte a Gurmukhi letter, which no log has.
fn bytes_follow(window: &[u8], end: Option<usize>) -> bool {
    let Some(end) = end.filter(|end| window.get(end + 1) != Some(&0)) else {
        return false;
    };
    let line = window.get(..end).unwrap_or_default();
    if line.last() == Some(&b'\r') {
        return true;
    }
    let printable = line.iter().filter(|b| matches!(b, 0x20..=0x7e | b'\t')).count();
    end % 2 == 1 && printable * 10 >= end * 9
}

/// UTF-16 if a line of it starts here although the lines before were bytes.
fn wide_follows(window: &[u8], end: Option<usize>) -> Option<Unit> {
    if let Some(end) = end
        && end >= 2
        && end % 2 == 0
        && window.get(end + 1) == Some(&0)
        && window.get(end - 2..end) == Some(&[b'\r', 0])
    {
        return Some(Unit::Utf16Le);
    }
    // Only this line: the next one may come from another writer.
    let sample = &window[..end.map_or(window.len(), |end| end + 1).min(512) & !1];
    if sample.len() < 4 {
        return None;
    }
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), sample.len() / 2);
    if odd * 10 > pairs * 3 && even * 20 < pairs {
        Some(Unit::Utf16Le)
    } else if even * 10 > pairs * 3 && odd * 20 < pairs {
        Some(Unit::Utf16Be)
    } else {
        None
    }
}

/// The code page of a line that is not UTF-8; `before` is the one of the last such line.
pub(crate) fn code_page(line: &[u8], before: Option<&'static Encoding>) -> &'static Encoding {
    let (text, malformed) = SHIFT_JIS.decode_without_bom_handling(line);
    if malformed {
        return WINDOWS_1252;
    }
    let (japanese, latin) = evidence(&text);
    match before {
        Some(before) if before == SHIFT_JIS && japanese >= latin => SHIFT_JIS,
        _ if japanese > latin => SHIFT_JIS,
        _ => WINDOWS_1252,
    }
}

/// Letters 0x80 to 0xFF of code page 850, the console's in western Europe.
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
                     └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// True if a line of western text was written by the console: its letters are where 1252 has quotes or nothing.
pub(crate) fn is_console(line: &[u8]) -> bool {
    line.windows(3).any(|three| {
        let [before, byte, after] = three else {
            return false;
        };
        matches!(
            byte,
            0x81 | 0x82 | 0x84 | 0x87 | 0x88 | 0x8a | 0x8e | 0x94 | 0x99 | 0x9a
        ) && before.is_ascii_alphabetic()
            && after.is_ascii_alphabetic()
    })
}

/// Decodes code page 850.
pub(crate) fn decode_console(line: &[u8], out: &mut String) {
    for byte in line {
        match byte.checked_sub(0x80) {
            Some(high) => out.push(CP850.chars().nth(usize::from(high)).unwrap_or('\u{fffd}')),
            None => out.push(char::from(*byte)),
        }
    }
}

/// Signs for Japanese and for a misread western text, counted in a line decoded as code page 932.
///
/// A western `für` becomes `f` and one kanji; real Japanese has kana or several kanji in a row.
fn evidence(text: &str) -> (usize, usize) {
    let (mut japanese, mut latin) = (0, 0);
    let mut run = 0;
    let mut before_run = ' ';
    let mut last = ' ';
    for c in text.chars().chain([' ']) {
        let wide = matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3040}'..='\u{30ff}' | '\u{3000}'..='\u{303f}' | '\u{ff01}'..='\u{ff60}');
        if wide {
            if run == 0 {
                before_run = last;
            }
            run += 1;
            japanese += usize::from(matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3001}' | '\u{3002}'));
        } else {
            match run {
                0 => {}
                1 if before_run.is_ascii_alphabetic() || c.is_ascii_lowercase() => latin += 1,
                1 => {}
                n => japanese += n,
            }
            latin += usize::from(matches!(c, '\u{ff61}'..='\u{ff9f}') && last.is_ascii_alphabetic());
            run = 0;
        }
        last = c;
    }
    (japanese, latin)
}

/// Which encodings a file turned out to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) utf8_mark: bool,
    pub(crate) wide_mark: bool,
    pub(crate) wide_le: bool,
    pub(crate) wide_be: bool,
    pub(crate) ascii: bool,
    pub(crate) utf8: bool,
    pub(crate) cp932: bool,
    pub(crate) cp1252: bool,
    pub(crate) cp850: bool,
    pub(crate) malformed: bool,
}

impl Seen {
    /// True if two writers with different encodings shared the file.
    pub(crate) fn is_mixed(self) -> bool {
        let wide = self.wide_le || self.wide_be;
        let pages = usize::from(self.cp932) + usize::from(self.cp1252 || self.cp850);
        (wide && (self.ascii || self.utf8 || pages > 0)) || (self.utf8 && pages > 0) || pages > 1
    }

    /// The stable name: `utf-16le-bom`, `utf-16le`, `utf-16be`, `utf-8-bom`, `utf-8`, `cp932`, `cp850`, `cp1252`, `ascii`,
    /// `mixed`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            _ if self.is_mixed() => "mixed",
            Self {
                wide_le: true,
                wide_mark: true,
                ..
            } => "utf-16le-bom",
            Self { wide_le: true, .. } => "utf-16le",
            Self { wide_be: true, .. } => "utf-16be",
            Self { utf8_mark: true, .. } => "utf-8-bom",
            Self { cp932: true, .. } => "cp932",
            Self { cp850: true, .. } => "cp850",
            Self { cp1252: true, .. } => "cp1252",
            Self { utf8: true, .. } => "utf-8",
            _ => "ascii",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_pages_are_told_apart_by_what_they_spell() {
        let ja = SHIFT_JIS.encode("現在の WinHTTP プロキシ設定:").0;
        assert_eq!(code_page(&ja, None), SHIFT_JIS);
        let ja = SHIFT_JIS.encode("    名前は存在しません。").0;
        assert_eq!(code_page(&ja, None), SHIFT_JIS);
        for western in [
            "für die Domäne",
            "Système d'exploitation",
            "réponse reçue",
            "Größe überschritten",
        ] {
            let bytes = WINDOWS_1252.encode(western).0;
            assert_eq!(code_page(&bytes, None), WINDOWS_1252, "{western}");
        }
    }

    #[test]
    fn console_letters_are_told_from_quotes() {
        let mut out = String::new();
        let line = b"Dom\x84ne f\x81r Gr\x94\xe1e";
        assert!(is_console(line));
        decode_console(line, &mut out);
        assert_eq!(out, "Domäne für Größe");
        assert_eq!(CP850.chars().count(), 128);
        assert!(!is_console(&WINDOWS_1252.encode("„Domäne“ – don’t … für").0));
    }

    #[test]
    fn a_change_of_writer_is_seen_at_the_line() {
        let wide: Vec<u8> = "abc\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(unit_at(&wide, Unit::Byte), Unit::Utf16Le);
        assert_eq!(unit_at(&wide, Unit::Utf16Le), Unit::Utf16Le);
        assert_eq!(unit_at(b"abc\r\n", Unit::Utf16Le), Unit::Byte);
        let ja: Vec<u8> = "構成《情報》\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(unit_at(&ja, Unit::Utf16Le), Unit::Utf16Le);
        assert_eq!(unit_at(b"ab", Unit::Byte), Unit::Byte);
    }
}
