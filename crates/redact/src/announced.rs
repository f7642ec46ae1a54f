//! Names that announce a value: `password=`, `"token": "`, `<o:Password Type="x">`, `client_secret%3D`.
//!
//! Read by hand, because every second line of a log has such names and nearly none is a secret's. The pattern that says the
//! same stands in the tests, which hold one against the other.

use std::ops::Range;

/// Characters of a name, the first of which is a letter.
const NAME: std::ops::RangeInclusive<usize> = 2..=48;
/// Blanks on either side of a sign.
const SIGN_BLANKS: usize = 4;
/// Blanks on either side of a comma between two quoted texts.
const COMMA_BLANKS: usize = 2;
/// Characters of a tag behind its name.
const TAG: usize = 201;

/// A name, and the separator right behind it; what is announced follows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) name: Range<usize>,
    pub(crate) separator: Range<usize>,
}

/// Goes through the names of one text.
pub(crate) struct Names<'t> {
    text: &'t str,
    /// The first `<` or `>` at or behind the last place that was asked about, and that place.
    angle: Option<(usize, Option<usize>)>,
}

impl<'t> Names<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, angle: None }
    }

    /// The first name with a separator that starts at or behind `from`.
    pub(crate) fn next(&mut self, mut from: usize) -> Option<Announced> {
        let bytes = self.text.as_bytes();
        loop {
            let start = from + bytes.get(from..)?.iter().position(|byte| is_part(*byte))?;
            let end = start
                + bytes
                    .get(start..)?
                    .iter()
                    .take_while(|byte| is_part(**byte))
                    .count();
            from = end;
            // No separator begins with a name's character: only a name that ends here counts.
            if let Some(name) = name_before(bytes, start, end)
                && let Some(length) = self.separator(end)
            {
                return Some(Announced {
                    name: name..end,
                    separator: end..end + length,
                });
            }
        }
    }

    /// Bytes of the separator at `at`.
    fn separator(&mut self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let first = *rest.as_bytes().first()?;
        match first {
            b'=' | b':' | b'\\' | b'"' | b'\'' => sign(rest).or_else(|| comma(rest)),
            b'%' => encoded(rest),
            b'>' => Some(1),
            _ if first.is_ascii_whitespace() || first == 0x0b || !first.is_ascii() => {
                sign(rest).or_else(|| self.tag_end(at, rest))
            }
            _ => None,
        }
    }

    /// The rest of a tag behind its name: a blank, then anything up to `>`.
    fn tag_end(&mut self, at: usize, rest: &str) -> Option<usize> {
        let end = self.angle_behind(at)?;
        let tag = rest.get(..end - at)?;
        // A character has four bytes at most.
        let fits = tag.len() <= 4 * TAG && tag.chars().count() <= TAG;
        (fits && rest.starts_with(char::is_whitespace) && rest.as_bytes().get(tag.len()) == Some(&b'>'))
            .then_some(tag.len() + 1)
    }

    /// The next `<` or `>`; asked about ever later places, so each is looked for once.
    fn angle_behind(&mut self, at: usize) -> Option<usize> {
        match self.angle {
            Some((asked, found)) if asked <= at && found.is_none_or(|found| at <= found) => found,
            _ => {
                let rest = self.text.as_bytes().get(at..)?;
                let found = memchr::memchr2(b'<', b'>', rest).map(|offset| at + offset);
                self.angle = Some((at, found));
                found
            }
        }
    }
}

/// Letters, digits, `_`, `.` and `-`.
fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Where the longest name that ends with `end` begins.
fn name_before(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let first = start.max(end.saturating_sub(*NAME.end()));
    let letter = bytes.get(first..end)?.iter().position(u8::is_ascii_alphabetic)?;
    NAME.contains(&(end - first - letter)).then_some(first + letter)
}

/// `text` without backslashes and one quote at its start.
fn after_quote(text: &str) -> &str {
    let text = text.trim_start_matches('\\');
    text.strip_prefix(['"', '\'']).unwrap_or(text)
}

/// `text` without its first blanks, up to `most`.
fn after_blanks(text: &str, most: usize) -> &str {
    let blanks = text.chars().take(most).take_while(|c| c.is_whitespace());
    let length = blanks.map(char::len_utf8).sum::<usize>();
    text.get(length..).unwrap_or_default()
}

