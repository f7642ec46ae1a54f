//! From the shape of a file to checked rules; every fault with its place.

use std::collections::HashSet;

use casetrace_timeline::{COLUMNS, ColumnId, Condition, SqlError, parse_expression};
use toml::Spanned;

use crate::attempts::{AttemptKind, AttemptRole, Step, Summaries};
use crate::case::Case;
use crate::error::RuleError;
use crate::expand::Predicate;
use crate::file::{
    From, Order, RawAttempt, RawEvidence, RawFile, RawLink, RawQuality, RawRule, RawStep, RawSummaries,
    duration,
};
use crate::pack::RulePack;
use crate::quality::INVENTORY_COLUMNS;
use crate::rule::{
    About, ConditionId, Direction, Evidence, Link, Matcher, Phrase, QualityCondition, QualityMatcher,
    QualityRule, Rule,
};
use crate::template::Key;
use crate::words::{Confidence, Localized, Phase, Role};

/// Default of `within`.
const WITHIN_NS: i64 = 600_000_000_000;
/// Default of an attempt's `gap`.
const GAP_NS: i64 = 120_000_000_000;
/// Default of an attempt's `slack`.
const SLACK_NS: i64 = 15_000_000_000;

#[derive(Default)]
pub(crate) struct Compiler {
    pub(crate) pack: RulePack,
    pub(crate) errors: Vec<RuleError>,
}

/// The file that is being compiled.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    /// It comes with the program. Its conditions are tested with the program, so polars needn't look at each at every start.
    tested: bool,
}

type Checked<T> = Result<T, Box<RuleError>>;

impl<'a> At<'a> {
    /// A file that comes with the program.
    pub(crate) fn own((file, text): &(&'a str, &'a str)) -> Self {
        Self {
            file,
            text,
            tested: true,
        }
    }

    /// Somebody's file.
    pub(crate) fn foreign((file, text): &'a (String, String)) -> Self {
        Self {
            file,
            text,
            tested: false,
        }
    }

    fn checked(&self, condition: Condition) -> Result<Condition, SqlError> {
        if !self.tested {
            condition.check()?;
        }
        Ok(condition)
    }

    pub(crate) fn fault<T>(&self, at: &Spanned<T>, message: impl Into<String>) -> Box<RuleError> {
        Box::new(RuleError::at(self.file, self.text, at.span().start, message))
    }
}

