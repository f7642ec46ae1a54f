//! `ipconfig /displaydns`: the resolver cache, with its negative entries, in English and Japanese.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text};

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("displaydns"));

pub(crate) fn detect(head: &Head) -> u8 {
    let rulers = head.count(is_ruler);
    let facts = head.count(|line| negative(line.trim()).is_some() || LABELS.field(line).is_some());
    let hint = if head.named("displaydns") || head.named("display_dns") {
        score::NAME
    } else {
        0
    };
    match (rulers, facts) {
        (1.., 1..) => score::LIKELY + 25 + hint,
        _ if hint > 0 => hint,
        _ => score::NO,
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Cache::default())
}

fn is_ruler(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 20 && text.bytes().all(|b| b == b'-')
}

/// What a negative entry says: `NXDOMAIN`, or `NOERROR` where the name exists without such a record.
fn negative(text: &str) -> Option<&'static str> {
    if text.starts_with("Name does not exist") || text.starts_with("名前は存在しません") {
        return Some("NXDOMAIN");
    }
    let none = text.starts_with("No records of type")
        || text.contains("のレコードがありません")
        || text.contains("のレコードはありません");
    none.then_some("NOERROR")
}

#[derive(Default)]
struct Cache {
    before: String,
    entry: Option<Entry>,
}

#[derive(Default)]
struct Entry {
    name: String,
    line: u64,
    negative: Option<&'static str>,
    addresses: Vec<String>,
    cnames: Vec<String>,
    others: Vec<String>,
    types: Vec<String>,
    ttl: Option<String>,
}

const MAX_ANSWERS: usize = 200;

impl Machine for Cache {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if is_ruler(text) {
            self.close(out);
            let name = std::mem::take(&mut self.before);
            self.entry = Some(Entry {
                name,
                line: line.number.saturating_sub(1).max(1),
                ..Entry::default()
            });
            return;
        }
        if let Some(entry) = &mut self.entry {
            entry.fact(text);
        }
        if !text.is_empty() && text.len() < 300 {
            text.clone_into(&mut self.before);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Entry {
    fn fact(&mut self, text: &str) {
        if let Some(code) = negative(text) {
            self.negative = Some(code);
            return;
        }
        let Some((name, value)) = LABELS.field(text) else {
            return;
        };
        let list = match name {
            "address" => &mut self.addresses,
            "cname" => &mut self.cnames,
            "ptr" | "srv" => &mut self.others,
            "type" => &mut self.types,
            "ttl" => {
                self.ttl.get_or_insert_with(|| value.to_owned());
                return;
            }
            _ => return,
        };
        if list.len() < MAX_ANSWERS && !list.iter().any(|known| known == value) {
            list.push(value.to_owned());
        }
    }
}

impl Cache {
    fn close(&mut self, out: &mut Output<'_>) {
        let Some(entry) = self.entry.take() else { return };
        if entry.name.is_empty() || entry.name.contains(' ') {
            return;
        }
        let name = entry.name.trim_end_matches('.').to_ascii_lowercase();
        let mut row = Row::new(Source::Text, "dns.response", entry.line);
        let code = entry.negative.unwrap_or("NOERROR");
        row.dns_rcode = Some(Text::new_static(code));
        row.outcome = Some(if entry.negative.is_some() {
            Outcome::Failure
        } else {
            Outcome::Success
        });
        row.message = match entry.negative {
            Some("NXDOMAIN") => format!("Resolver cache: {name} does not exist"),
            Some(_) => format!("Resolver cache: {name} has no record of the type asked for"),
            None => format!(
                "Resolver cache: {name} is {}",
                entry
                    .addresses
                    .first()
                    .or(entry.cnames.first())
                    .map_or("known", |v| v)
            ),
        };
        row.server_name = Some(Text::from(name));
        let mut fields = JsonObject::new().str("protocol", "cache");
        for (name, list) in [
            ("addresses", &entry.addresses),
            ("cname", &entry.cnames),
            ("answers", &entry.others),
            ("qtype", &entry.types),
        ] {
            if !list.is_empty() {
                fields.push_list(name, list.iter().map(String::as_str));
            }
        }
        if let Some(ttl) = &entry.ttl {
            fields.push_str("ttl", ttl);
        }
        row.fields = fields.finish();
        out.row(row);
    }
}
