//! From an event's fields to the row's columns and its sentence.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::LazyLock;

use casetrace_model::{Context, JsonKey, JsonObject, Outcome, Row, Text};

use crate::column::{self, Column};
use crate::rule::{OutcomeRule, Rule, Search};
use crate::scan::Found;
use crate::table::Tables;
use crate::template::push_quoted;
use crate::value::is_zero;
use crate::{FieldSource, MAX_MESSAGE};

/// Fills columns, outcome, context and sentence of `row` from its event's fields.
///
/// Expects `provider`, `event_id`, `event_version` and `fields` to be set; columns that have a value keep it, and so
/// does a `message` (the log's own rendered text) unless the tables have a sentence for the event. Adds the members
/// `phase`, `codes` (if there are several), `ids` and what the patterns name to `fields`.
pub fn promote(row: &mut Row, fields: &dyn FieldSource) {
    let meaning = match (row.provider.as_deref(), row.event_id) {
        (Some(provider), Some(id)) => Meaning::of(provider, id, row.event_version.unwrap_or(0)),
        _ => Meaning::default(),
    };
    meaning.promote(row, fields);
}

/// What the tables say about one kind of event: looked up once, applied to all events of the kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meaning {
    rule: Option<&'static Rule>,
}

impl Meaning {
    /// The meaning of a provider's event.
    pub fn of(provider: &str, event_id: u32, version: u8) -> Self {
        Self {
            rule: Tables::builtin().find(provider, event_id, version),
        }
    }

    /// Names of the fields that [`Self::promote`] asks for, as [`FieldSource::get`] takes them.
    pub fn wanted(&self) -> &'static [String] {
        self.rule.map_or(&[], |rule| rule.names.as_slice())
    }

    /// Whether the tables have a sentence, so that any other message is thrown away.
    pub fn has_sentence(&self) -> bool {
        self.rule.is_some_and(|rule| rule.sentence.is_some())
    }

    /// Does the work of the function [`promote()`] for an event of this kind.
    pub fn promote(&self, row: &mut Row, fields: &dyn FieldSource) {
        let tables = Tables::builtin();
        let mut found = Found::default();
        if let Some(rule) = self.rule {
            apply(rule, tables, row, fields, &mut found);
        }
        finish(row, found, fields);
        if row.context.is_none() {
            row.context = row.user_sid.as_deref().and_then(context_of_sid);
        }
        match self.rule.and_then(|rule| rule.sentence.as_ref()) {
            Some(sentence) => row.message = sentence.render(row, fields, &tables.maps),
            None if row.message.is_empty() => row.message = plain_sentence(row, fields),
            None => {}
        }
    }
}

fn apply(rule: &Rule, tables: &Tables, row: &mut Row, fields: &dyn FieldSource, found: &mut Found) {
    for promotion in &rule.promotions {
        let mut values = promotion.from.iter().filter_map(|field| {
            let text = field.field.raw(fields)?;
            field.reading.column_text(text, &tables.maps)
        });
        match promotion.column {
            Column::ErrorCode => values.for_each(|code| found.code(&*code)),
            Column::Ids => values
                .filter_map(|id| column::guid(&id))
                .for_each(|id| found.id(id)),
            column => drop(values.any(|value| column::set(row, column, &value))),
        }
    }
    let mut search = |text: &str| found.search(row, text, &tables.patterns);
    match &rule.search {
        Search::None => {}
        Search::Named(names) => names
            .iter()
            .filter_map(|name| name.raw(fields))
            .for_each(|text| search(&text)),
        Search::All => fields.each(&mut |_, text| search(text)),
    }
    if row.outcome.is_none() {
        row.outcome = outcome(&rule.outcome, fields);
    }
    if row.context.is_none() {
        row.context = rule.context;
    }
    if found.phase.is_none() {
        found.phase.clone_from(&rule.phase);
    }
}

fn outcome(rule: &OutcomeRule, fields: &dyn FieldSource) -> Option<Outcome> {
    match rule {
        OutcomeRule::None => None,
        OutcomeRule::Fixed(outcome) => Some(*outcome),
        OutcomeRule::ByField(names) => {
            let zero = names.iter().find_map(|name| is_zero(&name.raw(fields)?))?;
            Some(if zero { Outcome::Success } else { Outcome::Failure })
        }
    }
}

static PHASE: LazyLock<JsonKey> = LazyLock::new(|| JsonKey::new("phase"));

/// Settles the most specific code and the server's name, and adds what has no column to `fields`.
fn finish(row: &mut Row, mut found: Found, fields: &dyn FieldSource) {
    if found.codes.len() > 1 {
        // An AADSTS code names the cause; the number beside it only says that there was one.
        found.codes.sort_by_key(|code| !code.starts_with("AADSTS"));
    }
    if row.error_code.is_none() {
        row.error_code = found.codes.first().cloned();
    }
    if row.server_name.is_none() {
        row.server_name = row
            .url
            .as_deref()
            .filter(|url| url.contains("://"))
            .and_then(column::host_of);
    }
    let correlation = row.correlation_id.as_ref();
    found.ids.retain(|id| Some(id) != correlation);
    let free = |name: &str| fields.get(name).is_none();
    let phase = found.phase.as_deref().filter(|_| free("phase"));
    if phase.is_none() && found.codes.len() < 2 && found.ids.is_empty() && found.members.is_empty() {
        return;
    }
    let mut extra = JsonObject::reopen(std::mem::take(&mut row.fields));
    if let Some(phase) = phase {
        extra.push_str_at(&PHASE, phase);
    }
    if found.codes.len() > 1 && free("codes") {
        extra.push_list("codes", found.codes.iter().map(Text::as_str));
    }
    if !found.ids.is_empty() && free("ids") {
        extra.push_list("ids", found.ids.iter().map(Text::as_str));
    }
    for (name, value) in found.members.iter().filter(|(name, _)| free(name)) {
        extra.push_str(name, value);
    }
    row.fields = extra.finish();
}

