//! XML as steps: an element opened, a text ended, an element closed. Elements keep their local names.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use casetrace_model::Diagnostic;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::lines::Utf8;
use crate::output::Output;

/// Nesting that is followed; WFP state has about ten levels.
const MAX_DEPTH: usize = 64;
/// Bytes one token may have.
const TOKEN_LIMIT: usize = 4 << 20;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// An element opened, with its attributes; it is the last of the path.
    Open(Vec<(String, String)>),
    /// Text directly inside the last element of the path.
    Leaf(String),
    /// This element closed; the path is its parent's.
    Close(String),
}

/// Lets a single token read so many bytes, then pretends the input ended.
struct Budget<'t, 'r> {
    text: &'t mut Utf8<'r>,
    left: Rc<Cell<usize>>,
}

impl Read for Budget<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(self.left.get());
        let target = out.get_mut(..most).unwrap_or_default();
        let n = self.text.read(target)?;
        self.left.set(self.left.get() - n);
        Ok(n)
    }
}

impl BufRead for Budget<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = self.left.get();
        let ready = self.text.fill_buf()?;
        Ok(ready.get(..ready.len().min(left)).unwrap_or_default())
    }

    fn consume(&mut self, n: usize) {
        self.left.set(self.left.get().saturating_sub(n));
        self.text.consume(n);
    }
}

/// Walks a document, or a row of documents without a root.
pub(crate) struct Leaves<'t, 'r> {
    reader: Reader<Budget<'t, 'r>>,
    left: Rc<Cell<usize>>,
    buffer: Vec<u8>,
    path: Vec<String>,
    text: String,
    queue: Option<Step>,
    lines: Rc<Cell<u64>>,
    done: bool,
}

impl<'t, 'r> Leaves<'t, 'r> {
    pub(crate) fn new(text: &'t mut Utf8<'r>) -> Self {
        let left = Rc::new(Cell::new(TOKEN_LIMIT));
        let mut reader = Reader::from_reader(Budget {
            text,
            left: Rc::clone(&left),
        });
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.expand_empty_elements = true;
        Self {
            reader,
            left,
            buffer: Vec::new(),
            path: Vec::new(),
            text: String::new(),
            queue: None,
            lines: Rc::new(Cell::new(1)),
            done: false,
        }
    }

    /// Local names from the root to the current element.
    pub(crate) fn path(&self) -> &[String] {
        &self.path
    }

    /// 1-based line of the current token.
    pub(crate) fn line(&self) -> u64 {
        self.lines.get()
    }

    /// The next step; `None` at the end or after damage, which is said once.
    pub(crate) fn next(&mut self, out: &mut Output<'_>) -> Option<Step> {
        if let Some(step) = self.queue.take() {
            if let Step::Close(_) = step {
                self.path.pop();
            }
            return Some(step);
        }
        while !self.done {
            self.left.set(TOKEN_LIMIT);
            self.buffer.clear();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => {
                    self.done = true;
                    // The parser counts decoded bytes; the file's own are known to the line.
                    let offset = self.reader.get_ref().text.pieces.offset();
                    out.diagnostic(damage(&error, offset));
                    break;
                }
            };
            let newlines = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count() as u64;
            self.lines.set(self.lines.get() + newlines(&event));
            match event {
                Event::Eof => self.done = true,
                Event::Start(start) => {
                    let name = local(start.name().as_ref());
                    let attributes = attributes(&start);
                    self.text.clear();
                    if self.path.len() < MAX_DEPTH {
                        self.path.push(name);
                        return Some(Step::Open(attributes));
                    }
                    self.done = true;
                    out.diagnostic(Diagnostic::warning(
                        "XmlTooDeep",
                        "Elements are nested too deeply; the rest was not read.",
                    ));
                }
                Event::End(end) => {
                    let name = local(end.name().as_ref());
                    if let Some(step) = self.close(name) {
                        return Some(step);
                    }
                }
                Event::Text(text) => append(&mut self.text, &String::from_utf8_lossy(&text)),
                Event::CData(data) => append(&mut self.text, &String::from_utf8_lossy(&data)),
                Event::GeneralRef(name) => append(&mut self.text, &entity(&String::from_utf8_lossy(&name))),
                _ => {}
            }
        }
        None
    }

    /// Ends the current element: its text first, if there is any.
    fn close(&mut self, name: String) -> Option<Step> {
        if self.path.last() != Some(&name) {
            // An end without its start; damaged files have them.
            return None;
        }
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            self.path.pop();
            return Some(Step::Close(name));
        }
        self.queue = Some(Step::Close(name));
        Some(Step::Leaf(text.trim().to_owned()))
    }
}

/// Text of one element beyond the limit is dropped; no value of these files comes near it.
fn append(text: &mut String, more: &str) {
    if text.len() < TOKEN_LIMIT {
        text.push_str(more);
    }
}

fn damage(error: &quick_xml::Error, offset: u64) -> Diagnostic {
    let kind = match error {
        quick_xml::Error::Syntax(_) => "broken mark-up, or a token beyond the limit",
        quick_xml::Error::IllFormed(_) => "mark-up that does not fit together",
        _ => "unreadable mark-up",
    };
    Diagnostic::warning(
        "XmlDamaged",
        format!("Reading stopped at {kind}; values after it are missing."),
    )
    .at(offset)
}

fn local(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.rsplit(':').next().unwrap_or(&name).to_owned()
}

fn attributes(start: &BytesStart<'_>) -> Vec<(String, String)> {
    start
        .attributes()
        .with_checks(false)
        .flatten()
        .filter(|attribute| !attribute.key.as_ref().starts_with(b"xmlns"))
        .take(32)
        .map(|attribute| {
            let raw = String::from_utf8_lossy(&attribute.value).into_owned();
            let value =
                quick_xml::escape::unescape(&raw).map_or_else(|_| raw.clone(), std::borrow::Cow::into_owned);
            (local(attribute.key.as_ref()), value)
        })
        .collect()
}

/// The five named entities and numeric ones; others stay as they are.
fn entity(name: &str) -> String {
    let number = name
        .strip_prefix('#')
        .and_then(|n| match n.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => n.parse().ok(),
        });
    match name {
        "lt" => "<".to_owned(),
        "gt" => ">".to_owned(),
        "amp" => "&".to_owned(),
        "quot" => "\"".to_owned(),
        "apos" => "'".to_owned(),
        _ => number
            .and_then(char::from_u32)
            .map_or_else(|| format!("&{name};"), String::from),
    }
}
