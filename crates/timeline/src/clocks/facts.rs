//! What artifacts recorded of the same thing: connections, events, request ids, and what servers said of the time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::ClockBasis;
use super::estimate::{Estimate, estimate};
use crate::members::read_members;
use crate::timeline::{Cells, ColumnId, Timeline};

/// Artifacts that are compared; captures and logs with shared facts, not every text.
const MAX_ARTIFACTS: usize = 200;
/// Facts of one sort that are kept. Of more, every second, fourth, … key is looked at, the same in all artifacts.
const MAX_FACTS: usize = 2 << 20;
/// Rows whose server times are read.
const MAX_DATES: usize = 20_000;

/// A row that tells of something another artifact may tell of, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    pub(super) key: u64,
    pub(super) artifact: u32,
    pub(super) row: u32,
}

/// What artifacts recorded.
pub(super) struct Seen {
    /// Those of one key together, rows of an artifact in their order.
    pub(super) facts: Vec<Fact>,
    /// An artifact that has a key twice may mean something else each time.
    pub(super) twice_is_another: bool,
}

pub(super) struct Columns {
    pub(super) artifact: ColumnId,
    kind: ColumnId,
    provider: ColumnId,
    event_id: ColumnId,
    message: ColumnId,
    fields: ColumnId,
    ids: ColumnId,
    pid: ColumnId,
    tid: ColumnId,
    src_ip: ColumnId,
    src_port: ColumnId,
    dst_ip: ColumnId,
    dst_port: ColumnId,
}

impl Columns {
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            artifact: ColumnId::of("artifact")?,
            kind: ColumnId::of("kind")?,
            provider: ColumnId::of("provider")?,
            event_id: ColumnId::of("event_id")?,
            message: ColumnId::of("message")?,
            fields: ColumnId::of("fields")?,
            ids: ColumnId::of("correlation_id")?,
            pid: ColumnId::of("pid")?,
            tid: ColumnId::of("tid")?,
            src_ip: ColumnId::of("src_ip")?,
            src_port: ColumnId::of("src_port")?,
            dst_ip: ColumnId::of("dst_ip")?,
            dst_port: ColumnId::of("dst_port")?,
        })
    }
}

impl Seen {
    fn none() -> Self {
        Self {
            facts: Vec::new(),
            twice_is_another: false,
        }
    }
}

pub(super) struct Finder<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) columns: Columns,
}

impl Finder<'_> {
    fn code(&self, column: ColumnId, row: u32) -> u32 {
        self.timeline.code(column, row).unwrap_or(0)
    }

    fn code_of(&self, column: ColumnId, text: &str) -> Option<u32> {
        let at = self.timeline.distinct(column).iter().position(|t| t == text)?;
        u32::try_from(at + 1).ok()
    }

    /// Facts of timed rows for which `is_one` holds, if at least two artifacts have some. `twice_is_another` says what it
    /// means if an artifact has a fact twice: nothing new, or that it can't be told apart.
    fn seen(
        &self,
        is_one: impl Fn(u32) -> bool,
        mut key: impl FnMut(u32) -> Option<u64>,
        twice_is_another: bool,
    ) -> Seen {
        let timed = || (0..self.timeline.len() as u32).take_while(|row| self.timeline.ts_ns(*row).is_some());
        let artifact = |row| self.code(self.columns.artifact, row);
        let (mut artifacts, mut count) = (BTreeSet::new(), 0_usize);
        for row in timed().filter(|row| is_one(*row)) {
            artifacts.insert(artifact(row));
            count += 1;
        }
        let mut facts = Vec::new();
        if (2..=MAX_ARTIFACTS).contains(&artifacts.len()) {
            let others = (count.div_ceil(MAX_FACTS).next_power_of_two() - 1) as u64;
            let fact = |row| {
                let key = key(row).filter(|key| key & others == 0)?;
                let artifact = artifact(row);
                Some(Fact { key, artifact, row })
            };
            facts.extend(timed().filter(|row| is_one(*row)).filter_map(fact));
            facts.sort_unstable();
        }
        Seen {
            facts,
            twice_is_another,
        }
    }

    pub(super) fn connections(&self) -> Seen {
        let c = &self.columns;
        let Some(kind) = self.code_of(c.kind, "tcp.connect") else {
            return Seen::none();
        };
        let key = |row: u32| {
            let text = |column| self.timeline.text(column, row);
            let port = |column| self.timeline.number(column, row);
            let ends = (
                text(c.src_ip)?,
                port(c.src_port)?,
                text(c.dst_ip)?,
                port(c.dst_port)?,
            );
            Some(hash(ends))
        };
        self.seen(|row| self.code(c.kind, row) == kind, key, true)
    }

    pub(super) fn events(&self) -> Seen {
        let c = &self.columns;
        let Some(kind) = self.code_of(c.kind, "event") else {
            return Seen::none();
        };
        // Only providers that two artifacts have; whole traces share nothing else.
        let mut owners: HashMap<u32, BTreeSet<u32>> = HashMap::new();
        for row in 0..self.timeline.len() as u32 {
            let provider = self.code(c.provider, row);
            if provider != 0 {
                let owners = owners.entry(provider).or_default();
                if owners.len() < 2 {
                    owners.insert(self.code(c.artifact, row));
                }
            }
        }
        owners.retain(|_, artifacts| artifacts.len() > 1);
        let is_one = |row| self.code(c.kind, row) == kind && owners.contains_key(&self.code(c.provider, row));
        let mut messages = self.timeline.long_reader(c.message);
        let key = |row: u32| {
            let number = |column| self.timeline.number(column, row);
            let who = (number(c.event_id)?, number(c.pid)?, number(c.tid)?);
            let message = messages.as_mut().map(|cells| cells.text(row));
            Some(hash((who, self.code(c.provider, row), message)))
        };
        self.seen(is_one, key, true)
    }

    pub(super) fn ids(&self) -> Seen {
        let c = &self.columns;
        let id = |row| self.code(c.ids, row);
        self.seen(|row| id(row) != 0, |row| Some(u64::from(id(row))), false)
    }

    /// By artifact, how far its clock is ahead of the servers'.
    pub(super) fn servers(&self) -> BTreeMap<u32, Estimate> {
        let c = &self.columns;
        let kinds: BTreeSet<u32> = ["http.response", "kerberos.error", "kerberos.reply"]
            .iter()
            .filter_map(|kind| self.code_of(c.kind, kind))
            .collect();
        let mut values: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        let rows = (0..self.timeline.len() as u32).filter(|row| kinds.contains(&self.code(c.kind, *row)));
        let mut fields = Cells::new(self.timeline);
        for row in rows.take(MAX_DATES) {
            let Some(fields) = fields.text(c.fields, row) else {
                continue;
            };
            let told = read_members(fields, &["server_date_offset_ms", "skew_ms"]);
            let ms = told
                .into_iter()
                .flatten()
                .next()
                .and_then(|text| text.parse::<i64>().ok());
            if let Some(ms) = ms {
                values
                    .entry(self.code(c.artifact, row))
                    .or_default()
                    .push(ms.saturating_mul(-1_000_000));
            }
        }
        values
            .into_iter()
            .filter_map(|(artifact, values)| Some((artifact, estimate(values, ClockBasis::Servers)?)))
            .collect()
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
