//! Failures that the material records and no finding explains: without them a case for which there is no rule would look
//! healthy.
//!
//! Which failures count is a table, `pipelines/knowledge/notable.tsv`, and, for names that only work without inspection
//! (`must_not_inspect` in `endpoints.tsv`), that nothing of the sort ever worked. Rows are compared by dictionary codes.

use std::collections::{BTreeMap, BTreeSet};

use ahash::{AHashMap as HashMap, AHashSet as HashSet};
use casetrace_knowledge::{Knowledge, Trait};
use casetrace_rules::{Finding, Role, Status};
use serde::Serialize;

use crate::escape::shorten;
use crate::facts::seconds;
use crate::frame::{ColumnView, Columns, members};
use crate::labels::Labels;

/// Kinds of failures shown.
const MAX_SHOWN: usize = 20;
/// Longest summary and path.
const MAX_SUMMARY: usize = 240;
const MAX_PATH: usize = 300;

/// Failures of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unexplained {
    /// Records.
    pub count: u64,
    /// Error code; empty if there is none.
    pub code: String,
    /// Its symbol.
    pub symbol: String,
    /// The last record in one line.
    pub summary: String,
    /// First time, to the second; empty if none is known.
    pub first_ts: String,
    /// Last time, to the second; where no zone is known, the clock's own with a word behind it.
    pub last_ts: String,
    /// Kind of source of the last record.
    pub source: String,
    /// Logical path of the last record.
    pub artifact: String,
    /// Number of the last record.
    pub record: u64,
}

/// What makes two failures one sort; numbers are dictionary codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sort {
    Code(u32),
    Event(u32, i64),
    Kind(u32),
    /// Host and kind of row.
    Host(u32, u32),
}

#[derive(Debug, Clone, Copy)]
struct Group {
    rows: u64,
    first: Option<i64>,
    last_row: usize,
    explained: bool,
}

/// The failures that no active or resolved finding rests on, the newest first; the number counts those left out.
pub(crate) fn unexplained(
    columns: &Columns<'_>,
    findings: &[Finding],
    knowledge: &Knowledge,
    labels: &Labels,
) -> (Vec<Unexplained>, usize) {
    let read = Read::new(columns, knowledge);
    let explained = Explained::new(columns, findings);
    let groups = read.groups(columns.len(), &explained);
    // Codes that are one failure in several spellings have one symbol.
    let mut merged: BTreeMap<(Sort, String), Group> = BTreeMap::new();
    for (sort, group) in groups {
        let symbol = match sort {
            Sort::Code(code) => read.symbol(code, knowledge),
            _ => String::new(),
        };
        let key = match sort {
            Sort::Code(_) if !symbol.is_empty() => (Sort::Code(0), symbol),
            sort => (sort, symbol),
        };
        merged
            .entry(key)
            .and_modify(|all| all.join(group))
            .or_insert(group);
    }
    let mut left: Vec<Group> = merged
        .into_values()
        .filter(|group| !group.explained && !explained.by_code(&read, group.last_row))
        .collect();
    left.sort_by_key(|group| std::cmp::Reverse((read.ts(group.last_row), group.last_row)));
    let more = left.len().saturating_sub(MAX_SHOWN);
    let line = |group: &Group| read.line(group, knowledge, labels);
    (left.iter().take(MAX_SHOWN).map(line).collect(), more)
}

impl Group {
    fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last_row = self.last_row.max(other.last_row);
        self.explained |= other.explained;
    }
}

/// What findings rest on.
struct Explained {
    records: HashSet<(u32, u64)>,
    subjects: HashSet<u32>,
    codes: BTreeSet<String>,
}

impl Explained {
    fn new(columns: &Columns<'_>, findings: &[Finding]) -> Self {
        let numbers = |column: &str| -> HashMap<String, u32> {
            let texts = columns.distinct(column).iter().map(ToString::to_string);
            texts.zip(1..).collect()
        };
        let (artifacts, hosts) = (numbers("artifact"), numbers("server_name"));
        let stands = |f: &&Finding| matches!(f.status, Status::Active | Status::Resolved);
        let items = findings
            .iter()
            .filter(stands)
            .flat_map(|f| &f.evidence)
            .filter(|item| item.role != Role::Refuting);
        Self {
            records: items
                .filter_map(|item| Some((*artifacts.get(&item.artifact)?, item.record)))
                .collect(),
            subjects: findings
                .iter()
                .filter(stands)
                .filter_map(|f| hosts.get(f.subject.as_deref()?).copied())
                .collect(),
            codes: findings
                .iter()
                .filter(stands)
                .flat_map(|f| f.codes.iter().cloned())
                .collect(),
        }
    }

