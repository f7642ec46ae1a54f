//! What a table says about one event.

use std::borrow::Cow;

use casetrace_model::{Context, Outcome, Text};

use crate::FieldSource;
use crate::column::Column;
use crate::template::Template;
use crate::value::{Maps, Reading};

/// The fields that one rule asks for, so that a source can look each of them up once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    fn add(&mut self, name: &str) -> FieldName {
        let known = self.0.iter().position(|held| held == name);
        let number = known.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        FieldName {
            name: name.to_owned(),
            number,
        }
    }

    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// A field by its name and its place in the rule's [`Names`].
#[derive(Debug, Clone)]
pub(crate) struct FieldName {
    name: String,
    number: usize,
}

impl FieldName {
    /// The field's text as it is; a name that begins with `'` is a text of its own.
    pub(crate) fn raw<'a>(&'a self, fields: &'a dyn FieldSource) -> Option<Cow<'a, str>> {
        match self.name.strip_prefix('\'') {
            Some(text) => Some(Cow::Borrowed(text)),
            None => fields.wanted(self.number, &self.name),
        }
    }
}

/// A field and how to read it: `Name` or `Name:reading`.
#[derive(Debug, Clone)]
pub(crate) struct FieldRef {
    pub(crate) field: FieldName,
    pub(crate) reading: Reading,
}

impl FieldRef {
    pub(crate) fn parse(text: &str, maps: &Maps, names: &mut Names) -> Result<Self, String> {
        let (name, reading) = match text.rsplit_once(':') {
            Some((name, reading)) => {
                let reading =
                    Reading::parse(reading, maps).ok_or_else(|| format!("no reading {reading:?}"))?;
                (name, reading)
            }
            None => (text, Reading::Plain),
        };
        if name.trim().is_empty() {
            return Err("a field without name".to_owned());
        }
        Ok(Self {
            field: names.add(name.trim()),
            reading,
        })
    }

    /// The field's text for a sentence.
    pub(crate) fn shown<'a>(&'a self, fields: &'a dyn FieldSource, maps: &'a Maps) -> Option<Cow<'a, str>> {
        self.reading.show(self.field.raw(fields)?, maps)
    }
}

/// `column=Field,Other:reading`: the first field that fits.
#[derive(Debug, Clone)]
pub(crate) struct Promotion {
    pub(crate) column: Column,
    pub(crate) from: Vec<FieldRef>,
}

impl Promotion {
    fn parse(text: &str, maps: &Maps, names: &mut Names) -> Result<Self, String> {
        let (column, from) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is not column=Field"))?;
        let column = Column::parse(column.trim()).ok_or_else(|| format!("no column {column:?}"))?;
        let from: Result<Vec<_>, String> = from
            .split(',')
            .map(|field| FieldRef::parse(field, maps, names))
            .collect();
        let mut from = from?;
        if column == Column::ErrorCode {
            for field in from.iter_mut().filter(|field| field.reading == Reading::Plain) {
                field.reading = Reading::Code;
            }
        }
        Ok(Self { column, from })
    }
}

/// How the outcome is known.
#[derive(Debug, Clone, Default)]
pub(crate) enum OutcomeRule {
    /// The event says nothing about one.
    #[default]
    None,
    /// The event id alone says it.
    Fixed(Outcome),
    /// `?Field,Other`: zero is success, another number failure.
    ByField(Vec<FieldName>),
}

impl OutcomeRule {
    fn parse(text: &str, names: &mut Names) -> Result<Self, String> {
        match text {
            "-" => Ok(Self::None),
            _ => match text.strip_prefix('?') {
                Some(list) => Ok(Self::ByField(
                    list.split(',').map(|name| names.add(name)).collect(),
                )),
                None => Outcome::parse(text)
                    .map(Self::Fixed)
                    .ok_or_else(|| format!("no outcome {text:?}")),
            },
        }
    }
}

/// Which fields are searched as free text.
#[derive(Debug, Clone, Default)]
pub(crate) enum Search {
    #[default]
    None,
    Named(Vec<FieldName>),
    All,
}

/// One line of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule {
    pub(crate) min_version: u8,
    pub(crate) outcome: OutcomeRule,
    pub(crate) context: Option<Context>,
    pub(crate) phase: Option<Text>,
    pub(crate) promotions: Vec<Promotion>,
    pub(crate) search: Search,
    pub(crate) sentence: Option<Template>,
    pub(crate) names: Names,
}

impl Rule {
    /// Parses the cells after the event ids: version, outcome, context, phase, promotions, search, sentence.
    pub(crate) fn parse(cells: &[&str; 7], maps: &Maps) -> Result<Self, String> {
        let [version, outcome, context, phase, promote, search, sentence] = cells.map(str::trim);
        let mut names = Names::default();
        let promotions: Result<Vec<_>, String> = some(promote)
            .into_iter()
            .flat_map(|all| all.split(';'))
            .map(|one| Promotion::parse(one, maps, &mut names))
            .collect();
        let context = some(context).map(|c| Context::parse(c).ok_or_else(|| format!("no context {c:?}")));
        let sentence = some(sentence).map(|text| Template::parse(text, maps, &mut names));
        Ok(Self {
            min_version: some(version)
                .map_or(Ok(0), |v| v.parse().map_err(|_| format!("no version {v:?}")))?,
            outcome: OutcomeRule::parse(outcome, &mut names)?,
            context: context.transpose()?,
            phase: some(phase).map(Text::from),
            promotions: promotions?,
            search: match search {
                "-" => Search::None,
                "*" => Search::All,
                list => Search::Named(list.split(',').map(|name| names.add(name)).collect()),
            },
            sentence: sentence.transpose()?,
            names,
        })
    }
}

fn some(cell: &str) -> Option<&str> {
    (cell != "-").then_some(cell)
}
