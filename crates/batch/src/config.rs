//! `casetrace-batch.toml`: what in a share is a case, and when an upload is finished.
//!
//! ```toml
//! cases = ["*"]                     # every entry directly in the share; "*/*" for shelves by customer
//! skip = [".*", "_*", "*.casetrace"]
//! uploading = ["*.part", "*.partial"]
//! finished_by = "upload.complete"   # a folder is a case once it holds this file
//! stable_for = "60s"
//! ```

use std::time::Duration;

use serde::Deserialize;

use crate::error::{BatchError, Result};
use crate::pattern;

/// Name of the file in the share.
pub const CONFIG_FILE: &str = "casetrace-batch.toml";

/// A file that looks unfinished for longer than this is taken as it is.
const UPLOAD_AT_MOST: Duration = Duration::from_hours(24);

/// What is a case and when it is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRules {
    /// Paths of cases below the share, a wildcard pattern a component. What matches is one case, a folder with everything in it.
    pub cases: Vec<String>,
    /// Names that are neither a case nor a shelf.
    pub skip: Vec<String>,
    /// Names files have while they are being uploaded.
    pub uploading: Vec<String>,
    /// A folder is complete only when it holds this file.
    pub finished_by: Option<String>,
    /// For how long size and times have to stand still.
    pub stable_for: Duration,
}

impl Default for ShareRules {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect();
        Self {
            cases: texts(&["*"]),
            skip: texts(&[
                ".*",
                "_*",
                "*.casetrace",
                "lost+found",
                "System Volume Information",
                "$RECYCLE.BIN",
            ]),
            uploading: texts(&[
                "*.part",
                "*.partial",
                "*.filepart",
                "*.crdownload",
                "*.uploading",
                "*.~tmp",
            ]),
            finished_by: None,
            stable_for: Duration::from_mins(1),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cases: Option<Vec<String>>,
    skip: Option<Vec<String>>,
    uploading: Option<Vec<String>>,
    finished_by: Option<String>,
    stable_for: Option<String>,
}

impl ShareRules {
    /// Reads the TOML text; what it does not name keeps its default.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File =
            toml::from_str(text).map_err(|error| BatchError::Usage(format!("{CONFIG_FILE}: {error}")))?;
        let default = Self::default();
        let stable_for = match &file.stable_for {
            Some(text) => {
                parse_duration(text).map_err(|e| BatchError::Usage(format!("{CONFIG_FILE}: {e}")))?
            }
            None => default.stable_for,
        };
        let rules = Self {
            cases: file.cases.unwrap_or(default.cases),
            skip: file.skip.unwrap_or(default.skip),
            uploading: file.uploading.unwrap_or(default.uploading),
            finished_by: file.finished_by,
            stable_for,
        };
        let bad = |p: &&String| p.is_empty() || p.split('/').any(|part| part.is_empty() || part == "..");
        match rules.cases.iter().find(bad) {
            Some(wrong) => Err(BatchError::Usage(format!(
                "{CONFIG_FILE}: {wrong:?} is no path below the share; write \"*\" or \"*/*\""
            ))),
            None => Ok(rules),
        }
    }

    /// What a path (its components) below the share is.
    pub(crate) fn role(&self, components: &[&str]) -> Role {
        let name = components.last().copied().unwrap_or_default();
        if name == CONFIG_FILE || pattern::any(&self.skip, name) {
            return Role::Nothing;
        }
        let mut role = Role::Nothing;
        for case in &self.cases {
            let parts: Vec<&str> = case.split('/').collect();
            let fits = parts.iter().zip(components).all(|(p, c)| pattern::matches(p, c));
            if fits && parts.len() == components.len() {
                return Role::Case;
            }
            if fits && parts.len() > components.len() {
                role = Role::Shelf;
            }
        }
        role
    }

    /// True if a file of this name and age (`None`: in the future) is still on its way.
    pub(crate) fn is_uploading(&self, name: &str, age: Option<Duration>) -> bool {
        pattern::any(&self.uploading, name) && age.is_none_or(|age| age < UPLOAD_AT_MOST)
    }
}

/// What a path in the share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One case.
    Case,
    /// A folder with cases somewhere below.
    Shelf,
    /// Not ours.
    Nothing,
}

/// `90s`, `15m`, `2h`, `1d`, `250ms`; a plain number is seconds.
pub fn parse_duration(text: &str) -> std::result::Result<Duration, String> {
    let text = text.trim();
    let split = text.find(|ch: char| !ch.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let wrong = || format!("{text:?} is no duration; write 90s, 15m or 2h");
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let millis = match unit.trim() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn shelves_and_cases() {
        let rules = ShareRules::parse("cases = ['inbox/*.zip', 'customers/*/*']").unwrap();
        let role = |path: &str| rules.role(&path.split('/').collect::<Vec<_>>());
        assert_eq!(role("inbox"), Role::Shelf);
        assert_eq!(role("inbox/a.ZIP"), Role::Case);
        assert_eq!(role("inbox/a.txt"), Role::Nothing);
        assert_eq!(role("customers/contoso"), Role::Shelf);
        assert_eq!(role("customers/contoso/42"), Role::Case);
        assert_eq!(role("customers/.hidden"), Role::Nothing);
    }

    #[test]
    fn faults_are_named() {
        assert!(ShareRules::parse("cases = ['../x']").is_err());
        assert!(ShareRules::parse("casse = []").is_err());
        assert!(ShareRules::parse("stable_for = 'soon'").is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("15m"), Ok(Duration::from_mins(15)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(parse_duration("m").is_err());
    }
}