    fn by_code(&self, read: &Read<'_>, row: usize) -> bool {
        read.code.get(row).is_some_and(|code| self.codes.contains(code))
    }
}

/// The columns that decide, and what their values mean by code.
struct Read<'a> {
    code: ColumnView<'a>,
    kind: ColumnView<'a>,
    level: ColumnView<'a>,
    outcome: ColumnView<'a>,
    provider: ColumnView<'a>,
    event: ColumnView<'a>,
    host: ColumnView<'a>,
    artifact: ColumnView<'a>,
    record: ColumnView<'a>,
    message: ColumnView<'a>,
    source: ColumnView<'a>,
    fields: ColumnView<'a>,
    /// By dictionary code; 0 is null.
    codes: Vec<Option<bool>>,
    providers: Vec<bool>,
    kinds: Vec<bool>,
    layers: Vec<bool>,
    passed_over: Vec<bool>,
    hosts: Vec<bool>,
    serious: Vec<bool>,
    failed: Vec<bool>,
    success: Vec<bool>,
}

impl<'a> Read<'a> {
    fn new(columns: &Columns<'a>, knowledge: &Knowledge) -> Self {
        let c = |name| columns.column(name);
        let of = |name, about| by_code(columns, name, |text| knowledge.is_notable(about, text));
        let is = |name, holds: &dyn Fn(&str) -> bool| by_code(columns, name, holds);
        let known = |host: &str| knowledge.endpoint(host).is_some_and(|e| e.must_not_inspect);
        Self {
            code: c("error_code"),
            kind: c("kind"),
            level: c("level"),
            outcome: c("outcome"),
            provider: c("provider"),
            event: c("event_id"),
            host: c("server_name"),
            artifact: c("artifact"),
            record: c("record"),
            message: c("message"),
            source: c("source"),
            fields: c("fields"),
            codes: of("error_code", Trait::Code),
            providers: is("provider", &|text| {
                knowledge.is_notable(Trait::Provider, text) == Some(true)
            }),
            kinds: is("kind", &|text| {
                knowledge.is_notable(Trait::RowKind, text) == Some(true)
            }),
            layers: is("kind", &|text| {
                matches!(
                    text,
                    "dns.response" | "tcp.connect" | "tls.client_hello" | "http.response"
                )
            }),
            passed_over: is("kind", &|text| text == "text.unknown"),
            hosts: is("server_name", &known),
            serious: is("level", &|text| matches!(text, "critical" | "error")),
            failed: is("outcome", &|text| {
                matches!(text, "failure" | "timeout" | "reset" | "refused")
            }),
            success: is("outcome", &|text| text == "success"),
        }
    }

    fn groups(&self, rows: usize, explained: &Explained) -> HashMap<Sort, Group> {
        let mut groups: HashMap<Sort, Group> = HashMap::default();
        let mut works: HashSet<(u32, u32)> = HashSet::default();
        for row in 0..rows {
            if let Some(host) = self.works(row) {
                works.insert(host);
            }
            let Some(sort) = self.sort(row) else { continue };
            let record = self.record.number(row).and_then(|n| u64::try_from(n).ok());
            let key = (self.artifact.code(row), record.unwrap_or_default());
            let group = Group {
                rows: 1,
                first: self.ts(row),
                last_row: row,
                explained: explained.records.contains(&key)
                    || explained.subjects.contains(&self.host.code(row)),
            };
            groups
                .entry(sort)
                .and_modify(|all| all.join(group))
                .or_insert(group);
        }
        groups.retain(|sort, _| !matches!(sort, Sort::Host(host, kind) if works.contains(&(*host, *kind))));
        groups
    }

