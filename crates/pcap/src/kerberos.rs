//! Kerberos: requests, replies and errors over UDP, TCP and the KDC proxy.
//!
//! Source: RFC 4120, parsed by `kerberos-parser`; MS-KKDCP for the proxy. What the parser refuses still gives its
//! message type. Limits: 256 KiB a message over TCP.

use casetrace_model::{JsonObject, Outcome, Row, Text, member};
use kerberos_parser::krb5::{EncryptionType, ErrorCode, KdcRep, KdcReq, KrbError, PrincipalName};

use kerberos_parser::krb5_parser as parser;
use x509_parser::asn1_rs::FromDer;

use crate::emit::{Cx, Seen, clean_text};
use crate::join::{Joiner, Step};
use crate::names;

const MAX_MESSAGE: usize = 256 << 10;

/// One Kerberos connection.
#[derive(Default)]
pub(crate) struct KerberosTcp {
    client: Joiner,
    server: Joiner,
}

/// A Kerberos message told by its outer tag.
fn message_type(data: &[u8]) -> Option<u8> {
    let kind = data.first()?.checked_sub(0x60)?;
    // Behind the application tag: a length, then a sequence.
    let body = body_of(data)?;
    (matches!(kind, 10..=15 | 20..=22 | 30) && body.first() == Some(&0x30)).then_some(kind)
}

/// What is behind tag and length of a DER element; the element may be cut.
fn body_of(data: &[u8]) -> Option<&[u8]> {
    match *data.get(1)? {
        0..=0x7f => data.get(2..),
        long @ 0x81..=0x84 => data.get(2 + usize::from(long & 0x7f)..),
        _ => None,
    }
}

/// True if `data` can start a Kerberos message over TCP.
pub(crate) fn looks_right_tcp(data: &[u8]) -> bool {
    let Some((len, rest)) = data.split_first_chunk::<4>() else {
        return false;
    };
    (10..MAX_MESSAGE as u32).contains(&u32::from_be_bytes(*len)) && message_type(rest).is_some()
}

impl KerberosTcp {
    /// Takes new bytes; false if this is not Kerberos.
    pub(crate) fn data(&mut self, cx: &mut Cx<'_>, from_client: bool, seen: Seen, data: &[u8]) -> bool {
        let joiner = if from_client {
            &mut self.client
        } else {
            &mut self.server
        };
        joiner.feed(data, seen, MAX_MESSAGE + 4, |bytes, seen| {
            let Some(len) = bytes.first_chunk::<4>().map(|b| u32::from_be_bytes(*b) as usize) else {
                return Step::More;
            };
            if len > MAX_MESSAGE {
                return Step::Stop;
            }
            let Some(body) = bytes.get(4..4 + len) else {
                return Step::More;
            };
            message(cx, from_client, seen, body, "tcp");
            Step::Used(4 + len)
        })
    }
}

/// A message out of a KDC-PROXY-MESSAGE (context tag 0, an octet string with the TCP form of the message).
pub(crate) fn proxied(cx: &mut Cx<'_>, from_client: bool, seen: Seen, body: &[u8]) {
    // SEQUENCE, [0], OCTET STRING: three headers of which only the lengths vary.
    let inner = body_of(body).and_then(body_of).and_then(body_of);
    if let Some(bytes) = inner.and_then(|b| b.get(4..)) {
        message(cx, from_client, seen, bytes, "https_proxy");
    }
}

/// Writes the row of one message; false if it is not Kerberos.
pub(crate) fn message(
    cx: &mut Cx<'_>,
    from_client: bool,
    seen: Seen,
    data: &[u8],
    transport: &'static str,
) -> bool {
    let Some(kind) = message_type(data) else {
        return false;
    };
    let row_kind = match kind {
        10 | 12 | 14 | 20 => "kerberos.request",
        30 => "kerberos.error",
        _ => "kerberos.reply",
    };
    let mut row = cx.row(row_kind, seen, from_client);
    let mut fields = JsonObject::new()
        .str(member!("msg_type"), type_name(kind))
        .str(member!("transport"), transport);
    let whole = match kind {
        10 => parser::parse_as_req(data)
            .map(|(_, m)| request(&mut row, &mut fields, &m))
            .is_ok(),
        12 => parser::parse_tgs_req(data)
            .map(|(_, m)| request(&mut row, &mut fields, &m))
            .is_ok(),
        11 => parser::parse_as_rep(data)
            .map(|(_, m)| reply(&mut row, &mut fields, &m))
            .is_ok(),
        13 => parser::parse_tgs_rep(data)
            .map(|(_, m)| reply(&mut row, &mut fields, &m))
            .is_ok(),
        30 => KrbError::from_der(data)
            .map(|(_, m)| error(&mut row, &mut fields, &m, seen))
            .is_ok(),
        _ => true,
    };
    if !whole {
        fields = fields.bool(member!("damaged"), true);
    }
    if row.message.is_empty() {
        row.message = format!("Kerberos {}", type_name(kind));
    }
    row.outcome = Some(match row_kind {
        "kerberos.error" => Outcome::Failure,
        "kerberos.reply" => Outcome::Success,
        _ => Outcome::Unknown,
    });
    row.fields = fields.finish();
    cx.info.after = row_kind;
    cx.push(row);
    true
}

