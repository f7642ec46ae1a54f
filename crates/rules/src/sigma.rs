//! Import of single-event Sigma rules.
//!
//! The result is the text of a rule file, to be read, edited and kept like any other. Source of the syntax: the Sigma
//! specification, version 2. Comparison in Sigma ignores case, here as there. Correlation rules, aggregations and the
//! modifiers `base64`, `cidr`, `windash`, `fieldref` and `expand` are refused by name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

/// A rule file made of a Sigma rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Text of the rule file.
    pub toml: String,
    /// What the importer had to guess or leave out.
    pub notes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Sigma {
    title: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    falsepositives: Vec<String>,
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    logsource: BTreeMap<String, Value>,
    #[serde(default)]
    detection: BTreeMap<String, Value>,
}

/// Columns for Sigma's field names; everything else is a member of `fields`.
const COLUMNS: &[(&str, &str)] = &[
    ("eventid", "event_id"),
    ("provider_name", "provider"),
    ("channel", "channel"),
    ("computer", "host"),
    ("computername", "host"),
    ("hostname", "host"),
    ("user", "user"),
    ("queryname", "server_name"),
    ("destinationhostname", "server_name"),
    ("destinationip", "dst_ip"),
    ("destinationport", "dst_port"),
    ("sourceip", "src_ip"),
    ("sourceport", "src_port"),
];

const NUMBERS: &[&str] = &["event_id", "dst_port", "src_port"];

/// Channels for Sigma's services.
const SERVICES: &[(&str, &str)] = &[
    ("security", "Security"),
    ("system", "System"),
    ("application", "Application"),
    ("capi2", "Microsoft-Windows-CAPI2/Operational"),
    ("ntlm", "Microsoft-Windows-NTLM/Operational"),
    ("sysmon", "Microsoft-Windows-Sysmon/Operational"),
    ("powershell", "Microsoft-Windows-PowerShell/Operational"),
    ("dns-client", "Microsoft-Windows-DNS Client Events/Operational"),
    ("taskscheduler", "Microsoft-Windows-TaskScheduler/Operational"),
    (
        "security-mitigations",
        "Microsoft-Windows-Security-Mitigations/KernelMode",
    ),
];

/// Translates one Sigma rule.
///
/// # Errors
/// One sentence on the first thing that has no counterpart.
pub fn import_sigma(yaml: &str) -> Result<Imported, String> {
    let refuse = |what: String| format!("This is no Sigma rule: {what}.");
    let value = crate::yaml::read(yaml).map_err(refuse)?;
    let sigma: Sigma = serde_json::from_value(value).map_err(|e| refuse(e.to_string()))?;
    let mut notes = Vec::new();
    let mut parts = vec!["kind = 'event'".to_owned()];
    parts.extend(source(&sigma.logsource, &mut notes));
    let condition = match sigma.detection.get("condition") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .map(|c| format!("({c})"))
            .collect::<Vec<_>>()
            .join(" or "),
        _ => return Err("The rule has no `condition`; Sigma correlations are not imported.".to_owned()),
    };
    if sigma.detection.contains_key("timeframe") || condition.contains('|') {
        return Err("Aggregations over several events are not imported; write min_count by hand.".to_owned());
    }
    let mut selections = BTreeMap::new();
    for (name, value) in sigma.detection.iter().filter(|(name, _)| *name != "condition") {
        selections.insert(name.clone(), selection(value)?);
    }
    parts.push(
        Parser {
            tokens: tokens(&condition),
            at: 0,
            selections: &selections,
        }
        .parse()?,
    );
    Ok(Imported {
        toml: file(&sigma, &parts.join("\n  AND ")),
        notes,
    })
}

fn source(logsource: &BTreeMap<String, Value>, notes: &mut Vec<String>) -> Option<String> {
    let service = logsource.get("service").and_then(Value::as_str);
    if service.is_none() {
        notes.push("The rule names no log service; all events are searched.".to_owned());
    }
    let service = service?;
    let channel = SERVICES
        .iter()
        .find(|(name, _)| *name == service)
        .map(|(_, channel)| *channel);
    match channel {
        Some(channel) => Some(format!("channel = {}", text(channel))),
        None => {
            notes.push(format!(
                "The log service `{service}` is not known here; channels with that word are searched."
            ));
            Some(format!(
                "STRPOS(LOWER(channel), {}) > 0",
                text(&service.to_lowercase())
            ))
        }
    }
}

/// An SQL string literal.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn joined(parts: Vec<String>, with: &str) -> String {
    match parts.as_slice() {
        [] => "TRUE".to_owned(),
        [one] => one.clone(),
        _ => format!("({})", parts.join(with)),
    }
}

