//! From the shape of a file to checked rules; every fault with its place.

mod attempt;
mod quality;
mod rule;

use std::collections::HashSet;

use casetrace_timeline::{ColumnId, Condition, SqlError, parse_expression};
use toml::Spanned;

use crate::case::Case;
use crate::error::RuleError;
use crate::expand::Predicate;
use crate::file::{RawFile, duration};
use crate::pack::RulePack;
use crate::rule::ConditionId;
use crate::template::Key;
use attempt::summaries;

/// Default of `within`.
const WITHIN_NS: i64 = 600_000_000_000;

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
