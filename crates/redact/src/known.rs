//! Names that rows tell about themselves, found again in their texts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use casetrace_model::Row;

use crate::mode::Identity;
use crate::redactor::Redactor;
use crate::secrets::MASK;
use crate::{identity, json, tables};

/// Shorter names are too common as words to be replaced in free text.
const MIN_NAME: usize = 3;
/// Sets of names that are kept at a time.
const MAX_SETS: usize = 4096;

/// Names that one row tells about itself, lower case, with their pseudonyms.
///
/// The search over them is built when the first text needs it, and then serves all texts of the row.
#[derive(Default)]
pub(crate) struct Known {
    /// Tells sets apart in what a redactor remembers; 0 is the empty set.
    pub(crate) number: u64,
    pub(crate) names: BTreeMap<String, String>,
    search: OnceLock<Option<Search>>,
}

/// The names as one automaton, and what becomes of each.
struct Search {
    automaton: AhoCorasick,
    new: Vec<String>,
}

impl Known {
    fn insert(&mut self, name: String, new: String) {
        self.names.insert(name, new);
        self.search = OnceLock::new();
    }

    fn search(&self) -> Option<&Search> {
        let build = || {
            let words = || self.names.iter().filter(|(name, _)| name.len() >= MIN_NAME);
            let automaton = AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::LeftmostLongest)
                // Built for a few rows each: what is quick to build beats what is quick to search.
                .kind(Some(AhoCorasickKind::NoncontiguousNFA))
                .build(words().map(|(name, _)| name))
                .ok()?;
            let new = words().map(|(_, new)| new.clone()).collect();
            Some(Search { automaton, new })
        };
        self.search.get_or_init(build).as_ref()
    }
}

impl Redactor {
    /// What a row's own columns and fields name, to be found again in its texts. Rows that say the same share a set.
    pub(crate) fn known_of(&self, row: &Row) -> Arc<Known> {
        let mut said: Vec<(Option<Identity>, Cow<'_, str>)> = Vec::new();
        let columns = [
            (&row.host, Identity::Host),
            (&row.server_name, Identity::Host),
            (&row.user, Identity::User),
            (&row.tenant_id, Identity::Tenant),
            (&row.device_id, Identity::Device),
        ];
        for (value, kind) in columns {
            said.extend(value.as_deref().map(|value| (Some(kind), Cow::Borrowed(value))));
        }
        for name in [&row.cert_subject, &row.cert_issuer].into_iter().flatten() {
            said.push((None, Cow::Borrowed(name.as_str())));
        }
        json::map_strings(&row.fields, &mut |name, value| {
            if let Some(kind) = tables::identity(name) {
                said.push((Some(kind), Cow::Owned(value.to_owned())));
            }
            None
        });
        if said.is_empty() {
            return Arc::default();
        }
        let mut key = Vec::with_capacity(said.iter().map(|(_, value)| value.len() + 5).sum());
        for (kind, value) in &said {
            // Lengths keep values apart whatever is in them.
            key.push(kind.map_or(0, |kind| kind as u8 + 1));
            key.extend_from_slice(&(value.len() as u32).to_le_bytes());
            key.extend_from_slice(value.as_bytes());
        }
        let sets = || self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sets().get(&key) {
            return Arc::clone(known);
        }
        let mut known = Known {
            number: self.next_set.fetch_add(1, Ordering::Relaxed),
            ..Known::default()
        };
        for (kind, value) in &said {
            match kind {
                Some(kind) => self.note(&mut known, *kind, value),
                None => {
                    if let Some(new) = self.distinguished_name(value) {
                        known.insert(value.to_lowercase(), new);
                    }
                }
            }
        }
        let known = Arc::new(known);
        let mut sets = sets();
        if sets.len() >= MAX_SETS {
            sets.clear();
        }
        sets.insert(key, Arc::clone(&known));
        known
    }

    pub(crate) fn note(&self, known: &mut Known, kind: Identity, value: &str) {
        let value = value.trim();
        let Some(new) = self.value(kind, value) else {
            return;
        };
        // The parts are used on their own, too: `DOMAIN\user`, `user@domain`, `host.domain`.
        if kind == Identity::User {
            for part in value.split(['\\', '@']).filter(|part| part.len() >= MIN_NAME) {
                let kind = if value.ends_with(&format!("@{part}")) || value.starts_with(&format!("{part}\\"))
                {
                    Identity::Domain
                } else {
                    Identity::User
                };
                if let Some(new) = identity::value(&self.naming, kind, part) {
                    known.insert(part.to_lowercase(), new);
                }
            }
        }
        if matches!(kind, Identity::Host) && value.parse::<std::net::IpAddr>().is_err() {
            let short = value.split('.').next().unwrap_or_default();
            if short.len() >= MIN_NAME
                && let Some(new) = identity::value(&self.naming, Identity::Host, short)
            {
                known.insert(short.to_lowercase(), new);
            }
        }
        if value.len() >= MIN_NAME {
            known.insert(value.to_lowercase(), new);
        }
    }
}

/// Replaces whole words, whatever their case; `None` if none occurs.
pub(crate) fn replace_words(text: &str, names: &Known) -> Option<String> {
    if names.names.is_empty() {
        return None;
    }
    let search = names.search()?;
    let mut out = String::new();
    let mut done = 0;
    for found in search.automaton.find_iter(text) {
        let before = text.get(..found.start()).and_then(|t| t.chars().next_back());
        let after = text.get(found.end()..).and_then(|t| t.chars().next());
        let joins = |c: char| c.is_alphanumeric() || c == '-';
        if before.is_some_and(joins) || after.is_some_and(joins) {
            continue;
        }
        let Some(new) = search.new.get(found.pattern().as_usize()) else {
            continue;
        };
        out.push_str(text.get(done..found.start()).unwrap_or_default());
        // What stands right behind a mask is the rest of what was masked, and would be masked with it the next time.
        if !out.ends_with(MASK) {
            out.push_str(new);
        }
        done = found.end();
    }
    (done > 0).then(|| {
        out.push_str(text.get(done..).unwrap_or_default());
        out
    })
}
