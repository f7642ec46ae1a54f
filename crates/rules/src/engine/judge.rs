//! From the rows of a group to a verdict: which evidence counts, how sure that makes us, and whether it still matters.

use std::collections::HashSet;

use casetrace_model::Text;
use casetrace_timeline::{Cells, ColumnId, Timeline, read_members};

use crate::engine::groups::{Group, scope_fits};
use crate::rule::{Evidence, Matcher, Rule};
use crate::source::{SourceKind, kind_of};
use crate::words::{Confidence, Role, Status};

/// Rows of one evidence that are compared for independence.
const MAX_COMPARED: usize = 64;

/// What a group comes to.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) confidence: Confidence,
    pub(crate) status: Status,
    /// Rows that count, by evidence number.
    pub(crate) counted: Vec<Vec<u32>>,
    /// For absences: the watching rows at both ends, by evidence number.
    pub(crate) absent: Vec<Option<(u32, u32)>>,
    pub(crate) resolved_ns: Option<i64>,
}

/// One fact for the count of independent facts.
struct Fact {
    /// Number of its evidence in the rule.
    evidence: usize,
    source: SourceKind,
    /// Ids that say it is the same failure as another.
    ids: Vec<String>,
}

pub(crate) struct Judge<'a> {
    pub(crate) timeline: &'a Timeline,
    pub(crate) rule: &'a Rule,
    /// Rows of every condition of the pack.
    pub(crate) rows: &'a [Vec<u32>],
}

