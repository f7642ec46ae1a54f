//! Runs plans: values of a record to the parts of an event.

use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Range;
use std::rc::Rc;

use ahash::AHashMap;
use casetrace_model::time;

use super::cursor::Cursor;
use super::fragment;
use super::plan::{self, Column, FieldName, Piece, PlaceId, Places, Step};
use super::token;
use super::value::{self, Value};
use crate::event::{Event, MAX_FIELDS, System};

/// Template instances within one another.
const MAX_NESTING: usize = 4;
/// Plans kept across chunks; more are compiled again when they are met again.
const MAX_PLANS: usize = 4_096;
/// Slots of one instance.
pub(super) const MAX_SLOTS: u32 = 4_096;

type Plan = Option<Rc<[Step]>>;

/// Compiled plans: of one chunk by place, of all chunks by content.
#[derive(Default)]
pub(crate) struct Runner {
    here: AHashMap<(u32, PlaceId), Plan>,
    known: AHashMap<(u64, u64), Plan>,
    /// Plans of elements without template, by their shape.
    shapes: AHashMap<(u64, u64), Rc<[Step]>>,
    shape: Vec<u8>,
    places: Places,
    slots: Vec<Slot>,
    hasher: ahash::RandomState,
}

/// A slot's value by its place in the chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) kind: u8,
    pub(super) at: usize,
    pub(super) len: usize,
}

/// The values of one instance.
#[derive(Clone, Copy)]
struct Values<'r> {
    chunk: &'r [u8],
    slots: &'r [Slot],
}

impl<'r> Values<'r> {
    fn get(&self, slot: u16) -> Option<Value<'r>> {
        let slot = self.slots.get(usize::from(slot))?;
        Some(Value {
            kind: slot.kind,
            bytes: self.chunk.get(slot.at..slot.at.checked_add(slot.len)?)?,
        })
    }
}

/// One event as texts in a buffer that is used again for the next.
#[derive(Default)]
pub(crate) struct Draft {
    text: String,
    fields: Vec<Written>,
    texts: [Option<Range<usize>>; 6],
    numbers: Numbers,
    data_parts: usize,
}

/// A field's name, the place of its text, and whether that needs no escaping.
struct Written {
    name: Rc<FieldName>,
    range: Range<usize>,
    plain: bool,
}

/// What stopped a plan: another instance, at a place of the chunk.
type Nested = (Range<usize>, PlaceId);

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
        self.slots.clear();
        self.instance(chunk, range, 0, 0, draft)
    }

    fn instance(
        &mut self,
        chunk: &[u8],
        range: Range<usize>,
        place: PlaceId,
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
        if matches!(token, 0x01 | 0x41) {
            return self.fragment(chunk, cursor.at() - 1..range.end, place, depth, draft);
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
        let base = self.slots.len();
        read_slots(&mut cursor, &mut self.slots)?;
        if !matches!(cursor.u8(), None | Some(0)) {
            return None;
        }
        let plan = self.plan(chunk, definition, place)?;
        self.run(chunk, &plan, base..self.slots.len(), depth, draft)
    }

    /// Elements that stand there as they are, without template, as CAPI2 writes them.
    fn fragment(
        &mut self,
        chunk: &[u8],
        range: Range<usize>,
        place: PlaceId,
        depth: usize,
        draft: &mut Draft,
    ) -> Option<()> {
        let base = self.slots.len();
        self.shape.clear();
        fragment::read(chunk, range.start, range.len(), &mut self.shape, &mut self.slots)?;
        let shape = (
            self.hasher.hash_one((place, 1_u8, &*self.shape)),
            self.hasher.hash_one((place, 2_u8, &*self.shape)),
        );
        let plan = match self.shapes.get(&shape) {
            Some(plan) => Rc::clone(plan),
            None => self.compile_fragment(chunk, range, place, shape)?,
        };
        self.run(chunk, &plan, base..self.slots.len(), depth, draft)
    }

    fn compile_fragment(
        &mut self,
        chunk: &[u8],
        range: Range<usize>,
        place: PlaceId,
        shape: (u64, u64),
    ) -> Option<Rc<[Step]>> {
        let steps = plan::compile(chunk, range.start, range.len(), false, place, &mut self.places)?;
        let plan: Rc<[Step]> = steps.into();
        if self.shapes.len() >= MAX_PLANS {
            self.shapes.clear();
        }
        self.shapes.insert(shape, Rc::clone(&plan));
        Some(plan)
    }

    fn run(
        &mut self,
        chunk: &[u8],
        plan: &[Step],
        slots: Range<usize>,
        depth: usize,
        draft: &mut Draft,
    ) -> Option<()> {
        let mut at = 0;
        loop {
            let values = Values {
                chunk,
                slots: self.slots.get(slots.clone())?,
            };
            let Some((range, place)) = draft.follow(plan, &mut at, values)? else {
                return Some(());
            };
            self.instance(chunk, range, place, depth + 1, draft)?;
        }
    }

    fn plan(&mut self, chunk: &[u8], definition: u32, place: PlaceId) -> Plan {
        if let Some(plan) = self.here.get(&(definition, place)) {
            return plan.clone();
        }
        let plan = self.plan_by_content(chunk, definition, place);
        self.here.insert((definition, place), plan.clone());
        plan
    }

    /// Definitions are the same in many chunks, with other name offsets; the hash is over what they say.
    fn plan_by_content(&mut self, chunk: &[u8], definition: u32, place: PlaceId) -> Plan {
        let mut cursor = Cursor::new(chunk, definition as usize);
        cursor.take(20)?;
        let size = cursor.u32()? as usize;
        let start = cursor.at();
        let (mut one, mut other) = (self.hasher.build_hasher(), self.hasher.build_hasher());
        (place, 1_u8).hash(&mut one);
        (place, 2_u8).hash(&mut other);
        token::walk(chunk, start, size, true, |token| {
            token.hash(&mut one);
            token.hash(&mut other);
            Some(())
        })?;
        let content = (one.finish(), other.finish());
        if let Some(plan) = self.known.get(&content) {
            return plan.clone();
        }
        let plan = plan::compile(chunk, start, size, true, place, &mut self.places).map(Rc::from);
        if self.known.len() < MAX_PLANS {
            self.known.insert(content, plan.clone());
        }
        plan
    }
}

