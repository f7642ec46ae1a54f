//! LDAP and CLDAP: binds, searches and their results; the service connection point's keywords.
//!
//! Source: RFC 4511, 4513, MS-ADTS; messages parsed by `ldap-parser`. After a SASL bind, messages may sit in signed
//! buffers; those that are only signed are read, sealed ones end the reading. Limits: 1 MiB a message, 256 open
//! operations, 16 values of an attribute.

use std::borrow::Cow;
use std::collections::VecDeque;

use casetrace_model::{JsonObject, Outcome, Row, Text};
use ldap_parser::FromBer;
use ldap_parser::filter::Filter;
use ldap_parser::ldap::{
    AuthenticationChoice, BindRequest, LdapDN, LdapMessage, LdapResult, LdapString, ProtocolOp, ResultCode,
    SearchRequest, SearchResultEntry,
};

use crate::emit::{Cx, Seen, clean_text};
use crate::http::auth;
use crate::join::{Joiner, Step};
use crate::names;

const MAX_MESSAGE: usize = 1 << 20;
const MAX_OPEN: usize = 256;
/// Entries of one search whose contents are kept; all are counted.
const MAX_ENTRIES: usize = 8;

/// One LDAP conversation.
#[derive(Default)]
pub(crate) struct Ldap {
    client: Joiner,
    server: Joiner,
    open: VecDeque<Open>,
    start_tls: bool,
}

/// A request whose result is due.
struct Open {
    id: u32,
    operation: &'static str,
    base: Text,
    filter: Text,
    seen: Seen,
    entries: u64,
    keywords: Vec<Text>,
    values: Vec<(Text, Vec<Text>)>,
}

/// Length of the BER element at the start, if its head is complete.
fn element_len(data: &[u8]) -> Option<usize> {
    let first = *data.get(1)?;
    let (len, head) = match first {
        0..=0x7f => (usize::from(first), 2),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let bytes = data.get(2..2 + count)?;
            (
                bytes.iter().fold(0_usize, |len, b| len << 8 | usize::from(*b)),
                2 + count,
            )
        }
        _ => return None,
    };
    len.checked_add(head)
}

/// True if `data` starts with an LDAP message head: sequence, message id, a known operation.
pub(crate) fn looks_right(data: &[u8]) -> bool {
    if data.first() != Some(&0x30) {
        return false;
    }
    let Some(len) = element_len(data).filter(|len| *len <= MAX_MESSAGE) else {
        return false;
    };
    let head = match data.get(1) {
        Some(0..=0x7f) => 2,
        Some(long) => 2 + usize::from(long & 0x7f),
        None => return false,
    };
    let Some(id_len) = data
        .get(head + 1)
        .filter(|_| data.get(head) == Some(&2))
        .filter(|n| (1..=4).contains(*n))
    else {
        return false;
    };
    let operation = data.get(head + 2 + usize::from(*id_len));
    len >= 7 && operation.is_some_and(|tag| matches!(tag, 0x60..=0x79 | 0x42 | 0x4a | 0x50))
}

impl Ldap {
    /// Takes new bytes; false if what follows is not plain LDAP.
    pub(crate) fn data(&mut self, cx: &mut Cx<'_>, from_client: bool, seen: Seen, data: &[u8]) -> bool {
        if self.start_tls && crate::tls::record::is_record(data) {
            return false;
        }
        let Self {
            client,
            server,
            open,
            start_tls,
        } = self;
        let joiner = if from_client { client } else { server };
        joiner.feed(data, seen, MAX_MESSAGE, |bytes, seen| {
            step(open, start_tls, cx, from_client, seen, bytes)
        })
    }

    /// One UDP message.
    pub(crate) fn datagram(&mut self, cx: &mut Cx<'_>, from_client: bool, seen: Seen, data: &[u8]) -> bool {
        if !looks_right(data) {
            return false;
        }
        let mut rest = data;
        while let Some(message) = element_len(rest).and_then(|len| rest.get(..len.min(rest.len()))) {
            if message.is_empty() || !looks_right(message) {
                break;
            }
            take(
                &mut self.open,
                &mut self.start_tls,
                cx,
                from_client,
                seen,
                message,
            );
            rest = rest.get(message.len()..).unwrap_or_default();
        }
        true
    }

