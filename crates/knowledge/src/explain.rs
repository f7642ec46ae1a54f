//! The knowledge base: tables, indexes, and the way from a question to answers.

use std::collections::HashMap;
use std::sync::LazyLock;

use casetrace_model::{Text, code};

use crate::notable::{self, Pattern, Trait};
use crate::query::{self, Query};
use crate::table::{self, Fact, TableError};
use crate::{Endpoint, Entry, Phrase, endpoint, suggest};

macro_rules! tables {
    ($($name:literal),* $(,)?) => {
        &[$(include_str!(concat!("../../../pipelines/knowledge/", $name, ".tsv"))),*]
    };
}

/// Order decides which name space is told first when one number means several things.
const CODES: &[&str] = tables![
    "dsreg", "cloudap", "adal", "winhttp", "names", "ntstatus", "security", "tpm", "mdm", "hresult",
    "aadsts", "protocol", "win32",
];
const EVENTS: &str = include_str!("../../../pipelines/knowledge/events.tsv");
const ENDPOINTS: &str = include_str!("../../../pipelines/knowledge/endpoints.tsv");
const ALIASES: &str = include_str!("../../../pipelines/knowledge/aliases.tsv");
const NOTABLE: &str = include_str!("../../../pipelines/knowledge/notable.tsv");
const FACILITIES: &str = include_str!("../../../pipelines/knowledge/facilities.tsv");

/// Name spaces of small numbers that mean something only there; a bare hex number is none of them.
const DECIMAL_ONLY: &[&str] = &["aadsts", "http"];

static BUILTIN: LazyLock<Knowledge> = LazyLock::new(Knowledge::embedded);

/// All tables with their indexes. Immutable once built; lookups borrow.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    facts: Vec<Fact>,
    by_value: HashMap<u32, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
    aliases: HashMap<String, (Text, Text)>,
    endpoints: Vec<Endpoint>,
    notable: Vec<Pattern>,
    facilities: HashMap<(bool, u32), Text>,
}

impl Knowledge {
    /// The tables that were embedded at build time.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// A broken embedded table is left out here; a test reads every one of them.
    fn embedded() -> Self {
        let mut all = Self::default();
        for text in CODES {
            all.add(table::facts(text, false, Text::new_static).unwrap_or_default());
        }
        all.add(table::facts(EVENTS, true, Text::new_static).unwrap_or_default());
        all.endpoints = endpoint::endpoints(ENDPOINTS, Text::new_static).unwrap_or_default();
        all.notable = notable::patterns(NOTABLE, Text::new_static).unwrap_or_default();
        for [alias, namespace, number, _note] in
            table::rows::<4>(ALIASES, "alias\tnamespace\tcode\tnote").unwrap_or_default()
        {
            all.aliases.insert(
                alias.to_ascii_uppercase(),
                (Text::new_static(namespace), Text::new_static(number)),
            );
        }
        for [kind, number, name] in table::rows::<3>(FACILITIES, "kind\tnumber\tname").unwrap_or_default() {
            if let Ok(number) = number.parse() {
                all.facilities
                    .insert((kind == "ntstatus", number), Text::new_static(name));
            }
        }
        all
    }

    /// Adds a code table (`events` false) or an event table of one's own; its rows are told before the built-in ones.
    ///
    /// # Errors
    /// If the header or a row does not have the documented columns; nothing is added then.
    pub fn extend(&mut self, text: &str, events: bool) -> Result<usize, TableError> {
        let own = table::facts(text, events, Text::from)?;
        let count = own.len();
        let old = std::mem::take(&mut self.facts);
        self.by_value.clear();
        self.by_name.clear();
        self.add(own);
        self.add(old);
        Ok(count)
    }

    fn add(&mut self, facts: Vec<Fact>) {
        for fact in facts {
            let at = self.facts.len();
            if let Some(value) = fact.value {
                self.by_value.entry(value).or_default().push(at);
            }
            if !fact.is_event {
                for name in [&fact.symbol, &fact.code] {
                    let places = self.by_name.entry(name.to_ascii_uppercase()).or_default();
                    if !name.is_empty() && !places.contains(&at) {
                        places.push(at);
                    }
                }
            }
            self.facts.push(fact);
        }
        self.by_name.remove("");
    }