/// Appends the slots of an instance.
fn read_slots(cursor: &mut Cursor<'_>, slots: &mut Vec<Slot>) -> Option<()> {
    let count = cursor.u32()?;
    if count > MAX_SLOTS {
        return None;
    }
    let sizes = cursor.take(count as usize * 4)?;
    let start = cursor.at();
    let mut at = start;
    for [low, high, kind, _] in sizes.as_chunks::<4>().0 {
        let len = usize::from(u16::from_le_bytes([*low, *high]));
        slots.push(Slot { kind: *kind, at, len });
        at += len;
    }
    cursor.take(at - start)?;
    Some(())
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

    /// Follows a plan from step `at` to its end, or to an instance of another template.
    fn follow(&mut self, plan: &[Step], at: &mut usize, values: Values<'_>) -> Option<Option<Nested>> {
        while let Some(step) = plan.get(*at) {
            *at += 1;
            match step {
                Step::Depends { slot, steps } => {
                    if values.get(*slot).is_some_and(|value| value.is_null()) {
                        *at += steps;
                    }
                }
                Step::Column { column, text } => self.column(*column, text, values)?,
                Step::Field {
                    name,
                    text,
                    always,
                    alone,
                } => self.field(name, text, *always, *alone, values)?,
                Step::Nested { slot, place } => {
                    let value = values.get(*slot)?;
                    if value.is_null() {
                        continue;
                    }
                    self.data_parts += 1;
                    // Names are numbered within one template; two of them could clash.
                    if value.kind != value::BINXML || self.data_parts > 1 {
                        return None;
                    }
                    let held = values.slots.get(usize::from(*slot))?;
                    return Some(Some((held.at..held.at + held.len, *place)));
                }
            }
        }
        Some(None)
    }

    /// Appends a text; its place in the buffer, and whether it needs no escaping.
    fn write(&mut self, text: &[Piece], values: Values<'_>) -> Option<(Range<usize>, bool)> {
        let start = self.text.len();
        let mut plain = true;
        for piece in text {
            match piece {
                Piece::Literal(text) => {
                    self.text.push_str(text);
                    plain = false;
                }
                Piece::Slot(slot) => plain &= values.get(*slot)?.write(&mut self.text)?,
            }
        }
        Some((start..self.text.len(), plain))
    }

    fn field(
        &mut self,
        name: &Rc<FieldName>,
        text: &[Piece],
        always: bool,
        alone: bool,
        values: Values<'_>,
    ) -> Option<()> {
        if let [Piece::Slot(slot)] = text
            && let Some(value) = values.get(*slot)
            && value.kind == value::STRINGS
        {
            return if always && alone {
                self.list(name, value.bytes)
            } else {
                None
            };
        }
        let (range, plain) = self.write(text, values)?;
        if always || says_something(self.text.get(range.clone())?) {
            self.push(Rc::clone(name), range, plain)?;
        }
        Some(())
    }

    /// The element is repeated for every item of a list; its fields are numbered.
    fn list(&mut self, name: &Rc<FieldName>, bytes: &[u8]) -> Option<()> {
        let items = value::strings(bytes)?;
        if items.is_empty() {
            let end = self.text.len();
            return self.push(Rc::clone(name), end..end, true);
        }
        for (index, item) in items.into_iter().enumerate() {
            let start = self.text.len();
            let plain = value::utf16(item, &mut self.text)?;
            let name = if index == 0 {
                Rc::clone(name)
            } else {
                FieldName::new(&format!("{}_{}", name.text, index + 1))
            };
            self.push(name, start..self.text.len(), plain)?;
        }
        Some(())
    }

    fn push(&mut self, name: Rc<FieldName>, range: Range<usize>, plain: bool) -> Option<()> {
        if self.fields.len() >= MAX_FIELDS {
            return None;
        }
        self.fields.push(Written { name, range, plain });
        Some(())
    }

    fn column(&mut self, column: Column, text: &[Piece], values: Values<'_>) -> Option<()> {
        if let Some(slot) = text_slot(column) {
            let (range, _) = self.write(text, values)?;
            let some = says_something(self.text.get(range.clone())?);
            *self.texts.get_mut(slot)? = some.then_some(range);
            return Some(());
        }
        let value = match text {
            [Piece::Slot(slot)] => Some(values.get(*slot)?),
            _ => None,
        };
        if column == Column::Time
            && let Some(instant) = value.and_then(|value| value.instant())
        {
            self.numbers.time_ns = Some(instant);
            return Some(());
        }
        if let Some(number) = value.and_then(|value| value.unsigned()) {
            self.numbers.set(column, number);
            return Some(());
        }
        let (range, _) = self.write(text, values)?;
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
        let mut event = Event::of(system, self.fields.len());
        for Written { name, range, plain } in &self.fields {
            event
                .fields
                .push_keyed(&name.text, &name.key, text(range), *plain);
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

/// Not only blanks.
fn says_something(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_graphic) || !text.trim().is_empty()
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
