//! One failed attempt as a sequence: who spoke to whom, in which order, and what the client logged about it.
//!
//! A story is told from row numbers, whoever chose them. [`of_attempt`] takes the rows that belong to the failed attempt in
//! which a finding shows, [`of_finding`] those around the first decisive fact of a finding: its evidence, that of its
//! consequences, and what shares a conversation or an activity with them. Bounded: [`MAX_STEPS`] steps, [`MAX_LANES`]
//! parties, [`MAX_SCAN`] rows looked at.

use std::collections::{BTreeMap, BTreeSet};

use casetrace_model::time;
use casetrace_rules::{Attempt, AttemptOutcome, Attempts, Finding, Role};
use serde::Serialize;

use crate::escape::shorten;
use crate::frame::{ColumnView, Columns, members};
use crate::labels::Labels;
use crate::mermaid;

/// Steps of one story.
const MAX_STEPS: usize = 16;
/// Parties of one story; further ones share the last.
const MAX_LANES: usize = 5;
/// Rows looked at for one story.
const MAX_SCAN: u32 = 200_000;
/// Longest text of a step, and of a party's name.
const MAX_TEXT: usize = 84;
const MAX_NAME: usize = 44;
/// A story begins this long before its first decisive fact and is over this long after it, nanoseconds.
const BEFORE: i64 = 5_000_000_000;
const AFTER: i64 = 20_000_000_000;
/// Fewer steps are no story.
const LEAST_STEPS: usize = 3;

/// Units of the picture.
const GUTTER: usize = 96;
const LANE_DISTANCE: usize = 250;
const HEAD: usize = 46;
const STEP: usize = 34;

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Story {
    /// Rule of the finding it belongs to.
    pub rule_id: String,
    /// What it shows.
    pub title: String,
    /// Who takes part; the client is first.
    pub lanes: Vec<StoryLane>,
    /// What happened, in order of time.
    pub steps: Vec<StoryStep>,
    /// Steps left out.
    pub more: usize,
    /// The same as Mermaid text, safe between fences.
    pub mermaid: String,
    /// Size of the picture.
    pub width: usize,
    /// Size of the picture.
    pub height: usize,
}

/// One party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoryLane {
    /// Computer, proxy, host name or service.
    pub name: String,
    /// Place of its line.
    pub x: usize,
}

/// One message or remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoryStep {
    /// Time of day to the millisecond, UTC.
    pub clock: String,
    /// Number of the lane that speaks.
    pub from: usize,
    /// Number of the lane that hears it; the same as `from` for a remark.
    pub to: usize,
    /// One line.
    pub text: String,
    /// True if this is where it went wrong.
    pub failed: bool,
    /// Kind of source.
    pub source: String,
    /// Logical path.
    pub artifact: String,
    /// Record number.
    pub record: u64,
    /// Place in the picture.
    pub y: usize,
    /// Place of the speaker's line.
    pub x1: usize,
    /// Place of the hearer's line.
    pub x2: usize,
}

impl Story {
    /// True if it has no step that `other` does not tell.
    fn is_part_of(&self, other: &Self) -> bool {
        let key = |s: &StoryStep| (s.clock.clone(), s.artifact.clone(), s.record);
        self.more == 0
            && self
                .steps
                .iter()
                .all(|step| other.steps.iter().any(|s| key(s) == key(step)))
    }
}

/// The rows of an attempt that its timeline still has.
fn of_attempt(columns: &Columns<'_>, attempt: &Attempt) -> BTreeSet<u32> {
    let view = RowView::new(columns);
    let mut rows = BTreeSet::new();
    for step in &attempt.steps {
        let Some(ts) = step.ts.as_deref().and_then(time::from_rfc3339) else {
            continue;
        };
        let same_time = columns.rows_in(ts..ts.saturating_add(1), MAX_SCAN);
        rows.extend(same_time.filter(|row| {
            view.artifact(*row) == step.artifact
                && view.record(*row) == step.record
                && view.kind.get(*row as usize) == Some(step.kind.as_str())
                && view.tells(*row)
        }));
    }
    rows
}

