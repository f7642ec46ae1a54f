//! Text from a bundle is hostile: it may hold markdown, HTML, table bars or terminal escapes. Everything a
//! template prints goes through [`markdown`], unless our own code marked it safe.

/// Makes text inert in markdown paragraphs and table cells, on one line.
///
/// Control characters (terminal escapes among them) and bidirectional overrides become `�`, line breaks a blank, and every
/// character that could start markup gets a backslash or an entity. Addresses, which forges turn into links and mentions, become
/// code spans: they stay readable where nobody renders the markdown, too.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.bytes().take_while(u8::is_ascii_graphic).count();
        let end = rest
            .bytes()
            .skip(word)
            .position(|b| b.is_ascii_graphic())
            .map_or(rest.len(), |gap| word + gap);
        // Both ends lie at ASCII characters or the text's end.
        let (word, gap) = rest.get(..end).unwrap_or(rest).split_at(word);
        match address(word) {
            Some(address) => {
                let (before, after) = word.split_once(address).unwrap_or((word, ""));
                inert(before, &mut out);
                out.push_str(&code(address));
                inert(after, &mut out);
            }
            None => inert(word, &mut out),
        }
        inert(gap, &mut out);
        rest = rest.get(end..).unwrap_or("");
    }
    out
}

/// The part of a word, without the punctuation around it, that is or holds an address.
fn address(word: &str) -> Option<&str> {
    let core = word.trim_start_matches(['(', '[', '{', '<', '"', '\'', '`']);
    let core = core.trim_end_matches([
        ')', ']', '}', '>', '"', '\'', '`', ',', ';', ':', '.', '!', '?', '|',
    ]);
    let is_address = core.contains("://") || core.contains("www.") || (core.contains('@') && core.len() > 1);
    is_address.then_some(core)
}

fn inert(text: &str, out: &mut String) {
    for ch in text.chars() {
        match ch {
            '\r' => {}
            '\n' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
            ch if is_invisible(ch) => out.push('\u{fffd}'),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(ch);
            }
            // Only at the start of a line do these make headings, lists or images.
            '#' | '+' | '-' | '=' | '!' if out.is_empty() => {
                out.push('\\');
                out.push(ch);
            }
            '@' => out.push_str("&#64;"),
            ch => out.push(ch),
        }
    }
}

/// Text for a code span, also in a table: shown as it is, so only the fence, line ends and bars matter.
pub(crate) fn code(text: &str) -> String {
    command(&text.replace('|', "\u{00a6}"))
}

/// The same outside of tables, where a bar is a bar.
pub(crate) fn command(text: &str) -> String {
    let clean = visible(text).replace('`', "'");
    if clean.trim().is_empty() {
        String::new()
    } else {
        format!("`{}`", clean.trim())
    }
}

/// A rule's sentence, in which backticks enclose commands: `code` writes those, `plain` the rest. A backtick without a
/// partner is text.
pub(crate) fn with_commands(
    text: &str,
    plain: impl Fn(&str) -> String,
    code: impl Fn(&str) -> String,
) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, command, after)) = rest.split_once('`').and_then(|(before, from)| {
        from.split_once('`')
            .map(|(command, after)| (before, command, after))
    }) {
        out.push_str(&plain(before));
        out.push_str(&code(command));
        rest = after;
    }
    out + &plain(rest)
}

/// Lines for a fenced block: nothing in them can close the fence.
pub(crate) fn fenced(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| visible(line).replace("```", "'''").replace("~~~", "---"))
        .collect();
    lines.join("\n")
}

/// Text with nothing hidden in it, for formats whose own escaping leaves controls and direction overrides alone.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .filter(|ch| *ch != '\r')
        .map(|ch| match ch {
            '\n' | '\t' => ' ',
            ch if is_invisible(ch) => '\u{fffd}',
            ch => ch,
        })
        .collect()
}

fn is_invisible(ch: char) -> bool {
    ch.is_control()
        || matches!(ch, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Cuts at a character boundary and says so.
pub(crate) fn shorten(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            markdown("<script>alert(1)</script>|x"),
            "&lt;script&gt;alert(1)&lt;/script&gt;\\|x"
        );
        assert_eq!(
            markdown("[a](https://x) ![i](y)"),
            "\\[`a](https://x`) !\\[i\\](y)"
        );
        assert_eq!(
            markdown("(see https://a.example/x_y?b=1&c=2), or anna@contoso.com; www.example.com."),
            "(see `https://a.example/x_y?b=1&c=2`), or `anna@contoso.com`; `www.example.com`."
        );
        assert_eq!(
            markdown("プロキシhttps://x/`|`を"),
            "プロキシ`https://x/`\\`\\|\\`を"
        );
        assert_eq!(
            markdown("@all @ PC042$@corp.contoso.com"),
            "`@all` &#64; `PC042$@corp.contoso.com`"
        );
        assert_eq!(markdown("# head\nline"), "\\# head line");
        assert_eq!(markdown("-@x"), "`-@x`");
        assert_eq!(markdown("\u{1b}[31mred\u{202e}"), "\u{fffd}\\[31mred\u{fffd}");
        assert_eq!(code("a`b\n|"), "`a'b ¦`");
        assert_eq!(code(" \n"), "");
        assert_eq!(shorten("äöü", 2), "ä…");
        assert_eq!(
            with_commands("run `a | <b> \\c`, then *x* `y", markdown, command),
            "run `a | <b> \\c`, then \\*x\\* \\`y"
        );
    }
}
