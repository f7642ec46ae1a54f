//! Event texts pasted from the event viewer: `event` rows with the provider and id that the wording implies.
//!
//! The paste carries neither id nor time; `fields.pasted` says that the id was inferred.

use std::sync::LazyLock;

use casetrace_model::{Level, Text, find_guids, normalise_guid};

use super::record::Event;
use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::{Output, correlation};
use crate::table::rows;

struct Known {
    provider: &'static str,
    id: u32,
    level: Option<Level>,
    start: &'static str,
}

static TABLE: LazyLock<Vec<Known>> = LazyLock::new(|| {
    rows::<4>(include_str!("../../../../../pipelines/text/event_texts.tsv"))
        .filter_map(|[provider, id, level, start]| {
            Some(Known {
                provider,
                id: id.parse().ok()?,
                level: Level::parse(level),
                start,
            })
        })
        .collect()
});

/// The longest entry that fits: some texts begin alike.
fn known(text: &str) -> Option<&'static Known> {
    let text = text.trim_start();
    let begins = |start: &str| {
        text.get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start))
    };
    TABLE
        .iter()
        .filter(|known| begins(known.start))
        .max_by_key(|known| known.start.len())
}

pub(crate) fn detect(head: &Head) -> u8 {
    head.if_any(starts, score::LIKELY)
}

pub(crate) fn starts(text: &str) -> bool {
    // dsregcmd prints one of the sentences itself.
    text.len() < 400 && !text.starts_with("Automatic device join pre-check") && known(text).is_some()
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Pasted::default())
}

#[derive(Default)]
struct Pasted {
    event: Option<(u64, &'static Known, Vec<String>)>,
    between: Vec<(u64, String)>,
}

const MAX_LINES: usize = 400;

impl Machine for Pasted {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if let Some(known) = known(text) {
            self.close(out);
            self.event = Some((line.number, known, vec![text.to_owned()]));
        } else if let Some((_, _, lines)) = &mut self.event {
            if !text.is_empty() && lines.len() < MAX_LINES {
                lines.push(text.to_owned());
            }
        } else if !text.is_empty() && self.between.len() < MAX_LINES {
            self.between.push((line.number, text.to_owned()));
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
        for (line, text) in std::mem::take(&mut self.between) {
            out.log_line(line, "pasted", &text, None);
        }
    }
}

impl Pasted {
    fn close(&mut self, out: &mut Output<'_>) {
        let Some((line, known, lines)) = self.event.take() else {
            return;
        };
        let mut event = Event::new(line);
        event.rendered = lines.join("\n");
        let row = &mut event.row;
        row.provider = Some(Text::new_static(known.provider));
        row.event_id = Some(known.id);
        row.level = known.level;
        row.correlation_id = correlation(&event.rendered).or_else(|| {
            find_guids(&event.rendered)
                .next()
                .filter(|_| known.provider.ends_with("AAD"))
        });
        event.extra.push_raw("pasted", "true");
        let mut seen: Vec<String> = Vec::new();
        let mut log: Vec<&str> = Vec::new();
        for text in &lines {
            let Some((label, value)) = text.split_once(':') else {
                continue;
            };
            let (label, value) = (label.trim(), value.trim());
            if label == "AdalLog" {
                log.push(value);
            } else if label.len() < 60 && !value.is_empty() && !seen.iter().any(|known| known == label) {
                seen.push(label.to_owned());
                event.extra.push_str(label, &out.value(value));
                promote(&mut event, label, value);
            }
        }
        if !log.is_empty() {
            event.extra.push_list("AdalLog", log);
        }
        event.emit(out);
    }
}

fn promote(event: &mut Event, label: &str, value: &str) {
    let row = &mut event.row;
    match label {
        "tenantId" | "Tenant ID" => row.tenant_id = normalise_guid(value),
        "adalCorrelationId" | "AdalCorrelationId" | "Correlation ID" => {
            row.correlation_id = normalise_guid(value).or(row.correlation_id.take());
        }
        "HTTP status" | "HttpStatus" => row.http_status = value.parse().ok(),
        _ => {}
    }
}
