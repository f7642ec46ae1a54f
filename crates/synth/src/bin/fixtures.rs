//! Writes the demo bundles.
fn main() {}
