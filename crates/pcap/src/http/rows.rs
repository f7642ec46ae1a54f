//! HTTP messages as rows.

use std::borrow::Cow;

use casetrace_model::{JsonObject, Outcome, Row, Text, code, normalise_guid};

use super::auth;
use super::body::{Sample, kind_of};
use super::head::{Head, Value};
use super::inflate::Inflater;
use crate::emit::{Cx, Seen, host_name};
use crate::mask;

/// Fields of one head that are shown.
const MAX_SHOWN: usize = 64;

/// What a response needs to know of its request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Text,
    url: Text,
    pub(crate) server_name: Option<Text>,
    proxy: Option<Text>,
    correlation_id: Option<Text>,
    expected: Option<&'static str>,
    authorization: Option<Text>,
    user: Option<Text>,
    seen: Seen,
    pub(crate) kerberos: bool,
}

/// Headers that carry the caller's correlation id, best first.
const CORRELATION: &[&str] = &[
    "client-request-id",
    "x-ms-client-request-id",
    "x-ms-correlation-id",
    "x-ms-correlation-request-id",
];

pub(crate) fn request(cx: &Cx<'_>, head: &Head, seen: Seen) -> (Row, Request) {
    let method = head.method.clone().unwrap_or_default();
    let connect = method == "CONNECT";
    let absolute = head.target.contains("://");
    let host = head.field("host").unwrap_or_default();
    let mut row = cx.row("http.request", seen, true);
    let shown = if absolute || connect || host.is_empty() || !head.target.starts_with('/') {
        mask::url(&head.target)
    } else {
        mask::url(&["http://", host, &head.target].concat())
    };
    row.server_name = server_name(head, host, connect, absolute);
    if connect || absolute {
        row.proxy = Some(cx.info.server.0.with_port(cx.info.server.1));
    }
    row.correlation_id = correlation(head).or_else(|| in_query(&head.target));
    row.content_type = media_type(head);
    row.http_method = Some(method.clone());
    row.message = [method.as_str(), " ", mask::cut(&shown, 200)].concat();
    row.url = Some(shown.clone());
    let (authorization, ntlm) = authorization(head);
    row.user = ntlm.as_ref().and_then(|n| n.user.clone());
    let mut fields =
        JsonObject::with_capacity(head.size() + head.size() / 4 + 192).str("version", head.version);
    push_headers(&mut fields, head);
    if let Some(scheme) = &authorization {
        fields.push_str("has_authorization", scheme);
    }
    row.fields = fields.finish();
    let request = Request {
        method,
        url: shown,
        server_name: row.server_name.clone(),
        proxy: row.proxy.clone(),
        correlation_id: row.correlation_id.clone(),
        expected: expected(head),
        authorization,
        user: row.user.clone(),
        seen,
        kerberos: row.content_type.as_deref() == Some("application/kerberos")
            || head.target.starts_with("/KdcProxy"),
    };
    (row, request)
}

fn server_name(head: &Head, host: &str, connect: bool, absolute: bool) -> Option<Text> {
    let authority = if connect {
        head.target.as_str()
    } else if absolute {
        let rest = head.target.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    } else {
        host
    };
    let name = without_port(authority);
    (!name.is_empty()).then(|| host_name(mask::cut(name, 255)))
}

fn without_port(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn correlation(head: &Head) -> Option<Text> {
    CORRELATION
        .iter()
        .find_map(|name| head.field(name).and_then(normalise_guid))
}

fn in_query(target: &str) -> Option<Text> {
    let query = target.split_once('?')?.1;
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("client-request-id="))?;
    normalise_guid(value)
}

fn media_type(head: &Head) -> Option<Text> {
    let value = head.field("content-type")?.split(';').next()?.trim();
    (!value.is_empty()).then(|| Text::from(mask::cut(value, 128).to_ascii_lowercase()))
}

fn authorization(head: &Head) -> (Option<Text>, Option<auth::Ntlm>) {
    let value = head
        .field("proxy-authorization")
        .or_else(|| head.field("authorization"));
    match value.map(auth::used_scheme) {
        Some((scheme, ntlm)) => (Some(scheme), ntlm),
        None => (None, None),
    }
}

