//! From the rows of an attempt to its description.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use casetrace_model::time::to_rfc3339;
use casetrace_timeline::{Cells, ColumnId, Timeline};

use crate::attempts::group::ids;
use crate::attempts::{
    ATTEMPTS_SCHEMA_VERSION, Attempt, AttemptKind, AttemptLink, AttemptOutcome, AttemptRole, AttemptRow,
    Attempts, Draft, MAX_ATTEMPT_ROWS, Seed,
};
use crate::engine::scope::comparable;
use crate::findings::Finding;
use crate::pack::RulePack;
use crate::source::kind_of;
use crate::template::plain_to;
use crate::words::{Lang, Role, Status, Whose};

/// Characters of a row's line.
const MESSAGE_CHARS: usize = 300;
/// Ids listed of one attempt.
const MAX_IDS: usize = 20;

/// Rows that findings cite, with the place of the finding.
type Cited<'f> = HashMap<(&'f str, u64, &'f str), Vec<usize>>;

pub(crate) fn attempts(
    pack: &RulePack,
    timeline: &Timeline,
    drafts: Vec<Draft>,
    findings: &[Finding],
    lang: Lang,
    left_out: usize,
) -> Attempts {
    let writer = Writer {
        pack,
        timeline,
        cells: RefCell::new(Cells::new(timeline)),
        findings,
        cited: cited(findings),
        lang,
    };
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    let mut order: Vec<(Option<i64>, u32, Draft)> = drafts
        .into_iter()
        .map(|d| {
            let start = d.seeds.iter().filter_map(|(s, _)| timeline.ts_ns(s.row)).min();
            (start, d.seeds.first().map_or(0, |(s, _)| s.row), d)
        })
        .collect();
    order.sort_by_key(|(start, row, _)| (start.is_none(), *start, *row));
    let attempts = order.into_iter().filter_map(|(_, _, draft)| {
        let kind = pack.attempts.get(draft.kind)?;
        let number = numbers.entry(draft.kind).or_insert(0);
        *number += 1;
        Some(writer.attempt(kind, &draft, *number))
    });
    Attempts {
        schema_version: ATTEMPTS_SCHEMA_VERSION,
        attempts: attempts.collect(),
        left_out,
    }
}

fn cited(findings: &[Finding]) -> Cited<'_> {
    let mut cited = Cited::new();
    for (place, finding) in findings.iter().enumerate() {
        if finding.status == Status::Refuted {
            continue;
        }
        let carrying = |role: Role| matches!(role, Role::Decisive | Role::Supporting | Role::Weak);
        for item in finding.evidence.iter().filter(|e| carrying(e.role)) {
            let key = (item.artifact.as_str(), item.record, item.kind.as_str());
            cited.entry(key).or_default().push(place);
        }
    }
    cited
}

struct Writer<'a> {
    pack: &'a RulePack,
    timeline: &'a Timeline,
    /// For long texts, of which the rows of all attempts would fill the memory.
    cells: RefCell<Cells<'a>>,
    findings: &'a [Finding],
    cited: Cited<'a>,
    lang: Lang,
}