    /// The connection is over: searches without a result.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>) {
        for open in std::mem::take(&mut self.open) {
            if open.operation == "search" && open.entries > 0 {
                let row = result_row(cx, &open, open.seen, None);
                cx.push(row);
            }
        }
    }
}

fn step(
    open: &mut VecDeque<Open>,
    start_tls: &mut bool,
    cx: &mut Cx<'_>,
    from_client: bool,
    seen: Seen,
    bytes: &[u8],
) -> Step {
    if bytes.first() == Some(&0x30) {
        let Some(len) = element_len(bytes) else {
            return if bytes.len() < 6 { Step::More } else { Step::Stop };
        };
        if len > MAX_MESSAGE {
            return Step::Stop;
        }
        let Some(message) = bytes.get(..len) else {
            return Step::More;
        };
        take(open, start_tls, cx, from_client, seen, message);
        return Step::Used(len);
    }
    sasl_buffer(open, start_tls, cx, from_client, seen, bytes)
}

/// A SASL buffer: four bytes of length, then a wrapped message that is readable if it is only signed.
fn sasl_buffer(
    open: &mut VecDeque<Open>,
    start_tls: &mut bool,
    cx: &mut Cx<'_>,
    from_client: bool,
    seen: Seen,
    bytes: &[u8],
) -> Step {
    let Some(head) = bytes.first_chunk::<4>() else {
        return Step::More;
    };
    let len = u32::from_be_bytes(*head) as usize;
    if !(16..=MAX_MESSAGE).contains(&len) {
        return Step::Stop;
    }
    let Some(body) = bytes.get(4..4 + len) else {
        return Step::More;
    };
    // Signatures (NTLM 16 bytes, Kerberos up to 60) stand before or behind the message.
    let start = (0..body.len().min(96)).find(|at| body.get(*at..).is_some_and(looks_right));
    if let Some(mut rest) = start.and_then(|at| body.get(at..)) {
        while let Some(message) = element_len(rest)
            .and_then(|len| rest.get(..len))
            .filter(|m| looks_right(m))
        {
            take(open, start_tls, cx, from_client, seen, message);
            rest = rest.get(message.len()..).unwrap_or_default();
        }
    }
    Step::Used(4 + len)
}

fn take(
    open: &mut VecDeque<Open>,
    start_tls: &mut bool,
    cx: &mut Cx<'_>,
    from_client: bool,
    seen: Seen,
    message: &[u8],
) {
    let Ok((_, found)) = LdapMessage::from_ber(message) else {
        return damaged(open, cx, from_client, seen, message);
    };
    let id = found.message_id.0;
    if let Some((operation, row)) = request_row(cx, seen, &found, from_client) {
        cx.info.after = "ldap_request";
        cx.push(row);
        if operation == "start_tls" {
            *start_tls = true;
        }
        let (base, filter) = match &found.protocol_op {
            ProtocolOp::SearchRequest(search) => (text(&search.base_object.0), filter_text(&search.filter)),
            ProtocolOp::BindRequest(bind) => (text(&bind.name.0), Text::default()),
            _ => (Text::default(), Text::default()),
        };
        if open.len() >= MAX_OPEN {
            open.pop_front();
        }
        let (keywords, values) = (Vec::new(), Vec::new());
        open.push_back(Open {
            id,
            operation,
            base,
            filter,
            seen,
            entries: 0,
            keywords,
            values,
        });
        return;
    }
    if let ProtocolOp::SearchResultEntry(entry) = &found.protocol_op {
        if let Some(open) = open.iter_mut().rev().find(|o| o.id == id) {
            open.entry(entry);
        }
        return;
    }
    if let Some(result) = found.protocol_op.result() {
        let at = open.iter().position(|o| o.id == id);
        let request = at
            .and_then(|at| open.remove(at))
            .unwrap_or_else(|| Open::unknown(&found.protocol_op, seen));
        let row = result_row(cx, &request, seen, Some(result));
        cx.info.after = "ldap_result";
        cx.push(row);
    }
}

