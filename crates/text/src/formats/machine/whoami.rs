//! `whoami /all`: the account the collector ran under, which is often not the affected user.

use casetrace_model::{Context, JsonObject, Row, Source, Text};

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::formats::columns::{cells, ruler};
use crate::lines::Line;
use crate::output::{Output, config};

pub(crate) fn detect(head: &Head) -> u8 {
    let title = |text: &str| {
        let text = text.trim();
        text == "USER INFORMATION"
            || text == "GROUP INFORMATION"
            || text == "ユーザー情報"
            || text == "USER 情報"
    };
    // The answer to `whoami /upn` is one word, and its file has any name.
    let upn = head.first(2).count() == 1 && head.first(1).any(is_upn);
    if head.any(title) || upn || head.named("whoami") && head.any(|line| line.contains("S-1-5-")) {
        score::LIKELY + 10
    } else {
        score::NO
    }
}

/// `user@contoso.com`, the output of `whoami /upn`.
fn is_upn(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, domain)| {
        !user.is_empty() && domain.contains('.') && !text.contains(char::is_whitespace)
    })
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(WhoAmI::default())
}

#[derive(Default)]
struct WhoAmI {
    columns: Vec<(usize, usize)>,
    tables: u32,
    user: Option<(u64, String, String)>,
    groups: Vec<String>,
    integrity: String,
}

impl Machine for WhoAmI {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if is_upn(text) {
            let mut row = config(Source::Text, line.number, "user_upn", text, &[("from", "whoami")]);
            row.user = Some(Text::from(text));
            out.config_row(row, None);
        }
        if let Some(columns) = ruler(line.text) {
            self.columns = columns;
            self.tables += 1;
            return;
        }
        let cells = cells(line.text, &self.columns);
        let Some(first) = cells.first().filter(|first| !first.is_empty()) else {
            return;
        };
        let sid = cells
            .iter()
            .find_map(|cell| cell.split_whitespace().find(|word| word.starts_with("S-1-")));
        match (self.tables, sid) {
            (1, Some(sid)) if self.user.is_none() => {
                self.user = Some((line.number, (*first).to_owned(), sid.to_owned()));
            }
            (2.., Some(sid)) if sid.starts_with("S-1-16-") => (*first).clone_into(&mut self.integrity),
            (2.., Some(_)) if self.groups.len() < 500 => self.groups.push((*first).to_owned()),
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        let Some((line, user, sid)) = self.user.take() else {
            return;
        };
        let mut row = Row::new(Source::Text, "config", line).message(format!("collector_user = {user}"));
        let system = sid == "S-1-5-18" || user.ends_with('$');
        row.context = Some(if system { Context::System } else { Context::User });
        let mut fields = JsonObject::new()
            .str("name", "collector_user")
            .str("value", &user);
        fields.push_str("integrity", &self.integrity);
        fields.push_list("groups", self.groups.iter().map(String::as_str));
        row.user = Some(Text::from(user));
        row.user_sid = Some(Text::from(sid));
        row.fields = fields.finish();
        out.row(row);
        *self = Self::default();
    }
}
