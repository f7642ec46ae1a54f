//! The way out for all formats: masks, cuts, counts, and turns wall-clock times into instants.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use casetrace_model::{
    Context, Diagnostic, Inspection, JsonObject, Row, Severity, Sink, Source, Text, TsSource, find_guids,
};

use crate::Options;
use crate::clock::{self, Moment};
use crate::codes::Codes;
use crate::lines::floor_boundary;
use crate::secrets::mask;

/// Rows and diagnostics of one file on their way to the sink.
pub(crate) struct Output<'a> {
    sink: &'a mut dyn Sink,
    /// What the caller said about the file.
    pub(crate) options: &'a Options,
    /// Gathered while rows pass.
    pub(crate) inspection: Inspection,
    /// Name under which rows are counted.
    pub(crate) format: &'static str,
    /// Encoding met so far; complete when the last machine ends.
    pub(crate) encoding: &'static str,
    /// True once a wall-clock time was met.
    pub(crate) local_times: bool,
    /// True once the zone or year of the options mattered, or would have.
    pub(crate) hinted: bool,
    local_unknown: u64,
    exact_times: bool,
    diagnostics: usize,
    suppressed: u64,
    /// Rows so far.
    pub(crate) rows: u64,
}

impl<'a> Output<'a> {
    pub(crate) fn new(sink: &'a mut dyn Sink, options: &'a Options, format: &'static str) -> Self {
        Self {
            sink,
            options,
            inspection: Inspection::default(),
            format,
            encoding: "",
            local_times: false,
            hinted: false,
            local_unknown: 0,
            exact_times: false,
            diagnostics: 0,
            suppressed: 0,
            rows: 0,
        }
    }

    /// Masks, cuts and hands on one row.
    #[inline]
    pub(crate) fn row(&mut self, mut row: Row) {
        self.lend(&mut row);
    }

    /// As [`row`](Self::row); what is left in it means nothing. A row is large, so it is not copied.
    fn lend(&mut self, row: &mut Row) {
        self.rows += 1;
        self.inspection.count(self.format, None, &row.kind);
        if let Some(ts_ns) = row.ts_ns {
            self.inspection.saw(ts_ns);
            self.exact_times |= row.ts_source == TsSource::Exact;
        }
        if !self.sink.wants_rows() {
            return;
        }
        let limit = self.options.limits.max_value_bytes;
        if let std::borrow::Cow::Owned(masked) = mask(&row.message) {
            row.message = masked;
        }
        row.message = shorten(std::mem::take(&mut row.message), limit);
        // The columns of a sign-in export are known, and none holds a credential.
        if row.source != Source::Signin
            && let std::borrow::Cow::Owned(masked) = mask(&row.fields)
        {
            row.fields = masked;
        }
        if let Some(url) = row.url.take() {
            row.url = Some(Text::from(shorten(mask(&url).into_owned(), limit)));
        }
        self.sink.lend(row);
    }

    /// Hands on a diagnostic; beyond the limit they are counted only.
    pub(crate) fn diagnostic(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics < self.options.limits.max_diagnostics {
            self.diagnostics += 1;
            self.sink.diagnostic(diagnostic);
        } else {
            self.suppressed += 1;
        }
    }

    pub(crate) fn progress(&mut self, bytes: u64) {
        self.sink.progress(bytes);
    }

    /// The instant of `moment`, for a row's time columns.
    pub(crate) fn time(&mut self, moment: Moment) -> (Option<i64>, TsSource) {
        let found = clock::resolve(moment, self.options.zone.as_ref());
        if matches!(moment, Moment::Local(_)) {
            self.local_times = true;
            self.hinted = true;
            self.local_unknown += u64::from(found.0.is_none());
        }
        found
    }

    /// Sets a row's time; where the zone is unknown the caller's `fields` should keep the reading.
    pub(crate) fn stamp(&mut self, row: &mut Row, moment: Moment) {
        (row.ts_ns, row.ts_source) = self.time(moment);
    }