/// `=`, `:` or `=>`, with blanks and quotes around it.
fn sign(text: &str) -> Option<usize> {
    let rest = after_blanks(after_quote(text), SIGN_BLANKS);
    let rest = rest
        .strip_prefix("=>")
        .or_else(|| rest.strip_prefix(['=', ':']))?;
    Some(text.len() - after_quote(after_blanks(rest, SIGN_BLANKS)).len())
}

/// `", "` between two quoted texts.
fn comma(text: &str) -> Option<usize> {
    let quote = |text| {
        let rest: &str = after_quote(text);
        // More than the backslashes is gone.
        (rest.len() < text.trim_start_matches('\\').len()).then_some(rest)
    };
    let rest = after_blanks(quote(text)?, COMMA_BLANKS).strip_prefix(',')?;
    Some(text.len() - quote(after_blanks(rest, COMMA_BLANKS))?.len())
}

/// `%3D` or `%3A`, with `%22` on either side or not.
fn encoded(text: &str) -> Option<usize> {
    let skip = |text: &str, code: &str| {
        text.get(..3)
            .is_some_and(|head| head.eq_ignore_ascii_case(code))
            .then_some(3)
    };
    let after = |text: &str, at: usize, code: &str| text.get(at..).and_then(|rest| skip(rest, code));
    let before = skip(text, "%22").unwrap_or(0);
    let signed = before + after(text, before, "%3d").or_else(|| after(text, before, "%3a"))?;
    Some(signed + after(text, signed, "%22").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;
    use std::sync::LazyLock;

    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r#"(?x)
            (?P<name>[A-Za-z][A-Za-z0-9_.-]{1,47})
            (?P<sep>
                \\*["']? \s{0,4} (?: => | = | : ) \s{0,4} \\*["']?
              | \\*["']\s{0,2},\s{0,2}\\*["']
              | (?i:%22)? (?i:%3d|%3a) (?i:%22)?
              | (?:\s[^<>]{0,200})? >
            )"#,
        )
        .unwrap()
    });

    fn by_pattern(text: &str, from: usize) -> Option<Announced> {
        let found = PATTERN.captures_at(text, from)?;
        Some(Announced {
            name: found.name("name")?.range(),
            separator: found.name("sep")?.range(),
        })
    }

    fn piece() -> impl Strategy<Value = String> {
        let fixed: Vec<&str> = "=|:|=>|>|<|,|\\|\"|'|%22|%3D|%3d|%3a|%3A|%|3d| |  |    |\t|\n|\u{b}|\u{c}|\r|\u{a0}|\u{2003}|\u{85}|\u{1680}|\u{feff}|\u{200b}|é|日本|a|Z|9|_|-|.|ab|password|o:Password"
            .split('|')
            .chain(["|"])
            .collect();
        prop_oneof![
            12 => prop::sample::select(fixed).prop_map(ToOwned::to_owned),
            2 => "[A-Za-z0-9_.-]{1,60}",
            1 => (prop::sample::select(vec!["x", "é", " ", "日", "=", "😀"]), 40..210_usize).prop_map(|(one, n)| one.repeat(n)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn names_are_those_of_the_pattern(pieces in prop::collection::vec(piece(), 1..14), skip in 0..6_usize) {
            let text = pieces.concat();
            let mut names = Names::new(&text);
            let mut from = text.char_indices().nth(skip).map_or(0, |(at, _)| at);
            loop {
                let expected = by_pattern(&text, from);
                let found = names.next(from);
                prop_assert_eq!(&found, &expected, "{:?} from {}", text, from);
                let Some(found) = found else { break };
                // The one that is asked goes on behind the name, or somewhere in the value.
                let ahead = found.separator.end + skip;
                from = match skip % 2 == 1 && text.is_char_boundary(ahead) && ahead <= text.len() {
                    true => ahead,
                    false => found.name.end,
                };
            }
        }
    }

    #[test]
    fn limits_are_those_of_the_pattern() {
        for name in [1, 2, 47, 48, 49, 100] {
            for blanks in 0..6 {
                let text = format!("{}{}=", "a".repeat(name), " ".repeat(blanks));
                assert_eq!(Names::new(&text).next(0), by_pattern(&text, 0), "{text}");
                let text = format!("{}\"{},\"", "a".repeat(name), "\u{3000}".repeat(blanks));
                assert_eq!(Names::new(&text).next(0), by_pattern(&text, 0), "{text}");
            }
        }
        for length in [198, 199, 200, 201, 202] {
            for one in ["x", "é", "😀"] {
                let text = format!("ab {}>", one.repeat(length));
                assert_eq!(Names::new(&text).next(0), by_pattern(&text, 0), "{length}");
            }
        }
    }
}
