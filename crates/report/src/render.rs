//! Templates over the view model; every printed value is escaped for markdown unless a filter already made it safe.

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Output, State};
use serde::Serialize;

use crate::escape;
use crate::view::Report;

/// The built-in template.
const MARKDOWN: &str = include_str!("../../../reports/templates/report.md.j2");

/// A template that does not work.
#[derive(Debug, thiserror::Error)]
#[error("the report template failed: {0:#}")]
pub struct RenderError(#[from] minijinja::Error);

/// The report in markdown, with `template` or the built-in one.
///
/// Errors: only from the template itself.
pub fn markdown(report: &Report, template: Option<&str>) -> Result<String, RenderError> {
    render_markdown(report, template.unwrap_or(MARKDOWN))
}

/// Any view model in markdown: every value the template prints is made inert, whatever it holds.
///
/// Errors: only from the template itself.
pub fn render_markdown<M: Serialize>(model: &M, template: &str) -> Result<String, RenderError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("markdown".into()));
    environment.set_formatter(print);
    environment.add_filter("code", |text: Option<String>| {
        Value::from_safe_string(escape::code(&text.unwrap_or_default()))
    });
    environment.add_template("report.md", template)?;
    let text = environment
        .get_template("report.md")?
        .render(Value::from(Serde(model)))?;
    Ok(tidy(&text))
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
