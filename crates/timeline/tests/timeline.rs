//! Building, sorting, filtering, querying, writing and reading back.
#![expect(clippy::unwrap_used, reason = "tests")]

use casetrace_model::{JsonObject, Outcome, Row, Source, Value};
use casetrace_timeline::polars::prelude::IntoLazy;
use casetrace_timeline::{
    ColumnId, Condition, Export, Filter, Naming, ParquetExport, Scan, Spill, TextFormat, Timeline,
    TimelineBuilder, query_timeline, read_parquet, read_parquet_parts, scan_parquet, schema, write_parquet,
};
use proptest::prelude::*;

const T0: i64 = 1_772_414_171_123_456_700;

fn row(kind: &'static str, record: u64, ts: Option<i64>) -> Row {
    let mut row = Row::new(Source::Pcap, kind, record);
    row.ts_ns = ts;
    row
}

fn sample() -> Timeline {
    let mut b = TimelineBuilder::new();
    let mut last = row("config", 1, None).message("=cmd()");
    last.fields = JsonObject::new()
        .str("name", "winhttp_proxy")
        .num("n", 7)
        .finish();
    b.push("b.txt", None, last);
    let mut event = row("event", 9, Some(T0 + 5)).message("one, \"two\"\nthree");
    event.source = Source::Evtx;
    event.provider = Some("Microsoft-Windows-AAD".into());
    event.event_id = Some(1098);
    event.fields = JsonObject::new()
        .str("ExitCode", "0x8007000d")
        .str("AzureAdPrtUpdateTime", "2026-03-01 20:00:00.000 UTC")
        .finish();
    b.push("a.evtx", Some("PC1.contoso.com"), event);
    let mut http = row("http.response", 3, Some(T0));
    http.http_status = Some(407);
    http.outcome = Some(Outcome::Failure);
    http.server_name = Some("login.microsoftonline.com".into());
    http.user = Some("anna".into());
    b.push("a.pcap", Some("PC2"), http);
    b.finish()
}

fn count(timeline: &Timeline, sql: &str) -> usize {
    let filter = Filter {
        condition: Some(Condition::parse(sql).unwrap()),
        ..Filter::default()
    };
    timeline.filter(&filter).unwrap().len()
}

#[test]
fn rows_are_sorted_and_cells_come_back() {
    let t = sample();
    let kind = ColumnId::of("kind").unwrap();
    let kinds: Vec<_> = (0..3).map(|r| t.text(kind, r).unwrap()).collect();
    assert_eq!(kinds, ["http.response", "event", "config"]);
    assert_eq!(t.value(ColumnId::of("ts").unwrap(), 0), Value::TimeNs(T0));
    assert_eq!(t.value(ColumnId::of("http_status").unwrap(), 0), Value::U64(407));
    assert_eq!(t.text(ColumnId::of("fields").unwrap(), 0), Some("{}"));
    assert_eq!(t.span(), Some((T0, T0 + 5)));
    assert_eq!(t.to_frame().unwrap().schema(), &schema());
}

#[test]
fn builders_can_work_side_by_side() {
    let (mut all, mut left, mut right) = (
        TimelineBuilder::new(),
        TimelineBuilder::new(),
        TimelineBuilder::new(),
    );
    for i in 0..500_u64 {
        let mut r = row("log.line", i / 3, Some(T0 + (i as i64 % 7)));
        r.url = Some(format!("https://x/{}", i % 40).into());
        r.message = format!("line {i}");
        let (name, part) = if i % 2 == 0 {
            ("a.log", &mut left)
        } else {
            ("b.log", &mut right)
        };
        all.push(name, Some("PC1"), r.clone());
        part.push(name, Some("PC1"), r);
    }
    right.append(left);
    let bytes = |t: &Timeline| {
        let mut out = Vec::new();
        write_parquet(t, &mut out).unwrap();
        out
    };
    assert_eq!(bytes(&all.finish()), bytes(&right.finish()));
}

