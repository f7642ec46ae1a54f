//! Properties of what stands above the decoders.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use casetrace_knowledge::Lang;
use casetrace_pipeline::{Mode, analyze_again, names, write};
use casetrace_report::{Input, Report, Templates, html, markdown};
use casetrace_rules::{Context, RulePack, import_sigma};
use casetrace_timeline::{TimelineBuilder, query_timeline};
use tempfile::TempDir;

use crate::case::{DEMO, RULES};

/// Remarks on one file, at most: one mistake must not become thousands of lines.
const MOST_ERRORS: usize = 2_000;

/// A rule file is checked without a panic, each remark on it points into it, and what is accepted can be evaluated. Built-in
/// files may get remarks, too: a predicate of the same name replaces theirs.
pub(crate) fn rules_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let lines = text.lines().count() + 1;
    let loaded = RulePack::load(&[("own.toml".to_owned(), text)]);
    assert!(
        loaded.errors.len() <= MOST_ERRORS,
        "{} remarks",
        loaded.errors.len()
    );
    for error in &loaded.errors {
        assert!(!error.message.is_empty());
        assert!(
            error.file != "own.toml" || error.line <= lines,
            "a remark behind the end"
        );
    }
    let empty = TimelineBuilder::new().finish();
    let timeline = DEMO.as_ref().map_or(&empty, |demo| &demo.rows.timeline);
    let own = loaded.pack.evaluate(timeline, &Context::default());
    let ranks = own.findings.iter().filter_map(|finding| finding.rank);
    assert!(
        ranks.zip(1..).all(|(rank, place)| rank == place),
        "ranks are not 1, 2, 3, …"
    );
}

/// What the importer makes of a Sigma rule, the rule language accepts.
pub(crate) fn sigma_rule(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match import_sigma(&text) {
        Err(told) => assert!(!told.is_empty()),
        Ok(imported) => {
            let errors = RulePack::check("imported.toml", &imported.toml);
            assert!(errors.is_empty(), "{}\n{}", errors[0], imported.toml);
        }
    }
}

/// A template renders or is refused, in bounded time and size, and markup from rows stays text.
pub(crate) fn report_template(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let Some(demo) = DEMO.as_ref() else { return };
    let planted = planted(&text);
    let report = Report::build(
        &Input {
            name: &format!("{planted}</script>"),
            inputs: &[],
            sources: &[],
            findings: &demo.findings,
            attempts: &demo.attempts,
            timeline: &demo.rows.timeline,
        },
        Lang::En,
    );
    for name in ["report.md.j2", "report.html.j2"] {
        let Ok(templates) = Templates::new([(name.to_owned(), text.clone())]) else {
            continue;
        };
        let page = match name {
            "report.md.j2" => markdown(&report, &templates),
            _ => html(&report, &templates),
        };
        if let Ok(page) = page {
            assert!(!page.contains(&planted), "markup of the case name got through");
        }
    }
}

/// Markup for the case name; its number does not occur in the template, so only the name can bring it into a page.
fn planted(template: &str) -> String {
    let number = (7_310_491_u64..).find(|number| !template.contains(&number.to_string()));
    format!("<script>alert({})", number.unwrap_or_default())
}

/// A statement gives rows or an error, never a panic.
pub(crate) fn query(data: &[u8]) {
    let sql = String::from_utf8_lossy(data);
    let Some(demo) = DEMO.as_ref() else { return };
    if let Err(error) = query_timeline(&demo.rows.timeline, Vec::new(), &sql) {
        assert!(!error.to_string().is_empty());
    }
}

static FOLDER: Mutex<Option<TempDir>> = Mutex::new(None);

/// A finished case with a damaged part is refused, or reported on.
pub(crate) fn finished_case(data: &[u8]) {
    let Some(demo) = DEMO.as_ref() else { return };
    let mut slot = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    if slot.is_none() {
        *slot = tempfile::tempdir().ok();
    }
    let Some(folder) = slot.as_ref().map(TempDir::path) else {
        return;
    };
    let case = folder.join("case");
    if !case.is_dir() {
        write(demo, &case).expect("a case can be written to a fresh folder");
    }
    let damaged = if data.starts_with(b"{") || data.starts_with(b"[") {
        names::INVENTORY
    } else {
        names::TIMELINE
    };
    let whole = fs::read(case.join(damaged)).expect("it was written");
    put(&case.join(damaged), data);
    let results = [Mode::None, Mode::Identity]
        .map(|mode| analyze_again(&case, &RULES.pack, Lang::En, &Templates::builtin(), mode));
    put(&case.join(damaged), &whole);
    for error in results.into_iter().filter_map(Result::err) {
        assert!(!error.to_string().is_empty());
    }
}

fn put(path: &Path, data: &[u8]) {
    fs::write(path, data).expect("the temporary folder takes files");
}

/// Removes the temporary folder.
pub(crate) fn clean() {
    FOLDER.lock().unwrap_or_else(PoisonError::into_inner).take();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planted_is_not_in_the_template() {
        let first = planted("{{ name }}");
        let own = format!("{first}</script> {{{{ name }}}}");
        assert_ne!(planted(&own), first);
        assert!(!own.contains(&planted(&own)));
        // Markup of the template's own is no failure, and the name is still looked for.
        report_template(own.as_bytes());
    }
}
