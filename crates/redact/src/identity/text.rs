//! Identities in free text: by their form, or by the name in front of them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::{Captures, Regex};

use super::{account, address, directory, guid, host, local_part, name, value};
use crate::prefilter;
use crate::pseudonym::{Naming, is_own};
use crate::secrets::replace;
use crate::tables::{IDENTITY_SPELLINGS, WELL_KNOWN, identity, is_host_ending};

/// Everything that shows by its form, in one pass. Word ends are those of ASCII: a name is one between Japanese
/// characters, too, and the search stays with its fast engine.
static FORMS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?P<sid>(?-u:\b)[Ss]-1-(?:5-21|12-1)-[0-9]{1,10}(?:-[0-9]{1,10}){2,5})
      | (?P<guid>(?-u:\b)[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}(?-u:\b))
      | (?P<mac>(?-u:\b)[0-9A-Fa-f]{2}(?:(?:-[0-9A-Fa-f]{2}){5,}|(?::[0-9A-Fa-f]{2}){5,})(?-u:\b))
      | (?P<profile>(?i:[\\/]+users[\\/]+))(?P<owner>[^\\/:*?"'<>|\r\n\t]+)
      | (?P<unc>(?:^|[\s"'=(,])\\\\)(?P<server>[A-Za-z0-9][A-Za-z0-9._-]{0,254})
      | (?P<mail>[A-Za-z0-9._%+'$/-]+)@(?P<at>[A-Za-z0-9](?:[A-Za-z0-9_-]*\.)+[A-Za-z0-9-]{2,})
      | (?P<v6>[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,}(?::?[0-9]{1,3}(?:\.[0-9]{1,3}){3})?)
      | (?P<v4>(?-u:\b)[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?-u:\b))
      | (?P<name>(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?-u:\b))
    "#,
    )
    .ok()
});

/// `User Name : value` and `"upn":"value"` in text.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let mut names: Vec<String> = IDENTITY_SPELLINGS
        .iter()
        .filter(|(name, _)| {
            name.len() > 4 || ["upn", "fqdn", "tid", "oid"].contains(&name.to_ascii_lowercase().as_str())
        })
        .map(|(name, _)| name.replace(['_', ' '], "[_ -]?"))
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.dedup();
    Regex::new(&format!(
        r#"(?i)(?-u:\b)({})(\\*["']?\s{{0,40}}[:=]\s{{0,4}}\\*["']?)([^\s"'\\,;&<>}}]+(?:\\+[\w.$-]+)?)"#,
        names.join("|")
    ))
    .ok()
});

/// `DOMAIN\user` where the words before say that an account follows.
static ACCOUNT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?-u:\b)((?:user|account|logon|login|identity|principal|whoami|run ?as|credential)\w{0,8}(?:[\s:='"(][^\n\\]{0,24}?)?[\s:='"(])([A-Za-z0-9][A-Za-z0-9.-]{0,63})(\\+)([A-Za-z0-9][\w.$-]{0,63})(\\?)"#).ok()
});

/// `text` with everything replaced that shows as an identity by itself or by the name in front of it. `seen` is told
/// each identity and its pseudonym.
pub(crate) fn text<'a>(
    naming: &Naming,
    text: &'a str,
    known: &dyn Fn(&str) -> Option<String>,
    seen: &dyn Fn(&str, &str),
) -> Cow<'a, str> {
    let mut out = Cow::Borrowed(text);
    if out.contains('\\') {
        replace(&mut out, &ACCOUNT, |c| {
            // With a further backslash it is a path.
            if !c[5].is_empty() {
                return None;
            }
            let whole = format!("{}\\{}", &c[2], &c[4]);
            let new = account(naming, &whole)?;
            seen(&whole, &new);
            Some(format!("{}{}", &c[1], new.replacen('\\', &c[3], 1)))
        });
    }
    directory::names(naming, &mut out);
    if prefilter::may_name_identity(&out) {
        replace(&mut out, &NAMED, |c| {
            let kind = identity(&c[1])?;
            let found = c[3].trim_end_matches(['.', ')', ']']);
            if is_plain_word(found) {
                return None;
            }
            let new = value(naming, kind, found)?;
            seen(found, &new);
            Some(format!("{}{}{}{}", &c[1], &c[2], new, &c[3][found.len()..]))
        });
    }
    if prefilter::may_hold_form(&out)
        && let Some(new) = forms(naming, &out, known, seen)
    {
        out = Cow::Owned(new);
    }
    out
}

