//! The data tables of `pipelines/redact`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::mode::Identity;

/// How far a secret name reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The value up to its delimiter.
    Value,
    /// Everything up to the end of the line.
    Line,
    /// As [`Reach::Value`], but only as URL or form parameter or JSON member.
    Parameter,
    /// As [`Reach::Value`], if the value is long and mixed.
    TokenLike,
}

fn rows(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
}

/// A name without case and joints: `Access-Token` and `access_token` are one.
pub(crate) fn squash(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Calls `look` with the name as [`squash`] makes it, without memory of its own for names in ASCII.
fn squashed<T>(name: &str, look: impl Fn(&str) -> T) -> T {
    let mut short = [0; MAX_NAME];
    if !name.is_ascii() || name.len() > MAX_NAME {
        return look(&squash(name));
    }
    let mut len = 0;
    let kept = name.bytes().filter(|b| !matches!(b, b'-' | b'_' | b' '));
    for (slot, byte) in short.iter_mut().zip(kept) {
        *slot = byte.to_ascii_lowercase();
        len += 1;
    }
    look(
        short
            .get(..len)
            .and_then(|name| std::str::from_utf8(name).ok())
            .unwrap_or_default(),
    )
}

/// Longer names name nothing.
const MAX_NAME: usize = 48;

/// Secret names as spelled in the table.
pub(crate) static SECRET_SPELLINGS: LazyLock<Vec<(&'static str, Reach)>> = LazyLock::new(|| {
    rows(include_str!("../../../pipelines/redact/secret_names.tsv"))
        .filter_map(|(name, how)| {
            let reach = match how {
                "value" => Reach::Value,
                "line" => Reach::Line,
                "parameter" => Reach::Parameter,
                "tokenlike" => Reach::TokenLike,
                _ => return None,
            };
            Some((name, reach))
        })
        .collect()
});

/// By name without joints: how far it reaches, and where joints may stand.
static SECRETS: LazyLock<HashMap<String, (Reach, Vec<usize>)>> = LazyLock::new(|| {
    let entry = |(name, reach): &(&'static str, Reach)| (squash(name), (*reach, joints(name)));
    SECRET_SPELLINGS.iter().map(entry).collect()
});

/// Places of joints, counted in the name without them.
fn joints(name: &str) -> Vec<usize> {
    let mut kept = 0;
    let mut places = Vec::new();
    for c in name.chars() {
        match c {
            '-' | '_' | ' ' => places.push(kept),
            _ => kept += 1,
        }
    }
    places
}

/// Whether a name announces a secret. XML prefixes (`o:Password`) do not count. Joints count where the table has them:
/// `access-token` and `accesstoken`, but not `acc-esstoken`, as a literal search has to find the same names.
pub(crate) fn secret(name: &str) -> Option<Reach> {
    if name.len() > MAX_NAME {
        return None;
    }
    let name = name.rsplit(':').next().unwrap_or(name);
    squashed(name, |short| {
        let (reach, places) = SECRETS.get(short)?;
        let end = short.chars().count();
        let fits = |place: usize| {
            place == 0 || places.contains(&place) || (place == end && *reach != Reach::Parameter)
        };
        let written = joints(name);
        let single = written
            .windows(2)
            .all(|pair| pair.first() != pair.last() || pair.first().is_some_and(|at| [0, end].contains(at)));
        (single && written.into_iter().all(fits)).then_some(*reach)
    })
}

/// Identity fields as spelled in the table.
pub(crate) static IDENTITY_SPELLINGS: LazyLock<Vec<(&'static str, Identity)>> = LazyLock::new(|| {
    rows(include_str!("../../../pipelines/redact/identity_fields.tsv"))
        .filter_map(|(name, kind)| Some((name, Identity::parse(kind)?)))
        .collect()
});

static IDENTITIES: LazyLock<HashMap<String, Identity>> = LazyLock::new(|| {
    IDENTITY_SPELLINGS
        .iter()
        .map(|(name, kind)| (squash(name), *kind))
        .collect()
});

/// What the value of a field names.
pub(crate) fn identity(name: &str) -> Option<Identity> {
    if name.len() > MAX_NAME {
        return None;
    }
    squashed(name, |name| IDENTITIES.get(name).copied())
}

