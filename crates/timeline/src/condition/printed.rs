//! The text of a tree that polars parses again.
//!
//! `sqlparser` prints `''` and `\'` inside a literal as they are, as it doesn't know how its tree came about. Read again, the
//! first has lost a quote and the second ends the literal. Between dollar signs everything stands for itself.

use std::fmt::Display;
use std::ops::ControlFlow;

use sqlparser::ast::{DollarQuotedString, Value, ValueWithSpan, VisitMut, VisitorMut};

use super::needle;
use crate::walk::{Stop, change};

/// The tree as polars is to read it.
pub(crate) fn for_polars<T: VisitMut + Display>(mut tree: T) -> String {
    needle::escape(&mut tree);
    // It never stops.
    let _ = change(&mut tree, &mut Literals);
    tree.to_string()
}

struct Literals;

impl VisitorMut for Literals {
    type Break = Stop;

    fn pre_visit_value(&mut self, literal: &mut ValueWithSpan) -> ControlFlow<Stop> {
        if let Value::SingleQuotedString(text) = &mut literal.value
            && (text.contains("''") || text.contains("\\'"))
        {
            literal.value = Value::DollarQuotedString(DollarQuotedString {
                tag: Some(tag(text)),
                value: std::mem::take(text),
            });
        }
        ControlFlow::Continue(())
    }
}

/// A tag that does not end the text early, also not with its own first sign.
fn tag(text: &str) -> String {
    let mut tag = "t".to_owned();
    while format!("{text}$").contains(&format!("${tag}$")) {
        tag.push('t');
    }
    tag
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::condition::parse_expression;

    #[test]
    fn every_text_is_read_as_it_was_meant() {
        let texts = [
            r"it's",
            r"a\'b",
            r"\'",
            r"'",
            r"''",
            r"'''",
            r"\\''\",
            r"'' $t$ ''$tt",
            r"\'$t",
            "line\n''",
            r"^2.*\'$",
            "日本''",
        ];
        for text in texts {
            let first = parse_expression(&format!("'{}'", text.replace('\'', "''"))).unwrap();
            let printed = for_polars(first.clone());
            let value = match parse_expression(&printed).unwrap() {
                sqlparser::ast::Expr::Value(found) => found.value,
                other => panic!("{other}"),
            };
            assert_eq!(value.into_string().as_deref(), Some(text), "{printed}");
        }
    }
}