/// A message the parser refuses (a name that is no text, say): its operation, id and result code are read by hand.
fn damaged(open: &mut VecDeque<Open>, cx: &mut Cx<'_>, from_client: bool, seen: Seen, message: &[u8]) {
    let Some(inner) = element_body(message) else {
        return;
    };
    let Some((id, rest)) = element_len(inner).and_then(|len| inner.split_at_checked(len)) else {
        return;
    };
    let id = element_body(id)
        .unwrap_or_default()
        .iter()
        .fold(0_u32, |id, b| id << 8 | u32::from(*b));
    let operation = match rest.first() {
        Some(0x61) => "bind",
        Some(0x65) => "search",
        Some(0x67) => "modify",
        Some(0x69) => "add",
        Some(0x6b) => "delete",
        Some(0x6d) => "modify_dn",
        Some(0x6f) => "compare",
        Some(0x78) => "extended",
        _ => return,
    };
    let code = element_body(rest)
        .filter(|body| body.first() == Some(&0x0a))
        .and_then(element_body);
    let Some([code]) = code.map(|body| body.get(..1).unwrap_or_default()) else {
        return;
    };
    let at = open.iter().position(|o| o.id == id);
    let request = at
        .and_then(|at| open.remove(at))
        .unwrap_or_else(|| Open::new(operation, seen));
    let result = LdapResult {
        result_code: ResultCode(u32::from(*code)),
        matched_dn: LdapDN(Cow::Borrowed("")),
        diagnostic_message: LdapString(Cow::Borrowed("")),
    };
    if !from_client {
        let row = result_row(cx, &request, seen, Some(&result));
        cx.push(row);
    }
}

/// The contents of the BER element at the start, as far as they are there.
fn element_body(data: &[u8]) -> Option<&[u8]> {
    let head = match *data.get(1)? {
        0..=0x7f => 2,
        long @ 0x81..=0x84 => 2 + usize::from(long & 0x7f),
        _ => return None,
    };
    data.get(head..element_len(data)?.min(data.len()))
}

fn text(value: &str) -> Text {
    clean_text(value.as_bytes(), 512)
}

impl Open {
    fn unknown(operation: &ProtocolOp<'_>, seen: Seen) -> Self {
        let operation = match operation {
            ProtocolOp::BindResponse(_) => "bind",
            ProtocolOp::SearchResultDone(_) => "search",
            ProtocolOp::ModifyResponse(_) => "modify",
            ProtocolOp::AddResponse(_) => "add",
            ProtocolOp::DelResponse(_) => "delete",
            ProtocolOp::ModDnResponse(_) => "modify_dn",
            ProtocolOp::CompareResponse(_) => "compare",
            _ => "extended",
        };
        Self::new(operation, seen)
    }

    fn new(operation: &'static str, seen: Seen) -> Self {
        let (base, filter) = (Text::default(), Text::default());
        Self {
            id: 0,
            operation,
            base,
            filter,
            seen,
            entries: 0,
            keywords: Vec::new(),
            values: Vec::new(),
        }
    }

    fn entry(&mut self, entry: &SearchResultEntry<'_>) {
        self.entries += 1;
        if self.entries > MAX_ENTRIES as u64 {
            return;
        }
        for attribute in entry.attributes.iter().take(64) {
            let name = text(&attribute.attr_type.0);
            let values: Vec<Text> = attribute.attr_vals.iter().take(16).map(|v| shown(&v.0)).collect();
            if name.eq_ignore_ascii_case("keywords") {
                self.keywords.extend(values);
            } else if self.values.len() < 64 && wanted(&name) {
                self.values.push((name, values));
            }
        }
    }
}

/// Attributes that say which directory this is or how a device stands in it; nothing else is kept.
fn wanted(name: &str) -> bool {
    const WANTED: &[&str] = &[
        "configurationnamingcontext",
        "defaultnamingcontext",
        "rootdomainnamingcontext",
        "dnshostname",
        "ldapservicename",
        "servername",
        "domainfunctionality",
        "forestfunctionality",
        "domaincontrollerfunctionality",
        "supportedsaslmechanisms",
        "currenttime",
        "distinguishedname",
        "serviceprincipalname",
        "usercertificate",
        "objectguid",
        "netlogon",
        "issynchronized",
    ];
    WANTED.iter().any(|wanted| name.eq_ignore_ascii_case(wanted))
}