    /// Host and kind of an attempt that worked.
    fn works(&self, row: usize) -> Option<(u32, u32)> {
        let (host, kind) = (self.host.code(row), self.kind.code(row));
        let all = holds(&self.hosts, host)
            && holds(&self.layers, kind)
            && !holds(&self.failed, self.outcome.code(row));
        all.then_some((host, kind))
    }

    /// What the row is a failure of.
    fn sort(&self, row: usize) -> Option<Sort> {
        let (code, kind, outcome) = (self.code.code(row), self.kind.code(row), self.outcome.code(row));
        let notable = self.codes.get(code as usize).copied().flatten();
        if holds(&self.success, outcome) || holds(&self.passed_over, kind) || notable == Some(false) {
            return None;
        }
        let provider = self.provider.code(row);
        let event = holds(&self.providers, provider) && holds(&self.serious, self.level.code(row));
        let failed = holds(&self.failed, outcome);
        let told = failed && holds(&self.kinds, kind);
        if notable == Some(true) || (code > 0 && (event || told)) {
            return Some(Sort::Code(code));
        }
        if event {
            return Some(Sort::Event(provider, self.event.number(row).unwrap_or_default()));
        }
        if told {
            return Some(Sort::Kind(kind));
        }
        let host = self.host.code(row);
        let never = failed && holds(&self.layers, kind) && holds(&self.hosts, host);
        never.then_some(Sort::Host(host, kind))
    }

    fn symbol(&self, code: u32, knowledge: &Knowledge) -> String {
        let text = self.code.text(code).unwrap_or_default();
        knowledge.symbol(text).unwrap_or_default().to_owned()
    }

    fn ts(&self, row: usize) -> Option<i64> {
        self.code.ts_ns(u32::try_from(row).ok()?)
    }

    fn line(&self, group: &Group, knowledge: &Knowledge, labels: &Labels) -> Unexplained {
        let row = group.last_row;
        let text = |column: &ColumnView<'_>| column.get(row).unwrap_or_default().to_owned();
        let local = || {
            let fields = members(self.fields.get(row));
            let time = fields.get("local_time").and_then(|time| time.as_str());
            time.map(|time| labels.local(time)).unwrap_or_default()
        };
        let message = match text(&self.message) {
            message if message.trim().is_empty() => text(&self.kind),
            message => message,
        };
        Unexplained {
            count: group.rows,
            code: text(&self.code),
            symbol: self.symbol(self.code.code(row), knowledge),
            summary: shorten(&message, MAX_SUMMARY),
            first_ts: group.first.map(seconds).unwrap_or_default(),
            last_ts: self.ts(row).map_or_else(local, seconds),
            source: text(&self.source),
            artifact: shorten(&text(&self.artifact), MAX_PATH),
            record: self
                .record
                .number(row)
                .and_then(|n| u64::try_from(n).ok())
                .unwrap_or_default(),
        }
    }
}

/// One value for each dictionary code of a column, the first for null.
fn by_code<T: Default>(columns: &Columns<'_>, name: &str, of: impl Fn(&str) -> T) -> Vec<T> {
    let texts = columns.distinct(name).iter().map(|text| of(text));
    std::iter::once(T::default()).chain(texts).collect()
}

