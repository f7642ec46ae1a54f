//! `Connect-AzAccount -Debug` and `Connect-MgGraph -Debug`: `DEBUG:` entries (in files without that word), wrapped by the console; MSAL lines
//! with their own UTC times, HTTP blocks over many lines, .NET exceptions in English and Japanese, and the ADAL
//! lines of AzureRM.

mod parts;

use std::sync::LazyLock;

use casetrace_model::{TsSource, normalise_guid};
use regex::Regex;

use super::az::{option, strip_colour};
use super::cli::{Http, Run};

use crate::blocks::{Machine, prompt_command};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use parts::{msal_time, parse_block, strip_time, unwrap};

/// `False MSAL 4.39.0.0 MSAL.NetCore … [time - guid] text`
static MSAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?s)^\(?(?:True|False)\)? MSAL (?P<version>[\d.]+) (?P<sku>.{0,200}?) \[(?P<time>[0-9/: .TZ-]{14,30}?) - (?P<id>[0-9a-fA-F-]{36})?\s*\] ?(?P<text>.*)$",
    )
    .ok()
});

/// `2016-07-03T01:45:22.1Z: <guid> - TokenCache: text`
static ADAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?s)^(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z): (?P<id>[0-9a-fA-F-]{36})? ?- ?(?P<class>[\w.]+): (?P<text>.*)$").ok()
});

static PREFIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?P<level>DEBUG|VERBOSE|WARNING|INFORMATION|デバッグ|詳細|警告): ?(?P<text>.*)$").ok()
});

/// How an entry begins in a file, where PowerShell leaves `DEBUG:` out: MSAL's lines, calls of a credential, HTTP blocks, the summary.
static UNPREFIXED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"^(?:\(?(?:True|False)\)? MSAL [\d.]+ ",
        r"|[A-Z]\w{3,60}Credential\.\w{3,60} (?:invoked|succeeded|was unable)",
        r"|={10,60} HTTP RE(?:QUEST|SPONSE) ={10,60}$",
        r"|\[[A-Z]\w{3,60}\]: - ",
        r"|AzureQoSEvent: )",
    ))
    .ok()
});

/// One of the letters and signs with which [`UNPREFIXED`] can begin, so that few lines are searched.
fn is_unprefixed(line: &str) -> bool {
    let first = line.as_bytes().first();
    first.is_some_and(|byte| byte.is_ascii_uppercase() || matches!(byte, b'(' | b'=' | b'['))
        && UNPREFIXED.as_ref().is_some_and(|regex| regex.is_match(line))
}

fn debug_lines(head: &Head) -> usize {
    head.count(|line| line.starts_with("DEBUG: ") || line.starts_with("デバッグ: "))
}

fn speaks_graph(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [
        "connect-mggraph",
        "graph-powershell",
        "[authentication]: - authtype",
        "microsoft.graph",
        "get-mguser",
        "get-mgcontext",
    ]
    .iter()
    .any(|word| lower.contains(word))
}

pub(crate) fn detect_mggraph(head: &Head) -> u8 {
    let graph = head.any(speaks_graph);
    match debug_lines(head) {
        1.. if graph => score::CERTAIN - 5,
        0 if head.any(starts_mggraph) || graph && head.any(is_unprefixed) => score::LIKELY + 5,
        _ => score::NO,
    }
}

pub(crate) fn detect_azps(head: &Head) -> u8 {
    let adal = head.count(|line| ADAL.as_ref().is_some_and(|regex| regex.is_match(line)));
    match debug_lines(head) {
        2.. => score::CERTAIN - 10,
        _ if adal > 0 || head.any(starts_azps) || head.any(begins_cmdlet) || head.any(is_unprefixed) => {
            score::LIKELY
        }
        1 => score::WEAK,
        _ => score::NO,
    }
}

/// The entry with which a cmdlet begins, as it stands in files.
fn begins_cmdlet(line: &str) -> bool {
    let (text, clock) = strip_time(line);
    clock.is_some() && text.contains(" begin processing with ")
}

pub(crate) fn starts_mggraph(text: &str) -> bool {
    prompt_command(text).is_some_and(|command| {
        let lower = command.to_ascii_lowercase();
        lower.starts_with("connect-mg") || lower.starts_with("get-mg") || lower.starts_with("disconnect-mg")
    })
}

pub(crate) fn starts_azps(text: &str) -> bool {
    prompt_command(text).is_some_and(|command| {
        let lower = command.to_ascii_lowercase();
        [
            "connect-az",
            "login-az",
            "get-az",
            "set-az",
            "add-azureaccount",
            "clear-az",
        ]
        .iter()
        .any(|word| lower.starts_with(word))
    })
}

pub(crate) fn make_azps() -> Box<dyn Machine> {
    Box::new(PowerShell::new("azps"))
}

pub(crate) fn make_mggraph() -> Box<dyn Machine> {
    Box::new(PowerShell::new("mggraph"))
}

