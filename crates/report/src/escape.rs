//! Text from a bundle is hostile: it may hold markdown, HTML, table bars or terminal escapes. Everything a
//! template prints goes through [`markdown`], unless our own code marked it safe.

/// Makes text inert in markdown paragraphs and table cells, on one line.
///
/// Control characters (terminal escapes among them) and bidirectional overrides become `�`, line breaks a blank, and every
/// character that could start markup gets a backslash or an entity.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut at_start = true;
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
            '#' | '+' | '-' | '=' | '!' if at_start => {
                out.push('\\');
                out.push(ch);
            }
            '@' => out.push_str("&#64;"),
            ch => out.push(ch),
        }
        at_start = false;
    }
    break_links(out)
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

/// Forges turn bare addresses into links; a zero-width-free way to stop that is an entity for the colon.
fn break_links(text: String) -> String {
    if !text.contains("://") && !text.contains("www.") {
        return text;
    }
    text.replace("://", "&#58;//").replace("www.", "www&#46;")
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
            "\\[a\\](https&#58;//x) !\\[i\\](y)"
        );
        assert_eq!(markdown("# head\nline"), "\\# head line");
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
