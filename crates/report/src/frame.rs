//! Reads the timeline by column name.

use casetrace_model::Value;
use casetrace_timeline::{ColumnId, Timeline};
use serde_json::Map;

/// Text and number columns of one timeline.
pub(crate) struct Columns<'a> {
    timeline: &'a Timeline,
}

/// One column; a name that does not exist reads as all null.
pub(crate) struct ColumnView<'a> {
    timeline: &'a Timeline,
    id: Option<ColumnId>,
}

impl<'a> ColumnView<'a> {
    /// The text in `row`, if there is one.
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        self.timeline.text(self.id?, u32::try_from(row).ok()?)
    }

    /// The dictionary code of the text in `row`: 0 for null, equal for equal texts.
    pub(crate) fn code(&self, row: usize) -> u32 {
        let row = u32::try_from(row).ok();
        let code = |id, row| self.timeline.code(id, row);
        self.id.zip(row).and_then(|(id, row)| code(id, row)).unwrap_or(0)
    }

    /// The text of a code above 0.
    pub(crate) fn text(&self, code: u32) -> Option<&'a str> {
        let at = (code as usize).checked_sub(1)?;
        self.timeline
            .distinct(self.id?)
            .get(at)
            .map(casetrace_model::Text::as_str)
    }

    /// The exact time of `row`.
    pub(crate) fn ts_ns(&self, row: u32) -> Option<i64> {
        self.timeline.ts_ns(row)
    }

    /// The number in `row`, if there is one.
    pub(crate) fn number(&self, row: usize) -> Option<i64> {
        match self.timeline.value(self.id?, u32::try_from(row).ok()?) {
            Value::I64(number) | Value::TimeNs(number) => Some(number),
            Value::U64(number) => i64::try_from(number).ok(),
            Value::Null | Value::Str(_) => None,
        }
    }
}

impl<'a> Columns<'a> {
    /// Looks at `timeline`.
    pub(crate) fn new(timeline: &'a Timeline) -> Self {
        Self { timeline }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.timeline.len()
    }

    /// First and last time, nanoseconds since 1970.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        self.timeline.span()
    }

    /// Rows with a time in `span`, at most `most`.
    pub(crate) fn rows_in(&self, span: std::ops::Range<i64>, most: u32) -> std::ops::Range<u32> {
        let first = self.timeline.lower_bound(span.start);
        let end = self.timeline.lower_bound(span.end);
        first..end.min(first.saturating_add(most))
    }

    /// The column `name`.
    pub(crate) fn column(&self, name: &str) -> ColumnView<'a> {
        ColumnView {
            timeline: self.timeline,
            id: ColumnId::of(name),
        }
    }

    /// The different values of a text column.
    pub(crate) fn distinct(&self, name: &str) -> &'a [casetrace_model::Text] {
        ColumnId::of(name).map_or(&[], |id| self.timeline.distinct(id))
    }
}

/// The members of a `fields` value; empty if it is not an object.
pub(crate) fn members(json: Option<&str>) -> Map<String, serde_json::Value> {
    json.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}
