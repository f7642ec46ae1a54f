//! A template definition as a list of steps: which slot goes to which column or field.

use std::rc::Rc;

use casetrace_events::Fields;
use casetrace_model::JsonKey;

use super::token::{self, Token};
use super::value;
use crate::event::MAX_DEPTH;

/// A part of `System` that has a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Provider,
    ProviderGuid,
    EventId,
    Version,
    Level,
    Task,
    Opcode,
    Keywords,
    Time,
    RecordId,
    ActivityId,
    Pid,
    Tid,
    Channel,
    Computer,
    UserSid,
}

/// A piece of a text.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Literal(Box<str>),
    Slot(u16),
}

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Leave out the next `steps` if the slot is not set.
    Depends {
        slot: u16,
        steps: usize,
    },
    Column {
        column: Column,
        text: Vec<Piece>,
    },
    /// `always`: also if the text is empty. `alone`: no other field's name begins with this one, so that a list may
    /// be numbered freely.
    Field {
        name: Rc<FieldName>,
        text: Vec<Piece>,
        always: bool,
        alone: bool,
    },
    /// The slot holds an instance of another template.
    Nested {
        slot: u16,
        place: PlaceId,
    },
}

/// A field's name, and as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldName {
    pub(super) text: Box<str>,
    pub(super) key: JsonKey,
}

impl FieldName {
    pub(super) fn new(text: &str) -> Rc<Self> {
        Rc::new(Self {
            text: text.into(),
            key: JsonKey::new(text),
        })
    }
}

/// A [`Place`] by number.
pub(super) type PlaceId = u32;

/// The places met so far; 0 is the top.
#[derive(Debug)]
pub(super) struct Places(Vec<Place>);

/// Places that are told apart.
const MAX_PLACES: usize = 256;

impl Default for Places {
    fn default() -> Self {
        Self(vec![Place::default()])
    }
}

impl Places {
    fn id(&mut self, place: &Place) -> Option<PlaceId> {
        let known = self.0.iter().position(|held| held == place);
        if known.is_none() && self.0.len() >= MAX_PLACES {
            return None;
        }
        let id = known.unwrap_or_else(|| {
            self.0.push(place.clone());
            self.0.len() - 1
        });
        u32::try_from(id).ok()
    }

    fn get(&self, id: PlaceId) -> Option<&Place> {
        self.0.get(id as usize)
    }
}

/// Where in the event a template's elements stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Place {
    depth: usize,
    section: Section,
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Section {
    #[default]
    None,
    System,
    Data,
}

/// Whether an element has attributes or children at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    None,
    Perhaps,
    Surely,
}

#[derive(Debug)]
struct Element {
    parent_path: usize,
    guard: Option<usize>,
    parts: Parts,
    data_name: Option<String>,
    text: Vec<Piece>,
}

/// Compiles the tokens at `start..start + len`: a template definition's body, or a fragment without template.
pub(super) fn compile(
    chunk: &[u8],
    start: usize,
    len: usize,
    is_definition: bool,
    place: PlaceId,
    places: &mut Places,
) -> Option<Vec<Step>> {
    let place = places.get(place)?.clone();
    let mut compiler = Compiler {
        place,
        places,
        steps: Vec::new(),
        open: Vec::new(),
        attribute: None,
        given: (!is_definition).then(Vec::new),
    };
    token::walk(chunk, start, len, is_definition, |token| compiler.token(token))?;
    if !compiler.open.is_empty() {
        return None;
    }
    number_names(&mut compiler.steps)?;
    Some(compiler.steps)
}

struct Compiler<'p> {
    place: Place,
    places: &'p mut Places,
    steps: Vec<Step>,
    open: Vec<Element>,
    attribute: Option<(String, Vec<Piece>)>,
    /// The texts of a fragment: other ones in another record, and therefore slots.
    given: Option<Vec<String>>,
}