/// The failed attempt in which `finding` shows, if there is one: the one with the most records.
fn attempt_of<'a>(attempts: &'a Attempts, finding: &Finding) -> Option<&'a Attempt> {
    attempts
        .attempts
        .iter()
        .filter(|a| a.outcome != AttemptOutcome::Success && a.findings.contains(&finding.rule_id))
        .max_by_key(|a| (a.steps.len(), std::cmp::Reverse(&a.started)))
}

/// The rows that tell how `finding` came about: `also` are findings it explains.
fn of_finding(columns: &Columns<'_>, finding: &Finding, also: &[&Finding]) -> BTreeSet<u32> {
    let carrying = |role: Role| matches!(role, Role::Decisive | Role::Supporting);
    let begin = finding
        .evidence
        .iter()
        .filter(|item| item.role == Role::Decisive)
        .filter_map(|item| time::from_rfc3339(item.ts.as_deref()?))
        .min();
    let Some(begin) = begin else {
        return BTreeSet::new();
    };
    let window = begin.saturating_sub(BEFORE)..begin.saturating_add(AFTER);
    let cited: BTreeSet<(&str, u64)> = std::iter::once(finding)
        .chain(also.iter().copied())
        .flat_map(|f| &f.evidence)
        .filter(|item| carrying(item.role))
        .map(|item| (item.artifact.as_str(), item.record))
        .collect();
    let view = RowView::new(columns);
    let rows = columns.rows_in(window, MAX_SCAN);
    let is_cited = |row: u32| cited.contains(&(view.artifact(row), view.record(row)));
    let mut links = BTreeSet::new();
    for row in rows.clone().filter(|row| is_cited(*row)) {
        links.extend(view.links(row));
    }
    rows.filter(|row| is_cited(*row) || view.links(*row).any(|link| links.contains(&link)))
        .filter(|row| view.tells(*row) || is_cited(*row))
        .collect()
}

/// What links rows of one attempt: a conversation in one file, an activity, a correlation id.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Link<'a> {
    Flow(&'a str, i64),
    Id(&'a str),
}

struct RowView<'a> {
    artifact: ColumnView<'a>,
    record: ColumnView<'a>,
    flow: ColumnView<'a>,
    activity: ColumnView<'a>,
    correlation: ColumnView<'a>,
    kind: ColumnView<'a>,
    source: ColumnView<'a>,
    host: ColumnView<'a>,
    server_name: ColumnView<'a>,
    dst_ip: ColumnView<'a>,
    port: ColumnView<'a>,
    proxy: ColumnView<'a>,
    outcome: ColumnView<'a>,
    message: ColumnView<'a>,
    status: ColumnView<'a>,
    fields: ColumnView<'a>,
}

impl<'a> RowView<'a> {
    fn new(columns: &Columns<'a>) -> Self {
        let c = |name| columns.column(name);
        Self {
            artifact: c("artifact"),
            record: c("record"),
            flow: c("flow_id"),
            activity: c("activity_id"),
            correlation: c("correlation_id"),
            kind: c("kind"),
            source: c("source"),
            host: c("host"),
            server_name: c("server_name"),
            dst_ip: c("dst_ip"),
            port: c("dst_port"),
            proxy: c("proxy"),
            outcome: c("outcome"),
            message: c("message"),
            status: c("http_status"),
            fields: c("fields"),
        }
    }

    fn artifact(&self, row: u32) -> &'a str {
        self.artifact.get(row as usize).unwrap_or_default()
    }

    fn record(&self, row: u32) -> u64 {
        self.record
            .number(row as usize)
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or_default()
    }

    fn links(&self, row: u32) -> impl Iterator<Item = Link<'a>> + use<'a> {
        let at = row as usize;
        let flow = self
            .flow
            .number(at)
            .map(|flow| Link::Flow(self.artifact(row), flow));
        let ids = [self.activity.get(at), self.correlation.get(at)];
        flow.into_iter().chain(ids.into_iter().flatten().map(Link::Id))
    }

    /// Rows that add nothing to a sequence are left out unless they are evidence.
    fn tells(&self, row: u32) -> bool {
        let at = row as usize;
        let kind = self.kind.get(at).unwrap_or_default();
        !matches!(kind, "tcp.close" | "config" | "tls.server_hello") || self.failed(row)
    }

    fn failed(&self, row: u32) -> bool {
        let at = row as usize;
        let outcome = self.outcome.get(at).unwrap_or_default();
        matches!(outcome, "failure" | "timeout" | "reset" | "refused")
            || self.status.number(at).is_some_and(|status| status >= 400)
            || matches!(
                self.kind.get(at),
                Some("tls.alert" | "tcp.reset" | "kerberos.error")
            )
    }
}

