//! The two ways in which a line of an az log names its logger.

/// What stands in front of an entry's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHead<'a> {
    pub(super) level: &'a str,
    pub(super) logger: &'a str,
    pub(super) time: Option<&'a str>,
    pub(super) text: &'a str,
}

/// Packages whose loggers, and those below them, write to the console.
const FAMILIES: [&str; 12] = [
    "cli",
    "azure",
    "msal",
    "urllib3",
    "requests",
    "msrest",
    "adal",
    "azext",
    "knack",
    "asyncio",
    "paramiko",
    "distutils",
];

/// Loggers outside the families.
const LONE: [&str; 2] = ["az_command_data_logger", "az_session_metrics_logger"];

const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/// `logger.name: text`, optionally after a level.
pub(super) fn on_console(line: &str) -> Option<EntryHead<'_>> {
    let level = LEVELS
        .into_iter()
        .find(|level| line.strip_prefix(level).is_some_and(|rest| rest.starts_with(':')));
    let rest = level.map_or(line, |level| {
        let rest = line.get(level.len() + 1..).unwrap_or_default();
        rest.strip_prefix(' ').unwrap_or(rest)
    });
    let end = rest
        .find(|c: char| !(is_word(c) || c == '.'))
        .unwrap_or(rest.len());
    let (logger, tail) = rest.split_at_checked(end)?;
    if !is_logger(logger) {
        return None;
    }
    let tail = tail.strip_prefix(char::is_whitespace).unwrap_or(tail);
    let text = tail.strip_prefix(':')?;
    Some(EntryHead {
        level: level.unwrap_or_default(),
        logger,
        time: None,
        text: text.strip_prefix(' ').unwrap_or(text),
    })
}

fn is_logger(name: &str) -> bool {
    if LONE.contains(&name) {
        return true;
    }
    if let Some(one) = name.strip_prefix("chardet.") {
        return !one.is_empty() && !one.contains(['.', '-']);
    }
    FAMILIES
        .iter()
        .filter_map(|family| name.strip_prefix(family))
        .any(is_below)
}

/// Nothing, or names after separators: no two dots in a row, none at the end.
fn is_below(rest: &str) -> bool {
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (None, _) => true,
        (Some('.' | '_' | '-'), Some(second)) if is_word(second) => {
            !rest.contains("..") && !rest.ends_with('.')
        }
        _ => false,
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c == '-' || c.is_alphanumeric()
}

/// A line of a file under `.azure\\commands`: `pid | time | level | logger | text`.
pub(super) fn in_file(line: &str) -> Option<EntryHead<'_>> {
    if !line.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut parts = line.splitn(5, " | ");
    let (pid, time, level) = (parts.next()?, parts.next()?, parts.next()?);
    let (logger, text) = (parts.next()?, parts.next()?);
    let named = |name: &str, also: char| !name.is_empty() && name.chars().all(|c| is_word(c) || c == also);
    let fits = pid.bytes().all(|b| b.is_ascii_digit())
        && (19..=32).contains(&time.chars().count())
        && named(level, '_')
        && named(logger, '.');
    fits.then(|| EntryHead {
        level,
        logger,
        time: Some(time.trim()),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_lines_name_their_logger() {
        for (line, level, logger, text) in [
            (
                "cli.knack.cli: Command arguments: ['login']",
                "",
                "cli.knack.cli",
                "Command arguments: ['login']",
            ),
            (
                "DEBUG: urllib3.connectionpool: https://x",
                "DEBUG",
                "urllib3.connectionpool",
                "https://x",
            ),
            ("ERROR:msal:x", "ERROR", "msal", "x"),
            (
                "adal-python : 0000 - TokenRequest:Getting token",
                "",
                "adal-python",
                "0000 - TokenRequest:Getting token",
            ),
            (
                "msal_extensions.libsecret: a",
                "",
                "msal_extensions.libsecret",
                "a",
            ),
            (
                "az_command_data_logger: command args: login",
                "",
                "az_command_data_logger",
                "command args: login",
            ),
            (
                "chardet.charsetprober: utf-8",
                "",
                "chardet.charsetprober",
                "utf-8",
            ),
            ("cli:", "", "cli", ""),
        ] {
            let head = on_console(line).map(|head| (head.level, head.logger, head.text));
            assert_eq!(head, Some((level, logger, text)), "{line}");
        }
        for line in [
            "TenantId:'x'",
            "client: x",
            "cli. x: y",
            "cli..x: y",
            "cli.: y",
            "cli-: y",
            "ERROR: x",
            "",
            "é: x",
        ] {
            assert_eq!(on_console(line), None, "{line}");
        }
    }

    #[test]
    fn file_lines_have_five_parts() {
        let line = "5120 | 2026-03-02 01:00:00,123 | DEBUG | cli.azure.cli.core | Raw | command";
        let head = in_file(line).map(|head| (head.level, head.logger, head.time, head.text));
        assert_eq!(
            head,
            Some((
                "DEBUG",
                "cli.azure.cli.core",
                Some("2026-03-02 01:00:00,123"),
                "Raw | command"
            ))
        );
        assert_eq!(in_file("5120 | soon | DEBUG | cli | x"), None);
        assert_eq!(in_file("x5120 | 2026-03-02 01:00:00,123 | DEBUG | cli | x"), None);
        assert_eq!(in_file("5120 | 2026-03-02 01:00:00,123 | DEBUG | c li | x"), None);
    }
}
