//! LDAP and CLDAP: binds, searches and their results; the service connection point's keywords.
//!
//! Source: RFC 4511, 4513, MS-ADTS; messages parsed by `ldap-parser`. After a SASL bind, messages may sit in signed
//! buffers; those that are only signed are read, sealed ones end the reading. Limits: 1 MiB a message, 256 open
//! operations, 16 values of an attribute.

mod rows;

use std::borrow::Cow;
use std::collections::VecDeque;

use casetrace_model::Text;
use ldap_parser::FromBer;
use ldap_parser::ldap::{
    LdapDN, LdapMessage, LdapResult, LdapString, ProtocolOp, ResultCode, SearchResultEntry,
};

use crate::emit::{Cx, Seen, clean_text};
use crate::join::{Joiner, Step};
use rows::{filter_text, request_row, result_row};

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

    /// Bytes kept, about.
    pub(crate) fn held(&self) -> usize {
        512 + self.client.held() + self.server.held() + self.open.len() * 512
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
