//! Sign-in log exports of Entra: CSV of the portal (English and Japanese headers) and JSON of Graph, the portal and
//! Log Analytics. Both give `signin.row` rows with the same names.

mod columns;
mod csv;
mod json;
mod rows;

pub(crate) use csv::{detect as detect_csv, read as read_csv};
pub(crate) use json::{detect as detect_json, read as read_json};
