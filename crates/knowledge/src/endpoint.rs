//! Hosts of Microsoft Entra and its surroundings: who talks to them, in which context.

use casetrace_model::Text;
use serde::Serialize;

use crate::table::{self, TableError};
use crate::{Entry, Kind, Phrase};

const COLUMNS: &str = "pattern\tcloud\ttalkers\tcontext\tmust_not_inspect\tpurpose_en\tpurpose_ja\tsource";

/// One host name or a family of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Host name, or `*.` and a domain for everything below it.
    pub pattern: Text,
    /// `global`, `usgov`, `china` or `any`.
    pub cloud: Text,
    /// Processes that talk to it.
    pub talkers: Text,
    /// `system`, `user` or `both`.
    pub context: Text,
    /// True where TLS inspection breaks sign-in or registration.
    pub must_not_inspect: bool,
    /// What it is for.
    pub purpose: Phrase,
    /// Where the fact comes from.
    pub source: Text,
}

impl Endpoint {
    fn matches(&self, host: &str) -> bool {
        match self.pattern.strip_prefix("*.") {
            Some(domain) => host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            None => self.pattern == host,
        }
    }

    pub(crate) fn entry(&self, query: &str) -> Entry {
        let mut entry = Entry::unknown(
            query,
            self.cloud.clone(),
            self.pattern.clone(),
            self.purpose.clone(),
        );
        entry.kind = Kind::Endpoint;
        entry.source = self.source.clone();
        entry.phase = self.context.clone();
        entry.causes = Phrase {
            en: Text::from(format!("Talks to it: {}", self.talkers)),
            ja: Text::default(),
        };
        if self.must_not_inspect {
            entry.action = Phrase {
                en: Text::new_static("Exempt it from TLS inspection."),
                ja: Text::new_static("TLS 検査の対象外にします。"),
            };
        }
        entry
    }
}

pub(crate) fn endpoints<'a>(text: &'a str, own: fn(&'a str) -> Text) -> Result<Vec<Endpoint>, TableError> {
    let rows = table::rows::<8>(text, COLUMNS)?;
    let endpoint = |[pattern, cloud, talkers, context, inspect, en, ja, source]: [&'a str; 8]| Endpoint {
        pattern: own(pattern),
        cloud: own(cloud),
        talkers: own(talkers),
        context: own(context),
        must_not_inspect: inspect == "yes",
        purpose: Phrase {
            en: own(en),
            ja: own(ja),
        },
        source: own(source),
    };
    Ok(rows.into_iter().map(endpoint).collect())
}

/// The endpoint of a host: an exact name before a family, a longer family before a shorter one.
pub(crate) fn find<'a>(all: &'a [Endpoint], host: &str) -> Option<&'a Endpoint> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    all.iter()
        .filter(|endpoint| endpoint.matches(&host))
        .max_by_key(|endpoint| (!endpoint.pattern.starts_with('*'), endpoint.pattern.len()))
}
