//! Exchanges as rows.

use casetrace_model::{JsonObject, Outcome, Row, Source, Text, TsSource, code, find_guids, normalise_guid};

use crate::exchange::{Exchange, Message, cut};
use crate::{Options, mask, ntlm};

/// Header fields of one message that are shown.
const MAX_SHOWN: usize = 64;
/// Bytes of a body that are shown.
const BODY_SHOWN: usize = 256;

/// Headers that carry the caller's correlation id, best first.
const CORRELATION: &[&str] = &[
    "client-request-id",
    "x-ms-client-request-id",
    "x-ms-correlation-id",
    "x-ms-correlation-request-id",
    "return-client-request-id",
];

/// Request and response rows of one exchange.
pub(crate) fn exchange(exchange: &Exchange, options: &Options) -> (Option<Row>, Option<Row>) {
    let facts = Facts::new(exchange);
    let request = exchange
        .request
        .as_ref()
        .map(|message| request_row(exchange, message, &facts, options));
    let response = exchange
        .response
        .as_ref()
        .map(|message| response_row(exchange, message, &facts, options));
    (request, response)
}

/// What both rows share.
struct Facts {
    method: Option<Text>,
    url: Option<Text>,
    server_name: Option<Text>,
    correlation_id: Option<Text>,
    expected: Option<&'static str>,
}

impl Facts {
    fn new(exchange: &Exchange) -> Self {
        let request = exchange.request.as_ref();
        let shown = request.map(absolute);
        Self {
            method: request.map(|r| Text::new(&r.method)),
            url: shown.as_deref().map(|url| Text::from(mask::url(url))),
            server_name: request.zip(shown.as_deref()).and_then(|(r, url)| host_of(r, url)),
            correlation_id: correlation(exchange),
            expected: request.and_then(expected),
        }
    }
}

/// The target with scheme and host, where the head tells them.
fn absolute(request: &Message) -> String {
    match request.header("host") {
        Some(host) if request.target.starts_with('/') => format!("http://{host}{}", request.target),
        _ => request.target.clone(),
    }
}

fn host_of(request: &Message, url: &str) -> Option<Text> {
    let rest = if request.method == "CONNECT" {
        url
    } else {
        url.split_once("://").map_or("", |(_, rest)| rest)
    };
    let authority = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(authority, |(host, _)| host),
    };
    let host = cut(host.trim_end_matches('.'), 255).to_ascii_lowercase();
    (!host.is_empty()).then(|| Text::from(host))
}

fn correlation(exchange: &Exchange) -> Option<Text> {
    let both = [exchange.request.as_ref(), exchange.response.as_ref()];
    let in_headers = both.into_iter().flatten().find_map(|message| {
        CORRELATION
            .iter()
            .find_map(|name| message.header(name).and_then(normalise_guid))
    });
    in_headers.or_else(|| {
        let query = exchange.request.as_ref()?.target.split_once('?')?.1;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("client-request-id="))
            .and_then(normalise_guid)
    })
}

/// `json` or `xml`, if the request says (or its path is known) to be answered so.
fn expected(request: &Message) -> Option<&'static str> {
    let accept = request.header("accept").unwrap_or_default().to_ascii_lowercase();
    // Browsers accept anything and put HTML first.
    if accept.contains("text/html") {
        return None;
    }
    let sent = request.media_type().unwrap_or_default();
    let path = request
        .target
        .split('?')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if accept.contains("json") {
        return Some("json");
    }
    if accept.contains("xml")
        || path.ends_with("/trust/mex")
        || path.contains("/services/trust/")
        || sent.contains("xml")
    {
        return Some("xml");
    }
    let json = [
        "/.well-known/openid-configuration",
        "/oauth2/token",
        "/oauth2/v2.0/token",
        "/oauth2/devicecode",
        "/oauth2/v2.0/devicecode",
        "/common/userrealm/",
        "/enrollmentserver/",
        "/discovery/instance",
    ];
    (sent.contains("json") || json.iter().any(|known| path.contains(known))).then_some("json")
}

