//! Conditions over a handful of rows, decided one by one. Polars plans a frame before it works on it, which takes as long as
//! thousands of rows; most conditions are false for a row at the first thing they ask.

use std::borrow::Cow;

use polars::prelude::{AnyValue, DataFrame, PlHashMap};

use crate::condition::Part;
use crate::decide::{Facts, Scalar, outcomes};

/// More rows are left to polars.
const ROWS: usize = 64;

/// Rows with what is known of them: all that the frame holds.
pub(super) struct Few<'f>(Vec<Cells<'f>>);

/// One row, by column.
struct Cells<'f>(PlHashMap<&'f str, Scalar<'f>>);

impl Facts for Cells<'_> {
    fn value(&self, column: &str) -> Option<Scalar<'_>> {
        self.0.get(column).cloned()
    }
}

impl<'f> Few<'f> {
    /// `None` if the frame has too many rows.
    pub(super) fn new(frame: &'f DataFrame) -> Option<Self> {
        if frame.height() > ROWS {
            return None;
        }
        let mut rows: Vec<Cells<'f>> = (0..frame.height()).map(|_| Cells(PlHashMap::default())).collect();
        for column in frame.columns() {
            for (row, cells) in rows.iter_mut().enumerate() {
                if let Ok(value) = column.get(row) {
                    cells.0.insert(column.name().as_str(), known(value));
                }
            }
        }
        Some(Self(rows))
    }

    /// The rows for which a condition holds; `None` if that can't be said of each.
    pub(super) fn mask(&self, part: &Part) -> Option<Vec<bool>> {
        let tree = part.tree()?;
        self.0.iter().map(|row| outcomes(tree, row).verdict()).collect()
    }
}

