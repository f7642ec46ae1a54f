//! Applies both kinds of redaction to rows and texts.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use casetrace_model::{Row, Text};

use crate::cache::{Cache, Scope};
use crate::pseudonym::Naming;
use crate::secrets::MASK;
use crate::tables::{self, Reach};
use crate::{encoded, identity, json, prefilter, secrets};

/// What is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Credentials; the default everywhere.
    #[default]
    Secrets,
    /// Credentials, and who and where.
    Identity,
    /// Nothing.
    None,
}

impl Mode {
    /// Reads the spelling of `--redact`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "secrets" => Some(Self::Secrets),
            "identity" => Some(Self::Identity),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// The spelling of `--redact`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Identity => "identity",
            Self::None => "none",
        }
    }
}

/// What a value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// A user, in any of its spellings.
    User,
    /// A computer, by short or full name or address.
    Host,
    /// A DNS or NetBIOS domain.
    Domain,
    /// A tenant GUID.
    Tenant,
    /// A device GUID.
    Device,
    /// Another directory object's GUID.
    Object,
}

impl Identity {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "user" => Self::User,
            "host" => Self::Host,
            "domain" => Self::Domain,
            "tenant" => Self::Tenant,
            "device" => Self::Device,
            "object" => Self::Object,
            _ => return None,
        })
    }
}

/// Encodings within encodings that are looked through.
const MAX_LAYERS: usize = 3;
/// Passes over one text; two or three suffice for all but made-up texts.
const MAX_PASSES: usize = 8;
/// Shorter names are too common as words to be replaced in free text.
const MIN_NAME: usize = 3;
/// Sets of names that are kept at a time.
const MAX_SETS: usize = 4096;

/// Redacts under one mode and key. Shared between threads; the result does not depend on the order of calls.
pub struct Redactor {
    mode: Mode,
    naming: Naming,
    /// Names (lower case) given to [`learn`](Self::learn), with their pseudonyms.
    learned: Known,
    /// Sets of names that rows told about themselves, by what the rows said.
    sets: Mutex<HashMap<String, Arc<Known>>>,
    next_set: AtomicU64,
    values: Cache,
    texts: Cache,
    mapping: Mutex<BTreeMap<String, String>>,
}

/// Names that one row tells about itself, lower case, with their pseudonyms.
///
/// The search over them is built when the first text needs it, and then serves all texts of the row.
#[derive(Default)]
struct Known {
    /// Tells sets apart in [`Redactor::texts`]; 0 is the empty set.
    number: u64,
    names: BTreeMap<String, String>,
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
    /// Pseudonyms depend on `key` only. Keep the key out of everything that is handed on: who has it can test guesses.
    pub fn new(mode: Mode, key: &[u8]) -> Self {
        Self {
            mode,
            naming: Naming::new(key),
            learned: Known::default(),
            sets: Mutex::new(HashMap::new()),
            next_set: AtomicU64::new(1),
            values: Cache::default(),
            texts: Cache::default(),
            mapping: Mutex::new(BTreeMap::new()),
        }
    }

    /// The mode it was made for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Makes a name known, so that it is replaced in any text from now on. For computer and user names that are known
    /// before the rows come.
    pub fn learn(&mut self, kind: Identity, value: &str) {
        if self.mode == Mode::Identity {
            let mut known = std::mem::take(&mut self.learned);
            self.note(&mut known, kind, value);
            self.learned = known;
            // What was remembered was made without the new name.
            self.texts = Cache::default();
        }
    }

    /// Original → pseudonym for every identity replaced so far, for an optional map file. Secrets are not in it.
    pub fn mapping(&self) -> BTreeMap<String, String> {
        self.mapping
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Redacts all columns of a row.
    pub fn redact_row(&self, row: &mut Row) {
        match self.mode {
            Mode::None => {}
            Mode::Secrets => self.row_texts(row, &Known::default()),
            Mode::Identity => {
                let known = self.known_of(row);
                self.columns(row);
                self.row_texts(row, &known);
            }
        }
    }

    /// Redacts a free text.
    pub fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.mode {
            Mode::None => Cow::Borrowed(text),
            _ => self.text(text, &Known::default()),
        }
    }

