//! Own templates: limits, errors with a line, escaping that can't be switched off, and the documented model.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use casetrace_knowledge::Lang;
use casetrace_report::{Capture, Diff, Report, Templates, diff_html, diff_markdown, html, markdown};
use casetrace_timeline::side_by_side;
use common::{HOSTILE, findings, report, timeline};

fn own(name: &str, text: &str) -> Templates {
    Templates::new([(name.to_owned(), text.to_owned())]).unwrap()
}

#[test]
fn what_a_template_prints_is_escaped_whatever_it_says() {
    let report = report(HOSTILE, &timeline(1, "text"), Lang::En);
    for text in [
        "<p>{{ name }}</p>",
        "<p>{% autoescape false %}{{ name }}{% endautoescape %}</p>",
        "{% macro m(x) %}<p>{{ x }}</p>{% endmacro %}{{ m(name) }}",
        "{% set x %}<p>{{ name }}</p>{% endset %}{{ x }}",
        "<p>{{ [name, name]|join('; ') }}</p>",
        "<p>{{ name|upper }}</p>",
    ] {
        let page = html(&report, &own("report.html.j2", text)).unwrap();
        assert!(
            !page.to_lowercase().contains("<script") && page.starts_with("<p>&lt;"),
            "{text}: {page}"
        );
        let plain = markdown(&report, &own("report.md.j2", text)).unwrap();
        assert!(!plain.to_lowercase().contains("<script"), "{text}: {plain}");
    }
    for refused in ["{{ name|safe }}", "{{ name|tojson }}"] {
        assert!(
            markdown(&report, &own("report.md.j2", refused)).is_err(),
            "{refused}"
        );
    }
    assert!(html(&report, &own("report.html.j2", "{{ name|safe }}")).is_err());
}

#[test]
fn mistakes_are_told_with_their_line() {
    let broken = Templates::new([("report.md.j2".to_owned(), "one\ntwo\n{% for %}".to_owned())]);
    assert!(broken.unwrap_err().to_string().contains("report.md.j2:3"));
    let report = report("text", &timeline(1, "text"), Lang::En);
    let late = markdown(&report, &own("report.md.j2", "one\n{{ name|nonsense }}"))
        .unwrap_err()
        .to_string();
    assert!(
        late.contains("report.md.j2:2") && late.contains("nonsense"),
        "{late}"
    );
    let missing = markdown(&report, &own("report.md.j2", "{% include '../secret' %}")).unwrap_err();
    assert!(missing.to_string().contains("report.md.j2:1"), "{missing}");
    let useless = Templates::new([("raport.md.j2".to_owned(), String::new())]);
    assert!(useless.unwrap_err().to_string().contains("report.md.j2"));
    assert!(Templates::new((0..100).map(|n| (format!("{n}.j2"), String::new()))).is_err());
    assert!(Templates::new([("report.md.j2".to_owned(), " ".repeat(2 << 20))]).is_err());
}

#[test]
fn templates_end() {
    let report = report("text", &timeline(1, "text"), Lang::En);
    let endless = vec![
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'report.md.j2' %}",
        "{% for a in range(90000) %}{{ 'x' * 100000 }}{% endfor %}",
        "{% for a in range(90000) %}{% for b in range(90000) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
    ];
    side_by_side(endless, |endless| {
        assert!(
            markdown(&report, &own("report.md.j2", endless)).is_err(),
            "{endless}"
        );
    });
}

#[test]
fn parts_can_be_shared_and_the_rest_stays_built_in() {
    let report = report("text", &timeline(1, "text"), Lang::En);
    let templates = Templates::new([
        ("report.md.j2".to_owned(), "{% include 'part.j2' %}!".to_owned()),
        ("part.j2".to_owned(), "{{ t.verdict }}: {{ name }}".to_owned()),
    ])
    .unwrap();
    assert_eq!(markdown(&report, &templates).unwrap(), "Verdict: text!\n");
    assert_eq!(
        html(&report, &templates).unwrap(),
        html(&report, &Templates::builtin()).unwrap()
    );
    let styled = own("report.css", "body { color: red }");
    let page = html(&report, &styled).unwrap();
    assert!(page.contains("<style>body { color: red }</style>"));
}

