//! A request and its answer as lines of text, whoever printed them, and the rows they become.

use casetrace_model::{JsonObject, Outcome, Row, Source, Text, normalise_guid};

use crate::codes::Codes;
use crate::lines::floor_boundary;
use crate::output::{Output, push_codes};

/// Headers of one message that are kept, and bytes of its body.
const MAX_HEADERS: usize = 64;
const MAX_BODY: usize = 16 << 10;
/// Bytes of the body that the row shows.
const SHOWN: usize = 400;

/// What is known while lines come in.
pub(crate) struct Exchange {
    /// Goes to `fields.tool`.
    tool: &'static str,
    method: String,
    target: String,
    host: String,
    /// The proxy that the tool named.
    pub(crate) proxy: Option<Text>,
    answer: Option<Row>,
    headers: Vec<(String, String)>,
    body: String,
}

impl Exchange {
    pub(crate) fn new(tool: &'static str) -> Self {
        Self {
            tool,
            method: String::new(),
            target: String::new(),
            host: String::new(),
            proxy: None,
            answer: None,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// Takes `METHOD target HTTP/x`; false if `text` is no such line.
    pub(crate) fn request_line(&mut self, text: &str, out: &mut Output<'_>) -> bool {
        let Some((method, target)) = request_line(text) else {
            return false;
        };
        self.close(out);
        (self.method, self.target) = (method.to_owned(), target.to_owned());
        self.host.clear();
        let named = target.split_once("://").map(|(_, rest)| rest);
        if let Some(rest) = named.or((method == "CONNECT").then_some(target)) {
            // What stands before an @ are credentials.
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            self.host = host.to_ascii_lowercase();
        }
        true
    }

    /// Takes `Name: value` of a request.
    pub(crate) fn request_header(&mut self, text: &str) {
        if let Some(host) = text.strip_prefix("Host: ")
            && self.method != "CONNECT"
        {
            self.host = host.trim().to_ascii_lowercase();
        }
    }

    /// Takes `HTTP/x 407 …`; false if `text` is no such line.
    pub(crate) fn status_line(&mut self, line: u64, text: &str, out: &mut Output<'_>) -> bool {
        let Some(status) = status_line(text) else {
            return false;
        };
        self.close(out);
        let mut row = Row::new(Source::Text, "http.response", line);
        let (host, _) = port_of(&self.host);
        row.http_status = Some(status);
        row.http_method = Some(Text::from(self.method.as_str())).filter(|method| !method.is_empty());
        row.outcome = Some(if status < 400 {
            Outcome::Success
        } else {
            Outcome::Failure
        });
        row.message = format!("{} {host}: {text}", self.method).trim_start().to_owned();
        row.server_name = Some(Text::from(host)).filter(|host| !host.is_empty());
        row.url = self.url();
        row.proxy.clone_from(&self.proxy);
        self.answer = Some(row);
        true
    }

    fn url(&self) -> Option<Text> {
        if self.target.contains("://") {
            Some(Text::from(self.target.as_str()))
        } else if self.method != "CONNECT" && self.target.starts_with('/') && !self.host.is_empty() {
            Some(Text::from(format!("https://{}{}", self.host, self.target)))
        } else {
            None
        }
    }

    /// Takes `Name: value` of an answer.
    pub(crate) fn header(&mut self, text: &str) {
        if let Some((name, value)) = text.split_once(':')
            && self.headers.len() < MAX_HEADERS
        {
            self.headers
                .push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Takes a line of an answer's body.
    pub(crate) fn body(&mut self, text: &str) {
        if self.answer.is_some() && self.body.len() + text.len() < MAX_BODY {
            self.body.push_str(text);
            self.body.push('\n');
        }
    }

    /// Hands on the answer that is under way.
    pub(crate) fn close(&mut self, out: &mut Output<'_>) {
        let headers = std::mem::take(&mut self.headers);
        let body = std::mem::take(&mut self.body);
        let Some(mut row) = self.answer.take() else { return };
        let header = |name: &str| {
            headers
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        row.content_type = header("content-type").map(Text::from);
        row.correlation_id = header("client-request-id").and_then(normalise_guid);
        let schemes: Vec<&str> = headers
            .iter()
            .filter(|(name, _)| name == "proxy-authenticate")
            .filter_map(|(_, value)| value.split(' ').next())
            .collect();
        row.proxy_auth = Some(Text::from(schemes.join(","))).filter(|schemes| !schemes.is_empty());
        let mut fields = JsonObject::new().str("tool", self.tool);
        for (key, name) in [
            ("ms_request_id", "x-ms-request-id"),
            ("server", "server"),
            ("via", "via"),
            ("date", "date"),
        ] {
            if let Some(value) = header(name) {
                fields.push_str(key, value);
            }
        }
        if let Some(kind) = body_kind(row.content_type.as_deref().unwrap_or_default(), &body) {
            fields.push_str("body_kind", kind);
        }
        let body = body.trim();
        if !body.is_empty() {
            let start = body.get(..floor_boundary(body, SHOWN)).unwrap_or_default();
            fields.push_str("body_start", start);
            let codes = Codes::of(body);
            row.error_code = codes.best().cloned();
            push_codes(&mut fields, &codes);
        }
        row.fields = fields.finish();
        out.row(row);
    }
}

fn body_kind(content_type: &str, body: &str) -> Option<&'static str> {
    ["html", "json", "xml"]
        .into_iter()
        .find(|kind| content_type.contains(kind))
        .or_else(|| match body.trim_start().as_bytes().first()? {
            b'{' | b'[' => Some("json"),
            b'<' if body.to_ascii_lowercase().contains("<html") => Some("html"),
            _ => None,
        })
}

/// Method and target.
pub(crate) fn request_line(text: &str) -> Option<(&str, &str)> {
    // Every line of a file is asked: most end here.
    let length = text.bytes().take(8).take_while(u8::is_ascii_uppercase).count();
    let (method, rest) = text.split_at_checked(length)?;
    let rest = rest.strip_prefix(' ').filter(|_| (3..=7).contains(&length))?;
    let (target, version) = rest.trim_end().split_once(' ')?;
    (!target.is_empty() && version.starts_with("HTTP/") && !version.contains(' ')).then_some((method, target))
}

/// The status code.
pub(crate) fn status_line(text: &str) -> Option<u16> {
    let (version, rest) = text.strip_prefix("HTTP/")?.split_once(' ')?;
    let plain = matches!(version, "1.0" | "1.1" | "2" | "2.0" | "3");
    let status = rest.split(' ').next()?.parse().ok()?;
    (plain && (100..600).contains(&status)).then_some(status)
}

/// `host:port` apart.
fn port_of(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, port.parse().ok()),
        _ => (host, None),
    }
}
