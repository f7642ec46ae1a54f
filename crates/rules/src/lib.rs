//! Declarative correlation rules over the timeline.
