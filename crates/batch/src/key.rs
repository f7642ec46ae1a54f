//! The job key: same content, same tool, same rules, same settings, same key.

use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;

/// Names one piece of work for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobKey(String);

impl JobKey {
    /// Reads a key; refused if it is not forty hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |ch: char| ch.is_ascii_digit() || ('a'..='f').contains(&ch);
        (text.len() == 40 && text.chars().all(hex)).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for JobKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything but the content that decides over the results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Version of the program.
    pub tool: String,
    /// Fingerprint of the rules.
    pub rules: String,
    /// Canonical text of the settings that change results.
    pub settings: String,
}

/// Hash of names and contents; `hash_of` reads one file.
pub(crate) fn content_hash<E>(
    bundle: &Bundle,
    mut hash_of: impl FnMut(&crate::bundle::InputFile) -> Result<blake3::Hash, E>,
) -> Result<String, E> {
    let mut hash = blake3::Hasher::new();
    for file in &bundle.files {
        hash.update(&(file.name.len() as u64).to_le_bytes());
        hash.update(file.name.as_bytes());
        hash.update(hash_of(file)?.as_bytes());
    }
    Ok(hash.finalize().to_hex().to_string())
}

/// The key. The case's path is part of it: two uploads of the same bytes are two cases, and each gets its results.
pub(crate) fn job_key(bundle: &Bundle, content: &str, versions: &Versions) -> JobKey {
    let mut hash = blake3::Hasher::new_derive_key("casetrace 2026 batch job key");
    for part in [
        bundle.path.as_str(),
        content,
        &versions.tool,
        &versions.rules,
        &versions.settings,
    ] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let hex = hash.finalize().to_hex();
    JobKey(hex.as_str().get(..40).unwrap_or_default().to_owned())
}
