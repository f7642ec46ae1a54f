//! Rules and their evidence.

use std::collections::HashSet;

use toml::Spanned;

use casetrace_timeline::ColumnId;

use super::{At, Checked, Compiler, WITHIN_NS, column, key, within};
use crate::error::RuleError;
use crate::file::{RawEvidence, RawLink, RawRule, RawStep};
use crate::rule::{About, Direction, Evidence, Link, Matcher, Phrase, Rule};
use crate::template::Key;
use crate::words::{Audience, Confidence, Localized, Phase, Role};

impl Compiler {
    pub(super) fn rule(
        &mut self,
        at: At<'_>,
        family: &str,
        phase: Option<Phase>,
        raw: RawRule,
    ) -> Checked<Rule> {
        let Some(phase) = raw.phase.or(phase) else {
            return Err(Box::new(
                at.fault(&raw.id, "No `phase`.")
                    .hint("set it in the rule, or for all rules at the head of the file"),
            ));
        };
        let within = within(at, raw.within.as_ref(), Some(WITHIN_NS))?;
        let evidence = raw
            .evidence
            .into_iter()
            .map(|e| self.evidence(at, within, e))
            .collect::<Checked<Vec<_>>>()?;
        check_evidence(at, &raw.id, &evidence)?;
        let phrase = |text: &Localized| phrase(at, &raw.id, text, &evidence);
        let steps = raw.next_steps.into_iter().map(step);
        let scope = match &raw.scope {
            None => ColumnId::of("host").into_iter().collect(),
            Some(names) => names.iter().map(|n| column(at, n)).collect::<Checked<_>>()?,
        };
        Ok(Rule {
            title_phrase: phrase(&raw.title)?,
            explanation: phrase(&raw.explanation)?,
            next_steps: steps
                .map(|(to, text)| Ok((to, phrase(&text)?)))
                .collect::<Checked<_>>()?,
            ask_customer: raw.ask_customer.iter().map(phrase).collect::<Checked<_>>()?,
            about: raw.about.as_ref().map(|a| key(at, a)).transpose()?,
            id: raw.id.get_ref().clone(),
            title: raw.title,
            family: family.to_owned(),
            phase,
            severity: raw.severity,
            at_most: raw.at_most.unwrap_or(Confidence::Proved),
            explains: raw.explains,
            false_positives: raw.false_positives,
            references: raw.references,
            file: at.file.to_owned(),
            subject: raw.subject,
            scope,
            within,
            context: raw.context,
            evidence,
        })
    }

    fn evidence(&mut self, at: At<'_>, rule_within: Option<i64>, raw: RawEvidence) -> Checked<Evidence> {
        let matcher = match (&raw.r#where, &raw.absent, &raw.covered_by) {
            (Some(sql), None, None) => Matcher::Present(self.condition(at, sql)?),
            (None, Some(sql), Some(cover)) => Matcher::Absent {
                condition: self.condition(at, sql)?,
                covered_by: self.condition(at, cover)?,
            },
            (None, Some(sql), None) => {
                let error = at.fault(sql, "`absent` needs `covered_by`.");
                return Err(Box::new(error.hint(
                    "a condition for rows that show the source was recording at that time",
                )));
            }
            _ => {
                return Err(at.fault(
                    &raw.id,
                    "Evidence has either `where`, or `absent` with `covered_by`.",
                ));
            }
        };
        let mut links = Vec::new();
        for (direction, negated, link) in [
            (Direction::After, false, raw.followed_by),
            (Direction::After, true, raw.not_followed_by),
            (Direction::Before, false, raw.preceded_by),
            (Direction::Before, true, raw.not_preceded_by),
            (Direction::Either, false, raw.near),
            (Direction::Either, true, raw.not_near),
        ] {
            if let Some(link) = link {
                links.push(self.link(at, rule_within, direction, negated, &link)?);
            }
        }
        if raw.indirect && raw.role != Role::Decisive {
            return Err(at.fault(&raw.id, "Only decisive evidence can be `indirect`."));
        }
        if raw.at_most.is_some() && raw.role != Role::Refuting {
            let error = at.fault(&raw.id, "Only refuting evidence can have `at_most`.");
            return Err(Box::new(
                error.hint("to limit a whole rule, set `at_most` in the rule"),
            ));
        }
        let about = match &raw.about {
            None => About::Rule,
            Some(text) if text.get_ref().is_empty() => About::Any,
            Some(text) => About::Key(key(at, text)?),
        };
        let distinct = raw
            .min_distinct
            .map(|d| Ok::<_, Box<RuleError>>((key(at, &d.of)?, d.count)))
            .transpose()?;
        Ok(Evidence {
            says: raw
                .says
                .as_ref()
                .map(|text| phrase(at, &raw.id, text, &[]))
                .transpose()?,
            id: raw.id.into_inner(),
            role: raw.role,
            matcher,
            indirect: raw.indirect,
            at_most: raw.at_most,
            about,
            min_count: raw.min_count.unwrap_or(1),
            min_distinct: distinct,
            links,
        })
    }