/// A value as text, or its size.
fn shown(bytes: &[u8]) -> Text {
    match std::str::from_utf8(bytes) {
        Ok(value) if !value.chars().any(char::is_control) => text(value),
        _ => Text::from(format!("({} bytes)", bytes.len())),
    }
}

fn request_row(
    cx: &Cx<'_>,
    seen: Seen,
    message: &LdapMessage<'_>,
    from_client: bool,
) -> Option<(&'static str, Row)> {
    let mut row = cx.row("ldap.request", seen, from_client);
    row.outcome = Some(Outcome::Unknown);
    let mut fields = JsonObject::new().num("message_id", message.message_id.0);
    let operation = match &message.protocol_op {
        ProtocolOp::BindRequest(bind) => {
            bind_fields(&mut row, &mut fields, bind);
            "bind"
        }
        ProtocolOp::SearchRequest(search) => {
            search_fields(&mut row, &mut fields, search);
            "search"
        }
        ProtocolOp::UnbindRequest => "unbind",
        ProtocolOp::ModifyRequest(modify) => {
            fields.push_str("base", &text(&modify.object.0));
            "modify"
        }
        ProtocolOp::AddRequest(add) => {
            fields.push_str("base", &text(&add.entry.0));
            "add"
        }
        ProtocolOp::DelRequest(dn) => {
            fields.push_str("base", &text(&dn.0));
            "delete"
        }
        ProtocolOp::ModDnRequest(change) => {
            fields.push_str("base", &text(&change.entry.0));
            "modify_dn"
        }
        ProtocolOp::CompareRequest(compare) => {
            fields.push_str("base", &text(&compare.entry.0));
            "compare"
        }
        ProtocolOp::AbandonRequest(_) => "abandon",
        ProtocolOp::ExtendedRequest(extended) => {
            fields.push_str("oid", &text(&extended.request_name.0));
            if extended.request_name.0 == "1.3.6.1.4.1.1466.20037" {
                "start_tls"
            } else {
                "extended"
            }
        }
        _ => return None,
    };
    fields.push_str("operation", operation);
    if row.message.is_empty() {
        row.message = format!("LDAP {operation}");
    }
    row.fields = fields.finish();
    Some((operation, row))
}

fn bind_fields(row: &mut Row, fields: &mut JsonObject, bind: &BindRequest<'_>) {
    let name = text(&bind.name.0);
    fields.push_str("base", &name);
    let how = match &bind.authentication {
        AuthenticationChoice::Simple(password) if password.is_empty() => Text::new_static("anonymous"),
        AuthenticationChoice::Simple(_) => Text::new_static("simple"),
        AuthenticationChoice::Sasl(sasl) => {
            if let Some(ntlm) = sasl.credentials.as_deref().and_then(auth::parse_ntlm) {
                row.user = ntlm.user;
                fields.push_num("ntlm_message", ntlm.message);
            }
            Text::from(format!("sasl/{}", text(&sasl.mechanism.0)))
        }
    };
    fields.push_str("auth", &how);
    if !name.is_empty() {
        row.user = Some(name.clone());
    }
    row.message = format!("LDAP bind ({how}) {name}").trim_end().to_owned();
}

fn search_fields(row: &mut Row, fields: &mut JsonObject, search: &SearchRequest<'_>) {
    let (base, filter) = (text(&search.base_object.0), filter_text(&search.filter));
    fields.push_str("base", &base);
    fields.push_str(
        "scope",
        match search.scope.0 {
            0 => "base",
            1 => "one",
            2 => "subtree",
            _ => "other",
        },
    );
    fields.push_str("filter", &filter);
    let attributes: Vec<Text> = search.attributes.iter().take(64).map(|a| text(&a.0)).collect();
    fields.push_list("attributes", attributes.iter().map(Text::as_str));
    let place = if base.is_empty() { "rootDSE" } else { base.as_str() };
    row.message = format!("LDAP search in {place} for {}", crate::mask::cut(&filter, 200));
}