/// `json` or `xml`, if the request says (or its path is known) to be answered so.
fn expected(head: &Head) -> Option<&'static str> {
    let accept = head.field("accept").unwrap_or_default().to_ascii_lowercase();
    let sent = media_type(head).unwrap_or_default();
    // Browsers accept anything and put HTML first.
    if accept.contains("text/html") {
        return None;
    }
    if accept.contains("json") {
        return Some("json");
    }
    if accept.contains("xml") {
        return Some("xml");
    }
    let path = head
        .target
        .split('?')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if path.ends_with("/trust/mex") || path.contains("/services/trust/") || sent.contains("xml") {
        return Some("xml");
    }
    let json = [
        "/.well-known/openid-configuration",
        "/oauth2/token",
        "/oauth2/v2.0/token",
        "/common/userrealm/",
        "/enrollmentserver/",
        "/discovery/instance",
    ];
    let known = |at: usize| {
        let rest = path.get(at..).unwrap_or_default();
        json.iter().any(|known| rest.starts_with(known))
    };
    let slashes = || memchr::memchr_iter(b'/', path.as_bytes());
    (sent.contains("json") || slashes().any(known)).then_some("json")
}

/// Adds header names (lower case) and values, secrets masked, as the object `headers`; repeated fields are joined.
fn push_headers(out: &mut JsonObject, head: &Head) {
    out.push_object("headers", |object| push_fields(object, head));
}

