//! HTTP message heads as WinINet and WebIO log them: a start line and header lines in clear text.

use casetrace_model::{JsonObject, Text, normalise_guid};

use crate::mask;

/// Header lines that are looked at.
const MAX_LINES: usize = 64;
const MAX_VALUE: usize = 512;

/// A parsed head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) status: Option<u16>,
    pub(crate) reason: String,
    pub(crate) version: String,
    lines: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn parse(text: &str) -> Self {
        let mut head = Self::default();
        let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
        let mut first = lines.next().unwrap_or_default();
        while first.trim().is_empty() {
            match lines.next() {
                Some(line) => first = line,
                None => return head,
            }
        }
        head.start_line(first);
        for line in lines.take(MAX_LINES) {
            if let Some((name, value)) = line.split_once(':') {
                head.lines
                    .push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        head
    }

    fn start_line(&mut self, line: &str) {
        let mut parts = line.splitn(3, ' ');
        let (a, b, c) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        if let Some(version) = a.strip_prefix("HTTP/") {
            self.version = version.to_owned();
            self.status = b.parse().ok();
            self.reason = c.to_owned();
        } else if let Some(version) = c.strip_prefix("HTTP/") {
            self.version = version.to_owned();
            self.method = a.to_owned();
            self.target = b.to_owned();
        } else if let Some((name, value)) = line.split_once(':') {
            // Some builds log the lines behind the start line only.
            self.lines
                .push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.lines
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, value)| value.as_str())
    }

    /// Schemes offered in a challenge header, joined by commas.
    pub(crate) fn schemes(&self, name: &str) -> Option<Text> {
        let mut all: Vec<&str> = Vec::new();
        for (_, value) in self.lines.iter().filter(|(held, _)| held == name) {
            let scheme = value.split([' ', ',']).next().unwrap_or_default();
            if !scheme.is_empty() && !all.contains(&scheme) {
                all.push(scheme);
            }
        }
        (!all.is_empty()).then(|| Text::from(all.join(",")))
    }

    pub(crate) fn correlation_id(&self) -> Option<Text> {
        const NAMES: [&str; 4] = [
            "client-request-id",
            "x-ms-client-request-id",
            "x-ms-correlation-id",
            "x-ms-correlation-request-id",
        ];
        NAMES
            .iter()
            .find_map(|name| self.get(name).and_then(normalise_guid))
    }

    /// All lines as an object, secrets masked on request; repeated names are joined.
    pub(crate) fn to_json(&self, masked: bool) -> String {
        let mut object = JsonObject::new();
        let mut done: Vec<&str> = Vec::new();
        for (name, _) in &self.lines {
            if done.contains(&name.as_str()) {
                continue;
            }
            done.push(name);
            let values: Vec<String> = self
                .lines
                .iter()
                .filter(|(held, _)| held == name)
                .map(|(_, v)| shown(name, v, masked))
                .collect();
            object.push_str(name, &values.join(", "));
        }
        object.finish()
    }
}

/// One value, masked together with its name: what is secret depends on it.
fn shown(name: &str, value: &str, masked: bool) -> String {
    let value = value
        .get(..value.floor_char_boundary(MAX_VALUE))
        .unwrap_or_default();
    if !masked {
        return value.to_owned();
    }
    let blob = ["NTLM ", "Negotiate "]
        .iter()
        .find(|scheme| value.starts_with(**scheme));
    if let (true, Some(scheme)) = (name.ends_with("-authenticate"), blob) {
        return format!("{scheme}***");
    }
    let line = format!("{name}: {value}");
    match mask::value(&line) {
        Some(masked) => masked.get(name.len() + 2..).unwrap_or_default().to_owned(),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_and_masked() {
        let head = Head::parse(
            "POST /a?code=1 HTTP/1.1\r\nHost: h.example\r\nAuthorization: Basic dTpw\r\nX: 1\r\nX: 2\r\n\r\n",
        );
        assert_eq!(
            (head.method.as_str(), head.target.as_str()),
            ("POST", "/a?code=1")
        );
        assert_eq!(
            head.to_json(true),
            r#"{"host":"h.example","authorization":"Basic ***","x":"1, 2"}"#
        );
        assert!(head.to_json(false).contains("dTpw"));
        let head = Head::parse(
            "HTTP/1.1 407 Proxy Auth\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate YII\r\n",
        );
        assert_eq!(head.status, Some(407));
        assert_eq!(
            head.schemes("proxy-authenticate").as_deref(),
            Some("NTLM,Negotiate")
        );
        assert!(head.to_json(true).contains("Negotiate ***"));
        assert_eq!(Head::parse("\r\n"), Head::default());
    }
}
