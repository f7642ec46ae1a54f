//! One run of dsregcmd: its sections in order, held until the run is over, because what one section says (the
//! client's time, who ran it, tenant and device) holds for all of them.

use casetrace_model::{Context, JsonObject, Row, Source, Text, TsSource, normalise_guid, time};

use super::labels::{Known, Label};
use super::sections;
use crate::clock;
use crate::output::Output;
use crate::table::key;

/// Sections of a run and fields of a section that are kept; the tool prints far fewer.
const MAX_SECTIONS: usize = 200;
const MAX_FIELDS: usize = 400;

/// One `label : value`.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) known: Option<Known>,
    pub(super) value: String,
    pub(super) line: u64,
}

impl Field {
    pub(super) fn role(&self) -> &'static str {
        self.known.map_or("", |known| known.role)
    }
}

/// One block under a title.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    /// As printed; the canonical one where there was no title line.
    pub(super) title: String,
    /// Canonical name, empty if unknown.
    pub(super) name: &'static str,
    pub(super) line: u64,
    pub(super) fields: Vec<Field>,
}

impl Section {
    /// The value of a field by its canonical name; empty values count as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|f| f.name == name)
            .map(|f| f.value.as_str())
            .filter(|v| !v.is_empty())
    }
}

/// Everything one run printed.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) command: Option<String>,
    sections: Vec<Section>,
    titled: bool,
    /// The authority or error context of trace lines.
    pub(super) correlation: Option<Text>,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.sections.iter().all(|section| section.fields.is_empty())
    }

    pub(super) fn in_section(&self) -> bool {
        self.titled
    }

    /// A title line.
    pub(super) fn begin(&mut self, title: String, name: &'static str, line: u64) {
        self.sections.push(Section {
            title,
            name,
            line,
            fields: Vec::new(),
        });
        self.sections.truncate(MAX_SECTIONS);
        self.titled = true;
    }

    /// A rule: closes the section once it has fields.
    pub(super) fn rule(&mut self) {
        if self
            .sections
            .last()
            .is_some_and(|section| !section.fields.is_empty())
        {
            self.titled = false;
        }
    }

    /// A field; without a title before it, the table says which section it belongs to.
    pub(super) fn field(&mut self, label: Label<'_>, line: u64) {
        let home = label.known.map_or("", |known| known.section);
        let (home, title) = match home {
            "Previous Registration" => ("Diagnostic Data", "Diagnostic Data"),
            "IE Proxy Config" => ("IE Proxy Config", "IE Proxy Config"),
            home => (home, home),
        };
        let untitled_fits = self
            .sections
            .last()
            .is_some_and(|last| last.name == home && !home.is_empty());
        if !self.titled && !untitled_fits && self.sections.len() < MAX_SECTIONS {
            self.sections.push(Section {
                title: title.to_owned(),
                name: home,
                line,
                fields: Vec::new(),
            });
        }
        let Some(section) = self.sections.last_mut() else {
            return;
        };
        if section.fields.len() < MAX_FIELDS {
            let name = spelling(label, section.name).to_owned();
            section.fields.push(Field {
                name,
                known: label.known,
                value: label.value.to_owned(),
                line,
            });
        }
    }

    /// More of the last value, cut by the console in mid-word.
    pub(super) fn continue_value(&mut self, text: &str) {
        if let Some(field) = self
            .sections
            .last_mut()
            .and_then(|section| section.fields.last_mut())
        {
            field.value.push_str(text);
        }
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.sections.iter().find_map(|section| section.get(name))
    }

    /// Writes the rows of the run.
    pub(super) fn emit(self, number: u32, out: &mut Output<'_>) {
        let mut facts = Facts::of(&self, number);
        if facts.client_time.is_none() && self.find("AzureAdPrtUpdateTime").is_some() {
            out.hinted = true;
            facts.collected = out.options.collected_ns;
        }
        if let Some(host) = &facts.host {
            out.inspection.host.get_or_insert_with(|| host.clone());
        }
        for section in &self.sections {
            if !section.fields.is_empty() {
                sections::emit(section, &facts, out);
            }
        }
    }
}