/// Two members of some chunks each, joined; codes, numbers and texts in memory or in files.
fn two_members(files: Option<&std::path::Path>) -> (Timeline, u64) {
    let spill = || files.map(|folder| Spill::new(folder, 0));
    let (texts, members, case) = (spill(), spill(), spill());
    let builder = |numbers: &Option<_>| match (&texts, numbers) {
        (Some(texts), Some(numbers)) => TimelineBuilder::with_spill(texts).numbers_in(numbers),
        _ => TimelineBuilder::new(),
    };
    let mut joined = builder(&case);
    for member in 0..2_i64 {
        let mut part = builder(&members);
        for i in 0..20_000_i64 {
            // Both cover the same time, and some rows have none.
            let ts = (i % 9_000 != 0).then_some(T0 + i * 1_000 - i % 5 * 7_000 + member * 333);
            let mut r = row(["event", "log.line"][(i % 2) as usize], i as u64, ts);
            r.event_id = (i % 3 == 0).then_some(i as u32 * 7 % 90);
            r.url = (i % 4 == 1).then(|| format!("https://x/{}", i % 400).into());
            r.flow_id = Some((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            r.message = format!("line {i}");
            part.push(["a.log", "b.log"][member as usize], Some("PC1"), r);
        }
        joined.append(part);
    }
    let spilled = [members, case]
        .iter()
        .flatten()
        .map(|spill| spill.written())
        .sum();
    (joined.finish(), spilled)
}

#[test]
fn columns_in_files_are_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let ((there, nothing), (here, spilled)) = (two_members(None), two_members(Some(folder.path())));
    assert_eq!(nothing, 0);
    assert!(spilled > 500_000, "{spilled}");
    let bytes = |timeline: &Timeline| {
        let mut out = Vec::new();
        write_parquet(timeline, &mut out).unwrap();
        out
    };
    assert_eq!(bytes(&there), bytes(&here));
    for sql in [
        "event_id = 84",
        "url = 'https://x/77'",
        "kind = 'event' AND event_id IS NULL",
    ] {
        assert!(count(&there, sql) > 0);
        assert_eq!(count(&there, sql), count(&here, sql), "{sql}");
    }
    assert!(
        there
            .to_frame()
            .unwrap()
            .equals_missing(&here.to_frame().unwrap())
    );
}

#[test]
fn parquet_comes_back_whole_and_byte_equal() {
    let t = sample();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    write_parquet(&t, std::fs::File::create(&path).unwrap()).unwrap();
    let back = read_parquet(&path).unwrap();
    assert!(t.to_frame().unwrap().equals_missing(&back.to_frame().unwrap()));
    let mut again = Vec::new();
    write_parquet(&back, &mut again).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), again);
    let empty = dir.path().join("e.parquet");
    write_parquet(
        &TimelineBuilder::new().finish(),
        std::fs::File::create(&empty).unwrap(),
    )
    .unwrap();
    assert_eq!(read_parquet(&empty).unwrap().len(), 0);
}

#[test]
fn conditions_reach_columns_members_and_times() {
    let t = sample();
    for (sql, rows) in [
        ("kind = 'event' AND fields.ExitCode = '0x8007000d'", 1),
        ("f('ExitCode') IS NULL", 2),
        ("n('n') BETWEEN 6 AND 8", 1),
        ("ts_ns - t('AzureAdPrtUpdateTime') > hours(4)", 1),
        ("ts_ns - t('AzureAdPrtUpdateTime') > hours(6)", 0),
        (
            "kind LIKE 'http.%' OR (event_id IN (1098, 5) AND fields.ExitCode ILIKE '%D')",
            2,
        ),
        ("NOT (kind = 'event' OR kind = 'config')", 1),
        ("user = 'anna' AND http_status >= 400", 1),
        ("LOWER(host) = 'pc2' AND REGEXP_LIKE(server_name, '^login\\.')", 1),
        ("TRY_CAST(fields.n AS BIGINT) = 7", 1),
        ("1 = 1", 3),
        ("host IS NULL AND 1 = 2", 0),
        ("level = 'error'", 0),
    ] {
        assert_eq!(count(&t, sql), rows, "{sql}");
    }
}

#[test]
fn one_failing_condition_leaves_the_others() {
    let t = sample();
    let bad = Condition::parse("kind = 'event' AND ts > 5 + 'x'").unwrap();
    let good = Condition::parse("kind = 'event' AND host LIKE 'PC%'").unwrap();
    let results = Scan::new(&t, &[&bad, &good]).run();
    assert!(results[0].is_err());
    assert_eq!(results[1].as_ref().unwrap(), &[1]);
}