pub(crate) fn base(exchange: &Exchange, kind: &'static str, ts_ns: Option<i64>) -> Row {
    let mut row = Row::new(Source::Saz, kind, exchange.record);
    row.ts_ns = ts_ns;
    row.ts_source = match (ts_ns, exchange.timing.exact) {
        (None, _) => TsSource::None,
        (_, true) => TsSource::Exact,
        (_, false) => TsSource::Derived,
    };
    let (process, pid) = exchange.meta.process();
    row.process = process.map(Text::from);
    row.pid = pid;
    row.transport = Some(Text::new_static("tcp"));
    row.src_ip = exchange
        .meta
        .flag("x-clientip")
        .map(|ip| Text::new(ip.trim_start_matches("::ffff:")));
    row.src_port = exchange.meta.flag("x-clientport").and_then(|p| p.parse().ok());
    row.dst_ip = exchange
        .meta
        .server_ip
        .as_deref()
        .or_else(|| exchange.meta.flag("x-hostip"))
        .map(Text::new);
    row.proxy = exchange.gateway.as_deref().map(Text::new);
    row
}

fn request_row(exchange: &Exchange, message: &Message, facts: &Facts, options: &Options) -> Row {
    let mut row = base(exchange, "http.request", exchange.timing.request_ns);
    fill(&mut row, facts, message);
    row.outcome = exchange.response.is_none().then_some(Outcome::Unknown);
    row.message = format!(
        "{} {}",
        message.method,
        cut(facts.url.as_deref().unwrap_or_default(), 200)
    );
    let mut fields = JsonObject::new()
        .num("session", exchange.record)
        .str("version", &message.version);
    fields.push_raw("headers", &headers(message, options));
    if let Some(scheme) = message
        .header("proxy-authorization")
        .or_else(|| message.header("authorization"))
    {
        fields.push_str(
            "has_authorization",
            cut(scheme.split(' ').next().unwrap_or_default(), 32),
        );
    }
    if message.body.total > 0 && message.method != "CONNECT" {
        fields.push_num("body_bytes", message.body.total);
    }
    timers(&mut fields, exchange);
    row.fields = fields.finish();
    row
}

fn fill(row: &mut Row, facts: &Facts, message: &Message) {
    row.http_method.clone_from(&facts.method);
    row.url.clone_from(&facts.url);
    row.server_name.clone_from(&facts.server_name);
    row.correlation_id.clone_from(&facts.correlation_id);
    row.content_type = message.media_type();
}

/// Fiddler's timers as written, its flags for the connection, and whether it was reused.
fn timers(fields: &mut JsonObject, exchange: &Exchange) {
    for (name, value) in &exchange.meta.timers {
        if !value.starts_with("0001-") {
            fields.push_str(cut(name, 64), cut(value, 64));
        }
    }
    for flag in [
        "x-egressport",
        "x-ttfb",
        "x-ttlb",
        "x-autoauth",
        "x-hostip",
        "ui-comments",
        "x-error",
    ] {
        if let Some(value) = exchange
            .meta
            .flag(flag)
            .filter(|_| flag != "ui-comments" && flag != "x-hostip")
        {
            fields.push_str(flag, &mask::header(flag, value));
        }
    }
    if exchange.meta.reused {
        fields.push_raw("client_connection_reused", "true");
    }
}

