//! Applies both kinds of redaction to rows and texts.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use casetrace_model::Row;

use crate::cache::{Cache, Scope};
use crate::clean::{self, Sort};
use crate::known::{Known, replace_words};
use crate::mode::{Identity, Mode};
use crate::pseudonym::Naming;
use crate::{encoded, identity, prefilter, secrets};

/// Encodings within encodings that are looked through.
const MAX_LAYERS: usize = 3;
/// Passes over one text; two or three suffice for all but made-up texts.
const MAX_PASSES: usize = 8;

/// Redacts under one mode and key. Shared between threads; the result does not depend on the order of calls.
pub struct Redactor {
    pub(crate) mode: Mode,
    pub(crate) naming: Naming,
    /// Names (lower case) given to [`learn`](Self::learn), with their pseudonyms.
    learned: Known,
    /// Sets of names that rows told about themselves, by what the rows said.
    pub(crate) sets: Mutex<HashMap<Vec<u8>, Arc<Known>>>,
    pub(crate) next_set: AtomicU64,
    values: Cache,
    pub(crate) texts: Cache,
    mapping: Mutex<BTreeMap<String, String>>,
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

    pub(crate) fn text<'a>(&self, text: &'a str, known: &Known) -> Cow<'a, str> {
        match self.settled(text, known) {
            Some(new) => Cow::Owned(new),
            None => Cow::Borrowed(text),
        }
    }

    pub(crate) fn settled(&self, text: &str, known: &Known) -> Option<String> {
        match self.mode {
            Mode::Identity => {
                let scope = Scope {
                    names: known.number,
                    field: "",
                };
                self.texts.get(scope, text, || self.settle(text, known))
            }
            Mode::Secrets => clean::unless_known(Sort::Text, text, || self.settle(text, known)),
            Mode::None => self.settle(text, known),
        }
    }

    /// Redacts until nothing changes: what one pass masks can bring together what the next recognises. Of a text in which every pass
    /// finds more nothing is left.
    pub(crate) fn settle(&self, text: &str, known: &Known) -> Option<String> {
        let mut out = self.layers(text, known, MAX_LAYERS)?;
        for _ in 0..MAX_PASSES {
            match self.layers(&out, known, MAX_LAYERS) {
                Some(next) => out = next,
                None => return (out != text).then_some(out),
            }
        }
        Some(secrets::MASK.to_owned())
    }

    /// One layer and the encodings in it; `None` if nothing changed.
    fn layers(&self, text: &str, known: &Known, left: usize) -> Option<String> {
        let mut out = Cow::Borrowed(text);
        if let Some(telling) = prefilter::telling(&out)
            && let Cow::Owned(new) = secrets::mask_where(&out, telling)
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

    /// The pseudonym of a value that is known to name a `kind`.
    pub(crate) fn value(&self, kind: Identity, old: &str) -> Option<String> {
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

    pub(crate) fn distinguished_name(&self, old: &str) -> Option<String> {
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

    pub(crate) fn remember(&self, old: &str, new: &str) {
        if old != new {
            let mut mapping = self.mapping.lock().unwrap_or_else(PoisonError::into_inner);
            if !mapping.contains_key(old) {
                mapping.insert(old.to_owned(), new.to_owned());
            }
        }
    }
}
