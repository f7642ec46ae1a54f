//! The report's own words in each language, from `reports/labels.toml`.

use std::collections::BTreeMap;

use casetrace_knowledge::Lang;

/// Every word that is not from the case or the rules.
const LABELS: &str = include_str!("../../../reports/labels.toml");

/// The words of one language.
#[derive(Debug, Clone)]
pub(crate) struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Reads the built-in words.
    pub(crate) fn load(lang: Lang) -> Self {
        Self(words(LABELS, lang))
    }

    /// The word for `key`; the key itself if there is none, so that a gap is seen and harmless.
    pub(crate) fn get<'a>(&'a self, key: &'a str) -> &'a str {
        self.0.get(key).map_or(key, String::as_str)
    }

    /// The name of a kind of source.
    pub(crate) fn source<'a>(&'a self, source: &'a str) -> &'a str {
        let named = self.0.get(&format!("lane_{source}"));
        named.map_or(source, String::as_str)
    }

    /// An outcome in words; what is none, as it is.
    pub(crate) fn outcome<'a>(&'a self, outcome: &'a str) -> &'a str {
        let word = self.0.get(&format!("out_{outcome}"));
        word.map_or(outcome, String::as_str)
    }

    /// A time that a clock of unknown zone showed, to the second, and a word that says so.
    pub(crate) fn local(&self, time: &str) -> String {
        let time = time.get(..19).unwrap_or(time).replace('T', " ");
        format!("{time} {}", self.get("local_time"))
    }

    /// dsregcmd's `YES` and `NO` in words; anything else as it is.
    pub(crate) fn yes_no(&self, value: &str) -> String {
        match value {
            "YES" => self.get("yes").to_owned(),
            "NO" => self.get("no").to_owned(),
            other => other.to_owned(),
        }
    }

    /// All words, for the templates.
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// The report's words and those of `own`, a TOML text of the same shape, in one language; `own` wins.
pub fn labels_with(own: &str, lang: Lang) -> BTreeMap<String, String> {
    let mut all = words(LABELS, lang);
    all.extend(words(own, lang));
    all
}

fn words(text: &str, lang: Lang) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(text).unwrap_or_default();
    let name = match lang {
        Lang::En => "en",
        Lang::Ja => "ja",
    };
    all.remove(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_the_same_keys() {
        let keys = |lang| Labels::load(lang).0.into_keys().collect::<Vec<_>>();
        assert!(keys(Lang::En).len() > 50);
        assert_eq!(keys(Lang::En), keys(Lang::Ja));
    }
}
