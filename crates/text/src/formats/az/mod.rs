//! `az … --debug`: `logger: message` entries on the console, or `pid | time | level | logger | message` in the
//! tool's own log files; urllib3 exchanges, azure-core request logs, tracebacks.
//!
//! The console form has no times; the run's start is known from the name of the log file it announces (local
//! time), and server texts carry their own.

mod exchange;
mod head;
mod http;
mod shell;

use std::sync::LazyLock;

use casetrace_model::find_guids;
use memchr::memmem::Finder;

use super::cli::{Http, Run};
use crate::blocks::{Machine, prompt_command};
use crate::clock::{self, Moment};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

use head::{in_file, on_console};
use shell::{Shell, is_place, shown_command};

/// Lines that start an entry of their own without a logger.
const STARTS: [&str; 11] = [
    "HTTPSConnectionPool(",
    "HTTPConnectionPool(",
    "Error occurred in request.",
    "You have logged in.",
    "Retrieving tenants and subscriptions",
    "Certificate verification failed.",
    "ERROR: ",
    "WARNING: ",
    "Please ensure you have network connection",
    "No subscriptions found for",
    "###",
];

pub(crate) fn detect(head: &Head) -> u8 {
    let strong = head.count(is_own);
    let loggers = head.count(|line| on_console(line).is_some() || in_file(line).is_some());
    let pool = head.any(|line| line.contains("HTTPSConnectionPool(host="));
    match (strong, loggers) {
        (1.., _) => score::CERTAIN,
        (_, 2..) => score::LIKELY,
        _ if pool || head.any(starts) => score::LIKELY,
        _ => score::NO,
    }
}

pub(crate) fn starts(text: &str) -> bool {
    let text = Shell::default().line(text);
    let logged = text.strip_prefix("DEBUG: ").unwrap_or(text);
    logged.starts_with("cli.knack.")
        || logged.starts_with("cli.azure.cli")
        || prompt_command(text).is_some_and(is_command)
}

/// A line that only az writes. Without colours, as in redirected output, a level stands in front of the logger.
fn is_own(line: &str) -> bool {
    let line = Shell::default().line(line);
    on_console(line).is_some_and(|head| {
        head.logger.starts_with("cli.knack.")
            || head.logger.starts_with("cli.azure.")
            || head.logger == "az_command_data_logger"
    })
}

fn is_command(command: &str) -> bool {
    let mut words = command.split_whitespace();
    matches!(words.next(), Some("az" | "az.cmd" | "az.exe")) && words.next().is_some()
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Az::default())
}

/// What Python begins a traceback with; its last line names the exception and is no entry of its own.
const TRACEBACK: &str = "Traceback (most recent call last)";

/// Bytes of an entry that are held; tracebacks are far shorter.
const ENTRY_LIMIT: usize = 64 << 10;

#[derive(Debug, Default)]
struct Entry {
    line: u64,
    logger: String,
    level: String,
    moment: Option<Moment>,
    text: String,
}

struct Az {
    run: Run,
    entry: Option<Entry>,
    traceback: bool,
    /// The azure-core request being printed, and the one waiting for its response.
    request: Option<Http>,
    response: Option<Http>,
    in_headers: bool,
    shell: Shell,
}

impl Default for Az {
    fn default() -> Self {
        Self {
            run: Run::new("az", 0),
            entry: None,
            traceback: false,
            request: None,
            response: None,
            in_headers: false,
            shell: Shell::default(),
        }
    }
}