/// Tells a story from `rows`; `None` if there is not enough to tell.
fn tell(columns: &Columns<'_>, rows: &BTreeSet<u32>, finding: &Finding, labels: &Labels) -> Option<Story> {
    let view = RowView::new(columns);
    let client = rows
        .iter()
        .find_map(|row| view.host.get(*row as usize))
        .unwrap_or_else(|| labels.get("story_client"));
    let mut lanes = vec![shorten(client, MAX_NAME)];
    let mut steps: Vec<StoryStep> = Vec::new();
    let mut records = BTreeSet::new();
    let proxies: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| view.proxy.get(*row as usize))
        .collect();
    // One record can be a fact and an event: the fact tells more.
    let told_better: BTreeSet<(&str, u64)> = rows
        .iter()
        .filter(|row| view.kind.get(**row as usize) != Some("event"))
        .map(|row| (view.artifact(*row), view.record(*row)))
        .collect();
    for row in rows {
        let key = (view.artifact(*row), view.record(*row));
        if view.kind.get(*row as usize) == Some("event") && told_better.contains(&key) {
            continue;
        }
        let step = view.step(*row, &mut lanes, &proxies, labels);
        // A request seen by two listeners, or sent again and again, is one step of the story.
        let told = steps
            .iter()
            .any(|s| (s.from, s.to, &s.text) == (step.from, step.to, &step.text));
        if !told && records.insert((key, step.text.clone())) {
            steps.push(step);
        }
    }
    if steps.len() < LEAST_STEPS {
        return None;
    }
    let more = steps.len().saturating_sub(MAX_STEPS);
    shorten_to(&mut steps, MAX_STEPS);
    let lanes: Vec<StoryLane> = lanes
        .into_iter()
        .enumerate()
        .map(|(at, name)| StoryLane { name, x: lane_x(at) })
        .collect();
    for (at, step) in steps.iter_mut().enumerate() {
        step.y = HEAD + STEP * (at + 1);
        (step.x1, step.x2) = (lane_x(step.from), lane_x(step.to));
    }
    let mut story = Story {
        rule_id: finding.rule_id.clone(),
        title: finding.title.clone(),
        width: lane_x(lanes.len().max(3)) - LANE_DISTANCE / 4,
        height: HEAD + STEP * (steps.len() + 1),
        lanes,
        steps,
        more,
        mermaid: String::new(),
    };
    story.mermaid = mermaid::sequence(&story);
    Some(story)
}

fn lane_x(at: usize) -> usize {
    GUTTER + LANE_DISTANCE / 3 + LANE_DISTANCE * at
}

/// Drops steps that went well, from the middle outwards, until `most` are left.
fn shorten_to(steps: &mut Vec<StoryStep>, most: usize) {
    while steps.len() > most {
        let middle = steps.len() / 2;
        let nearest = |wanted: bool| {
            (0..steps.len())
                .filter(|at| steps.get(*at).is_some_and(|s| s.failed == wanted))
                .min_by_key(|at| at.abs_diff(middle))
        };
        let at = nearest(false).or_else(|| nearest(true)).unwrap_or(middle);
        steps.remove(at);
    }
}

