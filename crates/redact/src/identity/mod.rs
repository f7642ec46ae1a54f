//! Finds identities in values and in free text.

mod certificate;
mod directory;
mod text;

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::mode::Identity;
use crate::pseudonym::Naming;
use crate::secrets::MASK;
use crate::tables::{WELL_KNOWN, is_registry};

pub(crate) use certificate::distinguished_name;
pub(crate) use text::text;

/// A pseudonym for `value`, which is known to name a `kind`; `None` if it stays.
pub(crate) fn value(naming: &Naming, kind: Identity, value: &str) -> Option<String> {
    let core = value.trim_matches(|c: char| c.is_whitespace() || matches!(c, '{' | '}'));
    if core.is_empty() || core == "-" || core.contains(MASK) {
        return None;
    }
    let new = match kind {
        Identity::User => account(naming, core)?,
        Identity::Host | Identity::Domain => host(naming, core)?,
        Identity::Tenant | Identity::Device | Identity::Object if is_guid(core) => guid(naming, core)?,
        Identity::Tenant | Identity::Device | Identity::Object => host(naming, core)?,
    };
    (new != core).then(|| value.replacen(core, &new, 1))
}

/// Host or domain, with or without port, brackets, or a service in front (`HTTP/host`).
pub(crate) fn host(naming: &Naming, text: &str) -> Option<String> {
    if let Some((service, rest)) = text.split_once('/')
        && service.bytes().all(|b| b.is_ascii_alphanumeric())
    {
        return host(naming, rest).map(|rest| format!("{service}/{rest}"));
    }
    if let Some(ip) = address(naming, text) {
        return ip;
    }
    if let Some((name, port)) = text.rsplit_once(':')
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        if name.contains(':') && !name.ends_with(']') {
            return unbracketed(naming, name, port);
        }
        return host(naming, name).map(|name| format!("{name}:{port}"));
    }
    let bare = text.trim_start_matches('\\').trim_end_matches(['.', '$']);
    let plausible = !bare.is_empty() && bare.len() <= 255 && !bare.contains([' ', '/', '\\', '*', '=', ',']);
    if !plausible || WELL_KNOWN.is_domain(bare) {
        return None;
    }
    name(naming, bare).map(|new| text.replacen(bare, &new, 1))
}

/// Eight groups of an address and a port; anything else is a name, as what stands for a shorter address would be another one
/// with the port behind it.
fn unbracketed(naming: &Naming, address: &str, port: &str) -> Option<String> {
    match address.parse::<Ipv6Addr>() {
        Ok(ip) if address.matches(':').count() == 7 => {
            let groups = naming.ipv6(ip)?.segments().map(|group| format!("{group:x}"));
            Some(format!("{}:{port}", groups.join(":")))
        }
        _ => Some(naming.label(&format!("{address}:{port}"))),
    }
}

/// An address is replaced, kept (`Some(None)`), or no address at all (`None`).
fn address(naming: &Naming, text: &str) -> Option<Option<String>> {
    let bare = text.trim_matches(['[', ']']);
    if let Ok(ip) = bare.parse::<Ipv4Addr>() {
        return Some(naming.ipv4(ip).map(|ip| text.replace(bare, &ip.to_string())));
    }
    let (plain, zone) = bare
        .split_once('%')
        .map_or((bare, ""), |(plain, zone)| (plain, zone));
    let ip = plain.parse::<Ipv6Addr>().ok()?;
    Some(naming.ipv6(ip).map(|ip| {
        let zone = if zone.is_empty() {
            String::new()
        } else {
            format!("%{zone}")
        };
        text.replace(bare, &format!("{ip}{zone}"))
    }))
}

/// Replaces the labels of a dotted (or single) name that are the customer's.
fn name(naming: &Naming, text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let labels: Vec<&str> = text.split('.').collect();
    let kept = match WELL_KNOWN.kept_labels(&lower) {
        Some(kept) => kept,
        None => public_labels(&labels),
    };
    let own = labels.len().saturating_sub(kept);
    let replaced: Vec<String> = labels
        .iter()
        .enumerate()
        .map(|(i, label)| {
            if i < own && !stays(label, i, own) {
                naming.label(label)
            } else {
                (*label).to_owned()
            }
        })
        .collect();
    let new = replaced.join(".");
    (new != text).then_some(new)
}

/// A role label (`enterpriseregistration`) stays in front of a domain, not alone as the domain's own name.
fn stays(label: &str, at: usize, own: usize) -> bool {
    let lower = label.to_lowercase();
    label.is_empty()
        || lower == "localhost"
        || (WELL_KNOWN.labels.contains(&lower) && (at + 1 < own || own == 1))
}

/// Labels at the end that belong to a registry.
fn public_labels(labels: &[&str]) -> usize {
    let at = |back: usize| {
        labels
            .len()
            .checked_sub(back)
            .and_then(|i| labels.get(i))
            .map(|l| l.to_lowercase())
            .unwrap_or_default()
    };
    match labels.len() {
        0 | 1 => 0,
        n if n > 2 && at(1).len() == 2 && is_registry(&at(2)) => 2,
        _ => 1,
    }
}

/// `DOMAIN\user`, `user@domain`, `host$`, or a bare user name.
fn account(naming: &Naming, text: &str) -> Option<String> {
    if let Some((domain, user)) = text.split_once('\\') {
        if WELL_KNOWN.is_domain(domain) && !domain.eq_ignore_ascii_case("azuread") {
            return None;
        }
        let separator = if user.starts_with('\\') { "\\\\" } else { "\\" };
        let domain = host(naming, domain).unwrap_or_else(|| domain.to_owned());
        let user = user.trim_start_matches('\\');
        return Some(format!(
            "{domain}{separator}{}",
            account(naming, user).unwrap_or_else(|| user.to_owned())
        ));
    }
    if let Some((user, domain)) = text.rsplit_once('@') {
        let domain = host(naming, domain).unwrap_or_else(|| domain.to_owned());
        return Some(format!("{}@{domain}", local_part(naming, user)));
    }
    if text.parse::<std::net::IpAddr>().is_ok()
        || text.starts_with("S-1-")
        || is_guid(text.trim_matches(['{', '}']))
    {
        return None;
    }
    if WELL_KNOWN.is_user(text) || text.len() > 256 || text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    match text.strip_suffix('$') {
        Some("") => None,
        // A computer account is its host's name.
        Some(host) => Some(format!("{}$", naming.label(host))),
        None => Some(naming.user(text)),
    }
}

/// Before the `@`: a user, or in Kerberos names a service on a host.
fn local_part(naming: &Naming, text: &str) -> String {
    match text.split_once('/') {
        Some((service, target)) => format!(
            "{service}/{}",
            host(naming, target).unwrap_or_else(|| target.to_owned())
        ),
        // Read from the right, `a@b@c` would have a host in the middle, and from the left a user: the two never agree.
        None if text.contains('@') => naming.user(text),
        None => account(naming, text).unwrap_or_else(|| text.to_owned()),
    }
}

fn guid(naming: &Naming, text: &str) -> Option<String> {
    (!WELL_KNOWN.guids.contains(&text.to_ascii_lowercase())).then(|| naming.guid(text))
}

fn is_guid(text: &str) -> bool {
    casetrace_model::normalise_guid(text).is_some()
}
