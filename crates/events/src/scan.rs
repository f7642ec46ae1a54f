//! Codes, ids and names inside free text, by the patterns of `pipelines/events/patterns.tsv`.

use casetrace_model::{Row, Text, code, find_guids};
use regex::Regex;

use crate::MAX_SCAN;
use crate::column::{self, Column};

/// What a pattern's first group is.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// One of possibly many error codes; hex without `0x` is fine.
    Code,
    /// A column.
    Column(Column),
    /// The phase.
    Phase,
    /// A further member of `fields`.
    Field(String),
}

/// One pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) target: Target,
    pub(crate) regex: Regex,
}

impl Pattern {
    pub(crate) fn parse(target: &str, regex: &str) -> Result<Self, String> {
        let target = match target {
            "code" => Target::Code,
            "phase" => Target::Phase,
            _ => match target.strip_prefix("field:") {
                Some(name) => Target::Field(name.to_owned()),
                None => Target::Column(Column::parse(target).ok_or_else(|| format!("no target {target:?}"))?),
            },
        };
        let regex = Regex::new(regex).map_err(|error| error.to_string())?;
        if regex.captures_len() < 2 {
            return Err("the pattern needs one group".to_owned());
        }
        Ok(Self { target, regex })
    }
}

/// What free text gave besides columns.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) codes: Vec<Text>,
    pub(crate) ids: Vec<Text>,
    pub(crate) phase: Option<Text>,
    pub(crate) members: Vec<(String, String)>,
}

/// Codes or ids kept of one event.
const MAX_LISTED: usize = 24;

impl Found {
    pub(crate) fn code(&mut self, code: impl Into<Text>) {
        push_new(&mut self.codes, code.into());
    }

    pub(crate) fn id(&mut self, id: Text) {
        push_new(&mut self.ids, id);
    }

    /// Searches `text`; columns that are filled already stay.
    pub(crate) fn search(&mut self, row: &mut Row, text: &str, patterns: &[Pattern]) {
        let end = (0..=text.len().min(MAX_SCAN))
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        let text = text.get(..end).unwrap_or_default();
        for id in find_guids(text).take(MAX_LISTED) {
            if let Some(id) = column::guid(&id) {
                self.id(id);
            }
        }
        for pattern in patterns {
            for group in pattern
                .regex
                .captures_iter(text)
                .take(MAX_LISTED)
                .filter_map(|c| c.get(1))
            {
                if self.take(row, &pattern.target, group.as_str()) {
                    break;
                }
            }
        }
    }

    /// Stores one hit; true if the pattern needs no further one.
    fn take(&mut self, row: &mut Row, target: &Target, hit: &str) -> bool {
        match target {
            Target::Code => {
                if hit.starts_with("AADSTS") {
                    self.code(hit);
                } else if let Some(number) = hex_or_number(hit).filter(|number| *number != 0) {
                    self.code(code::normalise(number));
                }
                false
            }
            Target::Column(column) => column::set(row, *column, hit),
            Target::Phase => {
                self.phase.get_or_insert_with(|| Text::from(hit));
                true
            }
            Target::Field(name) => {
                if !self.members.iter().any(|(held, _)| held == name) {
                    self.members.push((name.clone(), hit.to_owned()));
                }
                true
            }
        }
    }
}

fn hex_or_number(hit: &str) -> Option<u32> {
    if hit.len() == 8 && hit.bytes().all(|b| b.is_ascii_hexdigit()) {
        return u32::from_str_radix(hit, 16).ok();
    }
    code::parse_number(hit)
}

fn push_new(list: &mut Vec<Text>, text: Text) {
    if list.len() < MAX_LISTED && !list.contains(&text) {
        list.push(text);
    }
}
