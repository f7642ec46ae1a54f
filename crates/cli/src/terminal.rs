//! What may reach a terminal: names and values come from strangers' uploads, and a terminal obeys control characters.

/// One line: whatever moves the cursor, changes colours, hides text or turns its direction becomes `U+FFFD`.
pub(crate) fn line(text: &str) -> String {
    text.chars()
        .map(|ch| if is_unsafe(ch) { '\u{fffd}' } else { ch })
        .collect()
}

/// The same for text of several lines: line breaks stay.
pub(crate) fn lines(text: &str) -> String {
    text.chars()
        .map(|ch| {
            if ch != '\n' && is_unsafe(ch) {
                '\u{fffd}'
            } else {
                ch
            }
        })
        .collect()
}

fn is_unsafe(ch: char) -> bool {
    ch.is_control()
        || matches!(ch, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(line("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(lines("a\nb\rc"), "a\nb\u{fffd}c");
        assert_eq!(line("事例 42 é"), "事例 42 é");
    }
}
