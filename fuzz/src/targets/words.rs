//! Free text: redaction and the knowledge base.

use std::sync::LazyLock;

use casetrace_knowledge::Knowledge;
use casetrace_model::{JsonObject, Row, Source};
use casetrace_redact::{Mode, Redactor};

use crate::properties;

static SECRETS: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(Mode::Secrets, b""));

/// A new one each time: it remembers every name it replaced.
fn identity() -> Redactor {
    Redactor::new(Mode::Identity, b"key of the fuzz target")
}

/// Redacting what is redacted changes nothing.
pub(crate) fn redact_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let identity = identity();
    for redactor in [&*SECRETS, &identity] {
        let once = redactor.redact_text(&text);
        let twice = redactor.redact_text(&once);
        assert!(
            once == twice,
            "a second {} redaction changes the text",
            redactor.mode().as_str()
        );
    }
}

/// The text as message, URL and a field of a row: still a valid row, and a second redaction changes nothing.
pub(crate) fn redact_row(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let identity = identity();
    for redactor in [&*SECRETS, &identity] {
        let mut row = Row::new(Source::Text, "log.line", 1).message(&*text);
        row.url = Some(text.lines().next().unwrap_or_default().into());
        row.user = text.split_whitespace().next().map(Into::into);
        row.fields = JsonObject::new()
            .str("text", &text)
            .str("Password", &text)
            .finish();
        redactor.redact_row(&mut row);
        properties::row_holds(&row);
        let once = row.clone();
        redactor.redact_row(&mut row);
        assert!(
            once == row,
            "a second {} redaction changes the row",
            redactor.mode().as_str()
        );
    }
}

/// Any question is answered, by few entries, the same way twice.
pub(crate) fn explain(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let knowledge = Knowledge::builtin();
    let entries = knowledge.explain(&text);
    assert!(!entries.is_empty(), "an answer is never empty");
    assert!(entries.len() <= 1000, "{} answers", entries.len());
    let again = knowledge.explain(&text);
    assert_eq!(entries.len(), again.len(), "answers differ between two runs");
    let _ = (knowledge.symbol(&text), knowledge.endpoint(&text));
}
