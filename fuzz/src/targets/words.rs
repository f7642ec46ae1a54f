//! Free text: redaction and the knowledge base.

use std::sync::LazyLock;

use casetrace_knowledge::Knowledge;
use casetrace_model::{JsonObject, Row, Source, code, find_guids, normalise_guid, time};
use casetrace_redact::{Mode, Redactor};

use crate::{properties, shown};

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
        shown::count("masks", redactor.mode().as_str(), once.matches("***").count());
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
    shown::count("answers", "", entries.len());
    for entry in &entries {
        shown::note(
            "answer",
            &format!("{:?}", entry.kind),
            u64::from(entry.symbol.is_empty()),
        );
    }
    let again = knowledge.explain(&text);
    assert_eq!(entries.len(), again.len(), "answers differ between two runs");
    let _ = (knowledge.symbol(&text), knowledge.endpoint(&text));
}

/// Times of the command line and of reports: what is read is written back as the same instant.
pub(crate) fn times(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines().take(50) {
        if let Some(ns) = time::from_rfc3339(line) {
            shown::count("time", "", line.len());
            let written = time::to_rfc3339(ns);
            assert_eq!(
                time::from_rfc3339(&written),
                Some(ns),
                "{written} is another instant"
            );
        }
        let zone = casetrace_text::zone(line).is_some();
        shown::note("zone", "", u64::from(zone));
    }
    let mut filetime = [0; 8];
    for (to, from) in filetime.iter_mut().zip(data) {
        *to = *from;
    }
    if let Some(ns) = time::from_filetime(u64::from_le_bytes(filetime)) {
        assert_eq!(time::from_rfc3339(&time::to_rfc3339(ns)), Some(ns));
    }
}

/// Codes and ids in free text: what is found is in its normal form, and is found again.
pub(crate) fn codes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(number) = code::parse_number(&text) {
        let normal = code::hex32(number);
        assert_eq!(
            code::parse_number(&normal),
            Some(number),
            "{normal} is another number"
        );
        assert_eq!(code::canonical(code::canonical(number)), code::canonical(number));
        let _ = (code::win32_of(number), code::normalise(number));
    }
    shown::count("aadsts", "", code::find_aadsts(&text).count());
    shown::count("guids", "", find_guids(&text).count());
    shown::note("number", "", u64::from(code::parse_number(&text).is_some()));
    for found in code::find_aadsts(&text) {
        assert!(found.starts_with("AADSTS"), "{found} is no AADSTS code");
    }
    for found in find_guids(&text) {
        assert_eq!(
            normalise_guid(&found).as_ref(),
            Some(&found),
            "{found} is not normal"
        );
    }
}

/// Any names and values make one JSON object that gives them back.
pub(crate) fn json_object(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (name, value) = text.split_once('=').unwrap_or(("name", &text));
    let object = JsonObject::new()
        .str(name, value)
        .num(
            "number",
            i64::from_le_bytes(data.first_chunk().copied().unwrap_or_default()),
        )
        .finish();
    let parsed: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&object);
    assert!(parsed.is_ok(), "no JSON object");
    let given = parsed
        .ok()
        .and_then(|map| Some(map.get(name)?.as_str()? == value));
    assert!(
        name == "number" || given == Some(true),
        "the value is another one"
    );
}