fn push_fields(object: &mut JsonObject, head: &Head) {
    let (mut fields, mut tags) = ([("", Value::Plain("")); MAX_SHOWN], [0; MAX_SHOWN]);
    let mut shown_fields = 0;
    for ((slot, tag), field) in fields.iter_mut().zip(&mut tags).zip(head.fields()) {
        (*slot, *tag) = (field, name_tag(field.0.as_bytes()));
        shown_fields += 1;
    }
    let fields = fields.get(..shown_fields).unwrap_or_default();
    let tags = tags.get(..shown_fields).unwrap_or_default();
    for (at, ((full, value), tag)) in fields.iter().zip(tags).enumerate() {
        let same = |other: &&(&str, Value<'_>)| other.0 == *full;
        let (before, behind) = (tags.get(..at), tags.get(at + 1..));
        let maybe = |tags: Option<&[u8]>| tags.is_some_and(|tags| tags.contains(tag));
        if maybe(before) && fields.iter().take(at).any(|other| same(&other)) {
            continue;
        }
        let name = first_chars(full);
        let value = shown(*value);
        let value = mask::header(name, &value);
        if !maybe(behind) {
            object.push_str(name, &value);
            continue;
        }
        let mut joined = value.into_owned();
        for (_, more) in fields.iter().skip(at + 1).filter(same) {
            joined.push_str(", ");
            joined.push_str(&mask::header(name, &shown(*more)));
        }
        object.push_str(name, &joined);
    }
}

/// A byte that equal names share and different ones mostly don't.
fn name_tag(name: &[u8]) -> u8 {
    let end = |byte: Option<&u8>| byte.copied().unwrap_or(0);
    end(name.first()).wrapping_mul(31) ^ end(name.last()).rotate_left(3) ^ name.len() as u8
}

/// The first 64 characters of a name.
fn first_chars(name: &str) -> &str {
    if name.len() <= 64 {
        return name;
    }
    let end = name.char_indices().nth(64).map_or(name.len(), |(end, _)| end);
    name.get(..end).unwrap_or_default()
}

/// A field's value as text, without control characters.
fn shown(value: Value<'_>) -> Cow<'_, str> {
    if let Value::Plain(text) = value
        && text.len() <= 4096
    {
        return Cow::Borrowed(text);
    }
    let value = value.as_bytes();
    let value = value.get(..4096).unwrap_or(value);
    match std::str::from_utf8(value) {
        Ok(text) if !crate::emit::has_control(value) => Cow::Borrowed(text),
        _ => Cow::Owned(crate::emit::clean_text(value, 4096).into()),
    }
}

pub(crate) fn response(
    cx: &mut Cx<'_>,
    head: &Head,
    request: Option<&Request>,
    sample: &Sample,
    seen: Seen,
) -> Row {
    let mut row = cx.row("http.response", seen, false);
    row.http_status = Some(head.status);
    row.content_type = media_type(head);
    if let Some(request) = request {
        row.http_method = Some(request.method.clone());
        row.url = Some(request.url.clone());
        row.server_name.clone_from(&request.server_name);
        row.user.clone_from(&request.user);
        if request.proxy.is_some() {
            row.proxy.clone_from(&request.proxy);
        }
    }
    row.correlation_id = correlation(head).or_else(|| request.and_then(|r| r.correlation_id.clone()));
    let offered = auth::schemes(head, "proxy-authenticate");
    if !offered.is_empty() {
        row.proxy_auth = Some(Text::from(offered.join(",")));
    }
    row.outcome = Some(if head.status < 400 {
        Outcome::Success
    } else {
        Outcome::Failure
    });
    let about = request.map_or("", |r| mask::cut(&r.url, 160));
    let method = request.map_or("", |r| r.method.as_str());
    row.message = format!("{} {} to {method} {about}", head.status, head.reason)
        .trim_end()
        .to_owned();
    response_fields(&mut row, head, request, sample, seen, &mut cx.out.memo.inflater);
    row
}

fn response_fields(
    row: &mut Row,
    head: &Head,
    request: Option<&Request>,
    sample: &Sample,
    seen: Seen,
    inflater: &mut Inflater,
) {
    let mut fields = JsonObject::with_capacity(head.size() + head.size() / 4 + 768)
        .str("version", head.version)
        .str("reason", &head.reason);
    push_headers(&mut fields, head);
    if let Some(request) = request {
        fields.push_num("request_record", request.seen.record);
        fields.push_num("answer_ms", (seen.ts_ns - request.seen.ts_ns) / 1_000_000);
        fields = fields.opt_str("expected", request.expected);
        fields = fields.opt_str("request_authorization", request.authorization.as_deref());
    }
    let offered = auth::schemes(head, "www-authenticate");
    if !offered.is_empty() {
        fields.push_str("server_auth", &offered.join(","));
    }
    let challenge = ["proxy-authenticate", "www-authenticate"]
        .iter()
        .find_map(|name| auth::challenge(head, name));
    if let Some(ntlm) = challenge {
        fields = fields
            .opt_str("ntlm_target", ntlm.target.as_deref())
            .opt_str("ntlm_host", ntlm.dns_host.as_deref());
    }
    fields = fields.opt_str(
        "ms_request_id",
        head.field("x-ms-request-id").or_else(|| head.field("request-id")),
    );
    if let Some(offset) = date_offset_ms(head, seen) {
        fields.push_num("server_date_offset_ms", offset);
    }
    body_fields(row, &mut fields, head, sample, inflater);
    row.fields = fields.finish();
}

fn body_fields(
    row: &mut Row,
    fields: &mut JsonObject,
    head: &Head,
    sample: &Sample,
    inflater: &mut Inflater,
) {
    let bytes = sample.decoded(head.field("content-encoding"), inflater);
    let encoded = head
        .field("content-encoding")
        .is_some_and(|e| !e.eq_ignore_ascii_case("identity"));
    // An encoding that can't be undone (br, zstd) leaves nothing to look at.
    let kind = if bytes.is_empty() && sample.total > 0 && encoded {
        "binary"
    } else {
        kind_of(&bytes)
    };
    fields.push_str("body_kind", kind);
    fields.push_num("body_bytes", sample.total);
    if matches!(kind, "json" | "xml" | "html" | "text") {
        fields.push_str("body_start", &mask::body(&text_start(&bytes, 256), 256));
        // A body of 32 KiB is searched for the first code several times faster than read as text.
        let mut codes: Vec<Text> = match memchr::memmem::find(&bytes, b"AADSTS") {
            Some(_) => code::find_aadsts(&String::from_utf8_lossy(&bytes)).collect(),
            None => Vec::new(),
        };
        codes.dedup();
        codes.truncate(8);
        row.error_code = codes.first().cloned();
        if !codes.is_empty() {
            fields.push_list("codes", codes.iter().map(Text::as_str));
        }
        if kind == "json"
            && let Some(error) = json_text(&bytes, "error")
        {
            fields.push_str("oauth_error", &error);
        }
        if kind == "html"
            && let Some(title) = html_title(&text_start(&bytes, 4096))
        {
            fields.push_str("html_title", title);
        }
    }
}

/// The first `limit` bytes as text, and perhaps a few more.
fn text_start(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    // A character that the end cuts begins behind the limit.
    let start = bytes.get(..limit + 4).unwrap_or(bytes);
    match std::str::from_utf8(start) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(start),
    }
}

/// The text behind `"name":` in JSON that may be cut.
fn json_text(json: &[u8], name: &str) -> Option<Text> {
    let at = memchr::memmem::find(json, format!("\"{name}\"").as_bytes())? + name.len() + 2;
    let rest = String::from_utf8_lossy(json.get(at..)?);
    let rest = rest
        .trim_start()
        .strip_prefix(':')?
        .trim_start()
        .strip_prefix('"')?;
    rest.split('"')
        .next()
        .map(|value| Text::new(mask::cut(value, 64)))
}

fn html_title(text: &str) -> Option<&str> {
    let text = mask::cut(text, 4096);
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower.get(start..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</title")?;
    let title = text.get(start..end)?.trim();
    (!title.is_empty()).then(|| mask::cut(title, 120))
}

/// The server's clock against the capture's; nothing for answers out of a cache, whose date is old.
fn date_offset_ms(head: &Head, seen: Seen) -> Option<i64> {
    if head.field("age").is_some_and(|age| age != "0") {
        return None;
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(head.field("date")?)
        .ok()?;
    Some(date.as_millisecond() - seen.ts_ns / 1_000_000)
}