    /// Cuts a value at the limit.
    pub(crate) fn value<'v>(&self, value: &'v str) -> std::borrow::Cow<'v, str> {
        let limit = self.options.limits.max_value_bytes;
        if value.len() <= limit {
            value.into()
        } else {
            shorten(value.to_owned(), limit).into()
        }
    }

    /// One setting. `details` are further members of `fields`.
    pub(crate) fn config(&mut self, record: u64, name: &str, value: &str, details: &[(&str, &str)]) {
        self.config_row(
            config(Source::Text, record, name, &self.value(value), details),
            None,
        );
    }

    /// One setting that holds for a context.
    pub(crate) fn config_in(
        &mut self,
        context: Option<Context>,
        record: u64,
        name: &str,
        value: &str,
        details: &[(&str, &str)],
    ) {
        self.config_row(
            config(Source::Text, record, name, &self.value(value), details),
            context,
        );
    }

    /// A prepared `config` row.
    pub(crate) fn config_row(&mut self, mut row: Row, context: Option<Context>) {
        row.context = context;
        self.row(row);
    }

    /// One line of a log with everything that can be told from its text.
    pub(crate) fn log_line(&mut self, record: u64, logger: &str, text: &str, moment: Option<Moment>) {
        let row = self.log_row(record, logger, text, moment);
        self.row(row);
    }

    /// The row of [`Self::log_line`], to be completed.
    pub(crate) fn log_row(&mut self, record: u64, logger: &str, text: &str, moment: Option<Moment>) -> Row {
        let mut row = Row::new(Source::Text, "log.line", record);
        row.message = self.value(text).into_owned();
        let mut fields = JsonObject::new().str("logger", logger);
        if let Some(moment) = moment {
            self.stamp(&mut row, moment);
            if let (None, Moment::Local(at)) = (row.ts_ns, moment) {
                fields.push_str("local_time", &at.to_string());
            }
        }
        annotate(&mut row, &mut fields, text);
        row.fields = fields.finish();
        row
    }

    /// Closes the file: what the times mean, and how much was not said.
    pub(crate) fn finish(mut self) -> Inspection {
        if self.suppressed > 0 {
            self.sink.diagnostic(Diagnostic::warning(
                "TextDiagnosticsSuppressed",
                format!(
                    "{} further diagnostics of this file are not listed.",
                    self.suppressed
                ),
            ));
        }
        if self.local_unknown > 0 {
            self.sink.diagnostic(Diagnostic::new(
                Severity::Info,
                "TextZoneUnknown",
                format!(
                    "{} lines carry local times and the bundle names no time zone; they have no instant. State the zone of the computer.",
                    self.local_unknown
                ),
            ));
        }
        self.inspection.clock = self.clock();
        self.inspection
    }

    fn clock(&self) -> Text {
        if !self.local_times {
            return Text::new_static(if self.exact_times { "UTC" } else { "" });
        }
        let Some(zone) = &self.options.zone else {
            return Text::new_static("local, zone unknown");
        };
        let name = zone.iana_name().map_or_else(|| fixed_name(zone), str::to_owned);
        match &self.options.zone_note {
            Some(note) => Text::from(format!("local {name} (assumed from {note})")),
            None => Text::from(format!("local {name} (assumed)")),
        }
    }
}

fn fixed_name(zone: &jiff::tz::TimeZone) -> String {
    zone.to_fixed_offset()
        .map_or_else(|_| "zone".to_owned(), |offset| format!("UTC{offset}"))
}

/// Fills error codes and correlation ids found in `text`.
pub(crate) fn annotate(row: &mut Row, fields: &mut JsonObject, text: &str) {
    let codes = Codes::of(text);
    if row.error_code.is_none() {
        row.error_code = codes.best().cloned();
    }
    push_codes(fields, &codes);
    if row.correlation_id.is_none() {
        row.correlation_id = correlation(text);
    }
}

/// Adds `codes` where there is more than the column can hold.
pub(crate) fn push_codes(fields: &mut JsonObject, codes: &Codes) {
    if codes.all().len() > 1 {
        fields.push_list("codes", codes.all().iter().map(Text::as_str));
    }
}

/// Words in front of a correlation id.
const CORRELATION: [&str; 2] = ["correlation", "client-request-id"];

static CORRELATIONS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(CORRELATION)
        .ok()
});

/// The GUID that follows the word "correlation", if any: behind its first occurrence, else behind the first request id, else
/// behind the first `CorrelationId`.
pub(crate) fn correlation(text: &str) -> Option<Text> {
    let mut first = [None; 3];
    for hit in CORRELATIONS.as_ref()?.find_iter(text) {
        let word = hit.pattern().as_usize();
        let tail = text.as_bytes().get(hit.end()..).unwrap_or_default();
        let is_id = word == 0 && tail.get(..2).is_some_and(|two| two.eq_ignore_ascii_case(b"id"));
        for (slot, meant) in first.iter_mut().zip([word == 0, word == 1, is_id]) {
            if meant {
                slot.get_or_insert(hit.start());
            }
        }
    }
    first.into_iter().flatten().find_map(|at| {
        let tail = text.get(at..floor_boundary(text, at.saturating_add(120)))?;
        find_guids(tail).next()
    })
}

/// A `config` row.
pub(crate) fn config(source: Source, record: u64, name: &str, value: &str, details: &[(&str, &str)]) -> Row {
    let mut row = Row::new(source, "config", record).message(format!("{name} = {value}"));
    let mut fields = JsonObject::new().str("name", name).str("value", value);
    for (name, value) in details {
        fields.push_str(name, value);
    }
    row.fields = fields.finish();
    row
}

/// Cuts at a char boundary and marks the cut.
pub(crate) fn shorten(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(floor_boundary(&text, limit.saturating_sub(3)));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_id_stands_behind_its_word() {
        let id = |n: u32| format!("{n:08x}-0022-47f4-ad04-c0832406777f");
        let far = "x".repeat(120);
        for (text, wanted) in [
            (format!("Correlation ID: {}", id(1)), Some(1)),
            (
                format!("client-request-id: {}, correlation: {}", id(1), id(2)),
                Some(2),
            ),
            (format!("correlation {far} CLIENT-REQUEST-ID={}", id(3)), Some(3)),
            (
                format!(
                    "correlation {far} CorrelationId {} correlationid {}",
                    id(4),
                    id(5)
                ),
                Some(4),
            ),
            (format!("correlation {far} correlation {} {far}", id(6)), None),
            (format!("request {}", id(7)), None),
        ] {
            assert_eq!(
                correlation(&text).map(|text| text.to_string()),
                wanted.map(id),
                "{text}"
            );
        }
    }
}
