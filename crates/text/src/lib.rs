//! Text logs of a diagnostic bundle to timeline rows.