/// Every path of a model: `findings[].title`.
fn paths(value: &serde_json::Value, at: &str, into: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                let dot = if at.is_empty() { "" } else { "." };
                paths(value, &format!("{at}{dot}{name}"), into);
            }
        }
        serde_json::Value::Array(items) if !items.is_empty() => {
            items
                .iter()
                .for_each(|item| paths(item, &format!("{at}[]"), into));
        }
        _ => drop(into.insert(at.to_owned())),
    }
}

/// The paths that a heading of docs/report-templates.md lists.
fn documented(heading: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report-templates.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next())
        .map(str::to_owned)
        .collect()
}

/// Lists of the same things are documented once.
fn documented_name(path: &str) -> String {
    let mut path = path
        .replace(".refuting[]", ".evidence[]")
        .replace(".after.", ".before.");
    for (list, like) in [
        ("brief[]", "findings[]"),
        ("resolved[]", "findings[]"),
        ("refuted[]", "findings[]"),
        ("worse[]", "new[]"),
        ("better[]", "new[]"),
        ("gone[]", "new[]"),
        ("same[]", "new[]"),
        ("after.", "before."),
    ] {
        if let Some(rest) = path.strip_prefix(list) {
            path = format!("{like}{rest}");
        }
    }
    path
}

fn differences(model: &serde_json::Value, heading: &str) -> (Vec<String>, Vec<String>) {
    let mut all = BTreeSet::new();
    paths(model, "", &mut all);
    let alike = ["brief", "resolved", "refuted", "worse", "better", "gone", "same"];
    let mut real: BTreeSet<String> = all.iter().map(|path| documented_name(path)).collect();
    real.retain(|path| !path.starts_with("t.") && path != "new[].after" && !alike.contains(&path.as_str()));
    real.retain(|path| !path.ends_with("[].refuting"));
    let told = documented(heading);
    // An absent value and an empty list have no members to compare.
    let open = |path: &str| {
        real.iter()
            .any(|real| path.starts_with(&format!("{real}.")) || path.starts_with(&format!("{real}[]")))
    };
    let missing = real.iter().filter(|path| !told.contains(*path));
    let missing = missing.filter(|path| !told.iter().any(|told| told.starts_with(&format!("{path}."))));
    let missing = missing.filter(|path| !told.iter().any(|told| told.starts_with(&format!("{path}[]"))));
    let stale = told.iter().filter(|path| !real.contains(*path) && !open(path));
    (missing.cloned().collect(), stale.cloned().collect())
}

#[test]
fn the_model_of_the_report_is_as_documented() {
    let report: Report = report("text", &timeline(200, "text"), Lang::En);
    let (missing, stale) = differences(&serde_json::to_value(&report).unwrap(), "The report");
    assert!(
        missing.is_empty() && stale.is_empty(),
        "not documented: {missing:#?}\nnot there: {stale:#?}"
    );
}

#[test]
fn the_model_of_the_comparison_is_as_documented() {
    let (before, after) = (timeline(200, "text"), timeline(200, "other"));
    let (old, new) = (findings("text"), findings("other"));
    let capture = |findings, timeline| Capture {
        name: HOSTILE,
        findings,
        timeline,
    };
    let diff = Diff::build(&capture(&old, &before), &capture(&new, &after), Lang::En);
    let (missing, stale) = differences(&serde_json::to_value(&diff).unwrap(), "The comparison");
    assert!(
        missing.is_empty() && stale.is_empty(),
        "not documented: {missing:#?}\nnot there: {stale:#?}"
    );
    let page = diff_html(&diff, &Templates::builtin()).unwrap();
    let plain = diff_markdown(&diff, &Templates::builtin()).unwrap();
    for text in [&page, &plain] {
        assert!(
            !text.contains("<script") && !text.contains("<img") && !text.contains(['\u{1b}', '\u{202e}'])
        );
    }
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("default-src"));
}
