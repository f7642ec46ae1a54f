//! `rules test`: small timelines written in the rule files, with what must come out.

use std::collections::BTreeMap;

use casetrace_model::time::from_rfc3339;
use casetrace_model::{COLUMNS, ColumnType, Value};
use casetrace_timeline::{Alone, Timeline, TimelineBuilder, side_by_side};

use crate::compile::At;
use crate::engine::Context;
use crate::error::RuleError;
use crate::file::{Expected, RawCase};
use crate::findings::{Finding, Findings};
use crate::pack::{RulePack, matches_id};
use crate::quality::InventoryMember;
use crate::words::{Confidence, Severity, Status};

/// Day of times that are given without one.
const DAY: &str = "2026-01-01";

/// One cell of a case's row.
#[derive(Debug, Clone)]
enum Cell {
    Text(String),
    Unsigned(u64),
    Signed(i64),
}

/// One checked case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    name: String,
    file: String,
    expect: BTreeMap<String, Expected>,
    first: Option<String>,
    only: bool,
    rows: Vec<BTreeMap<&'static str, Cell>>,
    members: Vec<InventoryMember>,
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// File of the case.
    pub file: String,
    /// Name of the case.
    pub name: String,
    /// What was not as expected; empty if all was.
    pub failures: Vec<String>,
}

impl Case {
    pub(crate) fn compile(at: At<'_>, raw: RawCase) -> Result<Self, Box<RuleError>> {
        let mut rows = Vec::with_capacity(raw.rows.len());
        for (i, table) in raw.rows.iter().enumerate() {
            rows.push(row(i, table.get_ref()).map_err(|message| at.fault(table, message))?);
        }
        let members = raw.inventory.into_iter().map(|m| InventoryMember {
            codes: m
                .codes
                .split(',')
                .map(|c| c.trim().to_owned())
                .filter(|c| !c.is_empty())
                .collect(),
            path: m.path,
            kind: m.kind,
            encoding: m.encoding,
            outcome: m.outcome,
            size: m.size,
            sha256: m.sha256,
            rows: m.rows,
            clock_offset_s: m.clock_offset_s,
            clock_reference: m.clock_reference,
            clock_pairs: m.clock_pairs,
            clock_basis: m.clock_basis,
        });
        Ok(Self {
            name: raw.name.into_inner(),
            file: at.file.to_owned(),
            expect: raw.expect,
            first: raw.first,
            only: raw.only,
            rows,
            members: members.collect(),
        })
    }

    fn timeline(&self) -> Timeline {
        let mut builder = TimelineBuilder::new();
        for row in &self.rows {
            builder.push_values(COLUMNS.iter().skip(1).map(|column| match row.get(column.name) {
                Some(Cell::Text(text)) => Value::Str(text),
                Some(Cell::Unsigned(number)) => Value::U64(*number),
                Some(Cell::Signed(number)) => Value::I64(*number),
                None => Value::Null,
            }));
        }
        builder.finish()
    }

    fn run(&self, pack: &RulePack) -> CaseResult {
        let context = Context {
            members: &self.members,
            ..Context::default()
        };
        let findings = pack.evaluate(&self.timeline(), &context);
        let mut failures: Vec<String> = findings.rule_errors.iter().map(ToString::to_string).collect();
        failures.extend(
            self.expect
                .iter()
                .filter_map(|(id, expected)| unmet(&findings, id, *expected)),
        );
        if let Some(first) = &self.first {
            let rank_one = findings
                .findings
                .iter()
                .find(|f| f.rank == Some(1))
                .map(|f| f.rule_id.as_str());
            if rank_one != Some(first) {
                failures.push(format!(
                    "{first} should be first, but {} is",
                    rank_one.unwrap_or("nothing")
                ));
            }
        }
        if self.only {
            failures.extend(
                findings
                    .findings
                    .iter()
                    .filter(|f| self.surplus(f))
                    .map(|f| format!("unexpected: {}", shown(f))),
            );
        }
        CaseResult {
            file: self.file.clone(),
            name: self.name.clone(),
            failures,
        }
    }

    fn is_about(&self, rule: &str) -> bool {
        let rule = rule.to_ascii_uppercase();
        self.expect
            .keys()
            .chain(&self.first)
            .any(|id| matches_id(&rule, id))
    }

    fn surplus(&self, f: &Finding) -> bool {
        let counts =
            f.status == Status::Active && f.confidence <= Confidence::Likely && f.severity != Severity::Info;
        counts && !self.expect.contains_key(&f.rule_id)
    }
}

fn shown(f: &Finding) -> String {
    let about = f
        .subject
        .as_deref()
        .map(|s| format!(" about {s}"))
        .unwrap_or_default();
    format!("{} {} {}{about}", f.rule_id, f.status, f.confidence)
}

/// What is wrong with the findings of one id.
fn unmet(findings: &Findings, id: &str, expected: Expected) -> Option<String> {
    let of_id: Vec<&Finding> = findings.findings.iter().filter(|f| f.rule_id == id).collect();
    let has = |status: Status| of_id.iter().any(|f| f.status == status);
    let best = of_id
        .iter()
        .filter(|f| f.status == Status::Active)
        .map(|f| f.confidence)
        .min();
    let quality = findings.data_quality.iter().any(|q| q.id == id);
    let met = match expected {
        Expected::Proved => best == Some(Confidence::Proved),
        Expected::Likely => best == Some(Confidence::Likely),
        Expected::Possible => best == Some(Confidence::Possible),
        Expected::Refuted => has(Status::Refuted) && best.is_none(),
        Expected::Resolved => has(Status::Resolved) && best.is_none(),
        Expected::Consequence => of_id
            .iter()
            .any(|f| f.status == Status::Active && !f.consequence_of.is_empty()),
        Expected::Fires => quality,
        Expected::Nothing => of_id.is_empty() && !quality,
    };
    let got: Vec<String> = of_id.iter().map(|f| shown(f)).collect();
    let got = if got.is_empty() {
        "nothing".to_owned()
    } else {
        got.join("; ")
    };
    (!met).then(|| {
        format!("{id} should be {expected:?}, but there is {got}")
            .to_lowercase()
            .replacen(&id.to_lowercase(), id, 1)
    })
}

