//! Rules as the engine uses them: checked, with conditions by number.

use casetrace_timeline::ColumnId;

use crate::file::{From, Per};
use crate::template::{Key, Template};
use crate::words::{Audience, Confidence, Lang, Localized, Phase, Role, Severity, Whose};

/// Number of a condition in the pack.
pub(crate) type ConditionId = usize;

/// A text with placeholders in both languages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phrase {
    pub(crate) en: Template,
    pub(crate) ja: Option<Template>,
}

impl Phrase {
    pub(crate) fn parse(text: &Localized) -> Result<Self, String> {
        Ok(Self {
            en: Template::parse(&text.en)?,
            ja: text.ja.as_deref().map(Template::parse).transpose()?,
        })
    }

    pub(crate) fn get(&self, lang: Lang) -> &Template {
        match (lang, &self.ja) {
            (Lang::Ja, Some(ja)) => ja,
            _ => &self.en,
        }
    }

    pub(crate) fn holes(&self) -> Vec<&str> {
        let mut holes = self.en.holes();
        holes.extend(self.ja.iter().flat_map(Template::holes));
        holes
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Such as `PXY-01`.
    pub id: String,
    /// What it finds.
    pub title: Localized,
    /// Group of rules, by file.
    pub family: String,
    /// Which layer fails.
    pub phase: Phase,
    /// What it costs.
    pub severity: Severity,
    /// Highest confidence it can have.
    pub at_most: Confidence,
    /// Ids and patterns of findings that are its consequences.
    pub explains: Vec<String>,
    /// What looks like it but is not.
    pub false_positives: Vec<Localized>,
    /// Where the facts come from.
    pub references: Vec<String>,
    /// File it was read from.
    pub file: String,
    pub(crate) about: Option<Key>,
    pub(crate) subject: Option<Localized>,
    pub(crate) scope: Vec<ColumnId>,
    /// `None` is any distance.
    pub(crate) within: Option<i64>,
    pub(crate) context: Option<Whose>,
    pub(crate) title_phrase: Phrase,
    pub(crate) explanation: Phrase,
    pub(crate) next_steps: Vec<(Option<Audience>, Phrase)>,
    pub(crate) ask_customer: Vec<Phrase>,
    pub(crate) evidence: Vec<Evidence>,
}

/// One sort of evidence of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) id: String,
    pub(crate) role: Role,
    pub(crate) matcher: Matcher,
    pub(crate) says: Option<Phrase>,
    pub(crate) indirect: bool,
    pub(crate) at_most: Option<Confidence>,
    pub(crate) about: About,
    pub(crate) min_count: usize,
    pub(crate) min_distinct: Option<(Key, usize)>,
    pub(crate) links: Vec<Link>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Matcher {
    Present(ConditionId),
    Absent {
        condition: ConditionId,
        covered_by: ConditionId,
    },
}

/// Where an evidence finds what it is about.
#[derive(Debug, Clone)]
pub(crate) enum About {
    /// As the rule says.
    Rule,
    /// Elsewhere.
    Key(Key),
    /// It joins every finding of its scope.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    After,
    Before,
    Either,
}

/// A companion row that must or must not exist.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) direction: Direction,
    pub(crate) negated: bool,
    pub(crate) condition: ConditionId,
    pub(crate) by: Vec<Key>,
    pub(crate) within: Option<i64>,
}

/// One data-quality rule.
#[derive(Debug, Clone)]
pub(crate) struct QualityRule {
    pub(crate) id: String,
    /// The file it comes from.
    pub(crate) file: String,
    pub(crate) title: Phrase,
    pub(crate) severity: Severity,
    pub(crate) from: From,
    pub(crate) matcher: QualityMatcher,
    pub(crate) if_present: Option<QualityCondition>,
    /// Rows that have such a row near them do not count; timeline only.
    pub(crate) not_near: Option<Link>,
    pub(crate) per: Per,
    pub(crate) min_count: usize,
    pub(crate) min_distinct: Option<(String, usize)>,
    pub(crate) same: Vec<String>,
    pub(crate) summary: Phrase,
    pub(crate) what_is_lost: Phrase,
    pub(crate) ask_customer: Vec<Phrase>,
}

#[derive(Debug, Clone)]
pub(crate) enum QualityMatcher {
    Present(QualityCondition),
    Absent(QualityCondition),
}

/// Timeline conditions are shared with rules; inventory conditions stand alone.
#[derive(Debug, Clone)]
pub(crate) enum QualityCondition {
    Timeline(ConditionId),
    Inventory(Box<casetrace_timeline::Condition>),
}
