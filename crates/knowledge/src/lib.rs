//! Error codes, event ids and endpoints: what they mean and what to do.