impl Compiler<'_> {
    fn token(&mut self, token: Token<'_>) -> Option<()> {
        match token {
            Token::Open { name, dependency } => self.start(&text(name)?, dependency),
            Token::CloseTag => self.finish_attribute(),
            Token::CloseEmpty => {
                self.finish_attribute()?;
                self.end()
            }
            Token::End => self.end(),
            Token::Attribute { name } => {
                self.finish_attribute()?;
                let name = text(name)?;
                self.attribute = Some((local(&name).to_owned(), Vec::new()));
                Some(())
            }
            Token::Text(literal) => {
                let literal = text(literal)?;
                let piece = match &mut self.given {
                    Some(given) => {
                        given.push(literal);
                        Piece::Slot(u16::try_from(given.len() - 1).ok()?)
                    }
                    None => Piece::Literal(literal.into()),
                };
                self.piece(piece)
            }
            Token::Character(unit) => {
                let literal = text(&unit.to_le_bytes())?;
                self.piece(Piece::Literal(literal.into()))
            }
            Token::Slot { .. } if self.given.is_some() => None,
            Token::Slot {
                id,
                kind: value::BINXML,
            } if self.attribute.is_none() => {
                self.open.last_mut()?.parts = Parts::Perhaps;
                let place = self.places.id(&self.place)?;
                self.steps.push(Step::Nested { slot: id, place });
                Some(())
            }
            Token::Slot { id, .. } => self.piece(Piece::Slot(id)),
        }
    }

    fn piece(&mut self, piece: Piece) -> Option<()> {
        match &mut self.attribute {
            Some((_, pieces)) => pieces.push(piece),
            None => self.open.last_mut()?.text.push(piece),
        }
        Some(())
    }

    fn start(&mut self, name: &str, dependency: Option<u16>) -> Option<()> {
        let guard = dependency.map(|slot| {
            self.steps.push(Step::Depends { slot, steps: 0 });
            self.steps.len() - 1
        });
        if let Some(parent) = self.open.last_mut() {
            let parts = if guard.is_some() {
                Parts::Perhaps
            } else {
                Parts::Surely
            };
            parent.parts = if parent.parts == Parts::Surely {
                Parts::Surely
            } else {
                parts
            };
        }
        let place = &mut self.place;
        place.depth += 1;
        let parent_path = place.path.len();
        match place.depth {
            0 | 1 => {}
            2 => {
                place.section = match name {
                    "System" => Section::System,
                    "RenderingInfo" | "ProcessingErrorData" => return None,
                    _ => Section::Data,
                }
            }
            3..=MAX_DEPTH => {
                if !place.path.is_empty() {
                    place.path.push('/');
                }
                place.path.push_str(local(name));
            }
            _ => return None,
        }
        self.open.push(Element {
            parent_path,
            guard,
            parts: Parts::None,
            data_name: None,
            text: Vec::new(),
        });
        Some(())
    }

    fn finish_attribute(&mut self) -> Option<()> {
        let Some((name, text)) = self.attribute.take() else {
            return Some(());
        };
        if self.place.depth < 3 || name.starts_with("xmlns") {
            return Some(());
        }
        let literal = self.literal(&text);
        match self.place.section {
            Section::System => {
                let column = system_attribute(&self.place.path, &name);
                self.system(column, &format!("/@{name}"), text);
            }
            Section::Data if name == "Name" && self.place.path == "Data" => {
                self.open.last_mut()?.data_name = Some(literal?).filter(|name| !name.is_empty());
            }
            Section::Data => {
                let element = self.open.last_mut()?;
                // An attribute without text is left out.
                let always = match literal {
                    Some(text) if text.is_empty() => return Some(()),
                    Some(_) => true,
                    None => false,
                };
                if always {
                    element.parts = Parts::Surely;
                } else if element.parts == Parts::None {
                    element.parts = Parts::Perhaps;
                }
                let name = FieldName::new(&format!("{}/@{name}", self.place.path));
                self.steps.push(Step::Field {
                    name,
                    text,
                    always,
                    alone: false,
                });
            }
            Section::None => return None,
        }
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        let element = self.open.pop()?;
        match (self.place.depth, self.place.section) {
            (0 | 1, _) => {}
            (2, Section::Data) if !element.text.is_empty() => return None,
            (2, _) => self.place.section = Section::None,
            (_, Section::System) => {
                let column = system_element(&self.place.path);
                self.system(column, "", element.text);
            }
            (_, Section::Data) => {
                let always = match element.parts {
                    Parts::None => true,
                    Parts::Surely => self
                        .literal(&element.text)
                        .is_some_and(|text| !text.trim().is_empty()),
                    Parts::Perhaps => return None,
                };
                if always || !element.text.is_empty() {
                    let name = FieldName::new(element.data_name.as_deref().unwrap_or(&self.place.path));
                    self.steps.push(Step::Field {
                        name,
                        text: element.text,
                        always,
                        alone: false,
                    });
                }
            }
            (_, Section::None) => return None,
        }
        if let Some(guard) = element.guard {
            let covered = self.steps.len() - guard - 1;
            if let Some(Step::Depends { steps, .. }) = self.steps.get_mut(guard) {
                *steps = covered;
            }
        }
        self.place.path.truncate(element.parent_path);
        self.place.depth -= 1;
        Some(())
    }

    /// The text if no value is in it that is not known yet.
    fn literal(&self, pieces: &[Piece]) -> Option<String> {
        let texts = pieces.iter().map(|piece| match piece {
            Piece::Literal(text) => Some(&**text),
            Piece::Slot(id) => self.given.as_ref()?.get(usize::from(*id)).map(String::as_str),
        });
        texts.collect()
    }

    /// A part of System: to its column, and by its path where it has none (qualifiers have both).
    fn system(&mut self, column: Option<Column>, suffix: &str, text: Vec<Piece>) {
        self.steps.push(match column {
            Some(column) => Step::Column { column, text },
            None => {
                let name = FieldName::new(&format!("System/{}{suffix}", self.place.path));
                Step::Field {
                    name,
                    text,
                    always: false,
                    alone: false,
                }
            }
        });
    }
}

