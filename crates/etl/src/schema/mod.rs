//! What the fields of an event are called and how they lie in its payload, from whichever source knows.

pub(crate) mod tracelogging;
