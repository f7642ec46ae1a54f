//! `sc query` blocks and the list of `net start`.

use casetrace_model::{JsonObject, Row, Source};

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    if head.any(|line| line.starts_with("SERVICE_NAME:")) || head.any(is_list) {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

/// The first line of `net start`.
fn is_list(text: &str) -> bool {
    text.starts_with("These Windows services are started")
        || text.starts_with("以下の Windows サービスが開始")
        || text.starts_with("次の Windows サービスが開始")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Services::default())
}

struct Service {
    line: u64,
    name: String,
    fields: Vec<(String, String)>,
}

#[derive(Default)]
struct Services {
    service: Option<Service>,
    list: Option<(u64, Vec<String>)>,
}

impl Machine for Services {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if is_list(line.text) {
            self.list = Some((line.number, Vec::new()));
        } else if let Some(name) = text.strip_prefix("SERVICE_NAME:") {
            self.close(out);
            self.service = Some(Service {
                line: line.number,
                name: name.trim().to_owned(),
                fields: Vec::new(),
            });
        } else if let Some(Service { fields, .. }) = &mut self.service {
            if let Some((name, value)) = text.split_once(':')
                && fields.len() < 30
            {
                fields.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        } else if let Some((_, names)) = &mut self.list
            && line.text.starts_with("   ")
            && names.len() < 1000
        {
            names.push(text.to_owned());
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
        if let Some((line, names)) = self.list.take() {
            out.config(line, "services_started", &names.join("; "), &[]);
        }
    }
}

impl Services {
    fn close(&mut self, out: &mut Output<'_>) {
        let Some(Service { line, name, fields }) = self.service.take() else {
            return;
        };
        let state = fields
            .iter()
            .find(|(name, _)| name == "STATE" || name == "状態")
            .map_or("", |(_, value)| value);
        let state = state.split_whitespace().nth(1).unwrap_or(state);
        let mut row = Row::new(Source::Text, "service", line).message(format!("Service {name} is {state}"));
        let mut json = JsonObject::new().str("name", &name).str("state", state);
        for (name, value) in fields.iter().filter(|(name, _)| name != "STATE") {
            json.push_str(name, value);
        }
        row.fields = json.finish();
        out.row(row);
    }
}