/// Replaces what shows by its form; `None` if nothing does.
fn forms(
    naming: &Naming,
    text: &str,
    known: &dyn Fn(&str) -> Option<String>,
    seen: &dyn Fn(&str, &str),
) -> Option<String> {
    let regex = FORMS.as_ref()?;
    let mut out = String::new();
    let (mut done, mut at) = (0, 0);
    while let Some(found) = regex.find_at(text, at) {
        at = found.end();
        // The digits of an escape stick to what follows; the layer that decodes escapes has dealt with it.
        if text
            .get(..found.start())
            .is_some_and(|before| before.ends_with('%'))
        {
            continue;
        }
        let old = found.as_str();
        let before = text.get(..found.start()).unwrap_or_default();
        let new = match shape(old) {
            Shape::Dotted => dotted(naming, old),
            Shape::Address => in_text_address(naming, old, before),
            Shape::Guid => {
                known(old).or_else(|| names_an_object(before).then(|| guid(naming, old)).flatten())
            }
            // Groups are only asked for where they matter: finding them is the slow part.
            Shape::Other => regex.captures_at(text, found.start()).and_then(|captures| {
                if let (Some(folder), Some(rest)) = (captures.name("profile"), captures.name("owner")) {
                    let owner = owner(rest.as_str());
                    at = rest.start() + owner.end;
                    return profile(naming, folder.as_str(), rest.as_str(), owner);
                }
                form(naming, &captures)
            }),
        };
        let old = text.get(found.start()..at).unwrap_or(old);
        if let Some(new) = new.filter(|new| new != old) {
            seen(old.trim(), new.trim());
            out.push_str(text.get(done..found.start()).unwrap_or_default());
            out.push_str(&new);
            done = at;
        }
    }
    (done > 0).then(|| {
        out.push_str(text.get(done..).unwrap_or_default());
        out
    })
}

/// What a match of [`FORMS`] is, where its characters alone tell.
enum Shape {
    Dotted,
    Address,
    Guid,
    Other,
}

