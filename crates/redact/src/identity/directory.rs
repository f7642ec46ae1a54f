//! Names of directory objects: `CN=PC1,OU=Staff,DC=corp,DC=contoso,DC=com`.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::{is_guid, name};
use crate::pseudonym::Naming;
use crate::secrets::{MASK, replace};
use crate::tables::WELL_KNOWN;

/// A run of parts of which at least the last names a domain's label.
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?-u:\b)(?:(?:CN|OU|DC|O|L|ST|C)=(?:\\[^\r\n]|[^,=\\"'<>\r\n\t;|]){1,128},\s?){0,32}DC=[A-Za-z0-9_-]{1,63}"#).ok()
});

/// `text` with the labels of domains, objects and units replaced; what every directory has stays.
pub(super) fn names(naming: &Naming, text: &mut Cow<'_, str>) {
    if text.contains("DC=") || text.contains("dc=") {
        replace(text, &NAME, |c| replaced(naming, &c[0]));
    }
}

fn replaced(naming: &Naming, old: &str) -> Option<String> {
    let parts = parts(old);
    let label = |part: &str| domain_label(part).map(str::to_owned);
    let domain: Vec<String> = parts.iter().filter_map(|part| label(part)).collect();
    let new_domain = name(naming, &domain.join("."));
    let mut new_labels = new_domain.as_deref().map(|new| new.split('.'));
    let new: Vec<String> = parts
        .iter()
        .map(|part| {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let new = match (domain_label(part), &mut new_labels) {
                (Some(_), Some(labels)) => labels.next().unwrap_or(value).to_owned(),
                (Some(_), None) => value.to_owned(),
                (None, _) if stays(value) => value.to_owned(),
                (None, _) => naming.label(value),
            };
            format!("{attribute}={new}")
        })
        .collect();
    let new = new.join(",");
    (new != old).then_some(new)
}

/// The parts between commas that are not escaped.
fn parts(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                out.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(text.get(start..).unwrap_or_default());
    out
}

fn domain_label(part: &str) -> Option<&str> {
    let (attribute, value) = part.split_once('=')?;
    attribute.trim().eq_ignore_ascii_case("DC").then_some(value)
}

/// Containers that every directory has, ids, and what is masked already.
fn stays(value: &str) -> bool {
    value.is_empty() || value.contains(MASK) || is_guid(value) || WELL_KNOWN.is_container(value)
}
