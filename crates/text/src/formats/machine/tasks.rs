//! `schtasks /query /v`, as a list, as columns, or as XML: whether the registration task exists and ran.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Outcome, Row, Source};

use crate::blocks::Machine;
use crate::clock;
use crate::codes::Codes;
use crate::format::{Head, score};
use crate::formats::columns::{cells, ruler};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("schtasks"));

pub(crate) fn detect(head: &Head) -> u8 {
    let named = |text: &str, want: &str| LABELS.field(text).is_some_and(|(name, _)| name == want);
    let columns = head.any(|line| {
        let words: Vec<_> = line
            .split("  ")
            .filter_map(|word| LABELS.name(word.trim()))
            .collect();
        words.contains(&"task") && words.contains(&"status")
    });
    let list = head.any(|line| named(line, "task")) && head.any(|line| named(line, "status"));
    let xml = head.any(|line| line.contains("http://schemas.microsoft.com/windows/2004/02/mit/task"));
    if columns || list || xml {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Tasks::default())
}

#[derive(Default)]
struct Tasks {
    columns: Vec<(usize, usize)>,
    names: Vec<&'static str>,
    header: String,
    folder: String,
    task: Option<(u64, Vec<(&'static str, String)>)>,
    /// The path in the comment before a task's XML.
    path: String,
}

impl Machine for Tasks {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text;
        if let Some(columns) = ruler(text) {
            self.names = cells(&self.header, &columns)
                .iter()
                .map(|name| LABELS.name(name).unwrap_or(""))
                .collect();
            self.columns = columns;
        } else if let Some(path) = text
            .trim()
            .strip_prefix("<!-- \\")
            .and_then(|rest| rest.strip_suffix("-->"))
        {
            self.close(out);
            self.path = format!("\\{}", path.trim());
        } else if text.trim_start().starts_with('<') {
            self.xml(line, out);
        } else if let Some((name, value)) = LABELS.field(text) {
            self.field(line, name, value, out);
        } else if !self.columns.is_empty() {
            self.row_of_columns(line, out);
        }
        text.clone_into(&mut self.header);
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Tasks {
    fn field(&mut self, line: &Line<'_>, name: &'static str, value: &str, out: &mut Output<'_>) {
        if name == "folder" {
            self.close(out);
            self.columns.clear();
            value.clone_into(&mut self.folder);
            return;
        }
        let repeated = self
            .task
            .as_ref()
            .is_some_and(|(_, fields)| fields.iter().any(|(known, _)| *known == name));
        if repeated && matches!(name, "host" | "task") {
            self.close(out);
        }
        let (_, fields) = self.task.get_or_insert_with(|| (line.number, Vec::new()));
        if fields.len() < 40 {
            fields.push((name, value.to_owned()));
        }
    }

    fn row_of_columns(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let cells = cells(line.text, &self.columns);
        let fields: Vec<_> = self
            .names
            .iter()
            .zip(&cells)
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, cell)| (*name, (*cell).to_owned()))
            .collect();
        if fields
            .iter()
            .any(|(name, value)| *name == "task" && !value.is_empty())
        {
            self.task = Some((line.number, fields));
            self.close(out);
        }
    }

    /// In XML only the fact that the task exists, and whether it is enabled, matters here.
    fn xml(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if text.starts_with("<Task ") || text.starts_with("<Task>") {
            let path = std::mem::take(&mut self.path);
            self.task = Some((line.number, vec![("task", path)]));
        } else if let Some(uri) = between(text, "<URI>", "</URI>") {
            if let Some((_, fields)) = &mut self.task {
                fields.retain(|(name, _)| *name != "task");
                fields.push(("task", uri.to_owned()));
            }
        } else if let Some(value) = between(text, "<Enabled>", "</Enabled>") {
            if let Some((_, fields)) = &mut self.task {
                // Triggers have a switch of their own; the last one is the task's.
                fields.retain(|(name, _)| *name != "state");
                fields.push((
                    "state",
                    if value == "true" { "Enabled" } else { "Disabled" }.to_owned(),
                ));
            }
        } else if text.starts_with("</Task>") {
            self.close(out);
        }
    }

    fn close(&mut self, out: &mut Output<'_>) {
        let Some((line, fields)) = self.task.take() else {
            return;
        };
        let get = |name: &str| {
            fields
                .iter()
                .find(|(known, _)| *known == name)
                .map_or("", |(_, value)| value.as_str())
        };
        let name = match get("task") {
            "" => return,
            name if name.starts_with('\\') => name.to_owned(),
            name => format!("{}\\{name}", self.folder.trim_end_matches('\\')),
        };
        let mut row = Row::new(Source::Text, "task", line);
        if let Some((moment, _)) = clock::leading(get("last_run")) {
            out.stamp(&mut row, moment);
        }
        let result = get("last_result");
        let mut codes = Codes::default();
        if let Some(number) = casetrace_model::code::parse_number(result) {
            // 0x41300…0x41306 are states of the scheduler, not failures.
            if number > 1 && !(0x4_1300..=0x4_1309).contains(&number) {
                codes.number(number);
            }
            row.outcome = Some(if codes.best().is_some() {
                Outcome::Failure
            } else {
                Outcome::Success
            });
        }
        row.error_code = codes.best().cloned();
        row.message = format!(
            "Task {name}: {}",
            first_of(&[get("state"), get("status"), "listed"])
        );
        let mut json = JsonObject::new().str("task", &name);
        for (name, value) in fields.iter().filter(|(name, _)| *name != "task") {
            json.push_str(name, value);
        }
        row.fields = json.finish();
        out.row(row);
    }
}

fn first_of<'a>(texts: &[&'a str]) -> &'a str {
    texts
        .iter()
        .find(|text| !text.is_empty())
        .copied()
        .unwrap_or_default()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(value, _)| value)
}
