//! Registry text: `reg query` output and `.reg` exports. Every value is a row; those that `pipelines/text/registry.tsv`
//! lists are published as settings too.
//!
//! `reg query` prints the key, then four blanks, name, type and data; a missing key leaves one localised error line.

mod settings;
mod values;

use casetrace_model::{Context, Diagnostic, JsonObject, Row, Source};

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use values::{Value, export, query};

pub(crate) fn detect(head: &Head) -> u8 {
    let keys = head.any(|line| key_line(line).is_some());
    let export = head
        .first(1)
        .any(|line| line.starts_with("Windows Registry Editor") || line == "REGEDIT4");
    match (keys, export) {
        (_, true) => score::CERTAIN + 5,
        (true, false) => score::LIKELY + 15,
        _ if head.lines.len() < 20 && head.any(is_missing) => score::LIKELY,
        _ => score::NO,
    }
}

pub(crate) fn starts(text: &str) -> bool {
    text.starts_with("HKEY_") && key_line(text).is_some()
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Registry::default())
}

/// `HKEY_LOCAL_MACHINE\…`, in brackets in exports.
fn key_line(text: &str) -> Option<&str> {
    let bare = text.trim_end();
    let key = bare
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(bare)
        .trim_start_matches('-');
    let known = [
        "HKEY_LOCAL_MACHINE",
        "HKEY_CURRENT_USER",
        "HKEY_USERS",
        "HKEY_CLASSES_ROOT",
        "HKEY_CURRENT_CONFIG",
    ];
    let hive = key.split('\\').next()?;
    (known.contains(&hive) && key.len() < 2000 && !key.contains("    ")).then_some(key)
}

/// The error of `reg query` in several languages.
fn is_missing(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with("ERROR:") && text.contains("registry key or value"))
        || (text.starts_with("エラー:") && text.contains("レジストリ"))
        || (text.starts_with("FEHLER:") && text.contains("Registrierungs"))
        || (text.starts_with("ERREUR") && text.contains("Registre"))
}

/// Values of keys nobody listed that become rows, per file.
const MAX_OTHER_ROWS: u64 = 5000;

#[derive(Default)]
struct Registry {
    key: String,
    /// An export value that goes on in the next line, with its first line's number.
    open: Option<(u64, String)>,
    others: u64,
    skipped: u64,
}

/// Bytes of one multi-line value that are joined.
const MAX_JOINED: usize = 256 << 10;

impl Machine for Registry {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        if let Some((number, mut held)) = self.open.take() {
            if held.len() < MAX_JOINED {
                held.push_str(text.trim_start().trim_end_matches('\\'));
            }
            if text.ends_with('\\') {
                self.open = Some((number, held));
            } else if let Some(value) = export(&held) {
                self.value(number, &value, out);
            }
            return;
        }
        if let Some(key) = key_line(text) {
            key.clone_into(&mut self.key);
        } else if is_missing(text) {
            let name = out.options.name.clone();
            let file = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
            out.config(line.number, "registry_missing", &file, &[("text", text.trim())]);
        } else if text.starts_with(['"', '@']) && text.ends_with('\\') && text.contains("=hex") {
            self.open = Some((line.number, text.trim_end_matches('\\').to_owned()));
        } else if let Some(value) = query(text).or_else(|| export(text)) {
            self.value(line.number, &value, out);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        if self.skipped > 0 {
            out.diagnostic(Diagnostic::new(
                casetrace_model::Severity::Info,
                "RegistryValuesCounted",
                format!(
                    "{} values of keys no rule looks at were counted only.",
                    self.skipped
                ),
            ));
        }
        *self = Self::default();
    }
}

impl Registry {
    fn value(&mut self, line: u64, value: &Value<'_>, out: &mut Output<'_>) {
        let listed = settings::listed(&self.key, &value.name);
        if listed.is_none() {
            self.others += 1;
            if self.others > MAX_OTHER_ROWS {
                self.skipped += 1;
                return;
            }
        }
        let context = context(&self.key);
        let hidden = Value {
            data: "***".into(),
            bytes: Vec::new(),
            ..value.clone()
        };
        let value = if is_secret(&value.name) { &hidden } else { value };
        let mut row = Row::new(Source::Registry, "registry.value", line);
        row.context = context;
        row.message = format!("{}\\{} = {}", self.key, value.name, value.data);
        let mut fields = JsonObject::new().str("hive_path", &self.key);
        fields.push_str("name", &value.name);
        fields.push_str("type", &value.kind);
        fields.push_str("data", &out.value(&value.data));
        row.fields = fields.finish();
        out.row(row);
        if let Some(name) = listed {
            settings::publish(&self.key, name, value, line, context, out);
        }
    }
}

/// Values such as DefaultPassword hold their secret in the data, out of reach of the text masks.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let harmless = name.starts_with("disable") || name.starts_with("enable") || name.contains("policy");
    !harmless
        && ["password", "secret", "accesstoken", "refreshtoken"]
            .iter()
            .any(|word| name.contains(word))
}

/// Machine-wide keys act for SYSTEM, users' hives for users.
fn context(key: &str) -> Option<Context> {
    if key.starts_with("HKEY_CURRENT_USER")
        || key.starts_with("HKEY_USERS\\S-1-5-21")
        || key.starts_with("HKEY_USERS\\S-1-12-1")
    {
        Some(Context::User)
    } else if key.starts_with("HKEY_USERS\\S-1-5-18") || key.starts_with("HKEY_USERS\\.DEFAULT") {
        Some(Context::System)
    } else {
        None
    }
}
