//! TLS messages as rows.

use std::sync::Arc;

use casetrace_model::{JsonObject, Outcome, Row, Text, member};

use super::cert::{Certificate, chain_json};
use super::hello::{ClientHello, ServerHello};
use super::offer::{Offer, protocols};
use crate::emit::{Cx, FlowInfo, Seen, fields_of, say};
use crate::names;

/// What a hello offers, and whether it does so through a proxy; `transport` is JA4's letter for TCP or QUIC.
pub(crate) fn offer(cx: &mut Cx<'_>, hello: &ClientHello, transport: char) -> Offer {
    let mut offer = cx.out.memo.offers.get(hello, transport);
    if cx.tunnelled() {
        offer.own.push_raw(member!("proxy_tunnel"), "true");
    }
    offer
}

/// Adds the row of a ServerHello.
pub(crate) fn server_hello(
    cx: &mut Cx<'_>,
    hello: &ServerHello,
    seen: Seen,
    server_name: Option<&Text>,
    from_client: bool,
) {
    let Cx { out, info } = cx;
    let row = out.add(info, "tls.server_hello", seen, from_client);
    let (version, cipher) = (
        names::tls_version(hello.chosen_version),
        names::cipher(hello.cipher),
    );
    row.server_name = server_name.cloned();
    row.alpn = protocols(hello.alpn.iter().map(Vec::as_slice));
    let what = if hello.hello_retry {
        "HelloRetryRequest"
    } else {
        "ServerHello"
    };
    say(&mut row.message, &[what, ": ", &version, ", ", &cipher]);
    row.tls_version = Some(version);
    row.tls_cipher = Some(cipher);
    let mut fields = fields_of(row, 126).bool(member!("hello_retry"), hello.hello_retry);
    if let Some(group) = hello.group {
        fields.push_str(member!("group"), &names::TLS_GROUPS.or_hex(u32::from(group)));
    }
    row.fields = tunnel_mark(info, fields).finish();
}

fn tunnel_mark(info: &FlowInfo, fields: JsonObject) -> JsonObject {
    if info.tunnel.is_some() {
        fields.bool(member!("proxy_tunnel"), true)
    } else {
        fields
    }
}

pub(crate) fn certificate(
    cx: &Cx<'_>,
    chain: &[Arc<Certificate>],
    seen: Seen,
    server_name: Option<&Text>,
) -> Row {
    let mut row = cx.row("tls.certificate", seen, false);
    row.server_name = server_name.cloned();
    fill_certificate(&mut row, chain);
    row.message = match (&row.cert_subject, &row.cert_issuer) {
        (Some(subject), Some(issuer)) => ["Server certificate ", subject, ", issued by ", issuer].concat(),
        _ => format!(
            "Server certificate that can't be parsed, {} bytes",
            chain.first().map_or(0, |c| c.bytes)
        ),
    };
    row.fields = tunnel_mark(cx.info, certificate_fields(chain, "server")).finish();
    row
}

fn fill_certificate(row: &mut Row, chain: &[Arc<Certificate>]) {
    let Some(leaf) = chain.first() else { return };
    row.cert_subject.clone_from(&leaf.subject);
    row.cert_issuer.clone_from(&leaf.issuer);
    row.cert_not_before.clone_from(&leaf.not_before);
    row.cert_not_after.clone_from(&leaf.not_after);
    row.cert_sha256 = Some(leaf.sha256.clone());
}

fn certificate_fields(chain: &[Arc<Certificate>], side: &str) -> JsonObject {
    let self_signed = chain.first().is_some_and(|leaf| leaf.self_signed());
    let chain = chain_json(chain);
    let mut fields = JsonObject::with_capacity(chain.len() + 120)
        .str(member!("side"), side)
        .bool(member!("self_signed"), self_signed);
    fields.push_raw(member!("chain"), &chain);
    fields
}

