//! Project chores: dependency check, fixtures, docs, corpus check.
fn main() {}
