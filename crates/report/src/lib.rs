//! Findings and timeline as an escalation report.
//!
//! [`Report::build`] makes the view model, [`markdown`] renders it with a template. Both are pure: no clock, no
//! path, no locale, so equal cases give equal reports.

mod endpoints;
mod escape;
mod facts;
mod frame;
mod labels;
mod render;
mod view;

pub use endpoints::Endpoint;
pub use facts::Fact;
pub use render::{RenderError, markdown};
pub use view::{Ask, CodeView, EvidenceView, FindingView, Input, InputLine, Report, SourceLine, StepGroup};
