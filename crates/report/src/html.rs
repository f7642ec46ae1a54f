//! The report as one HTML file that loads nothing and runs nothing but its own script.
//!
//! Three walls stand between the case and the reader's browser: every value is escaped by the renderer, the
//! script gets its data as JSON in which no tag can begin, and a content security policy allows exactly the built-in
//! style and script, by their hashes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, HtmlEscape, Output, State, context};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::diff::Diff;
use crate::escape;
use crate::templates::{RenderError, Templates};
use crate::view::Report;

/// The report as one HTML file.
///
/// Besides the view model a template has `style`, `script`, `data` (JSON for the script) and `policy` (what a
/// Content-Security-Policy meta element needs for them).
///
/// Errors: only from the template itself.
pub fn html(report: &Report, templates: &Templates) -> Result<String, RenderError> {
    let script = templates.text("report.js");
    render("report.html.j2", report, script, &data(report), templates)
}

/// The comparison as one HTML file; as [`html`], its `data` is empty.
///
/// Errors: only from the template itself.
pub fn diff_html(diff: &Diff, templates: &Templates) -> Result<String, RenderError> {
    render("diff.html.j2", diff, "", &json!({}), templates)
}

/// Any view model as one HTML file in the look of the report; `data` is JSON for `script`.
///
/// Errors: only from the template itself.
pub fn render_html<M: Serialize>(
    model: &M,
    template: &str,
    script: &str,
    data: &serde_json::Value,
) -> Result<String, RenderError> {
    let templates = Templates::builtin().with("page.html.j2", template);
    render("page.html.j2", model, script, data, &templates)
}

fn render<M: Serialize>(
    name: &str,
    model: &M,
    script: &str,
    data: &serde_json::Value,
    templates: &Templates,
) -> Result<String, RenderError> {
    // Browsers hash what is left after they made line ends uniform.
    let uniform = |text: &str| text.replace("\r\n", "\n");
    let (style, script) = (uniform(templates.text("report.css")), uniform(script));
    let model = context! {
        policy => policy(&style, &script),
        data => Value::from_safe_string(inert(data)),
        style => Value::from_safe_string(style),
        script => Value::from_safe_string(script),
        ..Value::from(Serde(model))
    };
    templates.render(name, AutoEscape::Html, print, filters, model)
}

fn filters(environment: &mut Environment<'_>) {
    environment.add_filter("prose", |text: Option<String>| {
        let plain = |text: &str| HtmlEscape(&escape::visible(text)).to_string();
        let code = |text: &str| format!("<code>{}</code>", plain(text));
        Value::from_safe_string(escape::with_commands(&text.unwrap_or_default(), plain, code))
    });
}

fn print(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let written = if value.is_undefined() || value.is_none() {
        Ok(())
    } else if value.is_safe() {
        out.write_str(&value.to_string())
    } else {
        let text = escape::visible(&value.to_string());
        out.write_str(&HtmlEscape(&text).to_string())
    };
    written.map_err(minijinja::Error::from)
}

fn policy(style: &str, script: &str) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'",
        hash(style),
        hash(script)
    )
}

/// What the script needs to know.
fn data(report: &Report) -> serde_json::Value {
    let word = |key: &str| report.t.get(key).cloned().unwrap_or_default();
    json!({
        "segments": report.picture.segments,
        "shown": word("html_shown"),
    })
}

/// JSON in which no character can end or open an element.
fn inert(data: &serde_json::Value) -> String {
    data.to_string()
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
