//! Masks secrets and replaces identities in timeline rows.