fn system_attribute(path: &str, name: &str) -> Option<Column> {
    Some(match (path, name) {
        ("Provider", "Name") => Column::Provider,
        ("Provider", "Guid") => Column::ProviderGuid,
        ("TimeCreated", "SystemTime") => Column::Time,
        ("Correlation", "ActivityID") => Column::ActivityId,
        ("Execution", "ProcessID") => Column::Pid,
        ("Execution", "ThreadID") => Column::Tid,
        ("Security", "UserID") => Column::UserSid,
        _ => return None,
    })
}

fn system_element(path: &str) -> Option<Column> {
    Some(match path {
        "EventID" => Column::EventId,
        "Version" => Column::Version,
        "Level" => Column::Level,
        "Task" => Column::Task,
        "Opcode" => Column::Opcode,
        "Keywords" => Column::Keywords,
        "EventRecordID" => Column::RecordId,
        "Channel" => Column::Channel,
        "Computer" => Column::Computer,
        _ => return None,
    })
}

/// Numbers repeated names as [`Fields`] does; only possible here if none of the repeated ones can be left out.
fn number_names(steps: &mut [Step]) -> Option<()> {
    let mut numbered = Fields::default();
    let mut guarded_until = 0;
    let mut conditional = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Depends { steps, .. } => guarded_until = guarded_until.max(at + 1 + steps),
            Step::Field { name, always, .. } => {
                conditional.push(!always || at < guarded_until);
                numbered.push_numbered(&*name.text, "");
            }
            _ => {}
        }
    }
    let fields = steps.iter().filter_map(field_name).zip(numbered.iter());
    let renamed: Vec<Option<Rc<FieldName>>> = fields
        .map(|(name, (new, _))| (*name.text != *new).then(|| FieldName::new(new)))
        .collect();
    let changed = renamed.iter().any(Option::is_some);
    if changed {
        let names = steps.iter_mut().filter_map(|step| match step {
            Step::Field { name, .. } => Some(name),
            _ => None,
        });
        for (name, new) in names.zip(renamed) {
            *name = new.unwrap_or_else(|| Rc::clone(name));
        }
    }
    mark_alone(steps);
    (!changed || !conditional.contains(&true)).then_some(())
}

fn field_name(step: &Step) -> Option<&Rc<FieldName>> {
    match step {
        Step::Field { name, .. } => Some(name),
        _ => None,
    }
}

/// Finds the fields whose name no other one begins with. Only a slot can hold a list, so others don't matter.
fn mark_alone(steps: &mut [Step]) {
    let slot = |text: &[Piece]| matches!(text, [Piece::Slot(_)]);
    if !steps
        .iter()
        .any(|step| matches!(step, Step::Field { text, .. } if slot(text)))
    {
        return;
    }
    let names: Vec<Rc<FieldName>> = steps.iter().filter_map(field_name).cloned().collect();
    for step in steps {
        if let Step::Field {
            name, alone, text, ..
        } = step
            && slot(text)
        {
            let alike = names.iter().filter(|other| other.text.starts_with(&*name.text));
            *alone = alike.count() == 1;
        }
    }
}

fn text(utf16: &[u8]) -> Option<String> {
    let mut out = String::new();
    value::utf16(utf16, &mut out)?;
    Some(out)
}

/// A name without its prefix; declarations of namespaces keep theirs.
fn local(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((_, local)) if !name.starts_with("xmlns") => local,
        _ => name,
    }
}
