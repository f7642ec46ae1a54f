//! The casetrace command.
fn main() {}
