//! `ipconfig /all` in English and Japanese: one row per adapter, settings of the computer.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Row, Source};

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("ipconfig"));

pub(crate) fn detect(head: &Head) -> u8 {
    let known = head.count(|line| line.contains(" . ") && LABELS.field(line).is_some());
    match known {
        3.. => score::LIKELY + 20,
        _ if head.any(starts) => score::WEAK,
        _ => score::NO,
    }
}

/// The title line is shared with `/displaydns`; there an entry and its ruler follow.
pub(crate) fn starts(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with("Host Name . .") || text.starts_with("ホスト名. .") || text.starts_with("ホスト名 . ."))
        && LABELS.field(text).is_some()
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(IpConfig::default())
}

#[derive(Default)]
struct IpConfig {
    adapter: Option<(u64, String)>,
    fields: Vec<(String, Vec<String>)>,
}

const MAX_FIELDS: usize = 100;

impl Machine for IpConfig {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        let bare = text.trim();
        if bare.is_empty() || bare.starts_with("Windows IP") {
            return;
        }
        if !text.starts_with(' ') && bare.ends_with(':') {
            self.close(out);
            self.adapter = Some((line.number, bare.trim_end_matches(':').to_owned()));
        } else if let Some((name, value)) = split(bare) {
            if self.adapter.is_none() {
                self.adapter = Some((line.number, String::new()));
            }
            if self.fields.len() < MAX_FIELDS {
                self.fields.push((name, vec![value.to_owned()]));
            }
        } else if text.starts_with("        ")
            && let Some((_, values)) = self.fields.last_mut()
            && values.len() < MAX_FIELDS
        {
            values.push(bare.to_owned());
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

/// `Label . . . . : value`; labels not in the table keep their printed form.
fn split(text: &str) -> Option<(String, &str)> {
    if let Some((name, value)) = LABELS.field(text) {
        return Some((name.to_owned(), value));
    }
    let (label, value) = text
        .split_once(" : ")
        .or_else(|| text.strip_suffix(':').map(|label| (label, "")))?;
    let label = label.trim_end_matches([' ', '.']);
    (label.len() < 60 && text.contains(". .")).then(|| (label.to_owned(), value.trim()))
}

impl IpConfig {
    fn close(&mut self, out: &mut Output<'_>) {
        let fields = std::mem::take(&mut self.fields);
        let Some((line, adapter)) = self.adapter.take() else {
            return;
        };
        if fields.is_empty() {
            return;
        }
        if adapter.is_empty() {
            return global(line, &fields, out);
        }
        let mut row = Row::new(Source::Text, "config", line).message(format!("adapter = {adapter}"));
        let mut json = JsonObject::new().str("name", "adapter").str("value", &adapter);
        for (name, values) in &fields {
            if values.len() > 1 {
                json.push_list(name, values.iter().map(String::as_str));
            } else {
                json.push_str(name, values.first().map_or("", |v| v));
            }
        }
        row.fields = json.finish();
        out.row(row);
    }
}

/// Settings before the first adapter.
fn global(line: u64, fields: &[(String, Vec<String>)], out: &mut Output<'_>) {
    for (name, values) in fields {
        let value = values.join(", ");
        match name.as_str() {
            "Host Name" => {
                out.inspection.host.get_or_insert_with(|| value.as_str().into());
                out.config(line, "computer_name", &value, &[("from", "ipconfig")]);
            }
            "Primary Dns Suffix" if !value.is_empty() => {
                out.config(line, "dns_suffix", &value, &[("from", "ipconfig")])
            }
            "DNS Suffix Search List" => {
                out.config(line, "dns_suffix_search", &value, &[("from", "ipconfig")])
            }
            _ => {}
        }
    }
}
