//! Markdown: every printed value is escaped unless a filter already made it safe.

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Output, State};
use serde::Serialize;

use crate::diff::Diff;
use crate::escape;
use crate::templates::{RenderError, Templates};
use crate::view::Report;

/// The report in markdown.
///
/// Errors: only from the template itself.
pub fn markdown(report: &Report, templates: &Templates) -> Result<String, RenderError> {
    render("report.md.j2", report, templates)
}

/// The comparison in markdown.
///
/// Errors: only from the template itself.
pub fn diff_markdown(diff: &Diff, templates: &Templates) -> Result<String, RenderError> {
    render("diff.md.j2", diff, templates)
}

/// Any view model in markdown: every value the template prints is made inert, whatever it holds.
///
/// Errors: only from the template itself.
pub fn render_markdown<M: Serialize>(model: &M, template: &str) -> Result<String, RenderError> {
    let templates = Templates::builtin().with("page.md.j2", template);
    render("page.md.j2", model, &templates)
}

fn render(name: &str, model: &impl Serialize, templates: &Templates) -> Result<String, RenderError> {
    let model = Value::from(Serde(model));
    let escaping = AutoEscape::Custom("markdown".into());
    let text = templates.render(name, escaping, print, filters, model)?;
    Ok(tidy(&text))
}

fn filters(environment: &mut Environment<'_>) {
    // It escapes for HTML only and calls the result safe.
    environment.remove_filter("tojson");
    environment.add_filter("code", |text: Option<String>| {
        Value::from_safe_string(escape::code(&text.unwrap_or_default()))
    });
    environment.add_filter("prose", |text: Option<String>| {
        Value::from_safe_string(escape::with_commands(
            &text.unwrap_or_default(),
            escape::markdown,
            escape::command,
        ))
    });
    environment.add_filter("fenced", |text: Option<String>| {
        Value::from_safe_string(escape::fenced(&text.unwrap_or_default()))
    });
}

fn print(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let written = if value.is_undefined() || value.is_none() {
        Ok(())
    } else if value.is_safe() {
        out.write_str(&value.to_string())
    } else {
        out.write_str(&escape::markdown(&value.to_string()))
    };
    written.map_err(minijinja::Error::from)
}

/// At most one empty line in a row and one line end at the end: templates need not count theirs.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines() {
        let line = line.trim_end();
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty <= 1 {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.trim_end().to_owned() + "\n"
}
