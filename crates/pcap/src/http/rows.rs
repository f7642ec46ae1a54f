//! HTTP requests as rows, and what rows of responses share with them.

use std::borrow::Cow;

use casetrace_model::{JsonObject, Text, member, normalise_guid};

use super::auth;
use super::fields::{Asked, FieldNames, Name};
use super::head::{Field, Head, Value};
use crate::emit::{Cx, Seen, fields_of, host_name, lower, say};
use crate::mask::{self, HeaderKind};

/// Fields of one head that are shown.
const MAX_SHOWN: usize = 64;

/// What a response needs to know of its request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Text,
    pub(super) url: Text,
    pub(crate) server_name: Option<Text>,
    pub(super) proxy: Option<Text>,
    pub(super) correlation_id: Option<Text>,
    pub(super) expected: Option<&'static str>,
    pub(super) authorization: Option<Text>,
    pub(super) user: Option<Text>,
    pub(super) seen: Seen,
    pub(crate) kerberos: bool,
}

/// Headers that carry the caller's correlation id, best first.
const CORRELATION: [Asked; 4] = [
    Asked::ClientRequestId,
    Asked::MsClientRequestId,
    Asked::MsCorrelationId,
    Asked::MsCorrelationRequestId,
];

/// Adds the row of a request.
pub(crate) fn request(cx: &mut Cx<'_>, head: &Head<'_>, seen: Seen) -> Request {
    let method = head.method.clone().unwrap_or_default();
    let connect = method == "CONNECT";
    let absolute = head.target.contains("://");
    let host = head.field(Asked::Host).unwrap_or_default();
    let Cx { out, info } = cx;
    let (row, memo) = out.add_with_memo(info, "http.request", seen, true);
    let shown = if absolute || connect || host.is_empty() || !head.target.starts_with('/') {
        mask::url(&head.target)
    } else {
        mask::url(&["http://", host, &head.target].concat())
    };
    row.server_name = server_name(head, host, connect, absolute);
    if connect || absolute {
        row.proxy = Some(info.server.0.with_port(info.server.1));
    }
    row.correlation_id = correlation(head).or_else(|| in_query(&head.target));
    row.content_type = media_type(head);
    row.http_method = Some(method.clone());
    say(&mut row.message, &[method.as_str(), " ", mask::cut(&shown, 200)]);
    row.url = Some(shown.clone());
    let (authorization, ntlm) = authorization(head);
    row.user = ntlm.as_ref().and_then(|n| n.user.clone());
    let mut fields =
        fields_of(row, head.size() + head.size() / 4 + 192).str(member!("version"), head.version);
    push_headers(&mut fields, head, &memo.field_names);
    if let Some(scheme) = &authorization {
        fields.push_str(member!("has_authorization"), scheme);
    }
    row.fields = fields.finish();
    Request {
        method,
        url: shown,
        server_name: row.server_name.clone(),
        proxy: row.proxy.clone(),
        correlation_id: row.correlation_id.clone(),
        expected: expected(head, row.content_type.as_deref().unwrap_or_default()),
        authorization,
        user: row.user.clone(),
        seen,
        kerberos: row.content_type.as_deref() == Some("application/kerberos")
            || head.target.starts_with("/KdcProxy"),
    }
}

