//! Names in certificates.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::host;
use crate::pseudonym::Naming;
use crate::secrets::{MASK, replace};
use crate::tables::WELL_KNOWN;

/// Certificate names: attribute values that are not a public authority's or a product's.
pub(crate) fn distinguished_name(naming: &Naming, text: &str) -> Option<String> {
    static PART: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(?i)(?-u:\b)(CN|O|OU|DC|E|emailAddress)\s?=\s?("[^"]*"|[^,+/\n]+)"#).ok()
    });
    if WELL_KNOWN.is_issuer(text) {
        return None;
    }
    let mut out = Cow::Borrowed(text);
    replace(&mut out, &PART, |c| {
        let old = c[2].trim().trim_matches('"');
        let bare = old.strip_prefix("*.").unwrap_or(old);
        let well_known = WELL_KNOWN
            .kept_labels(&bare.to_lowercase())
            .is_some_and(|kept| kept == bare.split('.').count());
        if well_known || bare.contains(MASK) || bare.is_empty() {
            return None;
        }
        let new = match bare.contains([' ', ',']) {
            true => naming.label(bare),
            false => host(naming, bare).unwrap_or_else(|| bare.to_owned()),
        };
        Some(c[0].replace(bare, &new))
    });
    match out {
        Cow::Owned(new) => Some(new),
        Cow::Borrowed(_) => None,
    }
}