fn type_name(kind: u8) -> &'static str {
    match kind {
        10 => "AS-REQ",
        11 => "AS-REP",
        12 => "TGS-REQ",
        13 => "TGS-REP",
        14 => "AP-REQ",
        15 => "AP-REP",
        20 => "SAFE",
        21 => "PRIV",
        22 => "CRED",
        _ => "KRB-ERROR",
    }
}

fn principal(name: &PrincipalName) -> Text {
    clean_text(name.name_string.join("/").as_bytes(), 256)
}

fn realm_column(row: &mut Row, fields: &mut JsonObject, realm: &str) {
    let realm = clean_text(realm.as_bytes(), 256);
    row.server_name = Some(crate::emit::host_name(&realm));
    fields.push_str(member!("realm"), &realm);
}

fn etype_name(etype: EncryptionType) -> Text {
    u32::try_from(etype.0).map_or_else(
        |_| Text::from(etype.0.to_string()),
        |n| names::KERBEROS_ETYPES.or_number(n),
    )
}

fn request(row: &mut Row, fields: &mut JsonObject, message: &KdcReq<'_>) {
    let body = &message.req_body;
    realm_column(row, fields, &body.realm.0);
    row.user = body.cname.as_ref().map(principal);
    let sname = body.sname.as_ref().map(principal).unwrap_or_default();
    fields.push_str(member!("sname"), &sname);
    let etypes: Vec<Text> = body.etype.iter().take(32).map(|e| etype_name(*e)).collect();
    fields.push_list(member!("etype"), etypes.iter().map(Text::as_str));
    let padata: Vec<String> = message
        .padata
        .iter()
        .take(32)
        .map(|p| p.padata_type.0.to_string())
        .collect();
    fields.push_list(member!("padata"), padata.iter().map(String::as_str));
    // Type 2 is the encrypted timestamp, 16 PKINIT: the client proves who it is.
    fields.push_raw(
        member!("preauth"),
        if message
            .padata
            .iter()
            .any(|p| matches!(p.padata_type.0, 2 | 16 | 138))
        {
            "true"
        } else {
            "false"
        },
    );
    let who = row
        .user
        .as_deref()
        .map(|u| format!(" by {u}"))
        .unwrap_or_default();
    row.message = format!("Kerberos ticket for {sname}@{} asked{who}", body.realm.0);
}

fn reply(row: &mut Row, fields: &mut JsonObject, message: &KdcRep<'_>) {
    realm_column(row, fields, &message.crealm.0);
    row.user = Some(principal(&message.cname));
    let sname = principal(&message.ticket.sname);
    fields.push_str(member!("sname"), &sname);
    fields.push_str(member!("etype"), &etype_name(message.enc_part.etype));
    fields.push_str(
        member!("ticket_etype"),
        &etype_name(message.ticket.enc_part.etype),
    );
    row.message = format!("Kerberos ticket for {sname}@{} given", message.ticket.realm.0);
}

fn error(row: &mut Row, fields: &mut JsonObject, message: &KrbError<'_>, seen: Seen) {
    realm_column(row, fields, &message.realm.0);
    row.user = message.cname.as_ref().map(principal);
    let sname = principal(&message.sname);
    let ErrorCode(number) = message.error_code;
    let name = u32::try_from(number)
        .ok()
        .and_then(|n| names::KERBEROS_ERRORS.get(n))
        .unwrap_or_else(|| Text::from(format!("KRB_ERR_{number}")));
    fields.push_str(member!("sname"), &sname);
    fields.push_num(member!("code"), number);
    // The KDC's clock against the capture's.
    if let Ok(stime) = message.stime.utc_datetime() {
        let server_ns = i128::from(stime.unix_timestamp()) * 1_000_000_000 + i128::from(message.susec) * 1000;
        fields.push_num(
            member!("skew_ms"),
            (server_ns - i128::from(seen.ts_ns)) / 1_000_000,
        );
    }
    if let Some(text) = &message.etext {
        fields.push_str(member!("etext"), &clean_text(text.as_bytes(), 256));
    }
    row.message = format!("Kerberos error {name} for {sname}@{}", message.realm.0);
    row.error_code = Some(name);
}
