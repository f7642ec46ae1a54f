//! What every decoder's output must be like.

use std::fmt::Debug;

use casetrace_model::{Collected, Row, Value};

use crate::shown;

/// Bytes of text that one input byte may at most become, and a start for small inputs. Templates of event logs and
/// contexts of text logs repeat, within the limit of one value.
const GROWTH: usize = 2048;
const START: usize = 4 << 20;

/// Members of `fields` above which one more shows nothing new.
const MAX_MEMBERS: usize = 40;

/// Rows are valid and bounded, diagnostics are bounded and inside the input.
pub(crate) fn hold(out: &Collected, input: &[u8], max_rows: usize) {
    assert!(
        out.rows.len() <= max_rows,
        "{} rows out of {} bytes",
        out.rows.len(),
        input.len()
    );
    shown::count("rows", "", out.rows.len());
    let mut total = 0_usize;
    for row in &out.rows {
        total += row.message.len() + row.fields.len();
        row_holds(row);
    }
    assert!(
        total <= START + input.len() * GROWTH,
        "{total} bytes of rows out of {} bytes",
        input.len()
    );
    diagnostics_hold(out, input.len() as u64);
}

/// Diagnostics are bounded and inside an input of this many bytes.
pub(crate) fn diagnostics_hold(out: &Collected, input: u64) {
    // The limit, and summaries beside it.
    assert!(
        out.diagnostics.len() <= 200 + 50,
        "{} diagnostics",
        out.diagnostics.len()
    );
    for diagnostic in &out.diagnostics {
        shown::note("diagnostic", diagnostic.code, 0);
        assert!(
            diagnostic.offset.is_none_or(|at| at <= input),
            "{} points to {:?} of {input} bytes",
            diagnostic.code,
            diagnostic.offset
        );
    }
}

/// Fields are a JSON object, and the row says what sort of fact it is.
pub(crate) fn row_holds(row: &Row) {
    let fields: Result<serde_json::Map<_, _>, _> =
        serde_json::from_str(if row.fields.is_empty() { "{}" } else { &row.fields });
    assert!(fields.is_ok(), "fields of {} are no JSON object", row.kind);
    assert!(!row.kind.is_empty(), "a row has a kind");
    let members = fields.map_or(0, |fields| fields.len());
    shown::note("members", &row.kind, members.min(MAX_MEMBERS) as u64);
    let (mut column, mut filled) = (0, 0_u64);
    row.for_each(|_, value| {
        filled |= u64::from(value != Value::Null) << (column % 64);
        column += 1;
    });
    shown::note("columns", &row.kind, filled);
}

/// The same input gives the same output.
pub(crate) fn equal<T: PartialEq + Debug>(one: &T, other: &T, what: &str) {
    // Not assert_eq: megabytes of rows help nobody.
    assert!(one == other, "{what} differ between two runs over one input");
}
