//! What a failing sign-in or join shows its user, pasted: the error page of Entra ID, "You cannot access this right now", and
//! the windows of Windows' set-up and Settings (`Server error code: 801c0003`).
//!
//! Sources of the labels: pages quoted in public posts (English); the Japanese ones are not confirmed by such a page.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text, TsSource, normalise_guid};

use crate::blocks::{Machine, prompt_command};
use crate::clock::{self, Moment};
use crate::codes::Codes;
use crate::format::{Head, score};
use crate::lines::{Line, floor_boundary};
use crate::output::{Output, push_codes};
use crate::table::Labels;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("error_page"));

pub(crate) fn detect(head: &Head) -> u8 {
    head.if_any(starts, score::LIKELY - 10)
}

/// Labels that open a page, as it spells them: dsregcmd and the command-line tools print some of the words in another way.
const OPENING: [&str; 6] = [
    "Request Id",
    "Error Code",
    "Server error code",
    "要求 ID",
    "エラー コード",
    "サーバー エラー コード",
];

/// An opening label with a value of its kind.
pub(crate) fn starts(text: &str) -> bool {
    let text = text.trim();
    // Every line of a file is asked: most end here.
    let opens = text.starts_with(['R', 'E', 'S', '要', 'エ', 'サ'])
        && text
            .split_once(':')
            .is_some_and(|(label, value)| OPENING.contains(&label) && value.len() < 100);
    opens
        && match LABELS.field(text) {
            Some(("request_id", value)) => normalise_guid(value).is_some(),
            Some(("code", value)) => value.len() >= 5 && is_number(value),
            Some(("server_code", value)) => code(value).is_some(),
            _ => false,
        }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Page::default())
}

fn is_number(value: &str) -> bool {
    (4..=8).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

/// `53003`, `801c0003`, `CAA20003`, `0x801c0003`.
fn code(value: &str) -> Option<Text> {
    let word = value.split([' ', ',', ';', '.']).next()?;
    let hex = word.strip_prefix("0x").unwrap_or(word);
    if hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(Text::from(format!("0x{}", hex.to_ascii_lowercase())));
    }
    is_number(word).then(|| Text::from(format!("AADSTS{word}")))
}

/// Members of a page that are kept as they stand.
const KEPT: [&str; 7] = [
    "request_id",
    "application",
    "application_id",
    "device_state",
    "device_platform",
    "server_message",
    "more",
];

/// Bytes of the page's sentence, and bytes of a line that are looked at.
const MESSAGE_LIMIT: usize = 4 << 10;
const LINE_LIMIT: usize = 4 << 10;

#[derive(Default)]
struct Page {
    line: u64,
    values: Vec<(&'static str, String)>,
    codes: Codes,
    /// The first line that names a code, for pages without a labelled message.
    sentence: String,
}

impl Machine for Page {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        let text = text.get(..floor_boundary(text, LINE_LIMIT)).unwrap_or_default();
        if text.is_empty() {
            return;
        }
        if let Some((name, value)) = LABELS.field(text) {
            if self.values.iter().any(|(known, _)| *known == name) && name != "ignored" {
                self.close(out);
            }
            if self.values.is_empty() {
                self.line = line.number;
            }
            self.values.push((name, value.to_owned()));
            self.codes.add(value);
        } else {
            let before = self.codes.all().len();
            self.codes.add(text);
            if self.sentence.is_empty() && self.codes.all().len() > before {
                text.clone_into(&mut self.sentence);
            }
        }
    }

    fn holds(&self, text: &str) -> bool {
        !self.values.is_empty() && LABELS.field(text.trim()).is_some() && prompt_command(text).is_none()
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Page {
    fn get(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn close(&mut self, out: &mut Output<'_>) {
        let page = std::mem::take(self);
        let told = page
            .get("code")
            .or_else(|| page.get("server_code"))
            .and_then(code);
        if told.is_none() && page.codes.all().is_empty() {
            // Labels alone, as in a form that nobody filled in.
            return;
        }
        let mut row = Row::new(Source::Text, "error.page", page.line.max(1));
        row.outcome = Some(Outcome::Failure);
        row.error_code = match page.codes.best() {
            Some(best) if best.starts_with("AADSTS") => Some(best.clone()),
            best => told.or_else(|| best.cloned()),
        };
        row.correlation_id = page.get("correlation_id").and_then(normalise_guid);
        row.device_id = page.get("device_id").and_then(normalise_guid);
        row.src_ip = page
            .get("ip")
            .filter(|ip| ip.parse::<std::net::IpAddr>().is_ok())
            .map(Text::from);
        let at = page.get("time").and_then(clock::leading);
        if let Some((Moment::Exact(ts_ns), _)) = at {
            (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Exact);
        }
        let said = page
            .get("message")
            .or_else(|| page.get("server_message"))
            .unwrap_or(&page.sentence);
        row.message = match (said.is_empty(), row.error_code.as_deref()) {
            (true, Some(code)) => format!("The user was shown {code}"),
            _ => said
                .get(..floor_boundary(said, MESSAGE_LIMIT))
                .unwrap_or_default()
                .to_owned(),
        };
        let mut fields = JsonObject::new();
        for name in KEPT {
            if let Some(value) = page.get(name) {
                fields.push_str(name, &out.value(value));
            }
        }
        push_codes(&mut fields, &page.codes);
        row.fields = fields.finish();
        out.row(row);
    }
}