#[test]
fn time_and_host_limits() {
    let t = sample();
    let len = |f: Filter| t.filter(&f).unwrap().len();
    assert_eq!(
        len(Filter {
            since_ns: Some(T0 + 1),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        len(Filter {
            until_ns: Some(T0 + 5),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        len(Filter {
            since_ns: Some(9),
            until_ns: Some(5),
            ..Filter::default()
        }),
        0
    );
    assert_eq!(
        len(Filter {
            host: Some("pc1".into()),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        len(Filter {
            host: Some("pc".into()),
            ..Filter::default()
        }),
        0
    );
}

#[test]
fn an_unknown_column_of_a_query_is_told_in_one_sentence() {
    let t = sample();
    let told = |sql: &str| query_timeline(&t, Vec::new(), sql).unwrap_err().to_string();
    assert_eq!(
        told("SELECT knd FROM timeline"),
        "There is no column `knd`; did you mean `kind`?"
    );
    assert_eq!(
        told("SELECT something_else FROM timeline"),
        "There is no column `something_else`; `casetrace schema` lists those of the timeline."
    );
}

/// polars 0.55 panics over it; should a later one answer, another such query belongs here.
#[test]
fn a_query_that_polars_panics_over_is_refused() {
    let sql = "SELECT ROW_NUMBER() OVER (ORDER BY ts_ns), COUNT() AS n FROM timeline GROUP BY kind ORDER BY n DESC LIMIT 1";
    let error = query_timeline(&sample(), Vec::new(), sql)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("polars can't answer this query ("), "{error}");
    assert!(error.contains("; ask it in another way"), "{error}");
}

#[test]
fn quotes_and_backslashes_of_a_text_are_its_own() {
    for text in [r"C:\'s", "two '' quotes", r"\''\' $t$"] {
        let mut b = TimelineBuilder::new();
        b.push("a.txt", None, row("config", 1, None).message(text));
        b.push("a.txt", None, row("config", 2, None).message("C:s two ' quotes"));
        let t = b.finish();
        let quoted = text.replace('\'', "''");
        let pattern = regex::escape(text).replace('\'', "''");
        for condition in [
            format!("message = '{quoted}'"),
            format!("message IN ('x', '{quoted}')"),
            format!("message LIKE '%{quoted}%'"),
            format!("STRPOS(message, '{quoted}') > 0"),
            format!("REGEXP_LIKE(message, '^{pattern}$')"),
        ] {
            assert_eq!(count(&t, &condition), 1, "{condition}");
            let sql = format!("SELECT '{quoted}' AS said FROM timeline WHERE {condition}");
            let found = query_timeline(&t, Vec::new(), &sql).unwrap();
            let said = found.column("said").unwrap();
            assert_eq!(
                said.str().unwrap().iter().collect::<Vec<_>>(),
                [Some(text)],
                "{sql}"
            );
        }
    }
}

#[test]
fn queries_see_three_tables_and_no_file() {
    let t = sample();
    let run = |sql: &str| query_timeline(&t, Vec::new(), sql);
    assert_eq!(
        run("SELECT kind, COUNT(*) AS n FROM timeline GROUP BY kind ORDER BY kind")
            .unwrap()
            .shape(),
        (3, 2)
    );
    assert_eq!(
        run("SELECT * FROM timeline WHERE fields.ExitCode IS NOT NULL")
            .unwrap()
            .height(),
        1
    );
    assert_eq!(
        run("SELECT user, f('name') AS name FROM timeline WHERE n('n') = 7")
            .unwrap()
            .shape(),
        (1, 2)
    );
    assert_eq!(
        run("WITH a AS (SELECT host FROM timeline) SELECT * FROM a WHERE host IS NOT NULL")
            .unwrap()
            .height(),
        2
    );
    let copied = format!(
        "SELECT kind FROM timeline WHERE kind{}",
        " BETWEEN 'a' AND 'b'".repeat(24)
    );
    let told = run(&copied).unwrap_err().to_string();
    assert!(told.starts_with("BETWEEN, CASE or functions"), "{told}");
    for zero in [
        "SELECT kind FROM timeline ORDER BY 0",
        "SELECT kind FROM timeline GROUP BY 0",
        "SELECT kind FROM timeline WHERE pid = 1 UNION ALL (SELECT kind FROM timeline ORDER BY kind, 00 DESC)",
    ] {
        let told = run(zero).unwrap_err().to_string();
        assert!(told.ends_with("counts columns from 1."), "{zero}: {told}");
    }
    assert!(run("SELECT kind FROM timeline ORDER BY 1").is_ok());
    for dotted in [
        "SELECT kind.x FROM timeline",
        "SELECT record FROM timeline ORDER BY timeline.kind.x",
        "WITH a AS (SELECT user, MIN(ts_ns) AS t FROM timeline) \
         SELECT ts_ns = t.ts_ns = t.ts_ns FROM timeline JOIN a ON ts_ns = t",
    ] {
        let told = run(dotted).unwrap_err().to_string();
        assert!(told.contains("There is no `"), "{dotted}: {told}");
    }
    for dotted in [
        "SELECT timeline.kind, fields.name FROM timeline",
        "SELECT T.kind FROM timeline AS T WHERE T.kind = 'x'",
        "WITH a AS (SELECT user FROM timeline) SELECT a.user FROM a",
        "SELECT t.user FROM timeline t WHERE t.user IS NULL OR t.USER = 'x'",
        "SELECT b.kind FROM (SELECT kind FROM timeline) AS b",
    ] {
        run(dotted).unwrap();
    }
    let inventory = t.to_frame().unwrap().lazy();
    let joined = "SELECT i.kind FROM timeline t JOIN inventory i ON t.record = i.record";
    assert_eq!(
        query_timeline(&t, vec![("inventory", inventory)], joined)
            .unwrap()
            .height(),
        3
    );
    for refused in [
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM read_csv('x.csv')",
        "SELECT * FROM '/tmp/x.parquet'",
        "SELECT * FROM \"/tmp/x.parquet\"",
        "SELECT * FROM TABLE(read_parquet('x'))",
        "SELECT * FROM timeline WHERE host IN (SELECT a FROM read_parquet('x'))",
        "WITH a AS (SELECT * FROM read_parquet('x')) SELECT * FROM a",
        "SELECT * FROM LATERAL read_parquet('x')",
        "CREATE TABLE x AS SELECT * FROM timeline",
        "DROP TABLE timeline",
        "SELECT 1; SELECT 2",
        "SELECT * INTO x FROM timeline",
        "EXPLAIN SELECT * FROM timeline",
        "SELECT * FROM findings",
        "nonsense",
        "",
    ] {
        assert!(run(refused).is_err(), "{refused}");
    }
}

#[test]
fn text_formats() {
    let t = sample();
    let columns = ColumnId::resolve(&["ts".into(), "Message".into(), "http_status".into()]).unwrap();
    let text = |format: TextFormat| exported(&t, &Export::new(format, columns.clone(), Naming::Columns));
    let jsonl = text(TextFormat::Jsonl);
    let first = "{\"ts\":\"2026-03-02T01:16:11.123456700Z\",\"message\":\"\",\"http_status\":407}";
    assert_eq!(jsonl.lines().next(), Some(first));
    let csv = text(TextFormat::Csv);
    assert!(
        csv.contains("\n2026-03-02T01:16:11.123456705Z,\"one, \"\"two\"\"\nthree\",\n,=cmd(),\n"),
        "{csv}"
    );
    let with_bom = Export::new(TextFormat::Csv, columns.clone(), Naming::Columns).with_bom(true);
    assert_eq!(exported(&t, &with_bom), format!("\u{feff}{csv}"));
    let excel = text(TextFormat::Excel);
    assert!(
        excel.starts_with("\u{feff}ts,message,http_status\r\n") && excel.ends_with(",'=cmd(),\r\n"),
        "{excel}"
    );
    let mut sketch = Vec::new();
    let export = Export::new(TextFormat::Timesketch, columns.clone(), Naming::Columns);
    assert_eq!(export.rows(&t, &mut sketch).unwrap().left_out, 1);
    let line: serde_json::Value =
        serde_json::from_slice(sketch.split(|b| *b == b'\n').next().unwrap()).unwrap();
    assert_eq!(line["timestamp"], 1_772_414_171_123_456_i64);
    assert_eq!(line["message"], "http.response");
    let l2t = text(TextFormat::L2tcsv);
    assert!(l2t.contains("\n03/02/2026,01:16:11,UTC,....,PCAP,"), "{l2t}");
    assert!(l2t.contains("\n00/00/0000,--:--:--,"));
    assert!(
        ColumnId::resolve(&["mesage".into()])
            .unwrap_err()
            .to_string()
            .contains("did you mean `message`?")
    );
}

fn exported(timeline: &Timeline, export: &Export) -> String {
    let mut out = Vec::new();
    export.begin(&mut out).unwrap();
    export.rows(timeline, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn ecs_names_are_those_of_the_column_table() {
    let t = sample();
    let all: Vec<ColumnId> = ColumnId::all().collect();
    let export = Export::new(TextFormat::Jsonl, all.clone(), Naming::Ecs);
    let line: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(exported(&t, &export).lines().next().unwrap()).unwrap();
    // No two columns may share a name, or a reader would drop one.
    assert_eq!(line.len(), all.len());
    for column in casetrace_timeline::COLUMNS {
        let name = match column.ecs {
            "" => format!("casetrace.{}", column.name),
            ecs => ecs.to_owned(),
        };
        assert!(line.contains_key(&name), "{name}");
    }
    assert_eq!(line["http.response.status_code"], 407);
    assert_eq!(line["@timestamp"], "2026-03-02T01:16:11.123456700Z");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let file = std::fs::File::create(&path).unwrap();
    let mut parquet = ParquetExport::new(file, all.clone(), Naming::Ecs).unwrap();
    parquet.rows(&t).unwrap();
    parquet.finish().unwrap();
    let schema = scan_parquet(&path).unwrap().collect_schema().unwrap();
    assert_eq!(schema.len(), all.len());
    assert!(
        schema.contains("@timestamp") && schema.contains("destination.ip"),
        "{schema:?}"
    );
}

#[test]
fn no_cell_is_taken_for_a_formula() {
    let mut b = TimelineBuilder::new();
    for (message, record) in [
        "=1+1",
        "  =1+1",
        "+cmd|' /C calc'!A0",
        "-2",
        "@SUM(1)",
        "\t=1",
        "＝1",
        "\u{a0}=1",
    ]
    .into_iter()
    .zip(1..)
    {
        let mut r = row("log.line", record, Some(T0));
        r.message = message.into();
        b.push("a", None, r);
    }
    let columns = ColumnId::resolve(&["message".into()]).unwrap();
    let csv = exported(
        &b.finish(),
        &Export::new(TextFormat::Excel, columns, Naming::Columns),
    );
    for line in csv.lines().skip(1) {
        assert!(line.trim_start_matches('"').starts_with('\''), "{line}");
    }
    assert_eq!(csv.lines().count(), 9);
}

#[test]
fn parts_of_a_file_come_in_order() {
    let mut b = TimelineBuilder::new();
    for record in 0..300_000_u64 {
        b.push("a", None, row("log.line", record, Some(T0 + record as i64)));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write_parquet(&b.finish(), std::fs::File::create(&path).unwrap()).unwrap();
    let record = ColumnId::of("record").unwrap();
    let (mut next, mut parts) = (0, 0);
    read_parquet_parts::<casetrace_timeline::TimelineError>(&path, |part| {
        assert!(part.len() <= 128 << 10);
        parts += 1;
        for row in 0..part.len() as u32 {
            assert_eq!(part.number(record, row), Some(next));
            next += 1;
        }
        Ok(())
    })
    .unwrap();
    assert!(next == 300_000 && parts > 2, "{next} rows in {parts} parts");
}

#[test]
fn texts_can_be_replaced_everywhere() {
    let t = sample().map_text(|column, text| match column {
        "user" => Some("user-1".into()),
        "fields" => Some(text.replace("winhttp", "x")),
        _ => None,
    });
    assert_eq!(count(&t, "user = 'user-1'"), 1);
    assert_eq!(count(&t, "fields.name = 'x_proxy'"), 1);
    assert_eq!(count(&t, "kind = 'event'"), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Grouping, partial evaluation and late members must not change what a condition means.
    #[test]
    fn scan_agrees_with_plain_polars(seed in proptest::collection::vec((0..4_u8, 0..3_u8, 0..4_u32, 0..3_u8), 1..60)) {
        let mut b = TimelineBuilder::new();
        for (i, (kind, provider, id, field)) in seed.iter().enumerate() {
            let kinds = ["event", "dns.query", "tls.alert", "log.line"];
            let mut r = row(kinds[usize::from(*kind)], i as u64, Some(T0 + i as i64));
            r.provider = [None, Some("A"), Some("B")][usize::from(*provider)].map(Into::into);
            r.event_id = (*id > 0).then_some(*id);
            r.fields = JsonObject::new().num("x", *field).finish();
            b.push("a", None, r);
        }
        let t = b.finish();
        let conditions = [
            "kind = 'event' AND provider = 'A' AND event_id IN (1, 2)",
            "NOT (kind = 'event' AND provider = 'A')",
            "kind LIKE 't%' OR provider IS NULL",
            "event_id > 1 AND fields.x = '1'",
            "NOT (provider = 'B' OR fields.x <> '2')",
            "kind <> 'event' OR event_id = 3 OR n('x') < 1",
        ];
        for sql in conditions {
            let got = count(&t, sql);
            let plain = query_timeline(&t, Vec::new(), &format!("SELECT record FROM timeline WHERE {sql}")).unwrap().height();
            prop_assert_eq!(got, plain, "{}", sql);
        }
    }
}