    /// Every row of every table, codes and events.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Every endpoint.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The endpoint a host name belongs to.
    pub fn endpoint(&self, host: &str) -> Option<&Endpoint> {
        endpoint::find(&self.endpoints, host)
    }

    /// Whether a failure with this trait deserves a line where no finding explains it; `None` if no table speaks of it.
    pub fn is_notable(&self, about: Trait, value: &str) -> Option<bool> {
        notable::find(&self.notable, about, value)
    }

    /// What an event of a provider means.
    pub fn event(&self, provider: &str, id: u32) -> Option<&Fact> {
        self.events(Some(provider), id).next()
    }

    /// The symbol of a normalised error code (`0x80072ee7`, `AADSTS50126`, `KDC_ERR_…`), for the `error_symbol` column.
    pub fn symbol(&self, error_code: &str) -> Option<&str> {
        if let Some(value) = error_code
            .starts_with("0x")
            .then(|| code::parse_number(error_code))
            .flatten()
        {
            return self
                .readings(value, true)
                .into_iter()
                .map(|(fact, _)| fact.symbol.as_str())
                .find(|s| !s.is_empty());
        }
        if let Query::Scoped { namespace, value } = query::read(error_code) {
            let of_space = |fact: &&Fact| fact.namespace == namespace && !fact.is_event;
            return self
                .at(value)
                .filter(of_space)
                .map(|fact| fact.symbol.as_str())
                .find(|s| !s.is_empty());
        }
        let facts = self.named(&error_code.to_ascii_uppercase());
        facts
            .into_iter()
            .map(|fact| fact.symbol.as_str())
            .find(|s| !s.is_empty())
    }

    /// Everything known about a code, event, symbol or host name, best reading first; never empty.
    ///
    /// What no table knows comes back as one [`Kind::Unknown`](crate::Kind::Unknown) entry that tells what the number itself says
    /// and names that are close.
    pub fn explain(&self, question: &str) -> Vec<Entry> {
        let found = match query::read(question) {
            _ if self.is_alias(question) => self.explain_word(question, question.trim()),
            Query::Event { provider, id } => self.explain_event(question, provider, id),
            Query::Scoped { namespace, value } => self.explain_scoped(question, namespace, value),
            Query::Number { value, hex } => self.explain_number(question, value, hex),
            Query::Word(word) => self.explain_word(question, word),
        };
        let mut seen: Vec<(Text, Text, Phrase)> = Vec::new();
        let fresh = |entry: &Entry| {
            let key = (entry.namespace.clone(), entry.code.clone(), entry.meaning.clone());
            let new = !seen.contains(&key);
            if new {
                seen.push(key);
            }
            new
        };
        found.into_iter().filter(fresh).collect()
    }