    fn text<'a>(&self, text: &'a str, known: &Known) -> Cow<'a, str> {
        match self.settled(text, known) {
            Some(new) => Cow::Owned(new),
            None => Cow::Borrowed(text),
        }
    }

    fn settled(&self, text: &str, known: &Known) -> Option<String> {
        match self.mode {
            Mode::Identity => {
                let scope = Scope {
                    names: known.number,
                    field: "",
                };
                self.texts.get(scope, text, || self.settle(text, known))
            }
            // A look costs less than remembering.
            Mode::Secrets | Mode::None => self.settle(text, known),
        }
    }

    /// Redacts until nothing changes: what one pass masks can bring together what the next recognises.
    fn settle(&self, text: &str, known: &Known) -> Option<String> {
        let mut out = self.layers(text, known, MAX_LAYERS)?;
        for _ in 1..MAX_PASSES {
            match self.layers(&out, known, MAX_LAYERS) {
                Some(next) => out = next,
                None => break,
            }
        }
        (out != text).then_some(out)
    }

    /// One layer and the encodings in it; `None` if nothing changed.
    fn layers(&self, text: &str, known: &Known, left: usize) -> Option<String> {
        let mut out = Cow::Borrowed(text);
        if prefilter::may_hold_secret(&out)
            && let Cow::Owned(new) = secrets::mask(&out)
        {
            out = Cow::Owned(new);
        }
        if left > 0
            && out.contains('%')
            && let Some(new) = encoded::percent(&out, &|inner| self.layers(inner, known, left - 1))
        {
            out = Cow::Owned(new);
        }
        if self.mode == Mode::Identity
            && let Some(new) = self.identities(&out, known)
        {
            out = Cow::Owned(new);
        }
        if left > 0
            && prefilter::may_hold_base64(&out)
            && let Some(new) = encoded::base64(&out, &|inner| self.layers(inner, known, left - 1).is_some())
        {
            out = Cow::Owned(new);
        }
        match out {
            Cow::Owned(new) if new != text => Some(new),
            _ => None,
        }
    }

    fn identities(&self, text: &str, known: &Known) -> Option<String> {
        let by_guid = |guid: &str| known.names.get(&guid.to_ascii_lowercase()).cloned();
        let mut out = identity::text(&self.naming, text, &by_guid, &|old, new| self.remember(old, new));
        for names in [known, &self.learned] {
            if let Some(new) = replace_words(&out, names) {
                out = Cow::Owned(new);
            }
        }
        match out {
            Cow::Owned(new) if new != text => Some(new),
            _ => None,
        }
    }

    fn row_texts(&self, row: &mut Row, known: &Known) {
        if let Some(message) = self.message(row, known) {
            row.message = message;
        }
        for column in [
            &mut row.url,
            &mut row.process,
            &mut row.task,
            &mut row.content_type,
        ] {
            if let Some(new) = column.as_deref().and_then(|text| self.settled(text, known)) {
                *column = Some(Text::from(new));
            }
        }
        if let Some(new) = self.settled(&row.artifact, known) {
            row.artifact = Text::from(new);
        }
        if let Some(fields) = self.fields(&row.fields, known) {
            row.fields = fields;
        }
    }

    /// The message. Where it ends within the row's address the whole address says what the cut part holds.
    fn message(&self, row: &Row, known: &Known) -> Option<String> {
        let cut = row.url.as_deref().and_then(|url| cut_address(&row.message, url));
        let Some((head, len)) = cut else {
            return self.settled(&row.message, known);
        };
        let url = row.url.as_deref().unwrap_or_default();
        let new = self.settled(url, known).unwrap_or_else(|| url.to_owned());
        let end = (0..=len.min(new.len()))
            .rev()
            .find(|at| new.is_char_boundary(*at));
        let mut out = self.text(head, known).into_owned();
        out.push_str(new.get(..end.unwrap_or_default()).unwrap_or_default());
        (out != row.message).then_some(out)
    }

    /// The `fields` object: by member name first, then as text.
    fn fields(&self, fields: &str, known: &Known) -> Option<String> {
        if fields.len() < 3 || (self.mode == Mode::Secrets && is_quiet(fields)) {
            return None;
        }
        json::map_strings(fields, &mut |name, value| match self.mode {
            Mode::Identity if !value.is_empty() => {
                let scope = Scope {
                    names: known.number,
                    field: name,
                };
                self.texts.get(scope, value, || self.member(name, value, known))
            }
            _ => self.member(name, value, known),
        })
    }

    fn member(&self, name: &str, value: &str, known: &Known) -> Option<String> {
        if value.is_empty() {
            return None;
        }
        if let Some(masked) = secret_member(name, value) {
            return (masked != value).then_some(masked);
        }
        if self.mode == Mode::Identity
            && let Some(kind) = tables::identity(name)
            && let Some(new) = self.value(kind, value)
        {
            return Some(new);
        }
        self.settle(value, known)
    }

    /// Columns that name somebody or something as a whole.
    fn columns(&self, row: &mut Row) {
        let by_kind = [
            (&mut row.host, Identity::Host),
            (&mut row.server_name, Identity::Host),
            (&mut row.src_ip, Identity::Host),
            (&mut row.dst_ip, Identity::Host),
            (&mut row.proxy, Identity::Host),
            (&mut row.user, Identity::User),
            (&mut row.tenant_id, Identity::Tenant),
            (&mut row.device_id, Identity::Device),
        ];
        for (column, kind) in by_kind {
            if let Some(new) = column.as_deref().and_then(|old| self.value(kind, old)) {
                *column = Some(Text::from(new));
            }
        }
        if let Some(new) = row.user_sid.as_deref().and_then(|sid| self.naming.sid(sid)) {
            self.remember(row.user_sid.as_deref().unwrap_or_default(), &new);
            row.user_sid = Some(Text::from(new));
        }
        for column in [&mut row.cert_subject, &mut row.cert_issuer] {
            if let Some(new) = column.as_deref().and_then(|old| self.distinguished_name(old)) {
                *column = Some(Text::from(new));
            }
        }
    }

    /// The pseudonym of a value that is known to name a `kind`.
    fn value(&self, kind: Identity, old: &str) -> Option<String> {
        let scope = Scope {
            names: kind as u64,
            field: "",
        };
        self.values.get(scope, old, || {
            let new = identity::value(&self.naming, kind, old)?;
            self.remember(old, &new);
            Some(new)
        })
    }

    fn distinguished_name(&self, old: &str) -> Option<String> {
        let scope = Scope {
            names: u64::MAX,
            field: "",
        };
        self.values.get(scope, old, || {
            let new = identity::distinguished_name(&self.naming, old)?;
            self.remember(old, &new);
            Some(new)
        })
    }

    /// What a row's own columns and fields name, to be found again in its texts. Rows that say the same share a set.
    fn known_of(&self, row: &Row) -> Arc<Known> {
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
        let mut key = String::new();
        for (kind, value) in &said {
            // Lengths keep values apart whatever is in them.
            key.push_str(&format!("{kind:?}{}:", value.len()));
            key.push_str(value);
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

    fn note(&self, known: &mut Known, kind: Identity, value: &str) {
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

    fn remember(&self, old: &str, new: &str) {
        if old != new {
            let mut mapping = self.mapping.lock().unwrap_or_else(PoisonError::into_inner);
            if !mapping.contains_key(old) {
                mapping.insert(old.to_owned(), new.to_owned());
            }
        }
    }
}

/// If `message` ends with the beginning of `url`: what stands before it, and how much of the address is there.
fn cut_address<'m>(message: &'m str, url: &str) -> Option<(&'m str, usize)> {
    let scheme = url.get(..url.find("://")? + 3)?;
    message.match_indices(scheme).find_map(|(at, _)| {
        let (head, tail) = message.split_at_checked(at)?;
        (tail.len() < url.len() && url.starts_with(tail)).then_some((head, tail.len()))
    })
}

/// The value of a member whose name is a secret's; `None` if the name is not.
fn secret_member(name: &str, value: &str) -> Option<String> {
    let reach = tables::secret(name)?;
    // `{"password":"***"}` read as text applies the same judgement of what is worth masking.
    let as_text = format!(
        "{{\"{name}\":\"{}\"}}",
        value.replace(['"', '\\', '\n', '\r'], " ")
    );
    let masked = match secrets::mask(&as_text) {
        Cow::Owned(_) => true,
        Cow::Borrowed(_) => false,
    };
    if !masked {
        return (reach != Reach::TokenLike && value.contains(MASK)).then(|| value.to_owned());
    }
    if reach != Reach::Line {
        return Some(MASK.to_owned());
    }
    let line = format!("{name}: {}", value.replace(['\r', '\n', '"'], " "));
    let line = secrets::mask(&line).into_owned();
    Some(line.get(name.len() + 2..).unwrap_or(MASK).to_owned())
}

/// True if no value of a `fields` object can hold a secret, told without taking it apart.
fn is_quiet(fields: &str) -> bool {
    // An escape next to a run would be taken for a part of it.
    let base64 = || match fields.contains('\\') {
        true => prefilter::may_hold_base64(fields),
        false => encoded::holds_base64_text(fields),
    };
    !fields.contains('%') && !prefilter::may_hold_secret(fields) && !base64()
}

/// Replaces whole words, whatever their case; `None` if none occurs.
fn replace_words(text: &str, names: &Known) -> Option<String> {
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
        out.push_str(new);
        done = found.end();
    }
    (done > 0).then(|| {
        out.push_str(text.get(done..).unwrap_or_default());
        out
    })
}