/// With what a cmdlet's name begins where an error names it: `Connect-AzAccount : text`, from PowerShell 7 on `Connect-AzAccount: text`.
const VERBS: [&str; 14] = [
    "Connect-",
    "Login-",
    "Get-",
    "Set-",
    "New-",
    "Add-",
    "Invoke-",
    "Select-",
    "Disconnect-",
    "Clear-",
    "Update-",
    "Remove-",
    "Find-",
    "Import-",
];

const ENTRY_LIMIT: usize = 256 << 10;

struct PowerShell {
    run: Run,
    entry: Option<(u64, String, String)>,
    request: Option<Http>,
}

impl PowerShell {
    fn new(tool: &'static str) -> Self {
        Self {
            run: Run::new(tool, 0),
            entry: None,
            request: None,
        }
    }
}

impl Machine for PowerShell {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let bare = strip_colour(line.text);
        let text = bare.as_ref();
        if self.run.line == 0 && !text.trim().is_empty() {
            self.run.line = line.number;
        }
        if let Some(command) = prompt_command(text) {
            self.close(out);
            if !command.is_empty() {
                let next = Run::new(self.run.tool, line.number);
                std::mem::replace(&mut self.run, next).emit(out);
                self.run.command = Some(command.to_owned());
                self.run.tenant = option(command, &["-Tenant", "-TenantId", "-TenantDomain"]);
            }
        } else if let Some(found) = PREFIX.as_ref().and_then(|regex| regex.captures(text)) {
            self.close(out);
            let part = |name| found.name(name).map_or("", |m| m.as_str()).to_owned();
            self.entry = Some((line.number, part("level"), part("text")));
        } else if text.starts_with("###") {
            self.close(out);
        } else if self.starts_alone(text) {
            self.close(out);
            self.entry = Some((line.number, String::new(), text.to_owned()));
        } else {
            self.more(line.number, text);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
        let tool = self.run.tool;
        std::mem::take(&mut self.run).emit(out);
        *self = Self::new(tool);
    }
}

