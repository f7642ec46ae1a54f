//! Names inside archives: their encoding, and their safe form as a logical path.
//!
//! A logical path is only ever a label: nothing is created under it. It is still made harmless, because reports,
//! shells and other tools will see it. Whatever had to be changed is percent-encoded and reported.
//!
//! Encodings: UTF-8 where flagged or valid; else the code page of the PC that made the archive, which Explorer
//! and `makecab` do not record. Japanese (CP932) is told from western (CP437) by what the bytes spell.

use std::borrow::Cow;

use encoding_rs::SHIFT_JIS;

/// Longest component and path that are kept whole.
const MAX_COMPONENT: usize = 255;
const MAX_PATH: usize = 4096;

/// The code page for names that are neither ASCII nor UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodePage {
    Cp932,
    Cp437,
}

impl CodePage {
    /// Decides once per archive, from all its non-ASCII names.
    pub(crate) fn guess<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut japanese, mut western) = (0, 0);
        for name in names {
            if name.is_ascii() || std::str::from_utf8(name).is_ok() {
                continue;
            }
            match weigh(name) {
                Some((j, w)) => (japanese, western) = (japanese + j, western + w),
                None => return Self::Cp437,
            }
        }
        if japanese > western {
            Self::Cp932
        } else {
            Self::Cp437
        }
    }

    fn decode(self, name: &[u8]) -> String {
        match self {
            Self::Cp932 => SHIFT_JIS.decode_without_bom_handling(name).0.into_owned(),
            Self::Cp437 => name.iter().map(|byte| cp437(*byte)).collect(),
        }
    }
}

/// Decodes a raw name. `utf8` is the archive's own statement.
pub(crate) fn decode(name: &[u8], utf8: bool, fallback: CodePage) -> String {
    match std::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) if utf8 => String::from_utf8_lossy(name).into_owned(),
        Err(_) => fallback.decode(name),
    }
}

/// Weighs what the bytes spell as CP932: (Japanese, western) evidence; `None` if they are no CP932 text.
///
/// `Köln` reads as a valid kanji between letters by accident. So a kana or kanji counts as Japanese next to another
/// one, and as western if it stands alone inside a Latin word.
fn weigh(name: &[u8]) -> Option<(u32, u32)> {
    let (text, broken) = SHIFT_JIS.decode_without_bom_handling(name);
    if broken {
        return None;
    }
    let chars: Vec<char> = text.chars().collect();
    let mut evidence = (0, 0);
    for (i, ch) in chars.iter().enumerate().filter(|(_, ch)| !ch.is_ascii()) {
        match ch {
            '\u{3041}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' => {}
            '\u{3000}'..='\u{303f}' | '\u{ff01}'..='\u{ff9f}' => continue,
            _ => return None,
        }
        let before = i.checked_sub(1).and_then(|at| chars.get(at));
        let neighbours = [before, chars.get(i + 1)];
        if neighbours.iter().flatten().any(|c| !c.is_ascii()) {
            evidence.0 += 2;
        } else if neighbours.iter().flatten().any(|c| c.is_ascii_alphabetic()) {
            evidence.1 += 1;
        } else {
            evidence.0 += 1;
        }
    }
    Some(evidence)
}

/// Upper half of IBM code page 437.
const CP437_HIGH: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

fn cp437(byte: u8) -> char {
    match byte {
        0..=0x7f => char::from(byte),
        _ => CP437_HIGH
            .chars()
            .nth(usize::from(byte & 0x7f))
            .unwrap_or('\u{fffd}'),
    }
}

/// What was wrong with a name as a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NameIssues {
    /// Absolute, drive, UNC, or climbing out with `..`.
    pub(crate) escapes: bool,
    /// A Windows device name such as `NUL` or `COM1.txt`.
    pub(crate) device: bool,
    /// Control, direction-changing or otherwise invisible characters, or `:`.
    pub(crate) deceptive: bool,
    /// Longer than any file system takes.
    pub(crate) shortened: bool,
}

/// Turns a decoded archive name into a relative logical path with `/`; `None` for an empty one.
pub(crate) fn logical(name: &str) -> Option<(String, NameIssues)> {
    let mut issues = NameIssues::default();
    let name = name.replace('\\', "/");
    let bytes = name.as_bytes();
    let drive = bytes.get(1) == Some(&b':') && bytes.first().is_some_and(u8::is_ascii_alphabetic);
    issues.escapes = name.starts_with('/') || drive;
    let mut path = String::new();
    for part in name.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&component(part, &mut issues));
    }
    if path.len() > MAX_PATH {
        issues.shortened = true;
        path = shorten(&path, MAX_PATH);
    }
    (!path.is_empty()).then_some((path, issues))
}

