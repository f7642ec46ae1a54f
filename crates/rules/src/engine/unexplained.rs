//! Failures that the material records and no finding explains: without them a case for which there is no rule would look
//! healthy.
//!
//! Which failures count is a table, `pipelines/knowledge/notable.tsv`, and, for names that only work without inspection
//! (`must_not_inspect` in `endpoints.tsv`), that nothing of the sort ever worked. Rows are compared by dictionary codes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use casetrace_knowledge::{Knowledge, Trait};
use casetrace_model::time::to_rfc3339;
use casetrace_timeline::{ColumnId, Timeline};

use super::write_up::{SUMMARY_CHARS, local_time};
use crate::findings::{Finding, Unexplained};
use crate::template::plain_to;
use crate::words::{Role, Status};

/// Kinds of failures listed.
const MAX_LISTED: usize = 100;

/// One column; a name that does not exist reads as all null.
struct Column<'a> {
    timeline: &'a Timeline,
    id: Option<ColumnId>,
}

impl<'a> Column<'a> {
    fn new(timeline: &'a Timeline, name: &str) -> Self {
        let id = ColumnId::of(name);
        Self { timeline, id }
    }

    /// The dictionary code in `row`; 0 for null.
    fn code(&self, row: u32) -> u32 {
        self.id.and_then(|id| self.timeline.code(id, row)).unwrap_or(0)
    }

    fn text(&self, row: u32) -> Option<&'a str> {
        self.timeline.text(self.id?, row)
    }

    fn number(&self, row: u32) -> Option<u64> {
        self.timeline.number(self.id?, row)
    }

    fn distinct(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let texts = self.id.map_or(&[][..], |id| self.timeline.distinct(id));
        texts.iter().map(casetrace_model::Text::as_str)
    }

    /// One value for each dictionary code, the first for null.
    fn by_code<T: Default>(&self, of: impl Fn(&str) -> T) -> Vec<T> {
        std::iter::once(T::default())
            .chain(self.distinct().map(of))
            .collect()
    }
}

/// Kinds of rows that show how far an attempt to reach a host got.
const LAYERS: [&str; 4] = ["dns.response", "tcp.connect", "tls.client_hello", "http.response"];

/// What makes two failures one sort; numbers are dictionary codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sort {
    Code(u32),
    Event(u32, u64),
    Kind(u32),
    /// Host name and kind of row.
    Host(u32, u32),
}

#[derive(Debug, Clone, Copy)]
struct Group {
    rows: u64,
    first: Option<i64>,
    last_row: u32,
    explained: bool,
}

/// The failures that no active or resolved finding rests on, the newest first; the number counts those left out.
pub(super) fn unexplained(
    timeline: &Timeline,
    findings: &[Finding],
    knowledge: &Knowledge,
) -> (Vec<Unexplained>, u64) {
    let read = Read::new(timeline, knowledge);
    let explained = Explained::new(&read, findings);
    // Codes that are one failure in several spellings have one symbol.
    let mut merged: BTreeMap<(Sort, String), Group> = BTreeMap::new();
    for (sort, group) in read.groups(&explained) {
        let key = match sort {
            Sort::Code(_) => match read.symbol(group.last_row, knowledge) {
                Some(symbol) => (Sort::Code(0), symbol),
                None => (sort, String::new()),
            },
            _ => (sort, String::new()),
        };
        merged
            .entry(key)
            .and_modify(|all| all.join(group))
            .or_insert(group);
    }
    let mut left: Vec<Group> = merged.into_values().filter(|group| !group.explained).collect();
    left.sort_by_key(|group| std::cmp::Reverse((timeline.ts_ns(group.last_row), group.last_row)));
    let more = left.len().saturating_sub(MAX_LISTED) as u64;
    let line = |group: &Group| read.line(group, knowledge);
    (left.iter().take(MAX_LISTED).map(line).collect(), more)
}

impl Group {
    fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last_row = self.last_row.max(other.last_row);
        self.explained |= other.explained;
    }
}

/// What findings rest on, by dictionary codes.
struct Explained {
    records: HashSet<(u32, u64)>,
    subjects: HashSet<u32>,
    codes: HashSet<u32>,
}

impl Explained {
    fn new(read: &Read<'_>, findings: &[Finding]) -> Self {
        let stands = |f: &&Finding| matches!(f.status, Status::Active | Status::Resolved);
        let standing: Vec<&Finding> = findings.iter().filter(stands).collect();
        let items = || {
            let all = standing.iter().flat_map(|f| &f.evidence);
            all.filter(|item| item.role != Role::Refuting)
        };
        let artifacts = numbers(&read.artifact, items().map(|item| item.artifact.as_str()));
        let hosts = numbers(&read.host, standing.iter().filter_map(|f| f.subject.as_deref()));
        let codes = numbers(
            &read.code,
            standing.iter().flat_map(|f| &f.codes).map(String::as_str),
        );
        Self {
            records: items()
                .filter_map(|item| Some((*artifacts.get(item.artifact.as_str())?, item.record)))
                .collect(),
            subjects: hosts.into_values().collect(),
            codes: codes.into_values().collect(),
        }
    }