    pub(super) fn link(
        &mut self,
        at: At<'_>,
        rule: Option<i64>,
        direction: Direction,
        negated: bool,
        raw: &RawLink,
    ) -> Checked<Link> {
        let mut by = raw.by.iter().map(|b| key(at, b)).collect::<Checked<Vec<_>>>()?;
        // Flow and record numbers are counted per artifact.
        let local = |k: &Key| matches!(k, Key::Column(c) if matches!(c.name(), "flow_id" | "record"));
        if by.iter().any(local) {
            by.extend(ColumnId::of("artifact").map(Key::Column));
        }
        let condition = self.condition(at, &raw.r#where)?;
        Ok(Link {
            direction,
            negated,
            condition,
            by,
            within: within(at, raw.within.as_ref(), rule)?,
        })
    }
}

fn step(raw: RawStep) -> (Option<Audience>, Localized) {
    match raw {
        RawStep::One(en) => (None, Localized { en, ja: None }),
        RawStep::For { to, en, ja } => (to, Localized { en, ja }),
    }
}

/// Parses a text and checks its placeholders.
fn phrase(at: At<'_>, item: &Spanned<String>, text: &Localized, evidence: &[Evidence]) -> Checked<Phrase> {
    let phrase = Phrase::parse(text).map_err(|e| at.fault(item, format!("In a text: {e}.")))?;
    let known = |hole: &str| {
        let rest = match hole.split_once('.') {
            Some((id, rest)) if evidence.iter().any(|e| e.id == id) => rest,
            _ => hole,
        };
        matches!(rest, "subject" | "count" | "first_ts" | "last_ts") || Key::parse(rest).is_some()
    };
    match phrase.holes().into_iter().find(|hole| !known(hole)) {
        Some(hole) => {
            let error = at.fault(item, format!("In a text: nothing is called `{{{hole}}}`."));
            Err(Box::new(error.hint(
                "a column, fields.X, subject, count, first_ts, last_ts, or evidence-id.column",
            )))
        }
        None => Ok(phrase),
    }
}

fn check_evidence(at: At<'_>, id: &Spanned<String>, evidence: &[Evidence]) -> Checked<()> {
    let anchors = |e: &&Evidence| {
        matches!(e.role, Role::Decisive | Role::Supporting | Role::Weak)
            && matches!(e.matcher, Matcher::Present(_))
    };
    if evidence.iter().find(anchors).is_none() {
        let error = at.fault(id, "Nothing can make this rule fire.");
        return Err(Box::new(error.hint(
            "add [[rule.evidence]] with role decisive, supporting or weak, and `where`",
        )));
    }
    let mut seen = HashSet::new();
    match evidence.iter().find(|e| !seen.insert(&e.id)) {
        Some(twice) => Err(at.fault(id, format!("The evidence id `{}` occurs twice.", twice.id))),
        None => Ok(()),
    }
}
