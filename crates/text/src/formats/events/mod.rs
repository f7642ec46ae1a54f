//! Windows events that were written as text, in every form that reaches support: copied from the Event Viewer or listed
//! by wevtutil, printed by PowerShell, saved as CSV or XML, or only their sentences pasted.
//!
//! All forms end in [`record::Event`], whose rows mean what those of the same event in an .evtx mean.

pub(crate) mod list;
mod messages;
pub(crate) mod pasted;
mod record;
pub(crate) mod sheet;
pub(crate) mod table;
pub(crate) mod viewer;
pub(crate) mod xml;
