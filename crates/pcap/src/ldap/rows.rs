//! LDAP messages as rows.

use casetrace_model::{JsonObject, Outcome, Row, Text, member};
use ldap_parser::filter::Filter;
use ldap_parser::ldap::{
    AuthenticationChoice, BindRequest, LdapMessage, LdapResult, ProtocolOp, SearchRequest,
};

use super::{Open, shown, text};
use crate::emit::{Cx, Seen};
use crate::http::auth;
use crate::names;

pub(super) fn request_row(
    cx: &Cx<'_>,
    seen: Seen,
    message: &LdapMessage<'_>,
    from_client: bool,
) -> Option<(&'static str, Row)> {
    let mut row = cx.row("ldap.request", seen, from_client);
    row.outcome = Some(Outcome::Unknown);
    let mut fields = JsonObject::new().num(member!("message_id"), message.message_id.0);
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
            fields.push_str(member!("base"), &text(&modify.object.0));
            "modify"
        }
        ProtocolOp::AddRequest(add) => {
            fields.push_str(member!("base"), &text(&add.entry.0));
            "add"
        }
        ProtocolOp::DelRequest(dn) => {
            fields.push_str(member!("base"), &text(&dn.0));
            "delete"
        }
        ProtocolOp::ModDnRequest(change) => {
            fields.push_str(member!("base"), &text(&change.entry.0));
            "modify_dn"
        }
        ProtocolOp::CompareRequest(compare) => {
            fields.push_str(member!("base"), &text(&compare.entry.0));
            "compare"
        }
        ProtocolOp::AbandonRequest(_) => "abandon",
        ProtocolOp::ExtendedRequest(extended) => {
            fields.push_str(member!("oid"), &text(&extended.request_name.0));
            if extended.request_name.0 == "1.3.6.1.4.1.1466.20037" {
                "start_tls"
            } else {
                "extended"
            }
        }
        _ => return None,
    };
    fields.push_str(member!("operation"), operation);
    if row.message.is_empty() {
        row.message = format!("LDAP {operation}");
    }
    row.fields = fields.finish();
    Some((operation, row))
}

fn bind_fields(row: &mut Row, fields: &mut JsonObject, bind: &BindRequest<'_>) {
    let name = text(&bind.name.0);
    fields.push_str(member!("base"), &name);
    let how = match &bind.authentication {
        AuthenticationChoice::Simple(password) if password.is_empty() => Text::new_static("anonymous"),
        AuthenticationChoice::Simple(_) => Text::new_static("simple"),
        AuthenticationChoice::Sasl(sasl) => {
            if let Some(ntlm) = sasl.credentials.as_deref().and_then(auth::parse_ntlm) {
                row.user = ntlm.user;
                fields.push_num(member!("ntlm_message"), ntlm.message);
            }
            Text::from(format!("sasl/{}", text(&sasl.mechanism.0)))
        }
    };
    fields.push_str(member!("auth"), &how);
    if !name.is_empty() {
        row.user = Some(name.clone());
    }
    row.message = format!("LDAP bind ({how}) {name}").trim_end().to_owned();
}

fn search_fields(row: &mut Row, fields: &mut JsonObject, search: &SearchRequest<'_>) {
    let (base, filter) = (text(&search.base_object.0), filter_text(&search.filter));
    fields.push_str(member!("base"), &base);
    fields.push_str(
        member!("scope"),
        match search.scope.0 {
            0 => "base",
            1 => "one",
            2 => "subtree",
            _ => "other",
        },
    );
    fields.push_str(member!("filter"), &filter);
    let attributes: Vec<Text> = search.attributes.iter().take(64).map(|a| text(&a.0)).collect();
    fields.push_list(member!("attributes"), attributes.iter().map(Text::as_str));
    let place = if base.is_empty() { "rootDSE" } else { base.as_str() };
    row.message = format!("LDAP search in {place} for {}", crate::mask::cut(&filter, 200));
}

pub(super) fn result_row(cx: &Cx<'_>, open: &Open, seen: Seen, result: Option<&LdapResult<'_>>) -> Row {
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
        .str(member!("operation"), open.operation)
        .str(member!("result"), &name);
    if let Some(code) = code {
        fields.push_num(member!("code"), code);
    }
    let text_of = |value: &str| (!value.is_empty()).then(|| text(value));
    if let Some(diagnostic) = result.and_then(|r| text_of(&r.diagnostic_message.0)) {
        fields.push_str(member!("diagnostic"), &diagnostic);
    }
    if let Some(matched) = result.and_then(|r| text_of(&r.matched_dn.0)) {
        fields.push_str(member!("matched_dn"), &matched);
    }
    fields.push_str(member!("base"), &open.base);
    if open.operation == "search" {
        fields.push_str(member!("filter"), &open.filter);
        fields.push_num(member!("entries"), open.entries);
        fields.push_list(member!("keywords"), open.keywords.iter().map(Text::as_str));
        let mut values = JsonObject::new();
        for (name, list) in &open.values {
            values.push_list(name, list.iter().map(Text::as_str));
        }
        fields.push_raw(member!("values"), &values.finish());
    }
    fields.push_num(member!("request_record"), open.seen.record);
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
pub(super) fn filter_text(filter: &Filter<'_>) -> Text {
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