pub(crate) fn client_certificate(
    cx: &Cx<'_>,
    chain: &[Arc<Certificate>],
    seen: Seen,
    server_name: Option<&Text>,
) -> Row {
    let mut row = cx.row("tls.client_certificate", seen, true);
    row.server_name = server_name.cloned();
    fill_certificate(&mut row, chain);
    row.message = match &row.cert_subject {
        Some(subject) => format!("Client certificate {subject}"),
        None if chain.is_empty() => {
            String::from("The client answered the certificate request with no certificate")
        }
        None => String::from("Client certificate that can't be parsed"),
    };
    row.outcome = Some(if chain.is_empty() {
        Outcome::Failure
    } else {
        Outcome::Unknown
    });
    row.fields = certificate_fields(chain, "client")
        .bool(member!("empty"), chain.is_empty())
        .finish();
    row
}

/// A CertificateRequest of TLS 1.2 and older, with the names of the issuers it accepts.
pub(crate) fn certificate_request(
    cx: &Cx<'_>,
    body: &[u8],
    seen: Seen,
    server_name: Option<&Text>,
    from_client: bool,
) -> Row {
    let mut row = cx.row("tls.certificate_request", seen, from_client);
    row.server_name = server_name.cloned();
    row.message = String::from("The server asks for a client certificate");
    let mut fields = JsonObject::new();
    let authorities = authorities(body);
    fields.push_list(member!("authorities"), authorities.iter().map(Text::as_str));
    row.fields = fields.finish();
    row
}

/// The certificate authorities at the end of a CertificateRequest, TLS 1.2 layout first, then the older one.
fn authorities(body: &[u8]) -> Vec<Text> {
    let types = usize::from(body.first().copied().unwrap_or(0)) + 1;
    let rest = body.get(types..).unwrap_or_default();
    let skip = |rest: &[u8]| {
        rest.first_chunk::<2>()
            .map_or(0, |b| usize::from(u16::from_be_bytes(*b)) + 2)
    };
    let with_signatures = rest.get(skip(rest)..).unwrap_or_default();
    for list in [with_signatures, rest] {
        if !list.is_empty() && skip(list) == list.len() {
            return names_in(list.get(2..).unwrap_or_default());
        }
    }
    Vec::new()
}

fn names_in(mut list: &[u8]) -> Vec<Text> {
    let mut out = Vec::new();
    while let Some((len, rest)) = list.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len));
        let Some(der) = rest.get(..len) else { break };
        out.extend(super::cert::parse_name(der));
        list = rest.get(len..).unwrap_or_default();
        if out.len() >= 32 {
            break;
        }
    }
    out
}

pub(crate) fn alert(
    cx: &Cx<'_>,
    name: &Text,
    level: u8,
    code: u8,
    seen: Seen,
    server_name: Option<&Text>,
    from_client: bool,
) -> Row {
    let mut row = cx.row("tls.alert", seen, from_client);
    row.server_name = server_name.cloned();
    let side = if from_client { "client" } else { "server" };
    row.message = format!("TLS alert {name} from the {side}");
    row.tls_alert = Some(name.clone());
    // Orderly ends are alerts too.
    row.outcome = Some(if matches!(code, 0 | 90) {
        Outcome::Success
    } else {
        Outcome::Failure
    });
    let level = if level == 2 { "fatal" } else { "warning" };
    let fields = JsonObject::new()
        .str(member!("direction"), side)
        .str(member!("level"), level)
        .num(member!("code"), code)
        .bool(member!("encrypted"), false);
    row.fields = tunnel_mark(cx.info, fields).finish();
    row
}

/// An alert whose code can't be read; `inferred` if only its length gives it away.
pub(crate) fn protected_alert(
    cx: &Cx<'_>,
    seen: Seen,
    server_name: Option<&Text>,
    from_client: bool,
    inferred: bool,
) -> Row {
    let mut row = cx.row("tls.alert", seen, from_client);
    row.server_name = server_name.cloned();
    let side = if from_client { "client" } else { "server" };
    row.message = format!("Encrypted TLS alert from the {side} before any data");
    row.outcome = Some(Outcome::Failure);
    let mut fields = JsonObject::new()
        .str(member!("direction"), side)
        .bool(member!("encrypted"), true);
    if inferred {
        fields = fields.bool(member!("inferred"), true);
    }
    row.fields = tunnel_mark(cx.info, fields).finish();
    row
}
