//! The fleet report: what the published cases of a share have in common.
//!
//! [`Dataset`] opens the tables a batch run publishes, [`Fleet::build`] asks the questions under `pipelines/questions` (SQL) and makes
//! the view model, [`markdown`] and [`html`] render it. No clock and no path gets in: an equal dataset gives an equal report.

mod calendar;
mod causes;
mod codes;
mod collection;
mod cost;
mod dataset;
mod fleet;
mod question;
mod records;
mod render;
mod rules;

pub use calendar::Step;
pub use causes::SharedCause;
pub use codes::CodeRow;
pub use collection::{ClockRow, CollectorRow, FailureRow, QualityRow};
pub use cost::{CostRow, SlowCase};
pub use dataset::{Dataset, FleetError};
pub use fleet::{Fact, Fleet, Options};
pub use render::{html, markdown};
pub use rules::{Cell, PeriodHead, RuleRow};
