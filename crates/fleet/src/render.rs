//! The templates under `reports/templates`, rendered by the case report's renderer: one place escapes hostile text.

use casetrace_report::{render_html, render_markdown};

use crate::dataset::FleetError;
use crate::fleet::Fleet;

const MARKDOWN: &str = include_str!("../../../reports/templates/fleet.md.j2");
const HTML: &str = include_str!("../../../reports/templates/fleet.html.j2");
/// The case report's script: without a picture it only narrows tables. Without the script they are simply whole.
const SCRIPT: &str = include_str!("../../../reports/templates/report.js");

/// The report in markdown, with `template` or the built-in one.
pub fn markdown(fleet: &Fleet, template: Option<&str>) -> Result<String, FleetError> {
    Ok(render_markdown(fleet, template.unwrap_or(MARKDOWN))?)
}

/// The report as one HTML file that loads nothing, with `template` or the built-in one.
pub fn html(fleet: &Fleet, template: Option<&str>) -> Result<String, FleetError> {
    let shown = fleet.t.get("html_shown").cloned().unwrap_or_default();
    let data = serde_json::json!({ "shown": shown });
    Ok(render_html(fleet, template.unwrap_or(HTML), SCRIPT, &data)?)
}