impl Writer<'_> {
    fn text(&self, name: &str, row: u32) -> Option<&str> {
        ColumnId::of(name)
            .and_then(|c| self.timeline.text(c, row))
            .filter(|t| !t.is_empty())
    }

    fn attempt(&self, kind: &AttemptKind, draft: &Draft, number: usize) -> Attempt {
        let own: Vec<u32> = draft.seeds.iter().map(|(s, _)| s.row).collect();
        let times = || own.iter().filter_map(|r| self.timeline.ts_ns(*r));
        let span = times().min().zip(times().max());
        let outcome = self.outcome(kind, &draft.seeds);
        let failing = (outcome == AttemptOutcome::Failure)
            .then(|| self.failing(&draft.seeds))
            .flatten();
        let rows = self.rows(draft);
        let mut attempt = Attempt {
            attempt_id: format!("{}-{number}", kind.kind),
            kind: kind.kind.clone(),
            title: kind.title.get(self.lang).to_owned(),
            host: self.most(&own, "host"),
            user: self.user(&own),
            context: kind.context.unwrap_or_else(|| self.context(&own)),
            started: span.map(|(first, _)| to_rfc3339(first)),
            ended: span.map(|(_, last)| to_rfc3339(last)),
            outcome,
            error_code: failing
                .and_then(|row| self.text("error_code", row))
                .map(ToOwned::to_owned),
            error_symbol: failing
                .and_then(|row| self.text("error_symbol", row))
                .map(ToOwned::to_owned),
            correlation_ids: self.ids(&own),
            rows: rows.len() as u64,
            sources: rows
                .iter()
                .map(|(row, _, _)| kind_of(self.timeline, *row).as_str().to_owned())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            findings: self.rules(&rows),
            summary: String::new(),
            steps: self.steps(kind, &rows),
        };
        attempt.summary = self.summary(&attempt, span);
        attempt
    }

    /// All rows in time order; of rows without time, those of the attempt's own file order first.
    fn rows(&self, draft: &Draft) -> Vec<(u32, AttemptLink, Option<Seed>)> {
        let own = draft.seeds.iter().map(|(seed, tied)| {
            let link = if *tied {
                AttemptLink::Id
            } else {
                AttemptLink::Sequence
            };
            (seed.row, link, Some(*seed))
        });
        let mut rows: Vec<_> = own
            .chain(draft.added.iter().map(|(row, link)| (*row, *link, None)))
            .collect();
        rows.sort_by_key(|(row, _, _)| *row);
        rows
    }

    /// The last end decides; without one, a failed step does.
    fn outcome(&self, kind: &AttemptKind, seeds: &[(Seed, bool)]) -> AttemptOutcome {
        let of = |seed: &Seed| -> Option<AttemptOutcome> {
            // Seeds of a weaker kind have steps of their own.
            let step = self
                .pack
                .attempts
                .get(seed.kind)
                .and_then(|k| k.steps.get(seed.step));
            let of_row = || match self.text("outcome", seed.row)? {
                "success" => Some(AttemptOutcome::Success),
                "failure" | "timeout" | "reset" | "refused" => Some(AttemptOutcome::Failure),
                _ => None,
            };
            step.and_then(|s| s.outcome).or_else(of_row)
        };
        let role = |seed: &Seed| {
            let step = self
                .pack
                .attempts
                .get(seed.kind)
                .and_then(|k| k.steps.get(seed.step));
            step.map(|s| s.role)
        };
        let own = |seed: &&Seed| {
            self.pack
                .attempts
                .get(seed.kind)
                .is_some_and(|k| k.kind == kind.kind)
        };
        let all = || seeds.iter().map(|(s, _)| s);
        let last_end = |only_own: bool| {
            all()
                .filter(|s| !only_own || own(s))
                .filter(|s| role(s) == Some(AttemptRole::End))
                .filter_map(of)
                .next_back()
        };
        // The row of a tool's run speaks for the whole run.
        let of_run = || {
            all()
                .filter(|s| self.text("kind", s.row) == Some("cli.run"))
                .find_map(of)
        };
        let failed = || all().any(|s| of(s) == Some(AttemptOutcome::Failure));
        last_end(true)
            .or_else(of_run)
            .or_else(|| last_end(false))
            .or_else(|| failed().then_some(AttemptOutcome::Failure))
            .unwrap_or(AttemptOutcome::Unknown)
    }

    /// The row whose code says most: a sign-in error of the service, else that of the end, else of the last failure.
    fn failing(&self, seeds: &[(Seed, bool)]) -> Option<u32> {
        let coded: Vec<u32> = seeds
            .iter()
            .map(|(s, _)| s.row)
            .filter(|row| {
                self.text("error_code", *row)
                    .is_some_and(|code| !means_success(code))
            })
            .collect();
        let of_service = |row: &&u32| {
            self.text("error_code", **row)
                .is_some_and(|code| code.starts_with("AADSTS") || code.starts_with("MSIS"))
        };
        let is_end = |row: &&u32| {
            let seed = seeds.iter().find(|(s, _)| s.row == **row).map(|(s, _)| s);
            let step = seed.and_then(|s| self.pack.attempts.get(s.kind)?.steps.get(s.step));
            step.is_some_and(|s| s.role == AttemptRole::End)
        };
        let found = coded.iter().find(of_service);
        let found = found.or_else(|| coded.iter().rfind(is_end));
        found.or_else(|| coded.last()).copied()
    }

    fn most(&self, rows: &[u32], column: &str) -> Option<String> {
        let mut counts: HashMap<&str, (usize, u32)> = HashMap::new();
        for row in rows {
            if let Some(text) = self.text(column, *row) {
                counts.entry(text).or_insert((0, *row)).0 += 1;
            }
        }
        let best = counts
            .into_iter()
            .max_by_key(|(_, (count, first))| (*count, std::cmp::Reverse(*first)));
        best.map(|(text, _)| text.to_owned())
    }

    /// The most complete name of the user that most rows name.
    fn user(&self, rows: &[u32]) -> Option<String> {
        let most = self.most(rows, "user")?;
        let same = rows
            .iter()
            .filter_map(|row| self.text("user", *row))
            .filter(|user| comparable("user", user) == comparable("user", &most));
        let full = same.into_iter().find(|user| user.contains('@'));
        Some(full.map_or(most.clone(), ToOwned::to_owned))
    }

    fn context(&self, rows: &[u32]) -> Whose {
        match self.most(rows, "context").as_deref() {
            Some("system") => Whose::System,
            Some("user") => Whose::User,
            _ => Whose::Unknown,
        }
    }

    fn ids(&self, rows: &[u32]) -> Vec<String> {
        let activity = |row: u32| self.text("activity_id", row);
        let mut seen = HashSet::new();
        let all = rows.iter().flat_map(|row| {
            let activity = activity(*row);
            let correlation = self.text("correlation_id", *row);
            ids(&mut self.cells.borrow_mut(), *row)
                .into_iter()
                .filter(move |id| Some(id.as_str()) != activity || Some(id.as_str()) == correlation)
        });
        all.filter(|id| seen.insert(id.clone())).take(MAX_IDS).collect()
    }

    fn rules(&self, rows: &[(u32, AttemptLink, Option<Seed>)]) -> Vec<String> {
        let record = ColumnId::of("record");
        let mut places: BTreeSet<usize> = BTreeSet::new();
        for (row, _, _) in rows {
            let key = (
                self.text("artifact", *row).unwrap_or_default(),
                record.and_then(|c| self.timeline.number(c, *row)).unwrap_or(0),
                self.text("kind", *row).unwrap_or_default(),
            );
            places.extend(self.cited.get(&key).into_iter().flatten());
        }
        let mut seen = HashSet::new();
        places
            .into_iter()
            .filter_map(|place| self.findings.get(place))
            .map(|f| f.rule_id.clone())
            .filter(|id| seen.insert(id.clone()))
            .collect()
    }

    /// The listed rows: all own ones, and as many of the surest others as there is room for.
    fn steps(&self, kind: &AttemptKind, rows: &[(u32, AttemptLink, Option<Seed>)]) -> Vec<AttemptRow> {
        let mut chosen: Vec<usize> = (0..rows.len()).collect();
        chosen.sort_by_key(|at| {
            rows.get(*at)
                .map(|(row, link, seed)| (seed.is_none(), *link, *row))
        });
        chosen.truncate(MAX_ATTEMPT_ROWS);
        chosen.sort_unstable();
        chosen
            .into_iter()
            .filter_map(|at| rows.get(at))
            .zip(1..)
            .map(|((row, link, seed), ordinal)| self.step(kind, *row, *link, *seed, ordinal))
            .collect()
    }

    fn step(
        &self,
        kind: &AttemptKind,
        row: u32,
        link: AttemptLink,
        seed: Option<Seed>,
        ordinal: u32,
    ) -> AttemptRow {
        let own = |s: &Seed| {
            self.pack
                .attempts
                .get(s.kind)
                .is_some_and(|k| k.kind == kind.kind)
        };
        let step = seed
            .filter(own)
            .and_then(|s| self.pack.attempts.get(s.kind)?.steps.get(s.step));
        let text = |name| self.text(name, row).map(ToOwned::to_owned);
        AttemptRow {
            ordinal,
            artifact: text("artifact").unwrap_or_default(),
            record: ColumnId::of("record")
                .and_then(|c| self.timeline.number(c, row))
                .unwrap_or(0),
            ts: self.timeline.ts_ns(row).map(to_rfc3339),
            source: text("source").unwrap_or_default(),
            kind: text("kind").unwrap_or_default(),
            role: step.map_or(AttemptRole::Seen, |s| s.role),
            step: step.map(|s| s.id.clone()),
            link,
            server_name: text("server_name"),
            outcome: text("outcome"),
            error_code: text("error_code"),
            message: self.message(row),
        }
    }

    fn message(&self, row: u32) -> String {
        let mut cells = self.cells.borrow_mut();
        let text = ColumnId::of("message").and_then(|column| cells.text(column, row));
        plain_to(text.unwrap_or_default(), MESSAGE_CHARS)
    }

    fn summary(&self, attempt: &Attempt, span: Option<(i64, i64)>) -> String {
        let template = self.pack.summaries.of(attempt.outcome, self.lang);
        template.render(&|hole| match hole {
            "title" => Some(attempt.title.clone()),
            "user" => attempt.user.clone(),
            "host" => attempt.host.clone(),
            "duration" => span.map(|(first, last)| duration(last.saturating_sub(first))),
            "error_code" => attempt.error_code.clone(),
            "error_symbol" => attempt.error_symbol.clone(),
            _ => None,
        })
    }
}

fn means_success(code: &str) -> bool {
    matches!(code, "0x0" | "0x00000000" | "0")
}

fn duration(ns: i64) -> String {
    let ms = ns / 1_000_000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}
