//! Puts HTTP requests and responses together that WinINet and WebIO log in several events, and adds the rows of them.
//!
//! WebIO 17 names method and URL of a request handle, 100 and 101 log the heads; WinINet 103 names the server of a connection,
//! 104 the object of a request on it, 210 and 211 log the heads. Both log them in clear text even for HTTPS.

use std::collections::HashMap;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text};

use super::head::Head;
use crate::Guid;
use crate::container::record::Event;
use crate::mask;
use crate::names::{WEBIO, WININET};
use crate::value::Values;

/// Handles that are followed at a time; the oldest half is forgotten beyond.
const MAX_HANDLES: usize = 65_536;

/// One event of a conversation.
#[derive(Debug, Clone)]
pub(crate) struct HttpFact {
    handle: Text,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    /// A connection to a server.
    Server {
        name: String,
        port: String,
    },
    /// A request with its URL, or with its path on a connection.
    Opened {
        method: String,
        target: String,
        parent: Option<Text>,
    },
    Request(String),
    Response(String),
}

impl HttpFact {
    /// What an event says about a request, if it is one of those.
    pub(crate) fn of(provider: Guid, event: &Event<'_>, values: &Values) -> Option<Self> {
        let text = |name: &str| values.find(name).map(str::to_owned);
        let handle = |name: &str| values.find(name).map(Text::from);
        let (handle, step) = match (provider, event.id()) {
            (WEBIO, 17) => (
                handle("Request")?,
                Step::Opened {
                    method: text("Method")?,
                    target: text("URI")?,
                    parent: None,
                },
            ),
            (WEBIO, 100) => (handle("Request")?, Step::Request(text("Headers")?)),
            (WEBIO, 101) => (handle("Request")?, Step::Response(text("Headers")?)),
            (WININET, 103) => (
                handle("ConnectionHandle")?,
                Step::Server {
                    name: text("ServerName")?,
                    port: text("ServerPort").unwrap_or_default(),
                },
            ),
            (WININET, 104) => {
                let parent = handle("ParentHandle");
                (
                    handle("ConnectionHandle")?,
                    Step::Opened {
                        method: text("Verb")?,
                        target: text("ObjectName")?,
                        parent,
                    },
                )
            }
            (WININET, 210) => (handle("RequestHandle")?, Step::Request(text("Headers")?)),
            (WININET, 211) => (handle("RequestHandle")?, Step::Response(text("Headers")?)),
            _ => return None,
        };
        Some(Self { handle, step })
    }
}

#[derive(Debug, Clone, Default)]
struct Request {
    method: String,
    url: String,
    server: String,
    correlation_id: Option<Text>,
    record: u64,
    ts_ns: Option<i64>,
    seen: u64,
}

/// Which process and which of its handles.
type Key = (u32, Text, Text);

/// Remembers open requests and makes the extra rows.
#[derive(Debug)]
pub(crate) struct Follower {
    requests: HashMap<Key, Request>,
    masked: bool,
    clock: u64,
}

impl Follower {
    pub(crate) fn new(masked: bool) -> Self {
        Self {
            requests: HashMap::new(),
            masked,
            clock: 0,
        }
    }

    /// The row a fact adds to the event's own.
    pub(crate) fn follow(&mut self, event: &Row, fact: HttpFact) -> Option<Row> {
        self.clock += 1;
        let key = |handle: Text| {
            (
                event.pid.unwrap_or(0),
                event.provider.clone().unwrap_or_default(),
                handle,
            )
        };
        match fact.step {
            Step::Server { name, port } => {
                let server = if port.is_empty() || port == "80" || port == "443" {
                    name
                } else {
                    format!("{name}:{port}")
                };
                let scheme = if port == "443" { "https" } else { "http" };
                let request = Request {
                    url: format!("{scheme}://{server}"),
                    server,
                    ..Request::default()
                };
                self.keep(key(fact.handle), request);
                None
            }
            Step::Opened {
                method,
                target,
                parent,
            } => {
                let parent = parent.and_then(|parent| self.requests.get(&key(parent)));
                let url = match parent {
                    Some(connection) if target.starts_with('/') => format!("{}{target}", connection.url),
                    Some(connection) if !target.contains("://") => format!("{}/{target}", connection.url),
                    _ => target,
                };
                let request = Request {
                    method,
                    server: host_of(&url),
                    url,
                    ..Request::default()
                };
                self.keep(key(fact.handle), request);
                None
            }
            Step::Request(text) => Some(self.request(event, key(fact.handle), &Head::parse(&text))),
            Step::Response(text) => {
                let head = Head::parse(&text);
                let request = self.requests.get(&key(fact.handle));
                head.status
                    .is_some()
                    .then(|| response(event, &head, request, self.masked))
            }
        }
    }

    fn keep(&mut self, key: Key, mut request: Request) {
        request.seen = self.clock;
        if self.requests.len() >= MAX_HANDLES {
            let half = self.clock.saturating_sub(MAX_HANDLES as u64 / 2);
            self.requests.retain(|_, held| held.seen > half);
        }
        self.requests.insert(key, request);
    }