fn shape(found: &str) -> Shape {
    let bytes = found.as_bytes();
    let colons = bytes.iter().filter(|b| **b == b':').count();
    let all = |good: &dyn Fn(u8) -> bool| bytes.iter().all(|b| good(*b));
    let at = |place: usize| bytes.get(place).copied();
    if at(8) == Some(b'-') && bytes.len() == 36 && all(&|b| b.is_ascii_hexdigit() || b == b'-') {
        return Shape::Guid;
    }
    if colons > 0 {
        // Six pairs are a hardware address, and eight one of IPv6.
        let pairs = bytes.len() == 3 * colons + 2 && bytes.iter().skip(2).step_by(3).all(|b| *b == b':');
        let mac = pairs && colons >= 5 && colons != 7;
        let address = !mac && all(&|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
        return if address { Shape::Address } else { Shape::Other };
    }
    if all(&|b| b.is_ascii_digit() || b == b'.') {
        return Shape::Address;
    }
    let word = all(&|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let ends_in_letters = found.rsplit('.').next().is_some_and(|label| {
        label.len() >= 2 && label.len() < found.len() && label.bytes().all(|b| b.is_ascii_alphabetic())
    });
    if word && ends_in_letters {
        Shape::Dotted
    } else {
        Shape::Other
    }
}

/// Words that follow a colon in prose or listings without naming anyone.
fn is_plain_word(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [
        "yes", "no", "true", "false", "null", "none", "not", "unknown", "the", "is", "error", "failed",
        "tested", "passed",
    ]
    .contains(&lower.as_str())
        || lower.bytes().all(|b| b.is_ascii_digit())
        || lower.starts_with("0x")
}

/// The forms that need their parts.
fn form(naming: &Naming, found: &Captures<'_>) -> Option<String> {
    let whole = found.get(0)?.as_str();
    if found.name("sid").is_some() {
        return naming.sid(whole);
    }
    if found.name("mac").is_some() {
        return pairs(naming, whole);
    }
    if let (Some(unc), Some(server)) = (found.name("unc"), found.name("server")) {
        return host(naming, server.as_str()).map(|server| format!("{}{server}", unc.as_str()));
    }
    let (mail, at) = (found.name("mail")?, found.name("at")?);
    let domain = host(naming, at.as_str()).unwrap_or_else(|| at.as_str().to_owned());
    Some(format!("{}@{domain}", local_part(naming, mail.as_str())))
}

/// Characters of the longest name of a profile's folder; what is longer has other words behind it.
const LONGEST_OWNER: usize = 64;

/// Where the owner is in what stands behind `\Users\` up to the next character that no name has: all of it, blanks too, or its first
/// word, if it is longer than a name or that word is a pseudonym already. What follows is looked at by itself.
fn owner(rest: &str) -> Range<usize> {
    let start = rest.len() - rest.trim_start().len();
    let word = rest
        .trim_start()
        .split(char::is_whitespace)
        .next()
        .unwrap_or_default();
    if is_own(word, "user-") || rest.chars().nth(LONGEST_OWNER).is_some() {
        return start..start + word.len();
    }
    0..rest.len()
}

/// A profile's folder with its owner replaced.
fn profile(naming: &Naming, folder: &str, rest: &str, owner: Range<usize>) -> Option<String> {
    let (before, name) = (rest.get(..owner.start)?, rest.get(owner)?);
    let stays = name.is_empty() || WELL_KNOWN.is_user(name) || is_own(name, "user-") || name.contains('%');
    (!stays).then(|| format!("{folder}{before}{}", naming.user(name)))
}

/// The eight groups of an address in front of a port, or of whatever else follows a colon. They are written out, so that
/// the next pass finds the same eight.
fn in_front(naming: &Naming, found: &str) -> Option<String> {
    let (end, _) = found.match_indices(':').nth(7)?;
    let (address, rest) = found.split_at_checked(end)?;
    let groups = naming.ipv6(address.parse().ok()?)?.segments();
    let groups = groups.map(|group| format!("{group:x}"));
    Some(groups.join(":") + rest)
}

/// A hardware address, which is also the end of a longer run, as of a DHCP client's identifier. A run that holds an own one
/// is done, wherever in it that stands: with an escape decoded, the run may begin or end elsewhere.
fn pairs(naming: &Naming, run: &str) -> Option<String> {
    let lower = run.to_ascii_lowercase();
    if lower.contains("02-ca-5e-") || lower.contains("02:ca:5e:") {
        return None;
    }
    // Sixes alone are addresses one after the other; a kind and a time stand in front of the last in a client's identifier.
    let only_sixes = (run.len() + 1).is_multiple_of(MAC + 1);
    let first = if only_sixes {
        0
    } else {
        run.len().checked_sub(MAC)?
    };
    let mut out = run.to_owned();
    for start in (first..run.len()).step_by(MAC + 1) {
        let place = start..start + MAC;
        if let Some(new) = run.get(place.clone()).and_then(|group| naming.mac(group)) {
            out.replace_range(place, &new);
        }
    }
    (out != run).then_some(out)
}

/// Characters of a hardware address.
const MAC: usize = 17;

/// Version numbers look like addresses; the word before tells.
fn in_text_address(naming: &Naming, found: &str, before: &str) -> Option<String> {
    let new = match address(naming, found) {
        Some(new) => new?,
        None => in_front(naming, found)?,
    };
    let tail = tail(before, 10).to_lowercase();
    let version = tail
        .trim_end_matches([' ', ':', '=', '"', '\''])
        .ends_with("version")
        || tail.ends_with(" v")
        || tail.ends_with("/v");
    if version || tail.ends_with(|c: char| c == '.' || c.is_alphanumeric()) {
        return None;
    }
    Some(new)
}

fn dotted(naming: &Naming, found: &str) -> Option<String> {
    let last = found.rsplit('.').next().unwrap_or_default();
    // `System.Net` is a namespace: a host name is not written in mixed case at its end.
    let one_case = last.chars().all(char::is_lowercase) || found.chars().all(|c| !c.is_lowercase());
    (one_case && is_host_ending(last) && !WELL_KNOWN.is_domain(found))
        // Whatever its length: what is left of a label in front of a pseudonym would be a part of the next pass's name.
        .then(|| name(naming, found))
        .flatten()
}

/// True if what stands before a GUID says that it is a tenant, device or directory object.
fn names_an_object(before: &str) -> bool {
    // The last word decides, so the nearest is looked for first.
    let tail = tail(before, 48);
    let Some(words) = GUID_WORDS.as_ref() else {
        return false;
    };
    let found = words
        .find_overlapping_iter(tail)
        .max_by_key(|hit| (hit.start(), hit.pattern().as_usize()));
    found.is_some_and(|hit| hit.pattern().as_usize() < OBJECT_WORDS.len())
}

/// Words in front of GUIDs that name somebody or something.
const OBJECT_WORDS: &[&str] = &[
    "tenant",
    "tid",
    "device",
    "oid",
    "objectid",
    "object id",
    "microsoftonline.com/",
    "sts.windows.net/",
    "login.windows.net/",
    "/devices/",
    "/users/",
    "deviceid",
    "joininfo",
];

/// Words in front of GUIDs that are about one exchange or a product.
const OTHER_WORDS: &[&str] = &[
    "correlation",
    "request",
    "trace",
    "activity",
    "client_id",
    "clientid",
    "appid",
    "app_id",
    "resource",
    "session",
];

static GUID_WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(OBJECT_WORDS.iter().chain(OTHER_WORDS))
        .ok()
});

/// The last `chars` characters.
fn tail(text: &str, chars: usize) -> &str {
    let from = text
        .char_indices()
        .rev()
        .take(chars)
        .last()
        .map_or(text.len(), |(at, _)| at);
    text.get(from..).unwrap_or_default()
}
