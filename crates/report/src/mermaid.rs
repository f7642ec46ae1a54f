//! A story as the text of a Mermaid sequence diagram, which forges and wikis draw.
//!
//! Text of the case can end neither the line, the fence nor the diagram: what is not plain is written as a character
//! code (`#60;`), which Mermaid turns back into the character after it has parsed.

use std::fmt::Write as _;

use crate::escape;
use crate::story::Story;

/// The lines between the fences.
pub(crate) fn sequence(story: &Story) -> String {
    let mut out = String::from("sequenceDiagram\n");
    for (number, lane) in story.lanes.iter().enumerate() {
        line(
            &mut out,
            format_args!("participant P{number} as {}", text(&lane.name)),
        );
    }
    for step in &story.steps {
        let said = text(&format!(
            "{} {} ({} {})",
            step.clock, step.text, step.source, step.record
        ));
        let (from, to) = (step.from, step.to);
        match (from == to, step.failed) {
            (true, _) => line(&mut out, format_args!("Note over P{from}: {said}")),
            (false, true) => line(&mut out, format_args!("P{from}-xP{to}: {said}")),
            (false, false) => line(&mut out, format_args!("P{from}->>P{to}: {said}")),
        }
    }
    out
}

fn line(out: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _ = writeln!(out, "    {what}");
}

/// Text that is only text to Mermaid.
fn text(plain: &str) -> String {
    // Readable where the diagram is not drawn, too.
    let plain = escape::visible(plain).replace('<', "‹").replace('>', "›");
    let mut out = String::with_capacity(plain.len());
    for (at, ch) in plain.char_indices() {
        // `end` as a word closes a block.
        let closes = plain
            .get(at..at + 3)
            .is_some_and(|w| w.eq_ignore_ascii_case("end"))
            && !plain[..at].ends_with(char::is_alphanumeric)
            && !plain
                .get(at + 3..)
                .is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
        // `wrap:` at the beginning of a name would be taken for an instruction.
        let instructs = ch == ':' && plain[..at].to_ascii_lowercase().ends_with("wrap");
        if !closes && !instructs && (ch.is_alphanumeric() || " .,:/-_()=?+'\"!…–·‹›".contains(ch)) {
            out.push(ch);
        } else {
            let _ = write!(out, "#{};", u32::from(ch));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_line_or_the_diagram() {
        for hostile in [
            "a\nP0->>P1: forged",
            "a; P0->>P1: forged",
            "```\n# heading",
            "%%{init: {'securityLevel': 'loose'}}%%",
            "<img src=x onerror=alert(1)>",
            "#59; end",
            "\u{2028}\u{202e}\\n<br/>&lt;",
        ] {
            let safe = text(hostile);
            assert!(
                !safe.contains(['\n', '\r', '`', '%', '<', '>', '{', '&', '\\', '~', '$']),
                "{safe}"
            );
            // Each `#` and `;` belongs to a character code.
            let codes = safe.split('#').skip(1).all(|rest| {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                digits > 0 && rest.as_bytes().get(digits) == Some(&b';')
            });
            assert!(codes, "{safe}");
            assert_eq!(safe.matches('#').count(), safe.matches(';').count(), "{safe}");
        }
        assert_eq!(text("The end."), "The #101;nd.");
        assert_eq!(text("NoWrap: a"), "NoWrap#58; a");
        assert_eq!(
            text("GET https://a.b/c?d=1 vendor"),
            "GET https://a.b/c?d=1 vendor"
        );
    }
}