impl Machine for Az {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let bare = strip_colour(line.text);
        let goes_on = self.shell.goes_on();
        let raw = self.shell.line(&bare);
        let text = raw.trim_end();
        if self.run.line == 0 && !text.trim().is_empty() {
            self.run.line = line.number;
        }
        if let Some(command) = prompt_command(text) {
            self.close(out);
            if is_command(command) {
                self.next_run(line.number, out);
                self.run.command = Some(command.to_owned());
            }
            return;
        }
        if let Some(command) = shown_command(text).filter(|command| is_command(command)) {
            self.run.command.get_or_insert_with(|| command.to_owned());
        }
        match self.begin(line.number, text) {
            Some(mut entry) => {
                self.close(out);
                self.traceback = entry.text.starts_with(TRACEBACK);
                self.shell.keep_end(&mut entry.text, raw);
                self.entry = Some(entry);
            }
            None => self.more(line.number, raw, goes_on && !is_place(text)),
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
        self.flush_http(out);
        std::mem::take(&mut self.run).emit(out);
        *self = Self::default();
    }
}

impl Az {
    fn next_run(&mut self, line: u64, out: &mut Output<'_>) {
        self.flush_http(out);
        std::mem::replace(&mut self.run, Run::new("az", line)).emit(out);
    }

    /// The entry that starts at this line.
    fn begin(&mut self, number: u64, text: &str) -> Option<Entry> {
        let own = in_file(text)
            .or_else(|| on_console(text).filter(|head| !(self.traceback && is_exception(head.logger))));
        if let Some(head) = own {
            return Some(Entry {
                line: number,
                logger: head.logger.to_owned(),
                level: head.level.to_owned(),
                moment: head.time.and_then(clock::leading).map(|(moment, _)| moment),
                text: head.text.to_owned(),
            });
        }
        let plain = STARTS.iter().any(|start| text.starts_with(start));
        (plain && !self.traceback || self.entry.is_none() && !text.trim().is_empty()).then(|| Entry {
            line: number,
            text: text.to_owned(),
            ..Entry::default()
        })
    }

    /// A further line of the entry, which goes on with the one before where the shell broke it (`joined`).
    fn more(&mut self, line: u64, raw: &str, joined: bool) {
        let text = if self.shell.goes_on() { raw } else { raw.trim_end() };
        if text.starts_with(TRACEBACK) {
            self.traceback = true;
        }
        if let Some(entry) = &mut self.entry {
            if entry.text.len() < ENTRY_LIMIT {
                if !joined {
                    entry.text.push('\n');
                }
                entry.text.push_str(text);
            }
        } else if !text.trim().is_empty() {
            self.entry = Some(Entry {
                line,
                text: text.to_owned(),
                ..Entry::default()
            });
        }
    }

    /// Interprets the finished entry.
    fn close(&mut self, out: &mut Output<'_>) {
        let Some(entry) = self.entry.take() else { return };
        let text = entry.text.trim_end();
        if text.is_empty() && entry.logger.is_empty() || text.starts_with("###") {
            return;
        }
        self.run.entries += 1;
        self.clock(&entry, out);
        self.learn(&entry);
        if self.http(&entry, out) {
            return;
        }
        self.run.phase(entry.line, text, out);
        let is_error = !entry.logger.starts_with("urllib3.util") && self.run.failure(entry.line, text, out);
        if !is_error {
            let mut row = out.log_row(
                entry.line,
                if entry.logger.is_empty() {
                    "az"
                } else {
                    &entry.logger
                },
                text,
                entry.moment,
            );
            row.level = level(&entry.level);
            self.run.stamp(&mut row);
            out.row(row);
        }
    }

    /// Times: of the log file's own lines, or of the log file the console announces.
    fn clock(&mut self, entry: &Entry, out: &mut Output<'_>) {
        let moment = entry.moment.or_else(|| {
            let text = entry.text.as_bytes();
            let (folder, at) = FOLDERS
                .iter()
                .find_map(|folder| Some((folder, folder.find(text)?)))?;
            file_time(entry.text.get(at + folder.needle().len()..)?)
        });
        if let Some(moment) = moment
            && let (Some(ts_ns), source) = out.time(moment)
        {
            self.run.now = Some(ts_ns);
            self.run.start.get_or_insert((ts_ns, source));
        }
    }

