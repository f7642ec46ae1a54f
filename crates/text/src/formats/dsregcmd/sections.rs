//! Rows of one section: the section itself, the failed attempt a diagnostics block describes, and proxy settings.

use std::collections::BTreeSet;

use casetrace_model::{Context, JsonObject, Outcome, Row, Text, TsSource, normalise_guid};

use super::run::{Facts, Field, Section, account};
use crate::clock;
use crate::codes::Codes;
use crate::output::{Output, push_codes};

/// Writes the rows of `section`.
pub(super) fn emit(section: &Section, facts: &Facts, out: &mut Output<'_>) {
    let (rest, attempts) = split_attempts(section);
    emit_state(section, &rest, facts, out);
    for attempt in &attempts {
        emit_attempt(attempt, facts, out);
    }
    settings(section, facts, out);
}

/// A failed sign-in or registration that a section describes.
struct Attempt<'a> {
    /// `PRT Diagnostics` or `Previous Registration`.
    section: &'static str,
    /// For PRTs: which token, and whether it was acquired or refreshed.
    about: Option<(&'static str, &'static str, String)>,
    fields: Vec<&'a Field>,
}

/// Separates PRT diagnostics from the SSO state around them; registration fields stay in their section too.
fn split_attempts(section: &Section) -> (Vec<&Field>, Vec<Attempt<'_>>) {
    let mut rest = Vec::new();
    let mut attempts: Vec<Attempt<'_>> = Vec::new();
    let mut prt = ("AzureAdPrt", String::new());
    for field in &section.fields {
        let role = field.role();
        if let name @ ("AzureAdPrt" | "EnterprisePrt") = field.name.as_str() {
            prt = (
                if name == "AzureAdPrt" {
                    "AzureAdPrt"
                } else {
                    "EnterprisePrt"
                },
                field.value.clone(),
            );
        }
        if role == "prt_start" || (role.starts_with("prt") && attempts.is_empty()) {
            let flow = if field.name.starts_with("Refresh") {
                "refresh"
            } else {
                "acquire"
            };
            let about = Some((prt.0, flow, prt.1.clone()));
            attempts.push(Attempt {
                section: "PRT Diagnostics",
                about,
                fields: Vec::new(),
            });
        }
        if role.starts_with("join")
            && attempts
                .last()
                .is_none_or(|a| a.section != "Previous Registration")
        {
            attempts.push(Attempt {
                section: "Previous Registration",
                about: None,
                fields: Vec::new(),
            });
        }
        if (role.starts_with("prt") || role.starts_with("join"))
            && let Some(attempt) = attempts.last_mut()
        {
            attempt.fields.push(field);
        }
        if !role.starts_with("prt") || role == "prt_start" {
            rest.push(field);
        }
    }
    (rest, attempts)
}

fn emit_state(section: &Section, fields: &[&Field], facts: &Facts, out: &mut Output<'_>) {
    let name = if section.name.is_empty() {
        section.title.as_str()
    } else {
        section.name
    };
    let (mut row, mut json) = facts.row(name, section.line);
    if section.title.trim() != name {
        json.push_str("title", section.title.trim());
    }
    row.context = facts.context(name);
    if let Some(account_name) = section.get("Executing Account Name") {
        row.user = Some(Text::from(user_of(account_name)));
        row.context = row.context.or_else(|| Some(account(account_name)));
    }
    let (mut codes, mut join_codes) = (Codes::default(), Codes::default());
    let mut seen = BTreeSet::new();
    for field in fields {
        let repeated = !seen.insert(field.name.as_str());
        push_field(&mut json, field, repeated, section, out);
        promote(&mut row, field);
        match field.role() {
            "test" | "error" => codes.add(&field.value),
            role if role.starts_with("join") => join_codes.add(&field.value),
            _ => {}
        }
    }
    verdict(&mut row, section, &codes, &join_codes);
    let mut all = codes;
    for code in join_codes.all() {
        all.add(code);
    }
    push_codes(&mut json, &all);
    row.message = told(name, fields, out);
    row.fields = json.finish();
    out.row(row);
}

/// Fields that a section's line says.
const TOLD_FIELDS: usize = 4;
const TOLD_CHARS: usize = 60;

