//! The fleet report over a small dataset: every section answers, hostile text stays text, equal data gives equal bytes.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use casetrace_fleet::{Dataset, Fleet, Options, Step, html, markdown};
use casetrace_knowledge::Lang;
use casetrace_timeline::polars::prelude::{Column, DataFrame, IntoLazy, LazyFrame};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)> | [a](https://x) \u{202e}\u{1b}[31m {{ 7 * 7 }}";

fn texts(name: &str, cells: &[&str]) -> Column {
    let cells: Vec<Option<&str>> = cells
        .iter()
        .map(|text| Some(*text).filter(|t| *t != "-"))
        .collect();
    Column::new(name.into(), cells)
}

fn table(columns: Vec<Column>) -> LazyFrame {
    let height = columns.first().unwrap().len();
    DataFrame::new(height, columns).unwrap().lazy()
}

/// Ten cases of January, ten of February, two of March: PXY-01 in one of ten, then in half, then in all; a code that is new in March.
fn tables(text: &str) -> Vec<(&'static str, LazyFrame)> {
    let cases: Vec<String> = (1..=22).map(|n| format!("case-{n:02}")).collect();
    let names: Vec<&str> = cases.iter().map(String::as_str).collect();
    let month = |n: usize| {
        if n < 10 {
            "01"
        } else if n < 20 {
            "02"
        } else {
            "03"
        }
    };
    let last: Vec<String> = (0..22)
        .map(|n| format!("2026-{}-15T10:00:00Z", month(n)))
        .collect();
    let last: Vec<&str> = last.iter().map(String::as_str).collect();
    let offsets: Vec<Option<f64>> = (0..22)
        .map(|n| [Some(1200.0), Some(-900_000.0), None][n % 3])
        .collect();
    let hit: Vec<&str> = [0, 10, 11, 12, 13, 14, 20, 21]
        .iter()
        .map(|n| names[*n])
        .collect();
    let all = |text: &str, n: usize| vec![text.to_owned(); n];
    let same = |name: &str, text: &str, n: usize| Column::new(name.into(), all(text, n));
    vec![
        (
            "bundles",
            table(vec![
                texts("bundle", &names),
                texts("last_ts", &last),
                same("hosts", text, 22),
                Column::new("bytes".into(), (1..=22_u64).map(|n| n << 20).collect::<Vec<_>>()),
                Column::new("rows".into(), vec![100_u64; 22]),
                Column::new(
                    "members_missing".into(),
                    (0..22_u64).map(|n| n % 2).collect::<Vec<_>>(),
                ),
                Column::new("clock_offset_ms".into(), offsets),
                same("collector", "authlogs", 22),
                texts(
                    "status",
                    &(0..22).map(|n| ["ok", "partial"][n % 2]).collect::<Vec<_>>(),
                ),
                same("tool_version", text, 22),
            ]),
        ),
        (
            "findings",
            table(vec![
                texts("bundle", &[hit.clone(), vec!["case-01", "case-02"]].concat()),
                texts(
                    "rule_id",
                    &[vec!["PXY-01"; 8], vec!["DISC-08", "OWN-01"]].concat(),
                ),
                texts("title", &[vec!["Proxy"; 8], vec!["Discovery", text]].concat()),
                same("confidence", "proved", 10),
                texts("status", &[vec!["active"; 9], vec!["active"]].concat()),
                same("severity", "high", 10),
                texts("subject", &[vec![text; 8], vec!["-", "-"]].concat()),
                texts("consequence_of", &[vec!["-"; 8], vec!["PXY-01", "-"]].concat()),
                texts("tenant_id", &[vec!["tenant-a"; 5], vec!["-"; 5]].concat()),
            ]),
        ),
        (
            "quality",
            table(vec![
                texts("bundle", &["case-03", "case-03", "case-04"]),
                texts("id", &["DQ-01", "DQ-01", "DQ-01"]),
                texts("title", &[text, text, text]),
            ]),
        ),
        (
            "timeline",
            table(vec![
                texts("bundle", &["case-01", "case-22", "case-22", "case-02"]),
                texts("error_code", &["0x80190197", "0x801c03f2", "0x801c03f2", "-"]),
                texts("error_symbol", &["-", text, text, "-"]),
            ]),
        ),
    ]
}

fn options() -> Options {
    Options {
        since: None,
        until: None,
        step: Step::Month,
        lang: Lang::En,
    }
}

fn fleet(text: &str, options: &Options) -> Fleet {
    Fleet::build(&Dataset::new(tables(text)).unwrap(), options).unwrap()
}

#[test]
fn rules_are_counted_by_period() {
    let fleet = fleet("text", &options());
    let heads: Vec<(&str, u64)> = fleet.periods.iter().map(|p| (p.name.as_str(), p.cases)).collect();
    assert_eq!(heads, [("2026-01", 10), ("2026-02", 10), ("2026-03", 2)]);
    let proxy = &fleet.rules[0];
    assert_eq!(
        (proxy.rule_id.as_str(), proxy.cases, proxy.causes, proxy.trend),
        ("PXY-01", 8, 8, "up")
    );
    let percents: Vec<u64> = proxy.cells.iter().map(|cell| cell.percent).collect();
    assert_eq!(percents, [10, 50, 100]);
    assert_eq!(proxy.title, "Proxy authentication is not completed");
    let explained = fleet.rules.iter().find(|row| row.rule_id == "DISC-08").unwrap();
    assert_eq!(
        (explained.cases, explained.causes, explained.trend),
        (1, 0, "down")
    );
    let own = fleet.rules.iter().find(|row| row.rule_id == "OWN-01").unwrap();
    assert_eq!((own.title.as_str(), own.severity.as_str()), ("text", "high"));
}

#[test]
fn codes_clocks_collections_and_causes_are_told() {
    let fleet = fleet("text", &options());
    let codes: Vec<_> = fleet
        .codes
        .iter()
        .map(|c| (c.code.as_str(), c.first.as_str(), c.records, c.new))
        .collect();
    assert_eq!(
        codes,
        [
            ("0x801c03f2", "2026-03-15", 2, true),
            ("0x80190197", "2026-01-15", 1, false)
        ]
    );
    assert!(!fleet.codes[1].meaning.is_empty());
    assert_eq!((fleet.clocks.len(), fleet.clocks_read), (1, 15));
    assert_eq!((fleet.clocks[0].offset_s, fleet.clocks[0].cases), (Some(-900), 7));
    let collector = &fleet.collectors[0];
    assert_eq!(
        (
            collector.cases,
            collector.incomplete,
            collector.percent,
            collector.missing
        ),
        (22, 11, 50, 11)
    );
    assert_eq!(
        (fleet.quality[0].id.as_str(), fleet.quality[0].cases),
        ("DQ-01", 2)
    );
    let shared: Vec<_> = fleet
        .shared
        .iter()
        .map(|s| (s.by, s.what.as_str(), s.cases, s.more))
        .collect();
    assert_eq!(shared, [("subject", "text", 8, 2), ("tenant", "tenant-a", 5, 0)]);
    assert_eq!(
        (fleet.shared[0].first.as_str(), fleet.shared[0].last.as_str()),
        ("2026-01-15", "2026-03-15")
    );
}

#[test]
fn a_time_window_narrows_everything() {
    let since = casetrace_model_time("2026-02-01T00:00:00Z");
    let until = casetrace_model_time("2026-03-01T00:00:00Z");
    let window = Options {
        since: Some(since),
        until: Some(until),
        step: Step::Week,
        ..options()
    };
    let fleet = fleet("text", &window);
    assert_eq!(fleet.facts[0].value, "10");
    assert_eq!(fleet.rules.iter().map(|row| row.cases).sum::<u64>(), 5);
    assert_eq!(
        fleet.periods.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
        ["2026-W07"]
    );
    assert!(fleet.codes.is_empty());
}

fn casetrace_model_time(text: &str) -> i64 {
    casetrace_model::time::from_rfc3339(text).unwrap()
}

#[test]
fn records_beside_the_tables_are_read() {
    let out = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = out.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put(
        "failed/k1.json",
        r#"{"bundle":"bad-1","class":"crash","permanent":true,"reason":"x"}"#,
    );
    put(
        "failed/k2.json",
        r#"{"bundle":"bad-2","class":"crash","permanent":false}"#,
    );
    put("failed/k3.json", "not json");
    put(
        "cases/bundle=case-01/_manifest.json",
        r#"{"bundle":"case-01","path":"north/one"}"#,
    );
    put(
        "cases/bundle=case-11/_manifest.json",
        r#"{"bundle":"case-11","path":"north/two"}"#,
    );
    put(
        "cases/.tmp-1/_manifest.json",
        r#"{"bundle":"case-12","path":"north/three"}"#,
    );
    put(
        "runs/1.jsonl",
        "{\"bundle\":\"case-01\",\"status\":\"published\",\"ms\":9000,\"peak_rss_bytes\":1048576}\nnoise\n{\"bundle\":\"case-01\",\"status\":\"already\",\"ms\":1}\n",
    );
    put(
        "_runs/app-1/part-0.json",
        "{\"bundle\":\"case-11\",\"status\":\"published\",\"ms\":1000}\n",
    );
    let dataset = Dataset::new(tables("text")).unwrap().with_records(out.path());
    let fleet = Fleet::build(&dataset, &options()).unwrap();
    assert_eq!(fleet.failures.len(), 1);
    assert_eq!((fleet.failures[0].cases, fleet.failures[0].permanent), (2, 1));
    let site = fleet.shared.iter().find(|s| s.by == "site").unwrap();
    assert_eq!((site.what.as_str(), site.cases), ("north", 2));
    assert_eq!(
        (fleet.slowest[0].bundle.as_str(), fleet.slowest[0].time.as_str()),
        ("case-01", "9.00 s")
    );
    assert_eq!(fleet.slowest.len(), 2);
}

#[test]
fn an_empty_dataset_is_said_to_be_empty() {
    let fleet = Fleet::build(&Dataset::new(Vec::new()).unwrap(), &options()).unwrap();
    assert_eq!(fleet.facts[0].value, "0");
    assert!(markdown(&fleet, None).unwrap().contains("Published cases: 0."));
    assert!(html(&fleet, None).unwrap().trim_end().ends_with("</html>"));
}

#[test]
fn hostile_text_stays_text() {
    let page = html(&fleet(HOSTILE, &options()), None).unwrap();
    let harmless = html(&fleet("text", &options()), None).unwrap();
    for markup in ["<script", "</script", "<img", "<!--", "<svg", "<b>"] {
        assert_eq!(
            page.matches(markup).count(),
            harmless.matches(markup).count(),
            "{markup}"
        );
    }
    assert!(!page.contains(['\u{202e}', '\u{1b}']));
    assert!(page.contains("{{ 7 * 7 }}"));
    assert!(!page.contains("http://") && !page.contains(" style=") && !page.contains(" onclick="));
    // Inside code spans nothing is markup.
    let outside = |text: &str| {
        let text = markdown(&fleet(text, &options()), None).unwrap();
        text.split('`').step_by(2).collect::<String>()
    };
    let text = outside(HOSTILE);
    assert!(!text.contains("<img") && !text.contains("[a](") && !text.contains(['\u{202e}', '\u{1b}']));
    let bars = |text: &str| {
        text.lines()
            .map(|line| line.replace("\\|", "").matches('|').count())
            .collect::<Vec<_>>()
    };
    assert_eq!(bars(&text), bars(&outside("text")));
}

#[test]
fn equal_data_gives_equal_bytes_in_both_languages() {
    let again = |lang| {
        let options = Options { lang, ..options() };
        let fleet = fleet("text", &options);
        (markdown(&fleet, None).unwrap(), html(&fleet, None).unwrap())
    };
    assert_eq!(again(Lang::En), again(Lang::En));
    let (english, japanese) = (again(Lang::En), again(Lang::Ja));
    assert!(japanese.0.contains("フリート レポート") && japanese.1.contains("lang=\"ja\""));
    assert_eq!(
        english.1.matches("<tr").count(),
        japanese.1.matches("<tr").count()
    );
    assert!(!english.0.contains("fleet_") && !japanese.0.contains("fleet_"));
}