    fn events<'a>(&'a self, provider: Option<&str>, id: u32) -> impl Iterator<Item = &'a Fact> + use<'a> {
        let provider = provider.map(|name| self.provider(name));
        self.at(id).filter(move |fact| {
            fact.is_event
                && provider
                    .as_ref()
                    .is_none_or(|name| fact.namespace.eq_ignore_ascii_case(name))
        })
    }

    /// True for another name of a code; asked first, because one of them looks like a number.
    fn is_alias(&self, question: &str) -> bool {
        let alias = self.aliases.get(&question.trim().to_ascii_uppercase());
        alias.is_some_and(|(namespace, _)| namespace != "provider")
    }

    /// The full name of a provider that was given by an alias.
    fn provider(&self, name: &str) -> Text {
        match self.aliases.get(&name.to_ascii_uppercase()) {
            Some((kind, full)) if kind == "provider" => full.clone(),
            _ => Text::from(name),
        }
    }

    fn at(&self, value: u32) -> impl Iterator<Item = &Fact> {
        self.by_value
            .get(&value)
            .into_iter()
            .flatten()
            .filter_map(|at| self.facts.get(*at))
    }

    fn named(&self, upper: &str) -> Vec<&Fact> {
        let places = self.by_name.get(upper).into_iter().flatten();
        let mut found: Vec<&Fact> = places.filter_map(|at| self.facts.get(*at)).collect();
        if let Some((namespace, number)) = self.aliases.get(upper) {
            let same = |fact: &&Fact| fact.namespace == *namespace && fact.code == *number;
            found.extend(self.facts.iter().filter(same));
        }
        found
    }

    /// The rows a 32-bit number stands for, wrappers taken off, each with how it was read.
    fn readings(&self, value: u32, hex: bool) -> Vec<(&Fact, Text)> {
        let usable =
            |fact: &&Fact| !(fact.is_event || hex && DECIMAL_ONLY.contains(&fact.namespace.as_str()));
        let mut found: Vec<(&Fact, Text)> = self
            .at(value)
            .filter(usable)
            .map(|fact| (fact, Text::default()))
            .collect();
        for (inner, namespaces, how) in unwrap(value) {
            let inside = self
                .at(inner)
                .filter(|fact| !fact.is_event && namespaces.contains(&fact.namespace.as_str()));
            found.extend(inside.map(|fact| (fact, Text::from(format!("{how} {}", code::hex32(value))))));
        }
        found
    }

    fn explain_number(&self, question: &str, value: u32, hex: bool) -> Vec<Entry> {
        let mut found: Vec<Entry> = self
            .readings(value, hex)
            .into_iter()
            .map(|(fact, via)| Entry::of_fact(question, fact, via))
            .collect();
        if !hex {
            found.extend(
                self.events(None, value)
                    .map(|fact| Entry::of_fact(question, fact, Text::default())),
            );
        }
        if found.is_empty() && !hex {
            // Eight digits may be an HRESULT printed without 0x.
            let digits = value.to_string();
            if let Some(again) = (digits.len() == 8)
                .then(|| u32::from_str_radix(&digits, 16).ok())
                .flatten()
            {
                found = self
                    .readings(again, true)
                    .into_iter()
                    .map(|(f, v)| Entry::of_fact(question, f, v))
                    .collect();
            }
        }
        if found.is_empty() {
            found.push(self.unknown_number(question, value));
        }
        found
    }

    fn explain_scoped(&self, question: &str, namespace: &'static str, value: u32) -> Vec<Entry> {
        let wanted = |fact: &&Fact| fact.namespace == namespace && !fact.is_event;
        let found: Vec<Entry> = self
            .at(value)
            .filter(wanted)
            .map(|fact| Entry::of_fact(question, fact, Text::default()))
            .collect();
        if !found.is_empty() {
            return found;
        }
        let space = Text::new_static(namespace);
        if namespace == "aadsts" {
            let number = Text::from(format!("AADSTS{value}"));
            return vec![Entry::unknown(question, space, number, aadsts_look_up(value))];
        }
        vec![Entry::unknown(
            question,
            space,
            Text::from(value.to_string()),
            not_listed(),
        )]
    }

    fn explain_event(&self, question: &str, provider: Option<&str>, id: u32) -> Vec<Entry> {
        let found: Vec<Entry> = self
            .events(provider, id)
            .map(|fact| Entry::of_fact(question, fact, Text::default()))
            .collect();
        if !found.is_empty() {
            return found;
        }
        let name = provider.map_or_else(Text::default, |name| self.provider(name));
        let mut entry = Entry::unknown(question, name.clone(), Text::from(id.to_string()), not_listed());
        let known = self
            .facts
            .iter()
            .filter(|fact| fact.is_event)
            .map(|fact| fact.namespace.as_str());
        if !self
            .facts
            .iter()
            .any(|fact| fact.is_event && fact.namespace.eq_ignore_ascii_case(&name))
        {
            let mut names: Vec<&str> = known.collect();
            names.dedup();
            entry.suggestions = suggest::closest(&name, names.into_iter())
                .into_iter()
                .map(Text::from)
                .collect();
        }
        vec![entry]
    }

    fn explain_word(&self, question: &str, word: &str) -> Vec<Entry> {
        let upper = word.to_ascii_uppercase();
        let bare = upper.trim_matches(['{', '}']);
        let found: Vec<Entry> = self
            .named(bare)
            .into_iter()
            .map(|fact| Entry::of_fact(question, fact, Text::default()))
            .collect();
        if !found.is_empty() {
            return found;
        }
        if let Some(endpoint) = self.endpoint(word) {
            return vec![endpoint.entry(question)];
        }
        let mut entry = Entry::unknown(question, Text::default(), Text::from(word), not_listed());
        let symbols = self
            .by_name
            .keys()
            .map(String::as_str)
            .chain(self.aliases.keys().map(String::as_str));
        entry.suggestions = suggest::closest(word, symbols)
            .into_iter()
            .map(Text::from)
            .collect();
        vec![entry]
    }

    /// Takes an unlisted number apart.
    fn unknown_number(&self, question: &str, value: u32) -> Entry {
        let number = code::hex32(value);
        let (kind, meaning) = match value >> 28 {
            0x8 | 0x9 => ("hresult", self.split(value, false)),
            0xc | 0xe => ("ntstatus", self.split(value, true)),
            0xd => ("ntstatus", self.split(value & 0xefff_ffff, true)),
            _ if value <= 0xffff => ("number", not_listed()),
            _ => ("number", aadsts_look_up(value)),
        };
        let mut entry = Entry::unknown(question, Text::new_static(kind), number.clone(), meaning);
        if value > 0xffff {
            let listed = self
                .facts
                .iter()
                .filter(|fact| !fact.is_event && fact.code.starts_with("0x"));
            entry.suggestions = suggest::closest(&number, listed.map(|fact| fact.code.as_str()))
                .into_iter()
                .map(Text::from)
                .collect();
        }
        entry
    }

    fn split(&self, value: u32, is_ntstatus: bool) -> Phrase {
        let (facility, low) = (
            (value >> 16) & if is_ntstatus { 0xfff } else { 0x7ff },
            value & 0xffff,
        );
        let name = self
            .facilities
            .get(&(is_ntstatus, facility))
            .map_or("not listed", Text::as_str);
        let kind = if is_ntstatus {
            "NTSTATUS error"
        } else {
            "HRESULT failure"
        };
        Phrase {
            en: Text::from(format!(
                "Not in the table. {kind}: facility {facility} ({name}), code {low:#06x} ({low})"
            )),
            ja: Text::from(format!(
                "一覧にないコードです。{kind}: ファシリティ {facility} ({name})、コード {low:#06x} ({low})"
            )),
        }
    }
}