fn result_row(cx: &Cx<'_>, open: &Open, seen: Seen, result: Option<&LdapResult<'_>>) -> Row {
    let mut row = cx.row("ldap.result", seen, false);
    let code = result.map(|r| r.result_code.0);
    let name = code.map_or(Text::new_static("unfinished"), |code| {
        names::LDAP_RESULTS.or_number(code)
    });
    // saslBindInProgress is a step, not an end; compare answers with 5 and 6.
    row.outcome = Some(match code {
        Some(0 | 5 | 6 | 10 | 14) => Outcome::Success,
        Some(_) => Outcome::Failure,
        None => Outcome::Unknown,
    });
    if row.outcome == Some(Outcome::Failure) {
        row.error_code = Some(Text::from(format!("LDAP_{name}")));
    }
    let mut fields = JsonObject::new()
        .str("operation", open.operation)
        .str("result", &name);
    if let Some(code) = code {
        fields.push_num("code", code);
    }
    let text_of = |value: &str| (!value.is_empty()).then(|| text(value));
    if let Some(diagnostic) = result.and_then(|r| text_of(&r.diagnostic_message.0)) {
        fields.push_str("diagnostic", &diagnostic);
    }
    if let Some(matched) = result.and_then(|r| text_of(&r.matched_dn.0)) {
        fields.push_str("matched_dn", &matched);
    }
    fields.push_str("base", &open.base);
    if open.operation == "search" {
        fields.push_str("filter", &open.filter);
        fields.push_num("entries", open.entries);
        fields.push_list("keywords", open.keywords.iter().map(Text::as_str));
        let mut values = JsonObject::new();
        for (name, list) in &open.values {
            values.push_list(name, list.iter().map(Text::as_str));
        }
        fields.push_raw("values", &values.finish());
    }
    fields.push_num("request_record", open.seen.record);
    row.tenant_id = keyword(&open.keywords, "azureADId");
    row.message = format!("LDAP {}: {name}, {} entries", open.operation, open.entries);
    row.fields = fields.finish();
    row
}

/// The tenant id in a service connection point's keywords (`azureADId:…`).
fn keyword(keywords: &[Text], name: &str) -> Option<Text> {
    let found = keywords
        .iter()
        .filter_map(|k| k.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    casetrace_model::normalise_guid(found.1)
}

/// The filter in its text form (RFC 4515), cut at 512 bytes.
fn filter_text(filter: &Filter<'_>) -> Text {
    let mut out = String::new();
    write_filter(&mut out, filter, 0);
    Text::from(crate::mask::cut(&out, 512))
}

fn write_filter(out: &mut String, filter: &Filter<'_>, depth: usize) {
    if depth > 16 || out.len() > 512 {
        return out.push('…');
    }
    out.push('(');
    match filter {
        Filter::And(parts) => {
            out.push('&');
            parts.iter().for_each(|part| write_filter(out, part, depth + 1));
        }
        Filter::Or(parts) => {
            out.push('|');
            parts.iter().for_each(|part| write_filter(out, part, depth + 1));
        }
        Filter::Not(part) => {
            out.push('!');
            write_filter(out, part, depth + 1);
        }
        Filter::EqualityMatch(pair) => assertion(out, &pair.attribute_desc.0, "=", &pair.assertion_value),
        Filter::GreaterOrEqual(pair) => assertion(out, &pair.attribute_desc.0, ">=", &pair.assertion_value),
        Filter::LessOrEqual(pair) => assertion(out, &pair.attribute_desc.0, "<=", &pair.assertion_value),
        Filter::ApproxMatch(pair) => assertion(out, &pair.attribute_desc.0, "~=", &pair.assertion_value),
        Filter::Present(name) => {
            out.push_str(&text(&name.0));
            out.push_str("=*");
        }
        Filter::Substrings(found) => {
            out.push_str(&text(&found.filter_type.0));
            out.push_str("=*…*");
        }
        Filter::ExtensibleMatch(found) => {
            let name = found.rule_type.as_ref().map(|n| text(&n.0)).unwrap_or_default();
            assertion(out, &name, ":=", &found.assertion_value.0);
        }
    }
    out.push(')');
}

fn assertion(out: &mut String, name: &str, sign: &str, value: &[u8]) {
    out.push_str(&text(name));
    out.push_str(sign);
    out.push_str(&shown(value));
}
