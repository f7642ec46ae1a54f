//! Packs of rules: read from files, checked, merged.

use std::collections::HashMap;

use casetrace_timeline::Condition;
use sha2::{Digest, Sha256};

use crate::attempts::{AttemptKind, Summaries};
use crate::case::Case;
use crate::compile::{At, Compiler};
use crate::error::RuleError;
use crate::expand::Names;
use crate::file::{RawFile, SCHEMA_VERSION};
use crate::rule::{ConditionId, QualityRule, Rule};

/// The rule files that come with the program: name under `pipelines/`, text.
pub(crate) const BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// Rules ready for evaluation.
#[derive(Debug, Clone, Default)]
pub struct RulePack {
    pub(crate) rules: Vec<Rule>,
    pub(crate) quality: Vec<QualityRule>,
    pub(crate) cases: Vec<Case>,
    pub(crate) attempts: Vec<AttemptKind>,
    pub(crate) summaries: Summaries,
    pub(crate) conditions: Conditions,
    pub(crate) names: Names,
    version: String,
}

/// A pack and the faults that were found on the way; faulty rules are left out, the others work.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// What could be used.
    pub pack: RulePack,
    /// What could not, in file order.
    pub errors: Vec<RuleError>,
}

/// Conditions of a pack; equal ones are evaluated once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    pub(crate) list: Vec<Condition>,
    index: HashMap<String, ConditionId>,
}

impl Conditions {
    pub(crate) fn add(&mut self, condition: Condition) -> ConditionId {
        let next = self.list.len();
        let id = *self.index.entry(condition.sql()).or_insert(next);
        if id == next {
            self.list.push(condition);
        }
        id
    }
}

impl RulePack {
    /// The pack that comes with the program.
    pub fn builtin() -> Loaded {
        Self::load(&[])
    }

    /// The built-in pack with `files` (name, text) on top: a rule or definition of a known name replaces it.
    pub fn load(files: &[(String, String)]) -> Loaded {
        Self::from_files(BUILTIN.iter().map(At::own).chain(files.iter().map(At::foreign)))
    }

    /// Only `files`; no built-in rule, but the built-in predicates and definitions.
    pub fn only(files: &[(String, String)]) -> Loaded {
        let predicates = BUILTIN.iter().filter(|(name, _)| *name == "predicates.toml");
        Self::from_files(predicates.map(At::own).chain(files.iter().map(At::foreign)))
    }

    /// The faults of one file, seen on top of the built-in pack.
    pub fn check(name: &str, text: &str) -> Vec<RuleError> {
        let loaded = Self::load(&[(name.to_owned(), text.to_owned())]);
        let mut errors = loaded.errors;
        errors.extend(loaded.pack.dangling().into_iter().filter(|e| e.file == name));
        errors.retain(|e| e.file == name);
        errors
    }

    /// `explains` entries that name no rule.
    pub fn dangling(&self) -> Vec<RuleError> {
        let known = |pattern: &str| self.rules.iter().any(|r| matches_id(pattern, &r.id));
        let of = |rule: &Rule| {
            rule.explains
                .iter()
                .filter(|p| !known(p))
                .map(|p| {
                    RuleError::whole(
                        &rule.file,
                        format!("`explains` names `{p}`, but there is no such rule."),
                    )
                    .item(&rule.id)
                })
                .collect::<Vec<_>>()
        };
        self.rules.iter().flat_map(of).collect()
    }

    fn from_files<'a>(files: impl Iterator<Item = At<'a>>) -> Loaded {
        let mut errors = Vec::new();
        let mut parsed = Vec::new();
        let mut hash = Sha256::new();
        for at in files {
            hash.update(at.text.as_bytes());
            match parse(at.file, at.text) {
                Ok(file) => parsed.push((at, file)),
                Err(error) => errors.push(*error),
            }
        }
        let mut compiler = Compiler::default();
        for (at, file) in &parsed {
            compiler.names(*at, file);
        }
        for (at, file) in parsed {
            compiler.file(at, file);
        }
        errors.extend(compiler.errors);
        let version = hash
            .finalize()
            .iter()
            .take(6)
            .map(|b| format!("{b:02x}"))
            .collect();
        Loaded {
            pack: Self {
                version,
                ..compiler.pack
            },
            errors,
        }
    }

    /// Fingerprint of the files.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// All rules in order of their files.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of that id, whatever the case.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|r| r.id.eq_ignore_ascii_case(id))
    }

    /// Ids of the data-quality rules.
    pub fn quality_ids(&self) -> impl Iterator<Item = &str> {
        self.quality.iter().map(|q| q.id.as_str())
    }
}

/// `PXY-01` or `PXY-*`.
pub(crate) fn matches_id(pattern: &str, id: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => id.starts_with(prefix),
        None => pattern == id,
    }
}

fn parse(name: &str, text: &str) -> Result<RawFile, Box<RuleError>> {
    let file: RawFile = toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        Box::new(RuleError::at(name, text, at, e.message().trim().to_owned()))
    })?;
    let version = *file.schema_version.get_ref();
    if version != SCHEMA_VERSION {
        let message = format!("This program reads schema_version {SCHEMA_VERSION}, not {version}.");
        return Err(Box::new(RuleError::at(
            name,
            text,
            file.schema_version.span().start,
            message,
        )));
    }
    Ok(file)
}
