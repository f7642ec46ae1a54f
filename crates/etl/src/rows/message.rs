//! Sentences: the provider's own message with its fields put in, or a plain list.

use crate::value::Values;

/// Bytes of one value that a sentence quotes, and of the whole.
const MAX_QUOTE: usize = 240;
const MAX_MESSAGE: usize = 600;

/// Puts values into a manifest's message: `%1` is the first field, `%n` a line break, `%%` a percent sign.
pub(crate) fn render(template: &str, values: &Values) -> String {
    let mut out = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((plain, after)) = rest.split_once('%') {
        push_line(&mut out, plain);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count().min(3);
        let (number, behind) = after.split_at(digits);
        if let Ok(number) = number.parse::<usize>() {
            // `%1!s!`: the print format says nothing that the value's type does not.
            rest = match behind.strip_prefix('!').and_then(|b| b.split_once('!')) {
                Some((_, behind)) => behind,
                None => behind,
            };
            push_quote(
                &mut out,
                number
                    .checked_sub(1)
                    .and_then(|at| values.at(at))
                    .unwrap_or_default(),
            );
        } else {
            let mut chars = after.chars();
            match chars.next() {
                Some('n' | 't' | 'b' | 'r') => out.push(' '),
                Some('%') => out.push('%'),
                Some(other) => {
                    out.push('%');
                    out.push(other);
                }
                None => {}
            }
            rest = chars.as_str();
        }
        if out.len() > MAX_MESSAGE {
            rest = "";
        }
    }
    push_line(&mut out, rest);
    cut(&mut out, MAX_MESSAGE);
    out.truncate(out.trim_end().len());
    out
}

/// `Name: field=value, …` for events that have a name and no sentence.
pub(crate) fn plain(name: &str, values: &Values) -> String {
    let mut out = String::with_capacity(name.len() + 80);
    out.push_str(name);
    let mut next = ": ";
    for (field, value) in values.iter() {
        if out.len() > MAX_MESSAGE / 3 {
            break;
        }
        if value.is_empty() {
            continue;
        }
        out.push_str(next);
        next = ", ";
        out.push_str(field);
        out.push('=');
        let start = out.len();
        push_line(
            &mut out,
            value.get(..value.floor_char_boundary(80)).unwrap_or_default(),
        );
        if value.len() > 80 && out.len() > start {
            out.push('…');
        }
    }
    out
}

fn push_quote(out: &mut String, value: &str) {
    let end = value.floor_char_boundary(MAX_QUOTE);
    push_line(out, value.get(..end).unwrap_or_default());
    if end < value.len() {
        out.push('…');
    }
}

/// Sentences are one line.
fn push_line(out: &mut String, text: &str) {
    if text.bytes().any(|b| b < 0x20) {
        out.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    } else {
        out.push_str(text);
    }
}

fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let mut values = Values::default();
        values.push("A", "one\r\ntwo");
        values.push("B", "");
        assert_eq!(
            render("x %1!s! y%n%2 100%% %9 %z", &values),
            "x one  two y  100%  %z"
        );
        assert_eq!(render("%", &values), "");
        assert_eq!(plain("Ev", &values), "Ev: A=one  two");
    }
}
