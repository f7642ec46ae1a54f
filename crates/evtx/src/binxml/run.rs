//! Runs plans: values of a record to the parts of an event.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use casetrace_model::time;

use super::cursor::Cursor;
use super::plan::{self, Column, Piece, Place, Step};
use super::token;
use super::value::{self, Value};
use crate::event::{Event, MAX_FIELDS, System};

/// Template instances within one another.
const MAX_NESTING: usize = 4;
/// Plans kept across chunks; more are compiled again when they are met again.
const MAX_PLANS: usize = 4_096;
/// Slots of one instance.
const MAX_SLOTS: u32 = 4_096;

type Plan = Option<Rc<[Step]>>;

/// Compiled plans: of one chunk by place, of all chunks by content.
#[derive(Default)]
pub(crate) struct Runner {
    here: HashMap<(u32, Place), Plan>,
    known: HashMap<(u64, u64), Plan>,
    hasher: std::hash::RandomState,
}

/// One event as texts in a buffer that is used again for the next.
#[derive(Default)]
pub(crate) struct Draft {
    text: String,
    fields: Vec<(Rc<str>, Range<usize>)>,
    texts: [Option<Range<usize>>; 6],
    numbers: Numbers,
    data_parts: usize,
}

/// The numbers of `System`.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    event_id: Option<u32>,
    version: Option<u8>,
    level: Option<u8>,
    task: Option<u16>,
    opcode: Option<u8>,
    keywords: Option<u64>,
    time_ns: Option<i64>,
    record_id: Option<u64>,
    pid: Option<u32>,
    tid: Option<u32>,
}

impl Runner {
    /// Forgets what held for the chunk before.
    pub(crate) fn next_chunk(&mut self) {
        self.here.clear();
    }

    /// Reads the record whose binary XML is at `range` of `chunk`; `None` if it is not of the usual shape.
    pub(crate) fn read(&mut self, chunk: &[u8], range: Range<usize>, draft: &mut Draft) -> Option<()> {
        draft.clear();
        self.instance(chunk, range, &Place::default(), 0, draft)
    }

    fn instance(
        &mut self,
        chunk: &[u8],
        range: Range<usize>,
        place: &Place,
        depth: usize,
        draft: &mut Draft,
    ) -> Option<()> {
        if depth >= MAX_NESTING {
            return None;
        }
        let data = chunk.get(..range.end)?;
        let mut cursor = Cursor::new(data, range.start);
        let mut token = cursor.u8()?;
        if token == 0x0f {
            cursor.take(3)?;
            token = cursor.u8()?;
        }
        if token != 0x0c {
            return None;
        }
        cursor.take(5)?;
        let definition = cursor.u32()?;
        if cursor.at() == definition as usize {
            cursor.take(20)?;
            let size = cursor.u32()?;
            cursor.take(size as usize)?;
        }
        let values = values(&mut cursor)?;
        if !matches!(cursor.u8(), None | Some(0)) {
            return None;
        }
        let plan = self.plan(chunk, definition, place)?;
        self.run(chunk, &plan, &values, depth, draft)
    }

    fn run(
        &mut self,
        chunk: &[u8],
        plan: &[Step],
        values: &[Value<'_>],
        depth: usize,
        draft: &mut Draft,
    ) -> Option<()> {
        let mut at = 0;
        while let Some(step) = plan.get(at) {
            at += 1;
            match step {
                Step::Depends { slot, steps } => {
                    if values.get(usize::from(*slot)).is_some_and(Value::is_null) {
                        at += steps;
                    }
                }
                Step::Column { column, text } => draft.column(*column, text, values)?,
                Step::Field { name, text, always } => draft.field(name, text, *always, values)?,
                Step::Nested { slot, place } => {
                    let value = values.get(usize::from(*slot))?;
                    if value.is_null() {
                        continue;
                    }
                    if value.kind != value::BINXML {
                        return None;
                    }
                    draft.data_parts += 1;
                    // Names are numbered within one template; two of them could clash.
                    if draft.data_parts > 1 {
                        return None;
                    }
                    self.instance(
                        chunk,
                        value.at..value.at + value.bytes.len(),
                        place,
                        depth + 1,
                        draft,
                    )?;
                }
            }
        }
        Some(())
    }

    fn plan(&mut self, chunk: &[u8], definition: u32, place: &Place) -> Option<Rc<[Step]>> {
        let key = (definition, place.clone());
        if let Some(plan) = self.here.get(&key) {
            return plan.clone();
        }
        let plan = self.plan_by_content(chunk, definition, place);
        self.here.insert(key, plan.clone());
        plan
    }

    /// Definitions are the same in many chunks, with other name offsets; the hash is over what they say.
    fn plan_by_content(&mut self, chunk: &[u8], definition: u32, place: &Place) -> Plan {
        use std::hash::{BuildHasher, Hash, Hasher};
        let mut cursor = Cursor::new(chunk, definition as usize);
        cursor.take(20)?;
        let size = cursor.u32()? as usize;
        let start = cursor.at();
        let mut hashes = [self.hasher.build_hasher(), self.hasher.build_hasher()];
        1_u8.hash(&mut hashes[1]);
        place.hash(&mut hashes[0]);
        place.hash(&mut hashes[1]);
        token::walk(chunk, start, size, |token| {
            hashes.iter_mut().for_each(|hash| token.hash(hash));
            Some(())
        })?;
        let content = (hashes[0].finish(), hashes[1].finish());
        if let Some(plan) = self.known.get(&content) {
            return plan.clone();
        }
        let plan = plan::compile(chunk, start, size, place).map(Rc::from);
        if self.known.len() < MAX_PLANS {
            self.known.insert(content, plan.clone());
        }
        plan
    }
}

/// The slot values of an instance.
fn values<'c>(cursor: &mut Cursor<'c>) -> Option<Vec<Value<'c>>> {
    let count = cursor.u32()?;
    if count > MAX_SLOTS {
        return None;
    }
    let mut sizes = *cursor;
    cursor.take(count as usize * 4)?;
    let mut values = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (size, kind) = (sizes.u16()?, sizes.u8()?);
        sizes.u8()?;
        let at = cursor.at();
        values.push(Value {
            kind,
            at,
            bytes: cursor.take(usize::from(size))?,
        });
    }
    Some(values)
}