    fn holds(&self, read: &Read<'_>, row: u32) -> bool {
        let record = (
            read.artifact.code(row),
            read.record.number(row).unwrap_or_default(),
        );
        self.records.contains(&record)
            || self.subjects.contains(&read.host.code(row))
            || self.codes.contains(&read.code.code(row))
    }
}

/// The dictionary codes of those texts that the column has.
fn numbers<'t>(column: &Column<'_>, texts: impl Iterator<Item = &'t str>) -> HashMap<&'t str, u32> {
    let wanted: BTreeSet<&str> = texts.collect();
    let known = column.distinct().zip(1..);
    known
        .filter_map(|(text, code)| Some((*wanted.get(text)?, code)))
        .collect()
}

/// The columns that decide, and what their values mean by dictionary code.
struct Read<'a> {
    timeline: &'a Timeline,
    code: Column<'a>,
    kind: Column<'a>,
    level: Column<'a>,
    outcome: Column<'a>,
    provider: Column<'a>,
    event: Column<'a>,
    host: Column<'a>,
    artifact: Column<'a>,
    record: Column<'a>,
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
    fn new(timeline: &'a Timeline, knowledge: &Knowledge) -> Self {
        let column = |name| Column::new(timeline, name);
        let [code, kind, level, outcome] = ["error_code", "kind", "level", "outcome"].map(column);
        let [provider, event, host] = ["provider", "event_id", "server_name"].map(column);
        let is = |about, text: &str| knowledge.is_notable(about, text) == Some(true);
        let known = |host: &str| knowledge.endpoint(host).is_some_and(|e| e.must_not_inspect);
        Self {
            codes: code.by_code(|text| knowledge.is_notable(Trait::Code, text)),
            providers: provider.by_code(|text| is(Trait::Provider, text)),
            kinds: kind.by_code(|text| is(Trait::RowKind, text)),
            layers: kind.by_code(|text| LAYERS.contains(&text)),
            passed_over: kind.by_code(|text| text == "text.unknown"),
            hosts: host.by_code(known),
            serious: level.by_code(|text| matches!(text, "critical" | "error")),
            failed: outcome.by_code(|text| matches!(text, "failure" | "timeout" | "reset" | "refused")),
            success: outcome.by_code(|text| text == "success"),
            artifact: column("artifact"),
            record: column("record"),
            timeline,
            code,
            kind,
            level,
            outcome,
            provider,
            event,
            host,
        }
    }

    fn groups(&self, explained: &Explained) -> HashMap<Sort, Group> {
        let mut groups: HashMap<Sort, Group> = HashMap::new();
        let mut works: HashSet<(u32, u32)> = HashSet::new();
        for row in 0..u32::try_from(self.timeline.len()).unwrap_or(u32::MAX) {
            if let Some(host) = self.works(row) {
                works.insert(host);
            }
            let Some(sort) = self.sort(row) else { continue };
            let group = Group {
                rows: 1,
                first: self.timeline.ts_ns(row),
                last_row: row,
                explained: explained.holds(self, row),
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
    fn works(&self, row: u32) -> Option<(u32, u32)> {
        let (host, kind) = (self.host.code(row), self.kind.code(row));
        let all = holds(&self.hosts, host)
            && holds(&self.layers, kind)
            && !holds(&self.failed, self.outcome.code(row));
        all.then_some((host, kind))
    }

    /// What the row is a failure of.
    fn sort(&self, row: u32) -> Option<Sort> {
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

    fn symbol(&self, row: u32, knowledge: &Knowledge) -> Option<String> {
        knowledge.symbol(self.code.text(row)?).map(str::to_owned)
    }

    fn line(&self, group: &Group, knowledge: &Knowledge) -> Unexplained {
        let row = group.last_row;
        let text = |column: &Column<'_>| column.text(row).unwrap_or_default().to_owned();
        let message = Column::new(self.timeline, "message");
        let said = message.text(row).filter(|said| !said.trim().is_empty());
        Unexplained {
            count: group.rows,
            error_code: self.code.text(row).map(str::to_owned),
            error_symbol: self.symbol(row, knowledge),
            summary: plain_to(said.unwrap_or(&text(&self.kind)), SUMMARY_CHARS),
            first_ts: group.first.map(to_rfc3339),
            last_ts: self.timeline.ts_ns(row).map(to_rfc3339),
            local_time: local_time(self.timeline, row),
            source: text(&Column::new(self.timeline, "source")),
            artifact: text(&self.artifact),
            record: self.record.number(row).unwrap_or_default(),
        }
    }
}

fn holds(table: &[bool], code: u32) -> bool {
    table.get(code as usize).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use casetrace_model::{Level, Outcome, Row, Source};
    use casetrace_timeline::TimelineBuilder;

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
        let (found, _) = unexplained(&timeline, findings, Knowledge::builtin());
        found
            .into_iter()
            .map(|line| format!("{}× {}", line.count, line.error_code.unwrap_or(line.summary)))
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
            event(1, UDR, 304, Some("0xc00484c1")),
            event(2, UDR, 304, Some("0x800484c1")),
        ];
        assert_eq!(codes(rows, &[]), ["2× 0x800484c1"]);
    }
}
