//! Templates, built in or the reader's own, and the limits under which they run.
//!
//! Own templates decide the shape of a report, not what is safe in it: every printed value is escaped for the format by
//! the renderer, `safe` and (in markdown) `tojson` do not exist, and `autoescape false` has no effect. A template
//! that never ends runs out of fuel, and one that prints without end meets the ceiling on output.

use std::collections::BTreeMap;
use std::io::{self, Write};

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Output, State};

/// Steps of one rendering; the largest built-in page takes less than a million.
const FUEL: u64 = 30_000_000;
/// Bytes of one rendering.
const MAX_OUTPUT: usize = 32 << 20;
/// Templates that include or call one another.
const MAX_DEPTH: usize = 60;
/// Files of one set, and the size of each.
const MAX_FILES: usize = 64;
const MAX_FILE: usize = 1 << 20;

const BUILTIN: [(&str, &str); 6] = [
    (
        "report.md.j2",
        include_str!("../../../reports/templates/report.md.j2"),
    ),
    (
        "report.html.j2",
        include_str!("../../../reports/templates/report.html.j2"),
    ),
    (
        "diff.md.j2",
        include_str!("../../../reports/templates/diff.md.j2"),
    ),
    (
        "diff.html.j2",
        include_str!("../../../reports/templates/diff.html.j2"),
    ),
    (
        "report.css",
        include_str!("../../../reports/templates/report.css"),
    ),
    ("report.js", include_str!("../../../reports/templates/report.js")),
];

/// A template that does not work.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template itself.
    #[error("the report template failed: {0}")]
    Template(#[from] minijinja::Error),
    /// A file that can't be part of a set.
    #[error("{name}: {reason}")]
    File {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// It printed too much.
    #[error("{name}: the output grew beyond {} MiB", MAX_OUTPUT >> 20)]
    TooLong {
        /// The template.
        name: String,
    },
}

/// A set of templates: own ones in front of the built-in ones.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    own: BTreeMap<String, String>,
}

impl Templates {
    /// The built-in ones.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// Names of the files that replace a part of the report.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// Own files by name; those with other names can be included or imported. Each is checked here.
    ///
    /// Errors: a file with a mistake (with its line), too many or too large files, no file that replaces anything.
    pub fn new(files: impl IntoIterator<Item = (String, String)>) -> Result<Self, RenderError> {
        let mut own = BTreeMap::new();
        for (name, text) in files {
            let refuse = |reason: String| RenderError::File {
                name: name.clone(),
                reason,
            };
            if text.len() > MAX_FILE {
                return Err(refuse(format!("larger than {MAX_FILE} bytes")));
            }
            if own.len() == MAX_FILES {
                return Err(refuse(format!("more than {MAX_FILES} files")));
            }
            if name.ends_with(".j2") {
                Environment::new().add_template(&name, &text)?;
            }
            own.insert(name, text);
        }
        if !Self::names().any(|name| own.contains_key(name)) {
            return Err(RenderError::File {
                name: "templates".to_owned(),
                reason: format!(
                    "none of the files replaces anything; the names are {}",
                    Self::names().collect::<Vec<_>>().join(", ")
                ),
            });
        }
        Ok(Self { own })
    }

    /// The same with one more file.
    pub(crate) fn with(mut self, name: &str, text: &str) -> Self {
        self.own.insert(name.to_owned(), text.to_owned());
        self
    }

    /// The text of one file.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.own.get(name).map_or_else(
            || {
                BUILTIN
                    .iter()
                    .find(|(n, _)| *n == name)
                    .map_or("", |(_, text)| text)
            },
            String::as_str,
        )
    }

    /// Renders the template `name` over `model`.
    pub(crate) fn render(
        &self,
        name: &str,
        escaping: AutoEscape,
        print: fn(&mut Output<'_>, &mut State<'_, '_>, &Value) -> Result<(), minijinja::Error>,
        filters: impl FnOnce(&mut Environment<'_>),
        model: Value,
    ) -> Result<String, RenderError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(move |_| escaping.clone());
        environment.set_formatter(print);
        environment.remove_filter("safe");
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(MAX_DEPTH);
        filters(&mut environment);
        for (own, text) in self.own.iter().filter(|(name, _)| name.ends_with(".j2")) {
            environment.add_template(own, text)?;
        }
        environment.add_template(name, self.text(name))?;
        let mut out = Bounded::default();
        let rendered = environment
            .get_template(name)?
            .render_captured_to(model, &mut out)
            .map(drop);
        if out.full {
            return Err(RenderError::TooLong {
                name: name.to_owned(),
            });
        }
        rendered?;
        Ok(String::from_utf8_lossy(&out.bytes).into_owned())
    }
}

/// Takes output up to the ceiling.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > MAX_OUTPUT {
            self.full = true;
            return Err(io::Error::other("too much output"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
