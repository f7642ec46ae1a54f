//! What a scan finds is what looking at every row by itself finds, on one thread and on two. Tasks and blocks are small here, so
//! that rows of one kind lie in several.

use casetrace_model::{JsonObject, Row, Source};
use proptest::prelude::*;

use crate::{Condition, Scan, TimelineBuilder};

/// A row as the conditions below see it.
#[derive(Debug, Clone)]
struct Seen {
    kind: &'static str,
    provider: Option<&'static str>,
    event_id: Option<u32>,
    host: Option<&'static str>,
    status: Option<u16>,
    /// A member with few values.
    few: Option<&'static str>,
    /// A member of which hardly two rows have the same.
    many: Option<u32>,
    /// A member inside of another.
    deep: Option<bool>,
}

type Holds = fn(&Seen) -> bool;

/// Conditions, and the same in Rust; null is never true.
const CONDITIONS: &[(&str, Holds)] = &[
    ("kind = 'event'", |r| r.kind == "event"),
    (
        "kind = 'event' AND provider = 'AAD' AND event_id IN (1, 2)",
        |r| r.kind == "event" && r.provider == Some("AAD") && matches!(r.event_id, Some(1 | 2)),
    ),
    ("host LIKE 'PC%' AND http_status >= 400", |r| {
        r.host.is_some_and(|h| h.starts_with("PC")) && r.status.is_some_and(|s| s >= 400)
    }),
    ("kind <> 'event' AND f('few') = 'b'", |r| {
        r.kind != "event" && r.few == Some("b")
    }),
    ("f('few') = 'a' OR http_status = 407", |r| {
        r.few == Some("a") || r.status == Some(407)
    }),
    ("event_id = 1 AND n('many') > 500", |r| {
        r.event_id == Some(1) && r.many.is_some_and(|m| m > 500)
    }),
    ("n('many') < 300 AND fields.few IS NOT NULL", |r| {
        r.many.is_some_and(|m| m < 300) && r.few.is_some()
    }),
    ("record >= 100 AND f('deep.yes') = 'true'", |_| false),
    ("f('deep.yes') = 'true' AND host IS NULL", |r| {
        r.deep == Some(true) && r.host.is_none()
    }),
    ("message LIKE 'row 1%' AND f('few') = 'a'", |_| false),
    ("provider IS NULL AND f('few') IS NULL", |r| {
        r.provider.is_none() && r.few.is_none()
    }),
];

/// Conditions on what a row is by its place, too.
fn holds(number: usize, seen: &Seen, at: usize) -> bool {
    match CONDITIONS.get(number).map(|(sql, holds)| (*sql, holds)) {
        Some((sql, _)) if sql.starts_with("record") => at >= 100 && seen.deep == Some(true),
        Some((sql, _)) if sql.starts_with("message") => {
            format!("row {at}").starts_with("row 1") && seen.few == Some("a")
        }
        Some((_, holds)) => holds(seen),
        None => false,
    }
}

fn seen() -> impl Strategy<Value = Seen> {
    use proptest::option::of;
    use proptest::sample::select;
    (
        select(vec!["event", "event", "dns.query", "log.line"]),
        of(select(vec!["AAD", "WinHttp"])),
        of(1u32..5),
        of(select(vec!["PC1", "PC2", "srv"])),
        of(select(vec![200u16, 407, 500])),
        of(select(vec!["a", "b", "é\"\\"])),
        of(0u32..1_000),
        of(any::<bool>()),
    )
        .prop_map(|(kind, provider, event_id, host, status, few, many, deep)| Seen {
            kind,
            provider,
            event_id,
            host,
            status,
            few,
            many,
            deep,
        })
}

fn row(at: usize, seen: &Seen) -> Row {
    let mut row = Row::new(Source::Etl, seen.kind, at as u64).at(1_000 * at as i64);
    row.provider = seen.provider.map(Into::into);
    row.event_id = seen.event_id;
    row.http_status = seen.status;
    row.message = format!("row {at}");
    let mut fields = JsonObject::new().num("size", at as i64).opt_str("few", seen.few);
    if let Some(many) = seen.many {
        fields = fields.num("many", i64::from(many));
    }
    if let Some(deep) = seen.deep {
        fields.push_raw(
            "deep",
            if deep {
                r#"{"x":[1,"}"],"yes":true}"#
            } else {
                r#"{"yes":false}"#
            },
        );
    }
    row.fields = fields.finish();
    row
}

proptest! {
    // Polars is slow without optimisation.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_scan_finds_what_every_row_by_itself_says(rows in prop::collection::vec(seen(), 0..500)) {
        let mut builder = TimelineBuilder::new();
        for (at, seen) in rows.iter().enumerate() {
            builder.push("a.etl", seen.host, row(at, seen));
        }
        let timeline = builder.finish();
        let conditions: Vec<Condition> = CONDITIONS
            .iter()
            .map(|(sql, _)| Condition::parse(sql).map_err(|e| TestCaseError::fail(format!("{sql}: {e}"))))
            .collect::<Result<_, _>>()?;
        let conditions: Vec<&Condition> = conditions.iter().collect();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.map_err(|e| TestCaseError::fail(e.to_string()))?;
            Ok::<_, TestCaseError>(pool.install(|| Scan::new(&timeline, &conditions).run()))
        };
        let found = on(2)?;
        for (one, two) in on(1)?.iter().zip(&found) {
            prop_assert_eq!(one.as_ref().ok(), two.as_ref().ok());
        }
        for (number, found) in found.iter().enumerate() {
            let expected = rows.iter().enumerate().filter(|(at, seen)| holds(number, seen, *at));
            let expected: Vec<u32> = expected.map(|(at, _)| at as u32).collect();
            let sql = CONDITIONS[number].0;
            let found = found.as_ref().map_err(|e| TestCaseError::fail(format!("{sql}: {e}")))?;
            prop_assert_eq!(found, &expected, "{}", sql);
        }
    }
}