fn response_row(exchange: &Exchange, message: &Message, facts: &Facts, options: &Options) -> Row {
    let mut row = base(exchange, "http.response", exchange.timing.response_ns);
    fill(&mut row, facts, message);
    row.http_status = Some(message.status);
    let offered = schemes(message, "proxy-authenticate");
    row.proxy_auth = (!offered.is_empty()).then(|| Text::from(offered.join(",")));
    row.outcome = Some(if message.status < 400 {
        Outcome::Success
    } else {
        Outcome::Failure
    });
    let (method, url) = (
        facts.method.as_deref().unwrap_or("request"),
        facts.url.as_deref().unwrap_or_default(),
    );
    let mut fields = JsonObject::new()
        .num("session", exchange.record)
        .num("request_record", exchange.record)
        .str("version", &message.version)
        .str("reason", cut(&message.reason, 128));
    fields.push_raw("headers", &headers(message, options));
    fields = fields.opt_str("expected", facts.expected);
    let offered = schemes(message, "www-authenticate");
    if !offered.is_empty() {
        fields.push_str("server_auth", &offered.join(","));
    }
    let challenge = ["proxy-authenticate", "www-authenticate"]
        .into_iter()
        .find_map(|name| message.all(name).find_map(ntlm::target));
    fields = fields.opt_str("ntlm_target", challenge.as_deref());
    fields = fields.opt_str(
        "ms_request_id",
        message
            .header("x-ms-request-id")
            .or_else(|| message.header("request-id"))
            .map(|v| cut(v, 128)),
    );
    times(&mut fields, exchange, message);
    let tunnel = method == "CONNECT" && message.status < 300;
    if !tunnel {
        look_into_body(&mut row, &mut fields, message, facts);
    }
    header_errors(&mut row, &mut fields, message);
    timers(&mut fields, exchange);
    row.fields = fields.finish();
    row.message = format!(
        "{} {} to {method} {}",
        message.status,
        cut(&message.reason, 64),
        cut(url, 160)
    );
    row
}

fn times(fields: &mut JsonObject, exchange: &Exchange, message: &Message) {
    let (Some(request), Some(response)) = (exchange.timing.request_ns, exchange.timing.response_ns) else {
        return;
    };
    if !exchange.timing.exact {
        return;
    }
    fields.push_num("answer_ms", response.saturating_sub(request) / 1_000_000);
    // An answer out of a cache carries an old date.
    if let (Some(date), true) = (
        message.date_ns(),
        message.header("age").is_none_or(|age| age == "0"),
    ) {
        fields.push_num("server_date_offset_ms", date.saturating_sub(response) / 1_000_000);
    }
}

fn look_into_body(row: &mut Row, fields: &mut JsonObject, message: &Message, facts: &Facts) {
    let kind = message.body.kind();
    fields.push_str("body_kind", kind);
    fields.push_num("body_bytes", message.body.total);
    if !matches!(kind, "json" | "xml" | "html" | "text") {
        return;
    }
    let text = String::from_utf8_lossy(&message.body.sample);
    fields.push_str("body_start", &mask::body(cut(&text, 4096), BODY_SHOWN));
    let mut codes: Vec<Text> = code::find_aadsts(&text).collect();
    codes.extend(fiddler_error(&text));
    codes.dedup();
    codes.truncate(8);
    row.error_code = codes.first().cloned();
    if !codes.is_empty() {
        fields.push_list("codes", codes.iter().map(Text::as_str));
    }
    if kind == "json" {
        json_facts(row, fields, &text);
    }
    if kind == "html"
        && let Some(title) = html_title(&text)
    {
        fields.push_str("html_title", title);
    }
    if kind == "html" && facts.expected == Some("json") {
        fields.push_raw("html_instead_of_json", "true");
    }
    if text.trim_start().starts_with("[Fiddler]") {
        fields.push_str("generated_by", "fiddler");
    }
}

/// OAuth and device-registration errors, and the ids the service puts next to them.
fn json_facts(row: &mut Row, fields: &mut JsonObject, text: &str) {
    for (member, name) in [
        ("error", "oauth_error"),
        ("suberror", "oauth_suberror"),
        ("subcode", "subcode"),
        ("ErrorType", "error_type"),
    ] {
        if let Some(value) = json_text(text, member) {
            fields.push_str(name, value);
        }
    }
    if let Some(description) = json_text(text, "error_description").or_else(|| json_text(text, "message")) {
        fields.push_str("error_description", &mask::body(description, BODY_SHOWN));
    }
    let named = |name| json_text(text, name).and_then(|value| find_guids(value).next());
    let ids: Vec<Text> = ["correlation_id", "trace_id", "request-id", "client-request-id"]
        .into_iter()
        .filter_map(named)
        .collect();
    if row.correlation_id.is_none() {
        row.correlation_id = ids.first().cloned();
    }
    if !ids.is_empty() {
        fields.push_list("ids", ids.iter().map(Text::as_str));
    }
}