impl Compiler {
    /// Collects definitions and predicates; the later file wins.
    pub(crate) fn names(&mut self, at: At<'_>, raw: &RawFile) {
        self.pack.names.define.extend(raw.define.clone());
        for predicate in &raw.predicate {
            match parse_expression(predicate.r#where.get_ref()) {
                Ok(tree) => {
                    let made = Predicate {
                        params: predicate.params.clone(),
                        doc: predicate.doc.clone(),
                        tree,
                    };
                    self.pack
                        .names
                        .predicates
                        .insert(predicate.name.get_ref().clone(), made);
                }
                Err(error) => {
                    let error = RuleError::in_sql(at.file, at.text, predicate.r#where.span(), &error);
                    self.errors.push(error.item(predicate.name.get_ref()));
                }
            }
        }
    }

    /// Compiles everything else; all names are known by now.
    pub(crate) fn file(&mut self, at: At<'_>, raw: RawFile) {
        for predicate in raw.predicate.iter().filter(|_| !at.tested) {
            let Some(known) = self.pack.names.predicates.get(predicate.name.get_ref()) else {
                continue;
            };
            if let Err(error) = self.pack.names.check_predicate(known) {
                let error = RuleError::in_sql(at.file, at.text, predicate.r#where.span(), &error);
                self.errors.push(error.item(predicate.name.get_ref()));
            }
        }
        let family = raw.family.unwrap_or_else(|| file_stem(at.file));
        let mut seen = HashSet::new();
        for rule in raw.rule {
            let id = rule.id.get_ref().clone();
            if !seen.insert(id.clone()) {
                self.errors
                    .push(at.fault(&rule.id, "This id occurs twice in the file.").item(&id));
                continue;
            }
            match self.rule(at, &family, raw.phase, rule) {
                Ok(rule) => replace(&mut self.pack.rules, rule, |r| &r.id),
                Err(error) => self.errors.push(error.item(&id)),
            }
        }
        for quality in raw.quality {
            let id = quality.id.get_ref().clone();
            match self.quality(at, quality) {
                Ok(rule) => replace(&mut self.pack.quality, rule, |q| &q.id),
                Err(error) => self.errors.push(error.item(&id)),
            }
        }
        for attempt in raw.attempt {
            let kind = attempt.kind.get_ref().clone();
            match self.attempt(at, attempt) {
                Ok(attempt) => replace(&mut self.pack.attempts, attempt, |a| &a.kind),
                Err(error) => self.errors.push(error.item(&kind)),
            }
        }
        if let Some(raw) = raw.attempt_summary {
            match summaries(at, &raw) {
                Ok(summaries) => self.pack.summaries = summaries,
                Err(error) => self.errors.push(*error),
            }
        }
        for case in raw.case {
            let name = case.name.get_ref().clone();
            match Case::compile(at, case) {
                Ok(case) => self.pack.cases.push(case),
                Err(error) => self.errors.push(error.item(&format!("case \"{name}\""))),
            }
        }
    }

    fn condition(&mut self, at: At<'_>, sql: &Spanned<String>) -> Checked<ConditionId> {
        match self
            .pack
            .names
            .condition(sql.get_ref())
            .and_then(|c| at.checked(c))
        {
            Ok(condition) => Ok(self.pack.conditions.add(condition)),
            Err(error) => Err(Box::new(RuleError::in_sql(at.file, at.text, sql.span(), &error))),
        }
    }

    fn rule(&mut self, at: At<'_>, family: &str, phase: Option<Phase>, raw: RawRule) -> Checked<Rule> {
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

    fn link(
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

    fn attempt(&mut self, at: At<'_>, raw: RawAttempt) -> Checked<AttemptKind> {
        if raw.step.is_empty() {
            return Err(at.fault(&raw.kind, "An attempt needs at least one [[attempt.step]]."));
        }
        let steps = raw.step.iter().map(|step| {
            Ok(Step {
                id: step.id.get_ref().clone(),
                role: step.role,
                condition: self.condition(at, &step.r#where)?,
                outcome: step.outcome,
            })
        });
        let steps = steps.collect::<Checked<Vec<_>>>()?;
        if let Some(seen) = raw.step.iter().find(|s| s.role == AttemptRole::Seen) {
            return Err(at.fault(&seen.id, "A step is `start`, `step` or `end`."));
        }
        Ok(AttemptKind {
            near: raw.near.as_ref().map(|sql| self.condition(at, sql)).transpose()?,
            gap: within(at, raw.gap.as_ref(), Some(GAP_NS))?,
            slack: within(at, raw.slack.as_ref(), Some(SLACK_NS))?.unwrap_or(SLACK_NS),
            by: raw
                .by
                .iter()
                .map(|name| column(at, name))
                .collect::<Checked<_>>()?,
            kind: raw.kind.into_inner(),
            title: raw.title,
            context: raw.context,
            weak: raw.weak,
            several_ids: raw.several_ids,
            by_record: raw.order == Order::Record,
            steps,
            file: at.file.to_owned(),
        })
    }

    fn quality(&mut self, at: At<'_>, raw: RawQuality) -> Checked<QualityRule> {
        let matcher = match (&raw.r#where, &raw.absent) {
            (Some(sql), None) => QualityMatcher::Present(self.quality_condition(at, raw.from, sql)?),
            (None, Some(sql)) => QualityMatcher::Absent(self.quality_condition(at, raw.from, sql)?),
            _ => return Err(at.fault(&raw.id, "A quality rule has either `where` or `absent`.")),
        };
        let columns: Vec<&str> = match raw.from {
            From::Timeline => COLUMNS.iter().map(|c| c.name).collect(),
            From::Inventory => INVENTORY_COLUMNS.to_vec(),
        };
        let column = |name: &Spanned<String>| match columns.contains(&name.get_ref().as_str()) {
            true => Ok(name.get_ref().clone()),
            false => Err(at.fault(name, format!("There is no column `{}`.", name.get_ref()))),
        };
        let phrase = |text: &Localized| {
            let phrase = Phrase::parse(text).map_err(|e| at.fault(&raw.id, format!("In a text: {e}.")))?;
            match phrase
                .holes()
                .iter()
                .find(|h| **h != "count" && !h.starts_with("fields.") && !columns.contains(h))
            {
                Some(hole) => Err(at.fault(&raw.id, format!("In a text: there is no column `{hole}`."))),
                None => Ok(phrase),
            }
        };
        let not_near = match (&raw.not_near, raw.from) {
            (None, _) => None,
            (Some(link), From::Timeline) => {
                Some(self.link(at, Some(WITHIN_NS), Direction::Either, true, link)?)
            }
            (Some(link), From::Inventory) => {
                return Err(at.fault(&link.r#where, "Members of the inventory are not near each other."));
            }
        };
        Ok(QualityRule {
            not_near,
            file: at.file.to_owned(),
            title: phrase(&raw.title)?,
            summary: phrase(&raw.summary)?,
            what_is_lost: phrase(&raw.what_is_lost)?,
            ask_customer: raw.ask_customer.iter().map(phrase).collect::<Checked<_>>()?,
            if_present: raw
                .if_present
                .as_ref()
                .map(|sql| self.quality_condition(at, raw.from, sql))
                .transpose()?,
            min_distinct: raw
                .min_distinct
                .map(|d| Ok::<_, Box<RuleError>>((column(&d.of)?, d.count)))
                .transpose()?,
            same: raw.same.iter().map(column).collect::<Checked<_>>()?,
            min_count: raw.min_count.unwrap_or(1),
            id: raw.id.into_inner(),
            severity: raw.severity,
            from: raw.from,
            per: raw.per,
            matcher,
        })
    }

    fn quality_condition(
        &mut self,
        at: At<'_>,
        from: From,
        sql: &Spanned<String>,
    ) -> Checked<QualityCondition> {
        match from {
            From::Timeline => Ok(QualityCondition::Timeline(self.condition(at, sql)?)),
            From::Inventory => match self
                .pack
                .names
                .condition_for(sql.get_ref(), INVENTORY_COLUMNS)
                .and_then(|c| at.checked(c))
            {
                Ok(condition) => Ok(QualityCondition::Inventory(Box::new(condition))),
                Err(error) => Err(Box::new(RuleError::in_sql(at.file, at.text, sql.span(), &error))),
            },
        }
    }
}

fn file_stem(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".toml").unwrap_or(name).to_owned()
}

/// Puts `item` in the place of one with the same id, else at the end.
fn replace<T>(list: &mut Vec<T>, item: T, id: impl Fn(&T) -> &String) {
    match list.iter_mut().find(|old| id(old) == id(&item)) {
        Some(old) => *old = item,
        None => list.push(item),
    }
}

fn step(raw: RawStep) -> (Option<crate::words::Audience>, Localized) {
    match raw {
        RawStep::One(en) => (None, Localized { en, ja: None }),
        RawStep::For { to, en, ja } => (to, Localized { en, ja }),
    }
}

fn within(at: At<'_>, raw: Option<&Spanned<String>>, default: Option<i64>) -> Checked<Option<i64>> {
    match raw {
        None => Ok(default),
        Some(text) => duration(text.get_ref()).map_err(|e| at.fault(text, format!("{e}."))),
    }
}

fn key(at: At<'_>, text: &Spanned<String>) -> Checked<Key> {
    Key::parse(text.get_ref()).ok_or_else(|| {
        let error = at.fault(text, format!("There is no column `{}`.", text.get_ref()));
        Box::new(error.hint("a column of `casetrace schema`, or fields.X"))
    })
}

fn column(at: At<'_>, text: &Spanned<String>) -> Checked<ColumnId> {
    ColumnId::of(text.get_ref())
        .ok_or_else(|| at.fault(text, format!("There is no column `{}`.", text.get_ref())))
}

/// Placeholders of an attempt's summary.
const ATTEMPT_HOLES: &[&str] = &["title", "user", "host", "duration", "error_code", "error_symbol"];

fn summaries(at: At<'_>, raw: &Spanned<RawSummaries>) -> Checked<Summaries> {
    let phrase = |text: &Localized| {
        let phrase = Phrase::parse(text).map_err(|e| at.fault(raw, format!("In a text: {e}.")))?;
        match phrase.holes().iter().find(|hole| !ATTEMPT_HOLES.contains(hole)) {
            Some(hole) => Err(at.fault(raw, format!("In a text: nothing is called `{{{hole}}}`."))),
            None => Ok(phrase),
        }
    };
    let texts = raw.get_ref();
    Ok(Summaries {
        success: phrase(&texts.success)?,
        failure: phrase(&texts.failure)?,
        unknown: phrase(&texts.unknown)?,
    })
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
