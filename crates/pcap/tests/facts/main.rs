//! What packets say, as rows: each test tells a short story on a synthetic wire and reads the rows.
#![expect(clippy::unwrap_used, reason = "tests")]

mod captures;
mod connections;
mod messages;
mod story;
