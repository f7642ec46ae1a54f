//! `report.html`: hostile text stays text, nothing is loaded, the picture is bounded.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use casetrace_knowledge::Lang;
use casetrace_report::{Templates, html, markdown};
use common::{HOSTILE, report, timeline};

#[test]
fn hostile_text_stays_text() {
    let page = html(
        &report(HOSTILE, &timeline(200, HOSTILE), Lang::En),
        &Templates::builtin(),
    )
    .unwrap();
    let harmless = html(
        &report("text", &timeline(200, "text"), Lang::En),
        &Templates::builtin(),
    )
    .unwrap();
    for markup in ["<script", "</script", "<img", "<!--", "<style", "<svg"] {
        assert_eq!(
            page.matches(markup).count(),
            harmless.matches(markup).count(),
            "{markup}"
        );
    }
    assert_eq!(page.matches("<!--").count(), 0);
    assert!(!page.contains(['\u{202e}', '\u{1b}']));
    assert!(page.contains("{{ 7 * 7 }}"));
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn nothing_is_loaded_and_the_policy_forbids_it() {
    let page = html(
        &report("text", &timeline(200, "text"), Lang::En),
        &Templates::builtin(),
    )
    .unwrap();
    for outside in [
        "http://",
        "https://",
        "//cdn",
        "src=",
        "@import",
        "url(",
        "<link",
        " style=",
        " onclick=",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    let policy = page.find("default-src").unwrap();
    assert!(policy < page.find("<style>").unwrap());
    assert!(!page.contains("unsafe-inline"));
}

#[test]
fn the_page_says_what_report_md_says() {
    let report = report("text", &timeline(200, "text"), Lang::En);
    let (page, plain) = (
        html(&report, &Templates::builtin()).unwrap(),
        markdown(&report, &Templates::builtin()).unwrap(),
    );
    for heading in plain.lines().filter_map(|line| line.strip_prefix("## ")) {
        assert!(page.contains(&format!(">{heading}</h2>")), "{heading}");
    }
    for word in report.facts.iter().map(|fact| &fact.label) {
        assert!(page.contains(word.as_str()), "{word}");
    }
    // Evidence 1 and 3 have a time; the refuting record is not among them, 2 has none.
    for id in ["m-1-1", "m-1-3", "e-1-1", "e-1-2", "e-1-3"] {
        assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    for target in page
        .split("href=\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
    assert_eq!(page, html(&report, &Templates::builtin()).unwrap());
}

#[test]
fn the_picture_is_bounded() {
    let report = report("text", &timeline(60_000, "text"), Lang::Ja);
    let picture = &report.picture;
    assert_eq!(picture.lanes.len(), 6);
    assert!(picture.lanes.iter().map(|lane| lane.bars.len()).sum::<usize>() <= 600);
    let counted: u64 = picture
        .lanes
        .iter()
        .flat_map(|lane| &lane.bars)
        .map(|bar| bar.rows)
        .sum();
    assert_eq!(counted, 60_000);
    let page = html(&report, &Templates::builtin()).unwrap();
    assert!(page.len() < 1 << 20, "{}", page.len());
    assert!(page.contains("<html lang=\"ja\">"));
}

#[test]
fn a_case_without_rows_has_no_picture() {
    let page = html(
        &report("text", &timeline(0, "text"), Lang::En),
        &Templates::builtin(),
    )
    .unwrap();
    assert!(!page.contains("<svg") && !page.contains("href=\"#m-"));
}