/// The section and what it says first: `SSO State: AzureAdPrt NO, EnterprisePrt NO`.
fn told(name: &str, fields: &[&Field], out: &Output<'_>) -> String {
    let said: Vec<String> = fields
        .iter()
        .filter(|field| !field.value.trim().is_empty())
        .take(TOLD_FIELDS)
        .map(|field| {
            let value = out.value(&field.value);
            let mut short: String = value.chars().take(TOLD_CHARS).collect();
            if short.len() < value.len() {
                short.push('…');
            }
            format!("{} {short}", field.name)
        })
        .collect();
    match said.is_empty() {
        true => name.to_owned(),
        false => format!("{name}: {}", said.join(", ")),
    }
}

/// Adds a field; a label that repeats in its section is numbered by its line.
fn push_field(json: &mut JsonObject, field: &Field, repeated: bool, section: &Section, out: &Output<'_>) {
    let name = if repeated {
        format!("{}#{}", field.name, field.line)
    } else {
        field.name.clone()
    };
    // `ours` keys of the object must not be shadowed by what a damaged file prints.
    let name = if matches!(name.as_str(), "section" | "run" | "codes" | "title" | "command") {
        format!("{}.{name}", section.title)
    } else {
        name
    };
    json.push_str(&name, &out.value(&field.value));
    if field.role() == "test" && !repeated {
        push_test(json, &field.name, &field.value);
    }
}

/// `FAIL [0x801c0021/0x80072ee2]` as its parts.
fn push_test(json: &mut JsonObject, name: &str, value: &str) {
    let (word, codes) = value.split_once('[').unwrap_or((value, ""));
    json.push_str(&format!("{name}.result"), word.trim());
    let mut codes = codes
        .trim_end_matches(']')
        .split('/')
        .map(str::trim)
        .filter(|code| !code.is_empty());
    for part in ["client", "sub"] {
        if let Some(code) = codes.next() {
            json.push_str(&format!("{name}.{part}"), &code.to_ascii_lowercase());
        }
    }
}

fn promote(row: &mut Row, field: &Field) {
    match field.role() {
        "tenant_id" => row.tenant_id = normalise_guid(&field.value).or(row.tenant_id.take()),
        "device_id" => row.device_id = normalise_guid(&field.value).or(row.device_id.take()),
        _ => {}
    }
}

/// Outcome and code of a section.
fn verdict(row: &mut Row, section: &Section, codes: &Codes, join: &Codes) {
    row.error_code = codes.best().or_else(|| join.best()).cloned();
    let value = |name| section.get(name).unwrap_or_default();
    let failed = |text: &str| text.to_ascii_uppercase().starts_with("FAIL");
    match section.name {
        "Diagnostic Data" => {
            let tests: Vec<_> = section.fields.iter().filter(|f| f.role() == "test").collect();
            let bad = tests.iter().any(|f| failed(&f.value))
                || join.best().is_some()
                || failed(value("KeySignTest"));
            let good = tests.iter().any(|f| f.value.eq_ignore_ascii_case("PASS"));
            row.outcome = match (bad, good) {
                (true, _) => Some(Outcome::Failure),
                (_, true) => Some(Outcome::Success),
                _ if value("KeySignTest").starts_with("PASS") => Some(Outcome::Success),
                _ => None,
            };
        }
        "Device Details" if failed(value("DeviceAuthStatus")) => row.outcome = Some(Outcome::Failure),
        "Device Details" if value("DeviceAuthStatus") == "SUCCESS" => row.outcome = Some(Outcome::Success),
        "Pre-Join Checks" => row.context = Some(system_if(value("isSystem"))),
        _ => {}
    }
}

fn system_if(text: &str) -> Context {
    if text.eq_ignore_ascii_case("YES") {
        Context::System
    } else {
        Context::User
    }
}

/// The attempt as its own row, at its own time.
fn emit_attempt(attempt: &Attempt<'_>, facts: &Facts, out: &mut Output<'_>) {
    let line = attempt.fields.first().map_or(1, |field| field.line);
    let (mut row, mut json) = facts.row(attempt.section, line);
    (row.ts_ns, row.ts_source) = (None, TsSource::None);
    row.context = match attempt.about {
        Some(_) => facts.context("PRT Diagnostics"),
        // Automatic registration always runs as the computer.
        None => Some(Context::System),
    };
    if let Some((prt, flow, state)) = &attempt.about {
        json.push_str("prt", prt);
        json.push_str("flow", flow);
        if !state.is_empty() {
            json.push_str("state", state);
        }
    }
    let mut codes = Codes::default();
    let mut seen = BTreeSet::new();
    for field in &attempt.fields {
        if seen.insert(field.name.as_str()) {
            json.push_str(&field.name, &out.value(&field.value));
        }
        fill(&mut row, field, &mut codes);
    }
    row.error_code = codes.best().cloned();
    row.outcome = Some(Outcome::Failure).filter(|_| row.error_code.is_some() || row.http_status >= Some(400));
    push_codes(&mut json, &codes);
    row.message = attempt_message(attempt, &row);
    row.fields = json.finish();
    if attempt.fields.len() > 1 {
        out.row(row);
    }
}