impl PowerShell {
    /// Error texts stand alone, ADAL lines and what begins without a prefix too.
    fn starts_alone(&self, text: &str) -> bool {
        let command = || {
            let (name, _) = text.split_once(':').unwrap_or_default();
            VERBS.iter().any(|verb| name.starts_with(verb)) && !name.trim_end().contains(' ')
        };
        let clock = || text.contains(" - ") && strip_time(text).1.is_some();
        command() || clock() || is_unprefixed(text) || ADAL.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    fn more(&mut self, line: u64, text: &str) {
        match &mut self.entry {
            Some((_, _, held)) if held.len() < ENTRY_LIMIT => {
                held.push('\n');
                held.push_str(text);
            }
            Some(_) => {}
            None if text.trim().is_empty() => {}
            None => self.entry = Some((line, String::new(), text.to_owned())),
        }
    }

    fn close(&mut self, out: &mut Output<'_>) {
        let Some((line, level, text)) = self.entry.take() else {
            return;
        };
        let (text, moment_note) = strip_time(text.trim_end());
        if text.trim().is_empty() {
            return;
        }
        self.run.entries += 1;
        if text.contains("= HTTP REQUEST =") || text.contains("= HTTP RESPONSE =") {
            return self.http(line, text, out);
        }
        let joined = unwrap(text);
        self.learn(&joined);
        if !self.msal(line, &joined, out) {
            self.plain(line, &level, &joined, moment_note, out);
        }
    }

    /// Any other entry.
    fn plain(&mut self, line: u64, level: &str, text: &str, clock: Option<String>, out: &mut Output<'_>) {
        self.run.phase(line, text, out);
        if self.run.failure(line, text, out) {
            return;
        }
        let logger = text
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .map_or("", |(name, _)| name);
        let logger = if logger.is_empty() || logger.contains(' ') {
            self.run.tool
        } else {
            logger
        };
        let mut row = out.log_row(line, logger, text, None);
        if let Some(clock) = clock {
            row.fields = row.fields.trim_end_matches('}').to_owned();
            row.fields.push_str(",\"local_time\":");
            row.fields.push_str(&serde_json::Value::from(clock).to_string());
            row.fields.push('}');
        }
        row.level = match level {
            "WARNING" | "警告" => Some(casetrace_model::Level::Warning),
            "" => None,
            _ => Some(casetrace_model::Level::Verbose),
        };
        self.run.stamp(&mut row);
        out.row(row);
    }

    /// MSAL and ADAL lines: exact times and correlation ids.
    fn msal(&mut self, line: u64, text: &str, out: &mut Output<'_>) -> bool {
        let msal = MSAL.as_ref().and_then(|regex| regex.captures(text));
        let adal = || ADAL.as_ref().and_then(|regex| regex.captures(text));
        let is_msal = msal.is_some();
        let Some(found) = msal.or_else(adal) else {
            return false;
        };
        let part = |name| found.name(name).map(|m| m.as_str());
        let body = part("text").unwrap_or_default();
        out.hinted = true;
        if let Some(ts_ns) =
            part("time").and_then(|time| msal_time(time, body, self.run.now, out.options.year_hint))
        {
            self.run.saw(ts_ns);
        }
        if let Some(id) = part("id").and_then(normalise_guid) {
            self.run.correlation = Some(id);
        }
        if let Some(version) = part("version") {
            self.detail("msal_version", version);
        }
        if let Some(sku) = part("sku") {
            self.detail("platform", sku);
        }
        self.run.phase(line, body, out);
        if self.run.failure(line, body, out) {
            return true;
        }
        let logger = if is_msal {
            "MSAL"
        } else {
            part("class").unwrap_or("ADAL")
        };
        let mut row = out.log_row(line, logger, body, None);
        self.run.stamp(&mut row);
        row.ts_source = if row.ts_ns.is_some() {
            TsSource::Exact
        } else {
            TsSource::None
        };
        out.row(row);
        true
    }

    fn detail(&mut self, name: &'static str, value: &str) {
        if !value.is_empty() && !self.run.details.iter().any(|(known, _)| *known == name) {
            self.run.details.push((name, value.to_owned()));
        }
    }

    /// Facts about the run.
    fn learn(&mut self, text: &str) {
        if speaks_graph(text) && self.run.tool == "azps" && text.contains("graph-powershell") {
            self.run.tool = "mggraph";
        }
        if let Some(rest) = text.strip_prefix("Got version ")
            && let Some((version, module)) = rest.split_once(" of ")
        {
            let name = if module.trim() == "Az" {
                "az_version"
            } else {
                "az_accounts_version"
            };
            self.detail(name, version);
            if name == "az_accounts_version" || self.run.version.is_none() {
                self.run.version = Some(version.to_owned());
            }
        }
        if let Some((before, _)) = text.split_once(" begin processing with ")
            && self.run.command.is_none()
        {
            let cmdlet = before.rsplit(' ').next().unwrap_or(before);
            self.run.command = Some(cmdlet.trim_start_matches("- ").to_owned());
        }
        for (label, name) in [
            ("Scopes:'", "scopes"),
            ("RedirectUri:'", "redirect_uri"),
            ("TokenCredentialType: '", "credential"),
            ("AuthType: '", "auth_type"),
        ] {
            if let Some((_, rest)) = text.split_once(label) {
                self.detail(name, rest.split('\'').next().unwrap_or_default());
            }
        }
        if let Some((_, rest)) = text.split_once("AuthorityHost:'") {
            self.run.authority = rest.split('\'').next().map(str::to_owned);
        }
        if let Some((_, rest)) = text.split_once("TenantId:'")
            && let Some(tenant) = rest.split('\'').next().filter(|tenant| !tenant.is_empty())
        {
            self.run.tenant = Some(tenant.to_owned());
        }
        for at in text.match_indices("https://login.").map(|(at, _)| at).take(8) {
            let url = text.get(at..).unwrap_or_default();
            let end = url.find(['\'', '"', ' ', '\n', ')', ',']).unwrap_or(url.len());
            self.run.saw_url(url.get(..end).unwrap_or_default());
        }
    }

    fn http(&mut self, line: u64, text: &str, out: &mut Output<'_>) {
        let mut http = parse_block(text);
        http.line = line;
        http.logger = "http".to_owned();
        if let Some(agent) = http
            .header("User-Agent")
            .or_else(|| http.header("SdkVersion"))
            .map(str::to_owned)
        {
            self.learn_agent(&agent);
        }
        self.run.flush(out);
        let request = self.request.take().filter(|_| http.is_response);
        if let Some(request) = &request {
            http.method.clone_from(&request.method);
            http.url.clone_from(&request.url);
        }
        if let Some(url) = &http.url {
            self.run.saw_url(url);
            if url.contains("://management.") {
                self.run.phase = "arm";
            }
        }
        let row = http.row(&self.run, request.as_ref());
        if row.ts_source == TsSource::Exact
            && let Some(ts_ns) = row.ts_ns
        {
            self.run.saw(ts_ns);
        }
        out.row(row);
        if !http.is_response {
            self.request = Some(http);
        }
    }

    fn learn_agent(&mut self, agent: &str) {
        for (word, tool) in [
            ("graph-powershell/", "mggraph"),
            ("Az.Accounts/", "azps"),
            ("AzurePowershell/", "azps"),
            ("Az/", "azps"),
        ] {
            if let Some((_, rest)) = agent.split_once(word) {
                self.run.tool = tool;
                let version: String = rest
                    .chars()
                    .take_while(|c| !c.is_whitespace() && *c != ',')
                    .take(24)
                    .collect();
                self.run.version = Some(version);
                return;
            }
        }
    }
}
