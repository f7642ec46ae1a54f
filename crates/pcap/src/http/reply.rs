//! HTTP responses as rows: what their heads say, and the first bytes of their bodies.

use std::borrow::Cow;

use casetrace_model::{JsonObject, Outcome, Text, code::find_aadsts, member};

use super::auth;
use super::body::{Coding, Sample, kind_of};
use super::fields::{Asked, FieldNames};
use super::head::Head;
use super::inflate::Inflater;
use super::rows::{Request, correlation, media_type, push_headers};
use crate::emit::{Cx, Seen, decimal, say};
use crate::mask;

/// A response whose body is still coming: what its head says, as rows show it.
pub(super) struct Reply {
    request: Option<Request>,
    seen: Seen,
    pub(super) sample: Sample,
    status: u16,
    content_type: Option<Text>,
    correlation_id: Option<Text>,
    proxy_auth: Option<Text>,
    message: String,
    fields: JsonObject,
    coding: Coding,
}

impl Reply {
    pub(super) fn new(
        cx: &mut Cx<'_>,
        head: &Head<'_>,
        request: Option<Request>,
        seen: Seen,
        sample: Sample,
    ) -> Self {
        let asked = request.as_ref();
        let offered = auth::schemes(head, Asked::ProxyAuthenticate);
        let memo = &mut cx.out.memo;
        let (said, members) = (memo.texts.take(), memo.texts.take());
        Self {
            status: head.status,
            content_type: media_type(head),
            correlation_id: correlation(head).or_else(|| asked.and_then(|r| r.correlation_id.clone())),
            proxy_auth: (!offered.is_empty()).then(|| Text::from(offered.join(","))),
            message: message(said, head, asked),
            fields: response_fields(members, head, asked, seen, &memo.field_names),
            coding: Coding::of(head.field(Asked::ContentEncoding)),
            request,
            seen,
            sample,
        }
    }

    /// True for the answer to a Kerberos proxy message, with where it was seen.
    pub(super) fn is_kerberos(&self) -> Option<Seen> {
        let kerberos = self.request.as_ref().is_some_and(|r| r.kerberos);
        kerberos.then_some(self.seen)
    }

    /// Adds the row of the response with as much of its body as came; returns what came.
    pub(super) fn row(self, cx: &mut Cx<'_>) -> Sample {
        let Cx { out, info } = cx;
        let (row, memo) = out.add_with_memo(info, "http.response", self.seen, false);
        row.http_status = Some(self.status);
        row.content_type = self.content_type;
        if let Some(request) = self.request {
            row.http_method = Some(request.method);
            row.url = Some(request.url);
            row.server_name = request.server_name;
            row.user = request.user;
            if request.proxy.is_some() {
                row.proxy = request.proxy;
            }
        }
        row.correlation_id = self.correlation_id;
        row.proxy_auth = self.proxy_auth;
        row.outcome = Some(if self.status < 400 {
            Outcome::Success
        } else {
            Outcome::Failure
        });
        let mut fields = self.fields;
        row.error_code = body_fields(&mut fields, self.coding, &self.sample, &mut memo.inflater);
        // The memory of the row's former texts is that of the next response's.
        memo.texts
            .give_back(std::mem::replace(&mut row.message, self.message));
        memo.texts
            .give_back(std::mem::replace(&mut row.fields, fields.finish()));
        self.sample
    }
}

/// `200 OK to GET http://host/path`, without what is not known; in the memory of an empty text.
fn message(mut out: String, head: &Head<'_>, request: Option<&Request>) -> String {
    let about = request.map_or("", |r| mask::cut(&r.url, 160));
    let method = request.map_or("", |r| r.method.as_str());
    let mut digits = [0_u8; 5];
    let status = decimal(head.status, &mut digits);
    say(&mut out, &[status, " ", &head.reason, " to ", method, " ", about]);
    out.truncate(out.trim_end().len());
    out
}

/// What the head of a response says; in the memory of an empty text.
fn response_fields(
    memory: String,
    head: &Head<'_>,
    request: Option<&Request>,
    seen: Seen,
    names: &FieldNames,
) -> JsonObject {
    let mut fields = JsonObject::within(memory, head.size() + head.size() / 4 + 768)
        .str(member!("version"), head.version)
        .str(member!("reason"), &head.reason);
    push_headers(&mut fields, head, names);
    if let Some(request) = request {
        fields.push_num(member!("request_record"), request.seen.record);
        fields.push_num(
            member!("answer_ms"),
            (seen.ts_ns - request.seen.ts_ns) / 1_000_000,
        );
        fields = fields.opt_str(member!("expected"), request.expected);
        fields = fields.opt_str(member!("request_authorization"), request.authorization.as_deref());
    }
    let offered = auth::schemes(head, Asked::WwwAuthenticate);
    if !offered.is_empty() {
        fields.push_str(member!("server_auth"), &offered.join(","));
    }
    let challenge = [Asked::ProxyAuthenticate, Asked::WwwAuthenticate]
        .into_iter()
        .find_map(|asked| auth::challenge(head, asked));
    if let Some(ntlm) = challenge {
        fields = fields
            .opt_str(member!("ntlm_target"), ntlm.target.as_deref())
            .opt_str(member!("ntlm_host"), ntlm.dns_host.as_deref());
    }
    fields = fields.opt_str(
        member!("ms_request_id"),
        head.field(Asked::MsRequestId)
            .or_else(|| head.field(Asked::RequestId)),
    );
    if let Some(offset) = date_offset_ms(head, seen) {
        fields.push_num(member!("server_date_offset_ms"), offset);
    }
    fields
}

/// What the start of a body says; returns the first error code in it.
fn body_fields(
    fields: &mut JsonObject,
    coding: Coding,
    sample: &Sample,
    inflater: &mut Inflater,
) -> Option<Text> {
    let bytes = sample.decoded(coding, inflater);
    let encoded = coding != Coding::Plain;
    // An encoding that can't be undone (br, zstd) leaves nothing to look at.
    let kind = if bytes.is_empty() && sample.total > 0 && encoded {
        "binary"
    } else {
        kind_of(&bytes)
    };
    fields.push_str(member!("body_kind"), kind);
    fields.push_num(member!("body_bytes"), sample.total);
    let mut code = None;
    if matches!(kind, "json" | "xml" | "html" | "text") {
        fields.push_str(member!("body_start"), &mask::body(&text_start(&bytes, 256), 256));
        // A body of 32 KiB is searched for the first code several times faster than read as text.
        let mut codes: Vec<Text> = match memchr::memmem::find(&bytes, b"AADSTS") {
            Some(_) => find_aadsts(&String::from_utf8_lossy(&bytes)).collect(),
            None => Vec::new(),
        };
        codes.dedup();
        codes.truncate(8);
        code = codes.first().cloned();
        if !codes.is_empty() {
            fields.push_list(member!("codes"), codes.iter().map(Text::as_str));
        }
        if kind == "json"
            && let Some(error) = json_text(&bytes, "error")
        {
            fields.push_str(member!("oauth_error"), &error);
        }
        if kind == "html"
            && let Some(title) = html_title(&text_start(&bytes, 4096))
        {
            fields.push_str(member!("html_title"), title);
        }
    }
    code
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
fn date_offset_ms(head: &Head<'_>, seen: Seen) -> Option<i64> {
    if head.field(Asked::Age).is_some_and(|age| age != "0") {
        return None;
    }
    let date = super::date::seconds(head.field(Asked::Date)?)?;
    Some(date * 1000 - seen.ts_ns / 1_000_000)
}
