//! Wires ingest, decoders, timeline, rules and report into one run.