impl Judge<'_> {
    /// `None` if the evidence is too little to speak of.
    pub(crate) fn judge(&self, group: &Group) -> Option<Verdict> {
        let anchors = self.anchors(group);
        let near = |row: u32| self.near(&anchors, row);
        let last_failure = anchors.iter().filter_map(|r| self.timeline.ts_ns(*r)).max();
        let mut counted: Vec<Vec<u32>> = Vec::with_capacity(group.rows.len());
        for (evidence, rows) in self.rule.evidence.iter().zip(&group.rows) {
            let rows: Vec<u32> = match evidence.role {
                Role::Resolving => rows
                    .iter()
                    .copied()
                    .filter(|r| self.is_later(*r, last_failure))
                    .collect(),
                _ => rows.iter().copied().filter(|r| near(*r)).collect(),
            };
            counted.push(if self.enough(evidence, &rows) {
                rows
            } else {
                Vec::new()
            });
        }
        let absent = self
            .rule
            .evidence
            .iter()
            .map(|e| self.absence(e, &anchors))
            .collect::<Vec<_>>();
        let confidence = self.confidence(&counted, &absent)?.max(self.limit(&counted));
        let resolved_ns = self
            .of_role(&counted, Role::Resolving)
            .filter_map(|r| self.timeline.ts_ns(r))
            .min();
        let refuted = self
            .rule
            .evidence
            .iter()
            .zip(&counted)
            .zip(&absent)
            .any(|((e, rows), absent)| {
                e.role == Role::Refuting && e.at_most.is_none() && (!rows.is_empty() || absent.is_some())
            });
        let status = match (refuted, resolved_ns) {
            (true, _) => Status::Refuted,
            (false, Some(_)) => Status::Resolved,
            (false, None) => Status::Active,
        };
        Some(Verdict {
            confidence,
            status,
            counted,
            absent,
            resolved_ns,
        })
    }

    fn of_role<'r>(&self, counted: &'r [Vec<u32>], role: Role) -> impl Iterator<Item = u32> + use<'r, '_> {
        self.rule
            .evidence
            .iter()
            .zip(counted)
            .filter(move |(e, _)| e.role == role)
            .flat_map(|(_, rows)| rows.iter().copied())
    }

    /// The rows that time is measured from: decisive ones, else supporting, else weak.
    fn anchors(&self, group: &Group) -> Vec<u32> {
        for role in [Role::Decisive, Role::Supporting, Role::Weak] {
            let mut rows: Vec<u32> = self
                .rule
                .evidence
                .iter()
                .zip(&group.rows)
                .filter(|(e, rows)| e.role == role && self.enough(e, rows))
                .flat_map(|(_, rows)| rows.iter().copied())
                .collect();
            if !rows.is_empty() {
                rows.sort_unstable();
                return rows;
            }
        }
        Vec::new()
    }

    fn near(&self, anchors: &[u32], row: u32) -> bool {
        let (Some(limit), Some(ts)) = (self.rule.within, self.timeline.ts_ns(row)) else {
            return true;
        };
        let at = anchors.partition_point(|a| *a < row);
        let neighbours = [at.checked_sub(1).and_then(|i| anchors.get(i)), anchors.get(at)];
        // Rows without time are last, and near to everything.
        let untimed = anchors.last().is_some_and(|a| self.timeline.ts_ns(*a).is_none());
        let close = |a: &u32| {
            self.timeline
                .ts_ns(*a)
                .is_some_and(|t| t.abs_diff(ts) <= limit.unsigned_abs())
        };
        untimed || neighbours.into_iter().flatten().any(close)
    }

    fn is_later(&self, row: u32, last_failure: Option<i64>) -> bool {
        matches!((self.timeline.ts_ns(row), last_failure), (Some(ts), Some(last)) if ts > last)
    }

    fn enough(&self, evidence: &Evidence, rows: &[u32]) -> bool {
        if rows.len() < evidence.min_count {
            return false;
        }
        let Some((key, count)) = &evidence.min_distinct else {
            return true;
        };
        let mut seen = HashSet::new();
        let mut cells = Cells::new(self.timeline);
        for row in rows {
            seen.extend(key.comparable(&mut cells, *row));
            if seen.len() >= *count {
                return true;
            }
        }
        *count == 0
    }

    /// The watching rows around the anchors, if nothing was seen although somebody watched.
    fn absence(&self, evidence: &Evidence, anchors: &[u32]) -> Option<(u32, u32)> {
        let Matcher::Absent {
            condition,
            covered_by,
        } = evidence.matcher
        else {
            return None;
        };
        let times: Vec<i64> = anchors.iter().filter_map(|r| self.timeline.ts_ns(*r)).collect();
        let (first, last) = (*times.iter().min()?, *times.iter().max()?);
        let known: Vec<u32> = anchors.iter().copied().take(MAX_COMPARED).collect();
        let fits = |row: &u32| scope_fits(self.timeline, self.rule, &known, *row);
        let seen = self.rows.get(condition)?;
        if seen.iter().filter(|r| fits(r)).any(|r| self.near(anchors, *r)) {
            return None;
        }
        let watching = self.rows.get(covered_by)?;
        let at = |row: &u32| self.timeline.ts_ns(*row);
        let before = watching
            .iter()
            .filter(|r| fits(r))
            .find(|r| at(r).is_some_and(|t| t <= first))?;
        let after = watching
            .iter()
            .rev()
            .filter(|r| fits(r))
            .find(|r| at(r).is_some_and(|t| t >= last))?;
        Some((*before, *after))
    }

    /// The surest the finding may be, by the rule and by limiting evidence.
    fn limit(&self, counted: &[Vec<u32>]) -> Confidence {
        let limits = self
            .rule
            .evidence
            .iter()
            .zip(counted)
            .filter(|(_, rows)| !rows.is_empty());
        limits
            .filter_map(|(e, _)| e.at_most)
            .fold(self.rule.at_most, Confidence::max)
    }

    fn confidence(&self, counted: &[Vec<u32>], absent: &[Option<(u32, u32)>]) -> Option<Confidence> {
        let has = |wanted: &dyn Fn(&Evidence) -> bool| {
            self.rule
                .evidence
                .iter()
                .zip(counted)
                .any(|(e, rows)| wanted(e) && !rows.is_empty())
        };
        if has(&|e| e.role == Role::Decisive && !e.indirect) {
            return Some(Confidence::Proved);
        }
        let indirect = self.facts(counted, absent, &|e| e.role == Role::Decisive);
        let supporting = self.facts(counted, absent, &|e| e.role == Role::Supporting);
        // An absence alone is no row that could make a finding.
        let rows_support = has(&|e| e.role == Role::Supporting);
        if has(&|e| e.role == Role::Decisive) {
            let company = indirect
                .iter()
                .chain(&supporting)
                .any(|b| indirect.iter().any(|a| independent(a, b)));
            return Some(if company {
                Confidence::Proved
            } else {
                Confidence::Likely
            });
        }
        if rows_support {
            let company = supporting
                .iter()
                .enumerate()
                .any(|(i, a)| supporting.iter().skip(i + 1).any(|b| independent(a, b)));
            return Some(if company {
                Confidence::Likely
            } else {
                Confidence::Possible
            });
        }
        let weak = self.facts(counted, absent, &|e| e.role == Role::Weak);
        let several = weak.iter().enumerate().any(|(i, a)| {
            weak.iter()
                .skip(i + 1)
                .any(|b| a.evidence != b.evidence && !same_failure(a, b))
        });
        (has(&|e| e.role == Role::Weak) && several).then_some(Confidence::Possible)
    }

    fn facts(
        &self,
        counted: &[Vec<u32>],
        absent: &[Option<(u32, u32)>],
        wanted: &dyn Fn(&Evidence) -> bool,
    ) -> Vec<Fact> {
        // One fact for each source kind and id set is enough to compare.
        let mut seen = HashSet::new();
        let mut facts = Vec::new();
        for (number, ((evidence, rows), absent)) in
            self.rule.evidence.iter().zip(counted).zip(absent).enumerate()
        {
            if !wanted(evidence) {
                continue;
            }
            let rows = rows
                .iter()
                .copied()
                .take(MAX_COMPARED)
                .chain(absent.map(|(before, _)| before));
            for row in rows {
                let (source, ids) = (kind_of(self.timeline, row), self.ids(row));
                if seen.insert((number, source, ids.clone())) {
                    facts.push(Fact {
                        evidence: number,
                        source,
                        ids,
                    });
                }
            }
        }
        facts
    }

    /// Correlation ids of a row.
    fn ids(&self, row: u32) -> Vec<String> {
        let own = ColumnId::of("correlation_id")
            .and_then(|c| self.timeline.text(c, row))
            .map(ToOwned::to_owned);
        let fields = ColumnId::of("fields")
            .and_then(|c| self.timeline.text(c, row))
            .unwrap_or("{}");
        let more: Vec<Text> = match fields.contains("\"ids\"") {
            true => read_members(fields, &["ids"])
                .into_iter()
                .flatten()
                .flat_map(|list| casetrace_model::find_guids(&list).collect::<Vec<_>>())
                .collect(),
            false => Vec::new(),
        };
        own.into_iter()
            .chain(more.into_iter().map(|t| t.to_string()))
            .collect()
    }
}

fn same_failure(a: &Fact, b: &Fact) -> bool {
    a.ids.iter().any(|id| b.ids.contains(id))
}

/// Two facts corroborate each other if they say different things, different instruments saw them, and no id says
/// they are one failure. One statement that two logs repeat stays one statement.
fn independent(a: &Fact, b: &Fact) -> bool {
    a.evidence != b.evidence && a.source != b.source && !same_failure(a, b)
}