fn selection(value: &Value) -> Result<String, String> {
    match value {
        Value::Object(fields) => {
            let parts = fields
                .iter()
                .map(|(name, value)| field(name, value))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(joined(parts, " AND "))
        }
        Value::Array(list) => Ok(joined(
            list.iter().map(selection).collect::<Result<Vec<_>, _>>()?,
            " OR ",
        )),
        Value::String(word) => {
            let word = text(&word.trim_matches('*').to_lowercase());
            Ok(format!(
                "(STRPOS(LOWER(message), {word}) > 0 OR STRPOS(LOWER(fields), {word}) > 0)"
            ))
        }
        other => Err(format!("A selection can't be `{other}`.")),
    }
}

fn field(name: &str, value: &Value) -> Result<String, String> {
    let mut words = name.split('|');
    let name = words.next().unwrap_or_default();
    let mut modifiers: Vec<&str> = words.collect();
    let all = modifiers.contains(&"all");
    modifiers.retain(|m| *m != "all");
    let column = COLUMNS
        .iter()
        .find(|(sigma, _)| sigma.eq_ignore_ascii_case(name))
        .map(|(_, column)| *column);
    let target = match column {
        Some(column) => column.to_owned(),
        None if name.contains(['\'', '"']) => return Err(format!("The field name `{name}` can't be used.")),
        None => format!("f({})", text(name)),
    };
    let values = match value {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let is_number = column.is_some_and(|c| NUMBERS.contains(&c));
    let tests = values
        .into_iter()
        .map(|v| test(&target, name, is_number, &modifiers, v))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(joined(tests, if all { " AND " } else { " OR " }))
}

fn test(
    target: &str,
    name: &str,
    is_number: bool,
    modifiers: &[&str],
    value: &Value,
) -> Result<String, String> {
    if value.is_null() {
        return Ok(format!("{target} IS NULL"));
    }
    let plain = match value {
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => return Err(format!("`{name}` has a nested value.")),
        other => other.to_string(),
    };
    let lower = text(&plain.to_lowercase());
    let number = || number(&plain).ok_or_else(|| format!("`{plain}` is no number of a row."));
    let as_number = || {
        if is_number {
            target.to_owned()
        } else {
            format!("n({})", text(name))
        }
    };
    Ok(match modifiers {
        [] if is_number => format!("{target} = {}", number()?),
        [] if plain.contains(['*', '?']) => format!("REGEXP_LIKE({target}, {})", text(&wildcards(&plain))),
        [] => format!("LOWER({target}) = {lower}"),
        ["contains"] => format!("STRPOS(LOWER({target}), {lower}) > 0"),
        ["startswith"] => format!("STARTS_WITH(LOWER({target}), {lower})"),
        ["endswith"] => format!("ENDS_WITH(LOWER({target}), {lower})"),
        ["re"] => format!("REGEXP_LIKE({target}, {})", text(&plain)),
        ["exists"] => format!("{target} IS {}NULL", if plain == "true" { "NOT " } else { "" }),
        ["lt"] => format!("{} < {}", as_number(), number()?),
        ["lte"] => format!("{} <= {}", as_number(), number()?),
        ["gt"] => format!("{} > {}", as_number(), number()?),
        ["gte"] => format!("{} >= {}", as_number(), number()?),
        other => {
            return Err(format!(
                "The modifier `{}` of `{name}` has no counterpart.",
                other.join("|")
            ));
        }
    })
}

/// A number as conditions write it: without an exponent, and no larger than a row's.
fn number(plain: &str) -> Option<String> {
    if let Some(whole) = plain.parse::<i64>().ok().filter(|n| n.checked_abs().is_some()) {
        return Some(whole.to_string());
    }
    let number = plain.parse::<f64>().ok().filter(|n| n.abs() < 9e18)?;
    // A very small one has hundreds of digits.
    Some(number.to_string()).filter(|text| text.len() <= 40)
}

/// `*` and `?` as a regular expression over the whole value; a backslash makes them plain.
fn wildcards(value: &str) -> String {
    let mut out = String::from("(?is)^");
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '\\' if chars.peek().is_some_and(|next| matches!(next, '*' | '?')) => {
                out.push('\\');
                out.extend(chars.next());
            }
            c if c.is_alphanumeric() || matches!(c, '_' | '\'') => out.push(c),
            c => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out.push('$');
    out
}

fn tokens(condition: &str) -> Vec<String> {
    condition
        .replace('(', " ( ")
        .replace(')', " ) ")
        .split_whitespace()
        .map(ToOwned::to_owned)
        .collect()
}

/// Sigma's condition: `or` below `and` below `not`.
struct Parser<'a> {
    tokens: Vec<String>,
    at: usize,
    selections: &'a BTreeMap<String, String>,
}

