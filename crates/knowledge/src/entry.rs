//! What [`Knowledge::explain`](crate::Knowledge::explain) answers with.

use casetrace_model::Text;
use serde::Serialize;

use crate::table::Fact;

/// Language of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Japanese, where a table has it; English otherwise.
    Ja,
}

impl Lang {
    /// Reads `en` or `ja`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "en" => Some(Self::En),
            "ja" => Some(Self::Ja),
            _ => None,
        }
    }
}

/// A text in one or two languages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Phrase {
    /// English.
    pub en: Text,
    /// Japanese; empty where nobody wrote it yet.
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub ja: Text,
}

impl Phrase {
    /// The text in `lang`, or in English if there is none.
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ja if !self.ja.is_empty() => &self.ja,
            _ => &self.en,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.en.is_empty() && self.ja.is_empty()
    }
}

/// What sort of thing was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An error code, result code or status.
    Code,
    /// An event of a provider.
    Event,
    /// A host name.
    Endpoint,
    /// Nothing that any table knows; `meaning` says what can be said all the same.
    Unknown,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What was asked, as given.
    pub query: String,
    /// Sort of answer.
    pub kind: Kind,
    /// Name space of the code (`dsreg`, `winhttp`, `aadsts` …) or the event provider.
    pub namespace: Text,
    /// Code in the usual spelling of its name space.
    pub code: Text,
    /// Symbolic name, if there is one.
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub symbol: Text,
    /// What it means.
    pub meaning: Phrase,
    /// Phase or family (`discover`, `auth`, `join`, `prt`, `pin`, `writeback`, `network` …).
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub phase: Text,
    /// Likely causes.
    #[serde(skip_serializing_if = "Phrase::is_empty")]
    pub causes: Phrase,
    /// What to do.
    #[serde(skip_serializing_if = "Phrase::is_empty")]
    pub action: Phrase,
    /// Where the facts come from.
    pub source: Text,
    /// Other spellings of the same number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub same_as: Vec<Text>,
    /// How the question led here, if not directly ("Win32 number inside HRESULT 0x8007…").
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub via: Text,
    /// Known names close to an unknown one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Text>,
}

impl Entry {
    pub(crate) fn of_fact(query: &str, fact: &Fact, via: Text) -> Self {
        Self {
            query: query.to_owned(),
            kind: if fact.is_event { Kind::Event } else { Kind::Code },
            namespace: fact.namespace.clone(),
            code: crate::query::shown(fact),
            symbol: fact.symbol.clone(),
            meaning: fact.meaning.clone(),
            phase: fact.phase.clone(),
            causes: fact.causes.clone(),
            action: fact.action.clone(),
            source: fact.source.clone(),
            same_as: crate::query::spellings(fact),
            via,
            suggestions: Vec::new(),
        }
    }

    pub(crate) fn unknown(query: &str, namespace: Text, code: Text, meaning: Phrase) -> Self {
        Self {
            query: query.to_owned(),
            kind: Kind::Unknown,
            namespace,
            code,
            symbol: Text::default(),
            meaning,
            phase: Text::default(),
            causes: Phrase::default(),
            action: Phrase::default(),
            source: Text::default(),
            same_as: Vec::new(),
            via: Text::default(),
            suggestions: Vec::new(),
        }
    }

    /// The answer as a few lines of plain text, without a final line break.
    pub fn to_text(&self, lang: Lang) -> String {
        let label = |en: &'static str, ja: &'static str| if lang == Lang::Ja { ja } else { en };
        let mut out = format!("{} {}", self.namespace, self.code);
        if !self.symbol.is_empty() && self.symbol != self.code {
            out.push_str("  ");
            out.push_str(&self.symbol);
        }
        let mut line = |name: &str, text: &str| {
            if !text.is_empty() {
                out.push_str("\n  ");
                out.push_str(name);
                out.push_str(": ");
                out.push_str(text);
            }
        };
        line(label("Meaning", "意味"), self.meaning.get(lang));
        line(label("Read as", "読み方"), &self.via);
        line(label("Phase", "フェーズ"), &self.phase);
        line(label("Causes", "考えられる原因"), self.causes.get(lang));
        line(label("What to do", "対処"), self.action.get(lang));
        line(label("Same as", "同じコード"), &self.same_as.join(", "));
        line(label("Did you mean", "もしかして"), &self.suggestions.join(", "));
        line(label("Source", "出典"), &self.source);
        out
    }
}