impl RowView<'_> {
    fn step(
        &self,
        row: u32,
        lanes: &mut Vec<String>,
        proxies: &BTreeSet<&str>,
        labels: &Labels,
    ) -> StoryStep {
        let at = row as usize;
        let peer = self.peer(row, proxies, labels).map(|name| lane(lanes, &name));
        let (from, to) = match peer {
            Some(peer) if self.is_answer(row) => (peer, 0),
            Some(peer) => (0, peer),
            None => (0, 0),
        };
        let kind = self.kind.get(at).unwrap_or_default();
        let message = self
            .message
            .get(at)
            .filter(|text| !text.is_empty())
            .unwrap_or(kind);
        let clock = self
            .source_time(row)
            .map(time::to_rfc3339)
            .and_then(|text| text.get(11..23).map(str::to_owned))
            .unwrap_or_default();
        StoryStep {
            clock,
            from,
            to,
            text: shorten(message, MAX_TEXT),
            failed: self.failed(row),
            source: self.source.get(at).unwrap_or_default().to_owned(),
            artifact: self.artifact(row).to_owned(),
            record: self.record(row),
            y: 0,
            x1: 0,
            x2: 0,
        }
    }

    fn source_time(&self, row: u32) -> Option<i64> {
        self.record.ts_ns(row)
    }

    /// Whom the client spoke to; nobody for what it logged.
    fn peer(&self, row: u32, proxies: &BTreeSet<&str>, labels: &Labels) -> Option<String> {
        let at = row as usize;
        let family = self.kind.get(at)?.split('.').next()?;
        // A connection to the proxy does not yet know that it is one.
        let at_proxy = || {
            let ip = self.dst_ip.get(at)?;
            let address = |proxy: &str| proxy.rsplit_once(':').map_or(proxy == ip, |(host, _)| host == ip);
            proxies.iter().copied().find(|proxy| address(proxy))
        };
        let proxied = || {
            let proxy = self.proxy.get(at).or_else(at_proxy)?;
            Some(format!("{} {proxy}", labels.get("proxy")))
        };
        let named = || {
            self.server_name
                .get(at)
                .or_else(|| self.dst_ip.get(at))
                .map(str::to_owned)
        };
        let directory = matches!(self.port.number(at), Some(88 | 389 | 464 | 636 | 3268 | 3269));
        match family {
            "tcp" if directory => Some(labels.get("story_dc").to_owned()),
            "dns" => Some(labels.get("story_dns").to_owned()),
            "kerberos" | "ldap" => Some(labels.get("story_dc").to_owned()),
            "tcp" | "tls" | "http" | "quic" | "socks" => proxied().or_else(named),
            "cli" => named(),
            _ => None,
        }
    }

    fn is_answer(&self, row: u32) -> bool {
        let at = row as usize;
        let by_server =
            |key: &str| members(self.fields.get(at)).get(key).and_then(|v| v.as_str()) == Some("server");
        match self.kind.get(at).unwrap_or_default() {
            "dns.response"
            | "http.response"
            | "tls.server_hello"
            | "tls.certificate"
            | "tls.certificate_request"
            | "ldap.result"
            | "kerberos.reply"
            | "kerberos.error" => true,
            "tls.alert" => by_server("direction"),
            "tcp.reset" | "tcp.close" => by_server("by"),
            _ => false,
        }
    }
}

/// The lane of that name; a new one while there is room.
fn lane(lanes: &mut Vec<String>, name: &str) -> usize {
    let name = shorten(name, MAX_NAME);
    let found = lanes
        .iter()
        .skip(1)
        .position(|lane| *lane == name)
        .map(|at| at + 1);
    found.unwrap_or_else(|| {
        if lanes.len() < MAX_LANES {
            lanes.push(name);
        }
        lanes.len() - 1
    })
}

/// The stories of the first findings that nothing else explains.
pub(crate) fn stories(
    columns: &Columns<'_>,
    findings: &[&Finding],
    attempts: &Attempts,
    labels: &Labels,
    most: usize,
) -> Vec<Story> {
    let mut by_rule: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        for cause in &finding.consequence_of {
            by_rule.entry(cause).or_default().push(finding);
        }
    }
    let mut told: Vec<Story> = Vec::new();
    findings
        .iter()
        .filter(|f| f.consequence_of.is_empty() && f.severity != casetrace_rules::Severity::Info)
        .take(most)
        .for_each(|finding| {
            let also = by_rule
                .get(finding.rule_id.as_str())
                .map_or(&[][..], Vec::as_slice);
            // An attempt has what belongs to it; the finding's own facts of that time belong into its story, too.
            let mut rows = of_finding(columns, finding, also);
            if let Some(attempt) = attempt_of(attempts, finding) {
                rows.extend(of_attempt(columns, attempt));
            }
            let story = tell(columns, &rows, finding, labels);
            told.extend(story.filter(|story| told.iter().all(|earlier| !story.is_part_of(earlier))));
        });
    told
}