/// Brackets within brackets, at most.
const MAX_DEPTH: usize = 50;

impl Parser<'_> {
    fn parse(&mut self) -> Result<String, String> {
        let out = self.or(0)?;
        match self.tokens.get(self.at) {
            None => Ok(out),
            Some(token) => Err(format!("`{token}` is not understood in the condition.")),
        }
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self
            .tokens
            .get(self.at)
            .is_some_and(|t| t.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self, depth: usize) -> Result<String, String> {
        let mut parts = vec![self.and(depth)?];
        while self.eat("or") {
            parts.push(self.and(depth)?);
        }
        Ok(joined(parts, " OR "))
    }

    fn and(&mut self, depth: usize) -> Result<String, String> {
        let mut parts = vec![self.not(depth)?];
        while self.eat("and") {
            parts.push(self.not(depth)?);
        }
        Ok(joined(parts, " AND "))
    }

    fn not(&mut self, depth: usize) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err("The condition is nested too deeply.".to_owned());
        }
        if self.eat("not") {
            // In Sigma a missing field does not match, so its negation does.
            return Ok(format!("NOT COALESCE({}, FALSE)", self.not(depth + 1)?));
        }
        if self.eat("(") {
            let inner = self.or(depth + 1)?;
            return if self.eat(")") {
                Ok(inner)
            } else {
                Err("A `)` is missing in the condition.".to_owned())
            };
        }
        for (word, with) in [("1", " OR "), ("any", " OR "), ("all", " AND ")] {
            if self
                .tokens
                .get(self.at + 1)
                .is_some_and(|t| t.eq_ignore_ascii_case("of"))
                && self.eat(word)
            {
                self.at += 1;
                return self.of(with);
            }
        }
        self.selection()
    }

    fn of(&mut self, with: &str) -> Result<String, String> {
        let pattern = self.tokens.get(self.at).cloned().unwrap_or_default();
        self.at += 1;
        let prefix = if pattern == "them" {
            Some("")
        } else {
            pattern.strip_suffix('*')
        };
        let fits = |name: &str| prefix.map_or(name == pattern, |p| name.starts_with(p));
        let parts: Vec<String> = self
            .selections
            .iter()
            .filter(|(name, _)| fits(name))
            .map(|(_, sql)| sql.clone())
            .collect();
        if parts.is_empty() {
            Err(format!("No selection fits `{pattern}`."))
        } else {
            Ok(joined(parts, with))
        }
    }

    fn selection(&mut self) -> Result<String, String> {
        let Some(name) = self.tokens.get(self.at) else {
            return Err("The condition ends too early.".to_owned());
        };
        self.at += 1;
        self.selections
            .get(name)
            .cloned()
            .ok_or_else(|| format!("There is no selection `{name}`."))
    }
}

/// A text in which nothing is a placeholder: braces are doubled, and of brackets no two stand side by side.
fn plain_phrase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = None;
    for c in text.trim().chars() {
        match c {
            '{' | '}' => out.push(c),
            '[' | ']' if last == Some(c) => out.push(' '),
            _ => {}
        }
        out.push(c);
        last = Some(c);
    }
    out
}

fn file(sigma: &Sigma, condition: &str) -> String {
    let literal = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let phrase = |text: &str| literal(&plain_phrase(text));
    let severity = match sigma.level.as_deref() {
        Some("critical") => "critical",
        Some("high") => "high",
        Some("low") => "low",
        Some("informational") => "info",
        _ => "medium",
    };
    let short: String = sigma
        .id
        .iter()
        .flat_map(|id| id.chars())
        .filter(char::is_ascii_alphanumeric)
        .take(8)
        .collect();
    let id = if short.is_empty() {
        "SIGMA-1".to_owned()
    } else {
        format!("SIGMA-{}", short.to_uppercase())
    };
    let list = |items: &[String]| items.iter().map(|i| literal(i)).collect::<Vec<_>>().join(", ");
    let mut out = String::from(
        "# Imported from a Sigma rule.\nschema_version = 1\nfamily = \"sigma\"\nphase = \"meta\"\n\n[[rule]]\n",
    );
    let _ = writeln!(
        out,
        "id = {}\ntitle = {}\nseverity = \"{severity}\"",
        literal(&id),
        phrase(&sigma.title)
    );
    let _ = writeln!(out, "explanation = {}", phrase(&sigma.description));
    let _ = writeln!(
        out,
        "references = [{}]\nfalse_positives = [{}]",
        list(&sigma.references),
        list(&sigma.falsepositives)
    );
    let _ = writeln!(
        out,
        "\n[[rule.evidence]]\nid = \"event\"\nrole = \"decisive\"\nwhere = {}",
        literal(condition)
    );
    out
}