/// Errors that come in headers: redirects back to the application, and the STS telemetry header.
fn header_errors(row: &mut Row, fields: &mut JsonObject, message: &Message) {
    let location = message.header("location").unwrap_or_default();
    let found = code::find_aadsts(location).next().or_else(|| {
        // x-ms-clitelem: version, error, suberror, age, ring
        let mut parts = message.header("x-ms-clitelem")?.split(',');
        let error = parts.nth(1)?.trim();
        (error != "0" && error.len() >= 4 && error.bytes().all(|b| b.is_ascii_digit()))
            .then(|| Text::from(format!("AADSTS{error}")))
    });
    if row.error_code.is_none() {
        row.error_code = found;
    }
    let parameter = location
        .split(['?', '&', '#'])
        .find_map(|pair| pair.strip_prefix("error="));
    if let Some(error) = parameter {
        fields.push_str("redirect_error", cut(error, 64));
    }
    let proxy = [
        "via",
        "x-squid-error",
        "x-cache",
        "x-bluecoat-error",
        "x-zscaler-error",
    ];
    if let Some(via) = proxy.iter().find_map(|name| message.header(name)) {
        fields.push_str("via", cut(via, 256));
    }
}

/// The socket error in an answer Fiddler made up because it could not reach the server: `(0x274d)`.
fn fiddler_error(text: &str) -> Option<Text> {
    if !text.trim_start().starts_with("[Fiddler]") {
        return None;
    }
    let at = text.find("(0x")?;
    let digits = text.get(at + 1..)?.split(')').next()?;
    code::parse_number(digits).map(|n| {
        if n < 0x1_0000 {
            code::hex32(0x8007_0000 | n)
        } else {
            code::normalise(n)
        }
    })
}

/// Header names (lower case) and values, secrets masked; repeated ones joined.
fn headers(message: &Message, options: &Options) -> String {
    let mut shown: Vec<(String, String)> = Vec::new();
    for (name, value) in message.headers.iter().take(MAX_SHOWN) {
        let name = cut(name, 64).to_ascii_lowercase();
        let clean: String = value.chars().filter(|c| !c.is_control()).collect();
        let value = mask::header(&name, cut(&clean, options.limits.max_value_bytes));
        match shown.iter_mut().find(|(n, _)| *n == name) {
            Some((_, joined)) => {
                joined.push_str(", ");
                joined.push_str(&value);
            }
            None => shown.push((name, value)),
        }
    }
    let mut object = JsonObject::new();
    for (name, value) in &shown {
        object.push_str(name, value);
    }
    object.finish()
}

/// Scheme names offered in challenges, in order, each once.
fn schemes(message: &Message, name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for value in message.all(name) {
        for part in value.split(',') {
            let word = part.trim().split(' ').next().unwrap_or_default();
            let scheme = !word.is_empty()
                && word.len() <= 32
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if scheme && !out.iter().any(|s| s.eq_ignore_ascii_case(word)) {
                out.push(word.to_owned());
            }
        }
    }
    out
}

/// The text behind `"name":` in JSON that may be cut.
fn json_text<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = text.find(&format!("\"{name}\""))? + name.len() + 2;
    let rest = text
        .get(at..)?
        .trim_start()
        .strip_prefix(':')?
        .trim_start()
        .strip_prefix('"')?;
    rest.split('"')
        .next()
        .filter(|value| !value.is_empty())
        .map(|value| cut(value, 1024))
}

fn html_title(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower.get(start..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</title")?;
    let title = text.get(start..end)?.trim();
    (!title.is_empty()).then(|| cut(title, 120))
}