fn holds(table: &[bool], code: u32) -> bool {
    table.get(code as usize).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use casetrace_knowledge::Lang;
    use casetrace_model::{Level, Outcome, Row, Source};
    use casetrace_timeline::{Timeline, TimelineBuilder};

    use super::*;

    const START: i64 = 1_772_413_200_000_000_000;

    fn event(record: u64, provider: &str, id: u32, code: Option<&str>) -> Row {
        let mut row = Row::new(Source::Evtx, "event", record).at(START + i64::try_from(record).unwrap_or(0));
        row.provider = Some(provider.into());
        row.event_id = Some(id);
        row.level = Some(Level::Error);
        row.error_code = code.map(Into::into);
        row.message = format!("{provider} {id}");
        row
    }

    fn network(record: u64, kind: &'static str, host: &str, outcome: Outcome) -> Row {
        let mut row = Row::new(Source::Pcap, kind, record).at(START);
        row.server_name = Some(host.into());
        row.outcome = Some(outcome);
        row.message = format!("{kind} {host}");
        row
    }

    fn timeline(rows: Vec<Row>) -> Timeline {
        let mut builder = TimelineBuilder::new();
        for row in rows {
            builder.push("a.evtx", None, row);
        }
        builder.finish()
    }

    fn finding(status: &str, record: u64, codes: &[&str], subject: Option<&str>) -> Finding {
        serde_json::from_value(serde_json::json!({ "rule_id": "X-01", "title": "t", "family": "f", "phase": "proxy",
            "confidence": "likely", "status": status, "severity": "high", "rank": 1, "consequence_of": [],
            "first_ts": null, "last_ts": null, "count": 1, "subject": subject, "context": "system", "hosts": [],
            "evidence": [{ "role": "decisive", "artifact": "a.evtx", "record": record, "ts": null, "source": "evtx",
                "kind": "event", "summary": "s" }], "codes": codes, "explanation": "", "next_steps": [],
            "next_steps_for": [], "ask_customer": [], "false_positives": [], "references": [] }))
        .unwrap_or_else(|error| panic!("{error}"))
    }

    fn codes(rows: Vec<Row>, findings: &[Finding]) -> Vec<String> {
        let timeline = timeline(rows);
        let labels = Labels::load(Lang::En);
        let columns = Columns::new(&timeline);
        let (found, _) = unexplained(&columns, findings, Knowledge::builtin(), &labels);
        found
            .into_iter()
            .map(|line| {
                format!(
                    "{}× {}",
                    line.count,
                    [&line.code, &line.summary][usize::from(line.code.is_empty())]
                )
            })
            .collect()
    }

    const UDR: &str = "Microsoft-Windows-User Device Registration";

    #[test]
    fn a_failure_that_no_finding_rests_on_is_listed_once() {
        let rows = || {
            vec![
                event(1, UDR, 304, Some("0x801c0451")),
                event(2, UDR, 304, Some("0x801c0451")),
                event(3, UDR, 220, None),
                event(4, "Some-Printer", 9, None),
            ]
        };
        assert_eq!(
            codes(rows(), &[]),
            [format!("1× {UDR} 220"), "2× 0x801c0451".into()]
        );
        assert_eq!(
            codes(rows(), &[finding("active", 1, &[], None)]),
            [format!("1× {UDR} 220")]
        );
        assert_eq!(
            codes(rows(), &[finding("resolved", 9, &["0x801c0451"], None)]),
            [format!("1× {UDR} 220")]
        );
        assert_eq!(codes(rows(), &[finding("refuted", 1, &[], None)]).len(), 2);
    }

    #[test]
    fn what_is_normal_is_not_listed() {
        let mut done = event(1, UDR, 306, Some("0x801c03f2"));
        done.outcome = Some(Outcome::Success);
        let mut silent = event(2, "Microsoft-Windows-AAD", 1098, Some("AADSTS50058"));
        silent.level = Some(Level::Warning);
        let mut told = Row::new(Source::Text, "text.unknown", 3);
        told.error_code = Some("AADSTS50126".into());
        assert_eq!(codes(vec![done, silent, told], &[]), Vec::<String>::new());
    }

    #[test]
    fn a_name_counts_if_it_never_worked() {
        let host = "login.microsoftonline.com";
        let refused = || network(1, "tcp.connect", host, Outcome::Refused);
        let other = network(2, "tcp.connect", "printer.example", Outcome::Refused);
        assert_eq!(
            codes(vec![refused(), other], &[]),
            [format!("1× tcp.connect {host}")]
        );
        let worked = network(3, "tcp.connect", host, Outcome::Success);
        assert_eq!(codes(vec![refused(), worked], &[]), Vec::<String>::new());
        let about = finding("active", 9, &[], Some(host));
        assert_eq!(codes(vec![refused()], &[about]), Vec::<String>::new());
    }

    #[test]
    fn spellings_of_one_failure_are_one_line() {
        let rows = vec![
            event(1, UDR, 304, Some("0x80072ee7")),
            event(2, UDR, 304, Some("0x80072ee7")),
        ];
        assert_eq!(codes(rows, &[]), ["2× 0x80072ee7"]);
    }
}