/// The number inside a wrapper, the name spaces to look in, and how to say so.
fn unwrap(value: u32) -> Vec<(u32, &'static [&'static str], &'static str)> {
    let low = value & 0xffff;
    match value >> 16 {
        0x8007 => vec![(low, &["winhttp", "win32"], "Win32 number inside HRESULT")],
        0xcaa8 => vec![(low, &["winhttp"], "WinINet number inside the token library code")],
        0xcaa3 => vec![(
            low & 0xfff,
            &["http"],
            "HTTP status inside the token library code",
        )],
        0x8019 => vec![(low, &["http"], "HTTP status inside HRESULT")],
        0x8004 => vec![(
            value | 0x4000_0000,
            &["cloudap"],
            "CloudAP code in its HRESULT form",
        )],
        0xd000..=0xdfff => vec![(
            value & 0xefff_ffff,
            &["ntstatus", "cloudap"],
            "NTSTATUS inside HRESULT",
        )],
        _ => Vec::new(),
    }
}

fn not_listed() -> Phrase {
    Phrase {
        en: Text::new_static("Not in the table."),
        ja: Text::new_static("一覧にありません。"),
    }
}

fn aadsts_look_up(value: u32) -> Phrase {
    Phrase {
        en: Text::from(format!(
            "Not in the table. The text the service sent with it says what it means; look-up: https://login.microsoftonline.com/error?code={value}"
        )),
        ja: Text::from(format!(
            "一覧にありません。サービスが返した説明文を確認してください。照会先: https://login.microsoftonline.com/error?code={value}"
        )),
    }
}