fn server_name(head: &Head<'_>, host: &str, connect: bool, absolute: bool) -> Option<Text> {
    let authority = if connect {
        &*head.target
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

pub(super) fn correlation(head: &Head<'_>) -> Option<Text> {
    CORRELATION
        .into_iter()
        .find_map(|asked| head.field(asked).and_then(normalise_guid))
}

fn in_query(target: &str) -> Option<Text> {
    let query = target.get(memchr::memchr(b'?', target.as_bytes())? + 1..)?;
    let name = "client-request-id=";
    let begins_pair = |at: &usize| *at == 0 || query.as_bytes().get(at - 1) == Some(&b'&');
    let at = memchr::memmem::find_iter(query.as_bytes(), name).find(begins_pair)?;
    let value = query.get(at + name.len()..)?;
    let end = memchr::memchr(b'&', value.as_bytes()).unwrap_or(value.len());
    normalise_guid(value.get(..end)?)
}

pub(super) fn media_type(head: &Head<'_>) -> Option<Text> {
    let value = head.field(Asked::ContentType)?.split(';').next()?.trim();
    (!value.is_empty()).then(|| lower(mask::cut(value, 128)))
}

fn authorization(head: &Head<'_>) -> (Option<Text>, Option<auth::Ntlm>) {
    let value = head
        .field(Asked::ProxyAuthorization)
        .or_else(|| head.field(Asked::Authorization));
    match value.map(auth::used_scheme) {
        Some((scheme, ntlm)) => (Some(scheme), ntlm),
        None => (None, None),
    }
}

/// `json` or `xml`, if the request says (or its path is known) to be answered so; `sent` is the media type of its body.
fn expected(head: &Head<'_>, sent: &str) -> Option<&'static str> {
    let accept = head.field(Asked::Accept).unwrap_or_default().as_bytes();
    // Browsers accept anything and put HTML first.
    if holds(accept, b"text/html") {
        return None;
    }
    if holds(accept, b"json") {
        return Some("json");
    }
    if holds(accept, b"xml") {
        return Some("xml");
    }
    let path = head.target.split('?').next().unwrap_or_default().as_bytes();
    if ends(path, b"/trust/mex") || holds(path, b"/services/trust/") || sent.contains("xml") {
        return Some("xml");
    }
    let json: [&[u8]; 6] = [
        b"/.well-known/openid-configuration",
        b"/oauth2/token",
        b"/oauth2/v2.0/token",
        b"/common/userrealm/",
        b"/enrollmentserver/",
        b"/discovery/instance",
    ];
    let known = |at: usize| {
        let rest = path.get(at..).unwrap_or_default();
        json.iter().any(|known| begins(rest, known))
    };
    let slashes = || memchr::memchr_iter(b'/', path);
    (sent.contains("json") || slashes().any(known)).then_some("json")
}

/// True if `text` begins with `word`, in letters of any case; `word` in lower case.
fn begins(text: &[u8], word: &[u8]) -> bool {
    // The second byte, too, before a call: paths have many slashes.
    let same = |at: usize| match (text.get(at), word.get(at)) {
        (Some(byte), Some(wanted)) => byte.to_ascii_lowercase() == *wanted,
        (_, wanted) => wanted.is_none(),
    };
    same(0)
        && same(1)
        && text
            .get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word))
}

/// True if `text` ends with `word`, in letters of any case.
fn ends(text: &[u8], word: &[u8]) -> bool {
    let from = text.len().checked_sub(word.len());
    from.is_some_and(|at| text.get(at..).is_some_and(|tail| tail.eq_ignore_ascii_case(word)))
}

/// True if `word` stands in `text`, in letters of any case; `word` in lower case.
fn holds(text: &[u8], word: &[u8]) -> bool {
    let Some(first) = word.first() else { return true };
    memchr::memchr2_iter(*first, first.to_ascii_uppercase(), text)
        .any(|at| begins(text.get(at..).unwrap_or_default(), word))
}

/// Adds header names (lower case) and values, secrets masked, as the object `headers`; repeated fields are joined.
pub(super) fn push_headers(out: &mut JsonObject, head: &Head<'_>, names: &FieldNames) {
    out.push_object(member!("headers"), |object| push_fields(object, head, names));
}

fn push_fields(object: &mut JsonObject, head: &Head<'_>, names: &FieldNames) {
    let fields = head.fields();
    let fields = fields.get(..MAX_SHOWN).unwrap_or(fields);
    let number = |field: &Field<'_>| names.get(field.name).map_or(0, |name| name.same);
    // A bit for each number, which are fewer: most heads have each name once.
    let (mut seen, mut repeated) = ([0_u64; 16], false);
    for number in fields.iter().map(number) {
        if let Some(word) = seen.get_mut(usize::from(number / 64)) {
            repeated |= *word >> (number % 64) & 1 == 1;
            *word |= 1 << (number % 64);
        }
    }
    for (at, field) in fields.iter().enumerate() {
        let Some(name) = names.get(field.name) else {
            continue;
        };
        if !repeated {
            push_field(object, name, field.value);
            continue;
        }
        let same = |other: &&Field<'_>| number(other) == name.same;
        if fields.iter().take(at).any(|other| same(&other)) {
            continue;
        }
        let mut more = fields.iter().skip(at + 1).filter(same).peekable();
        if more.peek().is_none() {
            push_field(object, name, field.value);
            continue;
        }
        let mut joined = mask::header(name.kind, &shown(field.value)).into_owned();
        for other in more {
            joined.push_str(", ");
            joined.push_str(&mask::header(name.kind, &shown(other.value)));
        }
        object.push_str_at(&name.key, &joined);
    }
}

/// Adds a field that is there once.
fn push_field(object: &mut JsonObject, name: &Name, value: Value<'_>) {
    // What nothing is taken out of is looked at once: a text in which nothing needs escaping has no control characters.
    if let (HeaderKind::Plain, Value::Text(text)) = (name.kind, value)
        && text.len() <= mask::MAX_VALUE
        && !mask::looks_like_token(text)
        && object.push_plain_text_at(&name.key, text)
    {
        return;
    }
    object.push_str_at(&name.key, &mask::header(name.kind, &shown(value)));
}

/// A field's value as text, without control characters.
fn shown(value: Value<'_>) -> Cow<'_, str> {
    let value = value.as_bytes();
    let value = value.get(..4096).unwrap_or(value);
    match std::str::from_utf8(value) {
        Ok(text) if !crate::emit::has_control(value) => Cow::Borrowed(text),
        _ => Cow::Owned(crate::emit::clean_text(value, 4096).into()),
    }
}