    /// Facts about the run.
    fn learn(&mut self, entry: &Entry) {
        let text = entry.text.as_str();
        if let Some(args) = text
            .strip_prefix("Command arguments: ")
            .or_else(|| text.strip_prefix("command args: "))
            && self.run.command.is_none()
        {
            let args = args.trim().trim_matches(['[', ']']).replace(['\'', ','], "");
            self.run.command = Some(format!("az {args}"));
        }
        // Every entry says it anew, so that no address overrules the command.
        if let Some(command) = self.run.command.as_deref()
            && command
                .as_bytes()
                .windows(2)
                .any(|two| matches!(two, [b'-', b't' | b'T']))
            && let Some(tenant) = option(command, &["--tenant", "-t"])
        {
            self.run.tenant = Some(tenant);
        }
        if let Some(rest) = AGENT.find(text.as_bytes()).and_then(|at| text.get(at + 9..)) {
            self.run.version = Some(version(rest));
        } else if let Some(rest) = text.strip_prefix("azure-cli ") {
            self.run.version = Some(version(rest.trim_start()));
        }
        if entry.logger == "msal.telemetry" || entry.logger == "adal-python" {
            self.run.correlation = find_guids(text).next().or_else(|| self.run.correlation.take());
        }
        if let Some(code) = text.strip_prefix("exit code: ") {
            self.run.exit = code.trim().parse().ok();
        }
        if let Some(rest) = text.strip_prefix("Command ran in ") {
            self.run
                .detail("seconds", rest.split(' ').next().unwrap_or_default());
        }
        if let Some(value) = text.strip_prefix("Broker enabled? ") {
            self.run.detail("broker", value.trim());
        }
        for at in SIGN_IN.find_iter(text.as_bytes()).take(8) {
            let url = text.get(at..).unwrap_or_default();
            let end = url.find(['\'', '"', ' ', '\n', ')']).unwrap_or(url.len());
            self.run.saw_url(url.get(..end).unwrap_or_default());
        }
    }
}

/// Folders of az's own log files, in both spellings; the first of them that occurs counts.
static FOLDERS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new(r"\commands\"), Finder::new("/commands/")]);

/// az's user agent, before its version.
static AGENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("AZURECLI/"));

/// Addresses of the sign-in service.
static SIGN_IN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("https://login."));

/// `urllib3.exceptions.MaxRetryError` is no logger.
fn is_exception(name: &str) -> bool {
    name.rsplit('.')
        .next()
        .is_some_and(|last| last.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// `2024-04-03.17-28-00.login.2152.log`
fn file_time(name: &str) -> Option<Moment> {
    clock::leading(name).map(|(moment, _)| moment)
}

/// The value of a command line option.
pub(crate) fn option(command: &str, names: &[&str]) -> Option<String> {
    let mut words = command.split_whitespace();
    while let Some(word) = words.next() {
        if names.iter().any(|name| word.eq_ignore_ascii_case(name)) {
            return words
                .next()
                .map(|value| value.trim_matches(['"', '\'']).to_owned());
        }
    }
    None
}

/// The digits and dots at the start of a text.
pub(crate) fn version(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .take(24)
        .collect()
}

fn level(name: &str) -> Option<casetrace_model::Level> {
    use casetrace_model::Level;
    Some(match name {
        "DEBUG" => Level::Verbose,
        "INFO" => Level::Info,
        "WARNING" => Level::Warning,
        "ERROR" => Level::Error,
        "CRITICAL" => Level::Critical,
        _ => return None,
    })
}

/// Removes colour sequences of a terminal.
pub(crate) fn strip_colour(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = after.strip_prefix('[').map_or(after, |sequence| {
            sequence
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
                .get(1..)
                .unwrap_or_default()
        });
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_options() {
        assert_eq!(strip_colour("\u{1b}[36mcli.x\u{1b}[0m: é"), "cli.x: é");
        assert_eq!(
            option("az login --tenant x.y", &["--tenant"]).as_deref(),
            Some("x.y")
        );
    }
}