    fn request(&mut self, event: &Row, key: Key, head: &Head) -> Row {
        let mut request = self.requests.get(&key).cloned().unwrap_or_default();
        if !head.method.is_empty() {
            request.method.clone_from(&head.method);
        }
        if request.url.is_empty() {
            request.url = full_url(head);
        }
        if request.server.is_empty() {
            request.server = head
                .get("host")
                .map(str::to_owned)
                .unwrap_or_else(|| host_of(&request.url));
        }
        request.correlation_id = head.correlation_id();
        (request.record, request.ts_ns) = (event.record, event.ts_ns);
        let row = self.request_row(event, head, &request);
        self.keep(key, request);
        row
    }

    fn request_row(&self, event: &Row, head: &Head, request: &Request) -> Row {
        let mut row = like(event, "http.request");
        self.about(&mut row, request);
        // An absolute target, or CONNECT, is what a client sends to a proxy.
        if head.method == "CONNECT" || head.target.contains("://") {
            row.proxy = head.get("proxy-host").map(Text::from);
        }
        row.content_type = media_type(head);
        row.message = format!("{} {}", request.method, row.url.as_deref().unwrap_or_default());
        let mut fields = JsonObject::with_capacity(600).str("version", &head.version);
        fields.push_raw("headers", &head.to_json(self.masked));
        let authorization = head
            .get("proxy-authorization")
            .or_else(|| head.get("authorization"));
        if let Some(scheme) = authorization.and_then(|value| value.split(' ').next()) {
            fields.push_str("has_authorization", scheme);
        }
        row.fields = fields.finish();
        row
    }

    fn about(&self, row: &mut Row, request: &Request) {
        about(row, request, self.masked);
    }
}

fn about(row: &mut Row, request: &Request, masked: bool) {
    let some = |text: &str| (!text.is_empty()).then(|| Text::from(text));
    row.http_method = some(&request.method);
    row.url = match masked.then(|| mask::value(&request.url)).flatten() {
        Some(masked) => Some(masked.into()),
        None => some(&request.url),
    };
    row.server_name = some(&without_port(&request.server).to_ascii_lowercase());
    row.correlation_id.clone_from(&request.correlation_id);
}

fn response(event: &Row, head: &Head, request: Option<&Request>, masked: bool) -> Row {
    let mut row = like(event, "http.response");
    if let Some(request) = request {
        about(&mut row, request, masked);
    }
    let status = head.status.unwrap_or(0);
    row.http_status = Some(status);
    row.content_type = media_type(head);
    row.proxy_auth = head.schemes("proxy-authenticate");
    row.correlation_id = head.correlation_id().or_else(|| row.correlation_id.take());
    row.outcome = Some(if status < 400 {
        Outcome::Success
    } else {
        Outcome::Failure
    });
    row.message = format!(
        "{status} {} to {} {}",
        head.reason,
        row.http_method.as_deref().unwrap_or_default(),
        row.url.as_deref().unwrap_or_default()
    );
    row.message.truncate(row.message.trim_end().len());
    let mut fields = JsonObject::with_capacity(600)
        .str("version", &head.version)
        .str("reason", &head.reason);
    fields.push_raw("headers", &head.to_json(masked));
    if let Some(request) = request.filter(|request| request.record > 0) {
        fields.push_num("request_record", i128::from(request.record));
        if let (Some(sent), Some(answered)) = (request.ts_ns, event.ts_ns) {
            fields.push_num("answer_ms", answered.saturating_sub(sent) / 1_000_000);
        }
    }
    if let Some(schemes) = head.schemes("www-authenticate") {
        fields.push_str("server_auth", &schemes);
    }
    fields = fields.opt_str(
        "ms_request_id",
        head.get("x-ms-request-id").or_else(|| head.get("request-id")),
    );
    row.fields = fields.finish();
    row
}

/// A row of another kind at the same place.
pub(super) fn like(event: &Row, kind: &'static str) -> Row {
    let mut row = Row::new(Source::Etl, kind, event.record);
    place(&mut row, event);
    row
}

/// Puts a row at the place of another one.
pub(super) fn place(row: &mut Row, event: &Row) {
    (row.ts_ns, row.ts_source) = (event.ts_ns, event.ts_source);
    row.provider.clone_from(&event.provider);
    row.event_id = event.event_id;
    (row.pid, row.tid) = (event.pid, event.tid);
    row.process.clone_from(&event.process);
    row.activity_id.clone_from(&event.activity_id);
}

fn media_type(head: &Head) -> Option<Text> {
    let value = head.get("content-type")?.split(';').next()?.trim();
    (!value.is_empty()).then(|| Text::from(value.to_ascii_lowercase()))
}

fn full_url(head: &Head) -> String {
    match head.get("host") {
        Some(host) if head.target.starts_with('/') => format!("http://{host}{}", head.target),
        _ => head.target.clone(),
    }
}

fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
        .to_owned()
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}
