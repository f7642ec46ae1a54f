//! Findings and timeline as an escalation report.
//!
//! [`Report::build`] makes the view model, [`markdown`] and [`html`] render it with a template. All are pure: no clock,
//! no path, no locale, so equal cases give equal reports.
//!
//! ```
//! use casetrace_knowledge::Lang;
//! use casetrace_report::{Input, Report, Templates, markdown};
//! use casetrace_rules::{Context, RulePack};
//! use casetrace_timeline::TimelineBuilder;
//!
//! let timeline = TimelineBuilder::new().finish();
//! let judged = RulePack::builtin().pack.judge(&timeline, &Context::default());
//! let input = Input {
//!     name: "case 42",
//!     inputs: &[],
//!     sources: &[],
//!     findings: &judged.findings,
//!     attempts: &judged.attempts,
//!     timeline: &timeline,
//! };
//! let report = markdown(&Report::build(&input, Lang::En), &Templates::builtin())?;
//! assert!(report.starts_with("# Escalation report: case 42"));
//! # Ok::<(), casetrace_report::RenderError>(())
//! ```

mod diff;
mod endpoints;
mod escape;
mod facts;
mod frame;
mod html;
mod labels;
mod mermaid;
mod picture;
mod render;
mod scale;
mod story;
mod templates;
mod view;

pub use diff::{Capture, CaptureLine, Coverage, Diff, EndpointChange, FactChange, FindingChange, State};
pub use endpoints::Endpoint;
pub use facts::Fact;
pub use html::{diff_html, html, render_html};
pub use labels::labels_with;
pub use picture::{Bar, Lane, Mark, Picture, Track};
pub use render::{diff_markdown, markdown, render_markdown};
pub use scale::{Gap, Segment, Tick};
pub use story::{Story, StoryLane, StoryStep};
pub use templates::{RenderError, Templates};
pub use view::{
    Ask, Cite, CodeView, EvidenceView, FindingView, Input, InputLine, Report, SourceLine, StepGroup,
    UnexplainedView,
};