/// What stays.
#[derive(Debug, Default)]
pub(crate) struct WellKnown {
    suffixes: HashSet<String>,
    tenant_suffixes: HashSet<String>,
    pub(crate) labels: HashSet<String>,
    pub(crate) guids: HashSet<String>,
    users: HashSet<String>,
    domains: HashSet<String>,
    issuers: Vec<String>,
    containers: HashSet<String>,
}

pub(crate) static WELL_KNOWN: LazyLock<WellKnown> = LazyLock::new(|| {
    let mut known = WellKnown::default();
    for (kind, value) in rows(include_str!("../../../pipelines/redact/well_known.tsv")) {
        let value = value.to_lowercase();
        match kind {
            "suffix" => drop(known.suffixes.insert(value)),
            "tenant_suffix" => drop(known.tenant_suffixes.insert(value)),
            "label" => drop(known.labels.insert(value)),
            "guid" => drop(known.guids.insert(value)),
            "user" => drop(known.users.insert(value)),
            "domain" => drop(known.domains.insert(value)),
            "issuer" => known.issuers.push(value),
            "container" => drop(known.containers.insert(value)),
            _ => {}
        }
    }
    known
});

impl WellKnown {
    /// Number of trailing labels of a lower-case host name that stay, if any: all of them for a well-known name.
    pub(crate) fn kept_labels(&self, host: &str) -> Option<usize> {
        let total = host.split('.').count();
        let mut rest = host;
        for left in (1..=total).rev() {
            if self.tenant_suffixes.contains(rest) {
                return Some(left);
            }
            if self.suffixes.contains(rest) {
                return Some(total);
            }
            rest = rest.split_once('.').map_or("", |(_, rest)| rest);
        }
        None
    }

    pub(crate) fn is_user(&self, name: &str) -> bool {
        self.users.contains(&name.to_lowercase())
    }

    pub(crate) fn is_domain(&self, name: &str) -> bool {
        self.domains.contains(&name.to_lowercase())
    }

    /// True for a container that every directory has.
    pub(crate) fn is_container(&self, name: &str) -> bool {
        self.containers.contains(&name.to_lowercase())
    }

    /// True if a certificate name part belongs to a public authority or a product.
    pub(crate) fn is_issuer(&self, value: &str) -> bool {
        let lower = value.to_lowercase();
        self.issuers.iter().any(|known| lower.contains(known))
    }
}

/// Endings by which a dotted word is a host name and not a file or a namespace.
static HOST_ENDINGS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| endings("host"));

/// Second-level endings that belong to the registry (`co.jp`).
static REGISTRIES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| endings("registry"));

fn endings(wanted: &str) -> HashSet<&'static str> {
    rows(include_str!("../../../pipelines/redact/host_endings.tsv"))
        .filter(|(kind, _)| *kind == wanted)
        .map(|(_, ending)| ending)
        .collect()
}

/// True for a label, in any case, with which host names end.
pub(crate) fn is_host_ending(label: &str) -> bool {
    squashed(label, |label| HOST_ENDINGS.contains(label))
}

/// True for a lower-case label that registries put before a country's.
pub(crate) fn is_registry(label: &str) -> bool {
    REGISTRIES.contains(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_whole_and_names_match_in_any_dress() {
        assert_eq!(secret("Access-Token"), Some(Reach::Value));
        assert_eq!(secret("o:Password"), Some(Reach::Value));
        assert_eq!(secret("Pass Word"), Some(Reach::Value));
        assert_eq!(secret("--password"), Some(Reach::Value));
        assert_eq!(secret("acc-esstoken"), None);
        assert_eq!(secret("access__token"), None);
        assert_eq!(secret("AzureAdPrt"), None);
        assert_eq!(identity("Target User Name"), Some(Identity::User));
        assert_eq!(WELL_KNOWN.kept_labels("login.microsoftonline.com"), Some(3));
        assert_eq!(WELL_KNOWN.kept_labels("contoso.onmicrosoft.com"), Some(2));
        assert_eq!(WELL_KNOWN.kept_labels("ns.servicebus.windows.net"), Some(3));
        assert_eq!(WELL_KNOWN.kept_labels("contoso.com"), None);
        let lines = include_str!("../../../pipelines/redact/secret_names.tsv")
            .lines()
            .filter(|l| !l.starts_with('#'))
            .count();
        assert_eq!(SECRET_SPELLINGS.len(), lines - 1);
    }
}