/// A cell as a condition sees it.
fn known(value: AnyValue<'_>) -> Scalar<'_> {
    match value {
        AnyValue::Null => Scalar::Null,
        AnyValue::String(text) => Scalar::text(Some(text)),
        // So the cells of a column with one value come.
        AnyValue::StringOwned(text) => Scalar::Text(Cow::Owned(text.to_string())),
        AnyValue::UInt8(n) => Scalar::number(f64::from(n)),
        AnyValue::UInt16(n) => Scalar::number(f64::from(n)),
        AnyValue::UInt32(n) => Scalar::number(f64::from(n)),
        AnyValue::UInt64(n) => Scalar::number(n as f64),
        AnyValue::Int64(n) => Scalar::number(n as f64),
        AnyValue::Float64(n) => Scalar::number(n),
        _ => Scalar::Something,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use polars::prelude::df;

    use super::{Few, ROWS};
    use crate::condition::Condition;
    use crate::scan::masks::by_polars;

    /// Values that meet each other in every way.
    fn frame() -> polars::prelude::DataFrame {
        df!(
            "kind" => [Some("event"), Some(""), None, Some("Émile\nb"), Some("EVENT %_"), Some("a'b")],
            "host" => [None, Some("event"), None, Some("b"), Some("x.example"), Some("0")],
            "event_id" => [Some(0_u32), None, Some(7), Some(4_294_967_295), Some(1), Some(8)],
            "pid" => [Some(7_u32), Some(0), None, Some(7), None, Some(8)],
            "ts_ns" => [Some(1_772_414_171_123_456_701_i64), None, Some(-1), Some(0), Some(7), Some(1)],
            "n:x" => [Some(0.5), None, Some(f64::NAN), Some(-7.0), Some(f64::INFINITY), Some(7.0)],
            "f:y" => [Some("7"), Some("connection refused"), None, Some("ß"), Some(""), Some("a.b")],
        )
        .unwrap()
    }

    #[test]
    fn what_is_decided_is_what_polars_says() {
        let texts = [
            "kind",
            "host",
            "fields.y",
            "LOWER(kind)",
            "COALESCE(fields.y, host, 'none')",
        ];
        let numbers = [
            "event_id",
            "pid",
            "ts_ns",
            "n('x')",
            "COALESCE(event_id, 7)",
            "STRPOS(fields.y, 'con')",
            "ABS(n('x'))",
            "-pid",
        ];
        let mut conditions: Vec<String> = Vec::new();
        for a in texts {
            for value in [
                "''",
                "'event'",
                "'EVENT'",
                "'b'",
                "'7'",
                "'émile\nb'",
                "'a''b'",
                "host",
            ] {
                for op in ["=", "<>", "<", "<=", ">", ">="] {
                    conditions.push(format!("{a} {op} {value}"));
                }
            }
            for pattern in [
                "''", "'%'", "'_'", "'ev%'", "'%b'", "'%e%'", "'%e_b'", "'a.b'", "'É%'",
            ] {
                for like in ["LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"] {
                    conditions.push(format!("{a} {like} {pattern}"));
                }
            }
            conditions.push(format!("{a} IN ('event', '', 'b')"));
            conditions.push(format!("{a} NOT IN ('event', '', 'b')"));
            conditions.push(format!("{a} BETWEEN 'a' AND 'f'"));
            conditions.push(format!("{a} NOT BETWEEN 'a' AND 'f'"));
            conditions.push(format!("{a} IS NULL"));
            conditions.push(format!("NOT ({a} IS NOT NULL)"));
            conditions.push(format!("STRPOS({a}, 'e') > 0"));
            conditions.push(format!("STRPOS(LOWER({a}), 'connection') = 1"));
            for needle in [".", "?", "(", "<b", "a.b", "é", "%", "[a]", "\\\\d"] {
                conditions.push(format!("STRPOS({a}, '{needle}') > 0"));
                conditions.push(format!("POSITION('{needle}' IN {a}) > 0"));
            }
            conditions.push(format!("STARTS_WITH({a}, 'e')"));
            conditions.push(format!("NOT ENDS_WITH({a}, 'b')"));
        }
        for a in numbers {
            for value in [
                "0",
                "7",
                "0.5",
                "-1",
                "-7",
                "4294967295",
                "1772414171123456700",
                "pid",
                "n('x')",
            ] {
                for op in ["=", "<>", "<", "<=", ">", ">="] {
                    conditions.push(format!("{a} {op} {value}"));
                }
            }
            conditions.push(format!("{a} IN (0, 7)"));
            conditions.push(format!("{a} NOT IN (0, 7)"));
            conditions.push(format!("{a} BETWEEN 0 AND 7"));
            conditions.push(format!("{a} NOT BETWEEN -7 AND 0"));
            conditions.push(format!("{a} IS NOT NULL"));
        }
        let pairs: Vec<String> = conditions
            .iter()
            .zip(conditions.iter().rev().cycle().skip(11))
            .flat_map(|(a, b)| ["AND", "OR"].map(|op| format!("({a}) {op} NOT ({b})")))
            .collect();
        conditions.extend(pairs);

        let all = frame();
        // In a frame of one row, columns keep their value in another way; some of the conditions tell of it.
        for (frame, every) in [(all.clone(), 1), (all.slice(0, 1), 17), (all.slice(5, 1), 19)] {
            let conditions: Vec<&String> = conditions.iter().step_by(every).collect();
            let few = Few::new(&frame).unwrap();
            let mut decided = 0;
            for sql in &conditions {
                let condition = Condition::parse(sql).unwrap();
                for part in [&condition.cheap, &condition.costly] {
                    let Some(mask) = few.mask(part) else { continue };
                    decided += 1;
                    let asked = by_polars(&frame, &[part]).pop().unwrap();
                    assert_eq!(Ok(mask), asked, "{sql}");
                }
            }
            assert!(
                decided > conditions.len() / 2,
                "{decided} of {}",
                conditions.len()
            );
        }
    }

    #[test]
    fn what_is_looked_for_is_a_text() {
        let frame = df!("host" => [Some("login.example"), Some("loginxexample"), None]).unwrap();
        for (sql, hits) in [
            ("STRPOS(host, 'n.e') > 0", [true, false, false]),
            ("POSITION('n.e' IN host) > 0", [true, false, false]),
            ("STRPOS(host, '(') = 0", [true, true, true]),
        ] {
            let condition = Condition::parse(sql).unwrap();
            assert_eq!(
                by_polars(&frame, &[&condition.cheap]),
                [Ok(hits.to_vec())],
                "{sql}"
            );
        }
        let computed = Condition::parse("STRPOS(host, url) > 0").unwrap_err();
        assert!(
            computed.hint.is_some_and(|hint| hint.contains("regexp_like")),
            "{}",
            computed.message
        );
    }

    #[test]
    fn many_rows_are_left_to_polars() {
        let tall = df!("pid" => vec![1_u32; ROWS + 1]).unwrap();
        assert!(Few::new(&tall).is_none());
        assert!(Few::new(&tall.head(Some(ROWS))).is_some());
    }
}