impl RulePack {
    /// Runs the cases of all files, on all cores.
    pub fn test(&self) -> Vec<CaseResult> {
        self.test_of(&[])
    }

    /// Runs the cases that expect something of one of these rules (`PXY-01`, or a family: `PXY-*`), or all if none is given.
    pub fn test_of(&self, rules: &[String]) -> Vec<CaseResult> {
        let asked = |case: &&Case| rules.is_empty() || rules.iter().any(|rule| case.is_about(rule));
        side_by_side(self.cases.iter().filter(asked).collect(), |case| {
            // A case has a handful of rows; handing them to other threads costs more than they do.
            let _alone = Alone::begin();
            case.run(self)
        })
    }

    /// Rules without a case that must fire, or without one that must not.
    pub fn untested(&self) -> Vec<(String, &'static str)> {
        let mut out = Vec::new();
        let ids = self
            .rules
            .iter()
            .map(|r| &r.id)
            .chain(self.quality.iter().map(|q| &q.id));
        for id in ids {
            let expected = |wanted: &dyn Fn(Expected) -> bool| {
                self.cases
                    .iter()
                    .filter_map(|c| c.expect.get(id))
                    .any(|e| wanted(*e))
            };
            if !expected(&|e| !matches!(e, Expected::Nothing | Expected::Refuted)) {
                out.push((id.clone(), "no case in which it fires"));
            }
            if !expected(&|e| matches!(e, Expected::Nothing | Expected::Refuted)) {
                out.push((id.clone(), "no near miss"));
            }
        }
        out
    }
}

/// Checks one row and adds the defaults.
fn row(number: usize, table: &toml::Table) -> Result<BTreeMap<&'static str, Cell>, String> {
    let mut cells = BTreeMap::new();
    for (name, value) in table {
        let Some(column) = COLUMNS.iter().find(|c| c.name == name) else {
            return Err(format!(
                "There is no column `{name}`; members of `fields` go into fields = {{ … }}."
            ));
        };
        let (name, cell) = match (column.name, column.ty, value) {
            ("ts", _, toml::Value::String(text)) => ("ts_ns", Cell::Signed(time(text)?)),
            ("ts", ..) => return Err("`ts` is a text: \"10:00:00\" or RFC 3339.".to_owned()),
            ("fields", _, toml::Value::Table(members)) => (
                "fields",
                Cell::Text(serde_json::to_string(members).map_err(|e| format!("`fields`: {e}."))?),
            ),
            (name, ColumnType::Str, toml::Value::String(text)) => (name, Cell::Text(text.clone())),
            (name, ColumnType::I64, toml::Value::Integer(n)) => (name, Cell::Signed(*n)),
            (
                name,
                ColumnType::U8 | ColumnType::U16 | ColumnType::U32 | ColumnType::U64,
                toml::Value::Integer(n),
            ) => (
                name,
                Cell::Unsigned(u64::try_from(*n).map_err(|_| format!("`{name}` can't be negative."))?),
            ),
            (name, ty, _) => return Err(format!("`{name}` is of type {}.", ty.name())),
        };
        cells.insert(name, cell);
    }
    let Some(Cell::Text(kind)) = cells.get("kind").cloned() else {
        return Err("A row needs a `kind`.".to_owned());
    };
    let timed = if cells.contains_key("ts_ns") {
        "exact"
    } else {
        "none"
    };
    let source = match cells.get("source") {
        Some(Cell::Text(source)) => source.clone(),
        _ => default_source(&kind).to_owned(),
    };
    let defaults = [
        ("ts_source", Cell::Text(timed.to_owned())),
        (
            "artifact",
            Cell::Text(default_artifact(&kind, &source).to_owned()),
        ),
        ("source", Cell::Text(source)),
        ("record", Cell::Unsigned(number as u64 + 1)),
        ("fields", Cell::Text("{}".to_owned())),
    ];
    for (name, cell) in defaults {
        cells.entry(name).or_insert(cell);
    }
    Ok(cells)
}

fn time(text: &str) -> Result<i64, String> {
    let full = if text.contains('T') {
        text.to_owned()
    } else {
        format!("{DAY}T{text}Z")
    };
    from_rfc3339(&full).ok_or_else(|| format!("`{text}` is no time; write \"10:00:00\" or RFC 3339."))
}

fn default_source(kind: &str) -> &'static str {
    match kind.split('.').next().unwrap_or(kind) {
        "event" => "evtx",
        "registry" => "registry",
        "signin" => "signin",
        "dsregcmd" | "cli" | "config" | "log" | "text" => "text",
        _ => "pcap",
    }
}

fn default_artifact(kind: &str, source: &str) -> &'static str {
    match (kind.split('.').next().unwrap_or(kind), source) {
        ("dsregcmd", _) => "dsregcmd.txt",
        ("cli", _) => "cli.log",
        ("config", _) => "settings.txt",
        (_, "evtx") => "events.evtx",
        (_, "etl") => "trace.etl",
        (_, "saz") => "session.saz",
        (_, "registry") => "registry.txt",
        (_, "signin") => "signin.csv",
        (_, "pcap") => "trace.pcap",
        _ => "log.txt",
    }
}