/// On whose behalf a well-known account acts: the service accounts are the system, domain and Entra users are users.
fn context_of_sid(sid: &str) -> Option<Context> {
    match sid {
        "S-1-5-18" | "S-1-5-19" | "S-1-5-20" => Some(Context::System),
        _ if sid.starts_with("S-1-5-21-") || sid.starts_with("S-1-12-1-") => Some(Context::User),
        _ => None,
    }
}

/// A sentence for an event that no table knows: its provider, id and first fields.
fn plain_sentence(row: &Row, fields: &dyn FieldSource) -> String {
    let provider = row.provider.as_deref().unwrap_or("Unknown provider");
    let short = provider.strip_prefix("Microsoft-Windows-").unwrap_or(provider);
    let mut out = String::with_capacity(MAX_MESSAGE / 2);
    out.push_str(short);
    if let Some(id) = row.event_id {
        out.push_str(" event ");
        // Writing to a String can't fail.
        let _ = write!(out, "{id}");
    }
    let mut next = ": ";
    fields.each(&mut |name, value| {
        if out.len() < MAX_MESSAGE / 3 && !column::is_blank(value) && !is_dull(name) {
            out.push_str(next);
            next = ", ";
            if !is_unnamed(name) {
                out.push_str(name);
                out.push('=');
            }
            push_quoted(&mut out, &short_value(value));
        }
    });
    out
}

/// Parts of System and raw bytes tell a reader nothing.
fn is_dull(name: &str) -> bool {
    name.starts_with("System/") || name.starts_with("Binary")
}

/// `Data`, `Data_2`…: a classic event's fields have no names.
fn is_unnamed(name: &str) -> bool {
    name.strip_prefix("Data")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn short_value(value: &str) -> Cow<'_, str> {
    if value.len() <= 80 {
        return Cow::Borrowed(value);
    }
    match value.char_indices().nth(80) {
        Some((cut, _)) => Cow::Owned(format!("{}…", value.get(..cut).unwrap_or_default())),
        None => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Fields;
    use casetrace_model::Source;

    fn event(provider: &str, id: u32, named: &[(&'static str, &'static str)]) -> Row {
        let mut row = Row::new(Source::Evtx, "event", 1);
        row.provider = Some(provider.into());
        row.event_id = Some(id);
        let mut fields = Fields::default();
        for (name, value) in named {
            fields.push(*name, *value);
        }
        row.fields = fields.to_json();
        promote(&mut row, &fields);
        row
    }

    #[test]
    fn free_text_of_a_token_broker_error_is_searched() {
        let row = event(
            "Microsoft-Windows-AAD",
            1098,
            &[
                ("Error", "3399614466"),
                ("ErrorMessage", "AADSTS50076: MFA is needed"),
                (
                    "AdditionalInformation",
                    "Exception at x.cpp, line: 5\r\nRequest: authority: https://login.microsoftonline.com/common, \
                     client: 1fec8e78-bce4-4aaf-ab1b-5451cc387264, redirect URI: ms-appx-web://x, resource: https://y, \
                     correlation ID (request): 6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11",
                ),
            ],
        );
        assert_eq!(row.error_code.as_deref(), Some("AADSTS50076"));
        assert_eq!(
            row.correlation_id.as_deref(),
            Some("6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11")
        );
        assert_eq!(row.server_name.as_deref(), Some("login.microsoftonline.com"));
        assert_eq!(row.outcome, Some(Outcome::Failure));
        let fields: serde_json::Value = serde_json::from_str(&row.fields).unwrap();
        assert_eq!(fields["client_id"], "1fec8e78-bce4-4aaf-ab1b-5451cc387264");
        assert_eq!(fields["codes"][1], "0xcaa20002");
    }

    #[test]
    fn an_unknown_event_still_says_something() {
        let row = event(
            "Contoso-Agent",
            7,
            &[("Data", "started"), ("Port", "80"), ("Binary", "00")],
        );
        assert_eq!(row.message, "Contoso-Agent event 7: started, Port=80");
        assert_eq!(row.fields, r#"{"Data":"started","Port":"80","Binary":"00"}"#);
    }

    #[test]
    fn context_comes_from_the_account() {
        assert_eq!(context_of_sid("S-1-5-18"), Some(Context::System));
        assert_eq!(context_of_sid("S-1-12-1-1-2-3-4"), Some(Context::User));
        assert_eq!(context_of_sid("S-1-5-32-544"), None);
    }
}