fn fill(row: &mut Row, field: &Field, codes: &mut Codes) {
    let value = field.value.as_str();
    match field.role() {
        "prt_time" | "join_time" => {
            if let Some(ts_ns) = clock::value(value, true) {
                (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Exact);
            }
        }
        "prt_user" => row.user = Some(Text::from(value)).filter(|v| !v.is_empty()),
        "prt_correlation" | "join_correlation" => row.correlation_id = normalise_guid(value),
        "prt_url" => {
            row.server_name = host_of(value);
            row.url = Some(Text::from(value)).filter(|v| !v.is_empty());
        }
        "prt_method" => row.http_method = Some(Text::from(value)).filter(|v| !v.is_empty()),
        "prt_http_status" | "join_http_status" => row.http_status = value.parse().ok().filter(|s| *s > 0),
        "prt_error" | "join_error" => codes.add(value),
        _ => {}
    }
}

/// The host of a URL, as `server_name` spells it.
pub(crate) fn host_of(url: &str) -> Option<Text> {
    crate::formats::cli::url_host(url)
}

fn attempt_message(attempt: &Attempt<'_>, row: &Row) -> String {
    let code = row.error_code.as_deref().unwrap_or("no code");
    match &attempt.about {
        Some((prt, flow, _)) => format!("PRT Diagnostics: last attempt to {flow} {prt} ended with {code}"),
        None => format!("Previous Registration ended with {code}"),
    }
}

/// Proxy settings and machine facts as `config` rows.
fn settings(section: &Section, facts: &Facts, out: &mut Output<'_>) {
    let context = facts
        .context(section.name)
        .or_else(|| section.get("Executing Account Name").map(account));
    let line_of = |name: &str| {
        section
            .fields
            .iter()
            .find(|f| f.name == name)
            .map_or(section.line, |f| f.line)
    };
    let mut set = |field: &str, name: &str, details: &[(&str, &str)]| {
        if let Some(value) = section.get(field) {
            let mut all = vec![("from", "dsregcmd")];
            all.extend_from_slice(details);
            out.config_in(context, line_of(field), name, value, &all);
        }
    };
    match section.name {
        "WinHttp Default Proxy Config" => {
            let bypass = section
                .get("Bypass")
                .or_else(|| section.get("Proxy Bypass List"))
                .unwrap_or_default();
            let list = ["Proxy", "Proxy List", "Proxy Server List"]
                .into_iter()
                .find(|name| section.get(name).is_some());
            let access = section.get("Access Type").unwrap_or_default().to_owned();
            match list {
                Some(name) => set(
                    name,
                    "winhttp_proxy",
                    &[("access_type", &access), ("bypass", bypass)],
                ),
                None => set("Access Type", "winhttp_proxy", &[("access_type", &access)]),
            }
        }
        name if name.starts_with("IE Proxy Config") => {
            let bypass = section.get("Proxy Bypass List").unwrap_or_default();
            set("Auto Detect Settings", "ie_autodetect", &[]);
            set("Auto-Configuration URL", "ie_pac_url", &[]);
            set("Proxy Server List", "ie_proxy", &[("bypass", bypass)]);
        }
        "URL Specific Proxy Config" => set("Auto Detect PAC Status", "wpad_status", &[]),
        "Device State" => set("Device Name", "computer_name", &[]),
        _ => {}
    }
}

/// Of `CONTOSO\\anna, anna@contoso.com` the name other sources know too.
fn user_of(account_name: &str) -> &str {
    let mut names = account_name.split(',').map(str::trim);
    names
        .clone()
        .find(|name| name.contains('@'))
        .or_else(|| names.next())
        .unwrap_or(account_name)
}