/// The table's spelling, except where another section prints a label that differs in case only.
fn spelling<'a>(label: Label<'a>, section: &str) -> &'a str {
    match label.known {
        Some(known) if known.section == section || !known.role.is_empty() => known.name,
        Some(known) if key(known.name) != key(label.printed) => known.name,
        _ => label.printed,
    }
}

/// What holds for all rows of a run.
pub(super) struct Facts {
    pub(super) run: u32,
    pub(super) host: Option<Text>,
    tenant: Option<Text>,
    device: Option<Text>,
    client_time: Option<i64>,
    /// When the collection ended, if the run doesn't say when it ran.
    collected: Option<i64>,
    pub(super) user_context: Option<String>,
    executing: Option<String>,
    command: Option<String>,
}

impl Facts {
    fn of(run: &Run, number: u32) -> Self {
        Self {
            run: number,
            host: run.find("Device Name").map(Text::from),
            tenant: run.find("TenantId").and_then(normalise_guid),
            device: run.find("DeviceId").and_then(normalise_guid),
            client_time: run.find("Client Time").and_then(|time| clock::value(time, true)),
            collected: None,
            user_context: run.find("User Context").map(str::to_owned),
            executing: run
                .sections
                .iter()
                .filter(|section| section.name == "Diagnostic Data")
                .find_map(|section| section.get("Executing Account Name"))
                .map(str::to_owned),
            command: run.command.clone(),
        }
    }

    /// An empty row for a section, with what the run knows.
    pub(super) fn row(&self, section: &str, line: u64) -> (Row, JsonObject) {
        let mut row = Row::new(Source::Text, "dsregcmd.section", line);
        row.message = section.to_owned();
        row.host.clone_from(&self.host);
        row.tenant_id.clone_from(&self.tenant);
        row.device_id.clone_from(&self.device);
        if let Some(ts_ns) = self.client_time {
            row.ts_ns = Some(ts_ns);
            row.ts_source = if section == "Diagnostic Data" {
                TsSource::Exact
            } else {
                TsSource::Derived
            };
        }
        let mut fields = JsonObject::new().str("section", section).num("run", self.run);
        if let Some(context) = &self.user_context
            && section != "Diagnostic Data"
        {
            fields.push_str("run_user_context", context);
        }
        if let Some(command) = &self.command {
            fields.push_str("command", command);
        }
        if let Some(collected) = self.collected.filter(|_| section == "SSO State") {
            fields.push_str("collected", &time::to_rfc3339(collected));
        }
        (row, fields)
    }

    /// Whom a section speaks for.
    ///
    /// Tests run in the context they name; User and SSO State belong to the account that ran the tool.
    pub(super) fn context(&self, section: &str) -> Option<Context> {
        match section {
            "Diagnostic Data" => self
                .user_context
                .as_deref()
                .map(context_of)
                .or_else(|| self.executing.as_deref().map(account)),
            "IE Proxy Config for System Account" | "WinHttp Default Proxy Config" => Some(Context::System),
            "IE Proxy Config for Current User" | "Work Account" => Some(Context::User),
            "User State" | "SSO State" | "Ngc Prerequisite Check" | "PRT Diagnostics" => {
                Some(self.executing.as_deref().map_or(Context::User, account))
            }
            _ => None,
        }
    }
}

/// `SYSTEM`, `UN-ELEVATED User`, `ELEVATED User`.
pub(super) fn context_of(text: &str) -> Context {
    if text.to_ascii_uppercase().contains("SYSTEM") {
        Context::System
    } else {
        Context::User
    }
}

/// An account: the computer's own ends in `$`.
pub(super) fn account(text: &str) -> Context {
    let first = text.split(',').next().unwrap_or(text).trim();
    let machine = first.ends_with('$') || first.to_ascii_uppercase().ends_with("\\SYSTEM");
    if machine || first.eq_ignore_ascii_case("system") {
        Context::System
    } else {
        Context::User
    }
}
