//! Text nobody recognised: one row that says how much there is, in which encoding, over which time.

use casetrace_model::{JsonObject, Row, Source, TsSource};

use crate::blocks::Machine;
use crate::clock::{self, Moment};
use crate::codes::Codes;
use crate::format::{Head, score};
use crate::lines::{Line, floor_boundary};
use crate::output::{Output, push_codes};

pub(crate) fn detect(head: &Head) -> u8 {
    u8::from(!head.binary)
}

pub(crate) fn detect_binary(head: &Head) -> u8 {
    if head.binary {
        score::CERTAIN + 9
    } else {
        score::NO
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Unknown::default())
}

/// A prompt starts something new; what it starts may be known or not.
pub(crate) fn starts(_: &str) -> bool {
    false
}

#[derive(Default)]
struct Unknown {
    first: Option<(u64, String)>,
    lines: u64,
    span: Option<(i64, i64)>,
    codes: Codes,
}

/// Bytes kept of the first line.
const FIRST_LINE: usize = 200;

impl Machine for Unknown {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        self.lines += 1;
        let text = line.text.trim();
        if text.is_empty() {
            return;
        }
        if self.first.is_none() {
            let cut = text.get(..floor_boundary(text, FIRST_LINE)).unwrap_or_default();
            self.first = Some((line.number, cut.to_owned()));
        }
        self.codes
            .add(text.get(..floor_boundary(text, 2000)).unwrap_or_default());
        if let Some(ts_ns) = leading_time(text).and_then(|moment| out.time(moment).0) {
            self.span = Some(
                self.span
                    .map_or((ts_ns, ts_ns), |(a, b)| (a.min(ts_ns), b.max(ts_ns))),
            );
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        let Some((number, first)) = self.first.take() else {
            return;
        };
        let mut row = Row::new(Source::Text, "text.unknown", number);
        let mut fields = JsonObject::new()
            .num("lines", self.lines)
            .str("first_line", &first)
            .str("encoding", out.encoding);
        if let Some((from, to)) = self.span {
            row.ts_ns = Some(from);
            row.ts_source = TsSource::Derived;
            fields.push_str("first_time", &casetrace_model::time::to_rfc3339(from));
            fields.push_str("last_time", &casetrace_model::time::to_rfc3339(to));
        }
        push_codes(&mut fields, &self.codes);
        row.error_code = self.codes.best().cloned();
        row.message = format!("Text of no known format, {} lines", self.lines);
        row.fields = fields.finish();
        out.row(row);
        self.lines = 0;
    }
}

/// A time at the start of a line, in brackets or not.
pub(crate) fn leading_time(text: &str) -> Option<Moment> {
    let bare = text.trim_start_matches(['[', '(', '"', '\'']);
    clock::leading(bare).map(|(moment, _)| moment)
}

/// The row for a file that is no text.
pub(crate) fn binary_row(bytes: u64, out: &mut Output<'_>) {
    let mut row = Row::new(Source::Text, "text.unknown", 1);
    row.message = format!("Not text, {bytes} bytes");
    row.fields = JsonObject::new()
        .num("bytes", bytes)
        .str("encoding", "binary")
        .finish();
    out.row(row);
}
