//! Exactly-once publication of case results over a share.