/// Columns whose value is text, in the order of [`Draft::texts`].
fn text_slot(column: Column) -> Option<usize> {
    Some(match column {
        Column::Provider => 0,
        Column::ProviderGuid => 1,
        Column::ActivityId => 2,
        Column::Channel => 3,
        Column::Computer => 4,
        Column::UserSid => 5,
        _ => return None,
    })
}

impl Draft {
    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.texts = Default::default();
        self.numbers = Numbers::default();
        self.data_parts = 0;
    }

    /// Appends a text; its place in the buffer.
    fn write(&mut self, text: &[Piece], values: &[Value<'_>]) -> Option<Range<usize>> {
        let start = self.text.len();
        for piece in text {
            match piece {
                Piece::Literal(text) => self.text.push_str(text),
                Piece::Slot(slot) => values.get(usize::from(*slot))?.write(&mut self.text)?,
            }
        }
        Some(start..self.text.len())
    }

    fn field(&mut self, name: &Rc<str>, text: &[Piece], always: bool, values: &[Value<'_>]) -> Option<()> {
        let range = self.write(text, values)?;
        if always || !self.text.get(range.clone())?.trim().is_empty() {
            if self.fields.len() >= MAX_FIELDS {
                return None;
            }
            self.fields.push((Rc::clone(name), range));
        }
        Some(())
    }

    fn column(&mut self, column: Column, text: &[Piece], values: &[Value<'_>]) -> Option<()> {
        if let Some(slot) = text_slot(column) {
            let range = self.write(text, values)?;
            let some = !self.text.get(range.clone())?.trim().is_empty();
            *self.texts.get_mut(slot)? = some.then_some(range);
            return Some(());
        }
        let value = match text {
            [Piece::Slot(slot)] => Some(values.get(usize::from(*slot))?),
            _ => None,
        };
        if column == Column::Time
            && let Some(instant) = value.and_then(Value::instant)
        {
            self.numbers.time_ns = Some(instant);
            return Some(());
        }
        if let Some(number) = value.and_then(Value::unsigned) {
            self.numbers.set(column, number);
            return Some(());
        }
        let range = self.write(text, values)?;
        let shown = self.text.get(range)?.trim();
        if column == Column::Time {
            self.numbers.time_ns = time::from_rfc3339(shown);
        } else if let Some(number) = number(shown) {
            self.numbers.set(column, number);
        }
        Some(())
    }

    /// The event, borrowed from this draft.
    pub(crate) fn event(&self) -> Event<'_> {
        use std::borrow::Cow;
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        let column = |slot: usize| {
            self.texts
                .get(slot)?
                .as_ref()
                .map(|range| Cow::Borrowed(text(range)))
        };
        let numbers = self.numbers;
        let system = System {
            provider: column(0),
            provider_guid: column(1),
            event_id: numbers.event_id,
            version: numbers.version,
            level: numbers.level,
            task: numbers.task,
            opcode: numbers.opcode,
            keywords: numbers.keywords,
            time_ns: numbers.time_ns,
            record_id: numbers.record_id,
            activity_id: column(2),
            pid: numbers.pid,
            tid: numbers.tid,
            channel: column(3),
            computer: column(4),
            user_sid: column(5),
            qualifiers: None,
        };
        let mut event = Event::of(system);
        for (name, range) in &self.fields {
            event.fields.push(&**name, text(range));
        }
        event.system.qualifiers = event.qualifiers_field();
        event
    }
}

impl Numbers {
    /// Stores a number; one that is too large for its column is dropped, as when it is read from text.
    fn set(&mut self, column: Column, number: u64) {
        match column {
            Column::EventId => self.event_id = number.try_into().ok(),
            Column::Version => self.version = number.try_into().ok(),
            Column::Level => self.level = number.try_into().ok(),
            Column::Task => self.task = number.try_into().ok(),
            Column::Opcode => self.opcode = number.try_into().ok(),
            Column::Keywords => self.keywords = Some(number),
            Column::RecordId => self.record_id = Some(number),
            Column::Pid => self.pid = number.try_into().ok(),
            Column::Tid => self.tid = number.try_into().ok(),
            _ => {}
        }
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