fn component<'a>(part: &'a str, issues: &mut NameIssues) -> Cow<'a, str> {
    if part == ".." {
        issues.escapes = true;
        return Cow::Borrowed("%2E%2E");
    }
    issues.device |= is_device(part);
    let plain = part.len() <= MAX_COMPONENT && !part.ends_with('!') && !part.chars().any(needs_escape);
    if plain {
        return Cow::Borrowed(part);
    }
    let mut out = String::with_capacity(part.len() + 8);
    for ch in part.chars() {
        if needs_escape(ch) {
            issues.deceptive = true;
            push_escaped(&mut out, ch);
        } else {
            out.push(ch);
        }
    }
    // A component ending in `!` would read as the nesting mark `!/`.
    if out.ends_with('!') {
        out.pop();
        out.push_str("%21");
    }
    if out.len() > MAX_COMPONENT {
        issues.shortened = true;
        out = shorten(&out, MAX_COMPONENT);
    }
    Cow::Owned(out)
}

fn push_escaped(out: &mut String, ch: char) {
    use std::fmt::Write;
    let mut buf = [0; 4];
    for byte in ch.encode_utf8(&mut buf).bytes() {
        // Writing to a String can't fail.
        let _ = write!(out, "%{byte:02X}");
    }
}

fn needs_escape(ch: char) -> bool {
    matches!(ch,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | ':' | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end();
    let upper = stem.to_ascii_uppercase();
    match upper.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$" => true,
        _ => {
            let digit = upper.strip_prefix("COM").or_else(|| upper.strip_prefix("LPT"));
            // Windows takes the superscript digits of Latin-1 for digits here.
            let is_digit = |d: char| d.is_ascii_digit() || matches!(d, '¹' | '²' | '³');
            digit.is_some_and(|d| d.chars().count() == 1 && d.chars().all(is_digit))
        }
    }
}

/// Cuts to `max` bytes at a character boundary, ending in a mark that keeps different long names apart.
fn shorten(text: &str, max: usize) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(text.as_bytes());
    let mut cut = max.saturating_sub(10);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut out = text.get(..cut).unwrap_or_default().to_owned();
    out.push('~');
    out.push_str(&hex(digest.get(..4).unwrap_or_default()));
    out
}

/// The form under which Windows or macOS would take two names for the same file.
pub(crate) fn fold(path: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    path.split('/')
        .map(|part| part.trim_end_matches(['.', ' ']))
        .collect::<Vec<_>>()
        .join("/")
        .nfc()
        .flat_map(char::to_lowercase)
        .collect()
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn path(name: &str) -> String {
        logical(name).unwrap().0
    }

    #[test]
    fn code_pages_are_told_apart_by_what_they_spell() {
        let (japanese, ..) = SHIFT_JIS.encode("収集ログ/結果.txt");
        assert_eq!(CodePage::guess([japanese.as_ref()]), CodePage::Cp932);
        assert_eq!(decode(&japanese, false, CodePage::Cp932), "収集ログ/結果.txt");
        for (bytes, text) in [
            (b"K\x94ln.txt".as_slice(), "Köln.txt"),
            (b"B\x81cher", "Bücher"),
            (b"caf\x82", "café"),
        ] {
            assert_eq!(CodePage::guess([bytes]), CodePage::Cp437, "{text}");
            assert_eq!(decode(bytes, false, CodePage::Cp437), text);
        }
        assert_eq!(decode("é".as_bytes(), false, CodePage::Cp437), "é");
        assert_eq!(CP437_HIGH.chars().count(), 128);
    }

    #[test]
    fn hostile_names_become_harmless_labels() {
        assert_eq!(path(r"Authlogs\Dsregcmd.txt"), "Authlogs/Dsregcmd.txt");
        assert_eq!(path("../../etc/passwd"), "%2E%2E/%2E%2E/etc/passwd");
        assert_eq!(path(r"\\server\share\x"), "server/share/x");
        assert_eq!(path(r"C:\Windows\x"), "C%3A/Windows/x");
        assert_eq!(path("a\u{202e}txt.exe"), "a%E2%80%AEtxt.exe");
        assert_eq!(path("a.zip!/b"), "a.zip%21/b");
        assert_eq!(logical("/./"), None);
        for (name, escapes, device, deceptive) in [
            ("/abs", true, false, false),
            ("a/../b", true, false, false),
            ("NUL.txt", false, true, false),
            ("com1", false, true, false),
            ("com", false, false, false),
            ("a\nb", false, false, true),
        ] {
            let issues = logical(name).unwrap().1;
            assert_eq!(
                (issues.escapes, issues.device, issues.deceptive),
                (escapes, device, deceptive),
                "{name}"
            );
        }
    }

    #[test]
    fn long_names_stay_distinct() {
        let (a, b) = ("x".repeat(300), "x".repeat(301));
        assert_ne!(path(&a), path(&b));
        assert!(path(&a).len() <= MAX_COMPONENT);
        assert!(path(&"深い/".repeat(5000)).len() <= MAX_PATH);
    }

    #[test]
    fn names_that_are_one_file_elsewhere_fold_together() {
        assert_eq!(fold("A/e\u{301}.TXT"), fold("a/É.txt."));
        assert_ne!(fold("a"), fold("b"));
    }
}
