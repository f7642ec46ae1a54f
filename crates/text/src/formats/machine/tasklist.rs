//! `tasklist` and `tasklist /svc`: process ids and the services inside them.

use casetrace_model::{JsonObject, Row, Source, Text};

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::formats::columns::{cells, ruler};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let title = head.any(is_title);
    let ruled = head.any(|line| ruler(line).is_some());
    if title && ruled {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

fn is_title(text: &str) -> bool {
    (text.starts_with("Image Name") || text.starts_with("イメージ名")) && text.contains("PID")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(TaskList::default())
}

#[derive(Default)]
struct TaskList {
    columns: Vec<(usize, usize)>,
    process: Option<(u64, String, u32, String)>,
}

impl Machine for TaskList {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        if let Some(columns) = ruler(line.text) {
            self.columns = columns;
            return;
        }
        let cells = cells(line.text, &self.columns);
        let [name, pid, rest @ ..] = cells.as_slice() else {
            return;
        };
        let detail = rest.last().copied().unwrap_or_default();
        if let Ok(pid) = pid.parse() {
            self.close(out);
            self.process = Some((line.number, (*name).to_owned(), pid, detail.to_owned()));
        } else if let Some((_, _, _, services)) = &mut self.process
            && name.is_empty()
            && services.len() < 4000
        {
            services.push(' ');
            services.push_str(detail);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl TaskList {
    fn close(&mut self, out: &mut Output<'_>) {
        let Some((line, name, pid, detail)) = self.process.take() else {
            return;
        };
        let mut row = Row::new(Source::Text, "process", line).message(format!("{name} ({pid})"));
        row.pid = Some(pid);
        row.process = Some(Text::from(name));
        row.fields = JsonObject::new().str("services", &detail).finish();
        out.row(row);
    }
}
