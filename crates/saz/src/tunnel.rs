//! What Fiddler writes into CONNECT tunnels about the TLS inside.
//!
//! The request body describes the ClientHello, the response body the ServerHello or, if Fiddler decrypted, the
//! connection to the server with its certificate. The labels are English in every locale; dates are in the PC's
//! format and local time, so they are kept as text. Source: recordings of Fiddler Classic 4 and 5.

use casetrace_model::{JsonObject, Outcome, Row, Text};

use crate::Options;
use crate::exchange::{Exchange, cut};
use crate::rows::base;

const MAX_VALUE: usize = 512;
const MAX_LIST: usize = 64;

/// `tls.client_hello`, `tls.server_hello` and `tls.certificate` rows of a tunnel.
pub(crate) fn rows(exchange: &Exchange, _options: &Options) -> Vec<Row> {
    let Some(request) = exchange.request.as_ref().filter(|r| r.method == "CONNECT") else {
        return Vec::new();
    };
    let target = request
        .target
        .rsplit_once(':')
        .map_or(request.target.as_str(), |(host, _)| host)
        .to_ascii_lowercase();
    let target = Text::new(cut(target.trim_end_matches('.'), 255));
    let hello = String::from_utf8_lossy(&request.body.sample);
    let answer = exchange
        .response
        .as_ref()
        .map(|r| String::from_utf8_lossy(&r.body.sample).into_owned())
        .unwrap_or_default();
    let answered = answer.contains("ServerHello handshake was found") || answer.contains("Secure Protocol:");
    let mut out = Vec::new();
    out.extend(client_hello(exchange, &hello, &target, answered));
    out.extend(server_hello(exchange, &answer, &target));
    out.extend(certificate(exchange, &answer, &target));
    out
}

fn client_hello(exchange: &Exchange, text: &str, target: &Text, answered: bool) -> Option<Row> {
    text.find("ClientHello handshake was found")?;
    let mut row = base(exchange, "tls.client_hello", exchange.timing.request_ns);
    let name = tabbed(text, "server_name").map(|n| Text::from(n.to_ascii_lowercase()));
    row.server_name = name.or_else(|| Some(target.clone()));
    let offered = tabbed(text, "supported_versions")
        .map(versions)
        .unwrap_or_default();
    row.tls_version = offered
        .first()
        .cloned()
        .or_else(|| value(text, "Version").and_then(version));
    row.alpn = tabbed(text, "ALPN").map(|alpn| Text::from(alpn.replace(", ", ",")));
    row.outcome = Some(if answered {
        Outcome::Success
    } else {
        Outcome::Unknown
    });
    let ciphers: Vec<&str> = text.lines().filter_map(cipher_line).take(MAX_LIST).collect();
    let mut fields = JsonObject::new()
        .num("session", exchange.record)
        .bool("proxy_tunnel", true);
    fields.push_list("ciphers", ciphers.iter().copied());
    fields.push_list("versions", offered.iter().map(Text::as_str));
    row.fields = fields.finish();
    row.message = format!(
        "ClientHello for {}",
        row.server_name.as_deref().unwrap_or_default()
    );
    Some(row)
}

fn server_hello(exchange: &Exchange, text: &str, target: &Text) -> Option<Row> {
    let hello = text
        .find("ServerHello handshake was found")
        .and_then(|at| text.get(at..));
    let secure = text.find("Secure Protocol:").and_then(|at| text.get(at..));
    let (version_text, cipher) = match (hello, secure) {
        (Some(part), _) => (
            tabbed(part, "supported_versions").or_else(|| value(part, "Version")),
            value(part, "Cipher").map(|c| c.split_whitespace().next().unwrap_or_default().to_owned()),
        ),
        (None, Some(part)) => (value(part, "Secure Protocol"), None),
        (None, None) => return None,
    };
    let mut row = base(exchange, "tls.server_hello", exchange.timing.response_ns);
    row.server_name = Some(target.clone());
    row.tls_version = version_text.and_then(version);
    row.tls_cipher = cipher
        .filter(|c| c.starts_with("TLS_") || c.starts_with("SSL_"))
        .map(Text::from);
    row.alpn = hello.and_then(|part| tabbed(part, "ALPN")).map(Text::new);
    row.outcome = Some(Outcome::Success);
    let mut fields = JsonObject::new()
        .num("session", exchange.record)
        .bool("decrypted", secure.is_some());
    for label in ["Cipher", "Hash Algorithm", "Key Exchange"] {
        fields = fields.opt_str(label, secure.and_then(|part| value(part, label)));
    }
    row.fields = fields.finish();
    row.message = format!("{} to {target}", row.tls_version.as_deref().unwrap_or("TLS"));
    Some(row)
}

fn certificate(exchange: &Exchange, text: &str, target: &Text) -> Option<Row> {
    let at = text.find("== Server Certificate")?;
    let part = text.get(at..)?;
    let mut row = base(exchange, "tls.certificate", exchange.timing.response_ns);
    row.server_name = Some(target.clone());
    row.cert_subject = section(part, "[Subject]").map(Text::new);
    row.cert_issuer = section(part, "[Issuer]").map(Text::new);
    row.tls_version = value(text.get(..at)?, "Secure Protocol").and_then(version);
    if row.cert_subject.is_none() && row.cert_issuer.is_none() {
        return None;
    }
    let mut fields = JsonObject::new()
        .num("session", exchange.record)
        .str("side", "server")
        .bool("self_signed", row.cert_subject == row.cert_issuer);
    for (label, name) in [
        ("[Serial Number]", "serial"),
        ("[Not Before]", "not_before_text"),
        ("[Not After]", "not_after_text"),
        ("[Thumbprint]", "sha1"),
        ("[SubjectAltNames]", "san"),
        ("[Chain]", "chain_text"),
    ] {
        fields = fields.opt_str(name, section(part, label));
    }
    row.fields = fields.finish();
    row.message = format!(
        "{target} presented {}",
        row.cert_subject.as_deref().unwrap_or("a certificate")
    );
    Some(row)
}

/// `label: value` at the start of a line.
fn value<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let found = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(label)?.trim_start().strip_prefix(':'))?;
    Some(cut(found.trim(), MAX_VALUE)).filter(|v| !v.is_empty())
}

/// An extension line: name, blanks, value.
fn tabbed<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let found = text.lines().find_map(|line| {
        line.trim()
            .strip_prefix(name)
            .filter(|rest| rest.starts_with(['\t', ' ', ':']))
            .map(|rest| rest.trim_start_matches(':').trim())
    })?;
    Some(cut(found, MAX_VALUE)).filter(|v| !v.is_empty())
}

/// The first line under a `[Heading]`.
fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let mut lines = text.lines().skip_while(|line| line.trim() != heading);
    lines.next()?;
    lines
        .next()
        .map(|line| cut(line.trim(), MAX_VALUE))
        .filter(|v| !v.is_empty() && !v.starts_with('['))
}

/// `[C030] TLS_…` → the name.
fn cipher_line(line: &str) -> Option<&str> {
    let (code, name) = line.trim().strip_prefix('[')?.split_once(']')?;
    let hex = code.len() == 4 && code.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| cut(name.trim(), 64))
}

/// `grease [0xbaba], Tls1.3, Tls1.2` → the versions in order.
fn versions(text: &str) -> Vec<Text> {
    text.split(',').filter_map(|part| version(part.trim())).collect()
}

/// `3.3 (TLS/1.2)`, `Tls12`, `Tls1.3`, `Ssl3` → `TLS 1.2`, `SSL 3.0`.
fn version(text: &str) -> Option<Text> {
    let lower = text.to_ascii_lowercase();
    if let Some(at) = lower.find("ssl") {
        let digit = lower.get(at + 3..)?.chars().find(char::is_ascii_digit)?;
        return Some(Text::from(format!("SSL {digit}.0")));
    }
    let at = lower.rfind("tls")?;
    let digits: String = lower
        .get(at + 3..)?
        .chars()
        .take_while(|c| !matches!(c, ')' | ',' | ' '))
        .filter(char::is_ascii_digit)
        .take(2)
        .collect();
    let known = match digits.as_str() {
        "" | "1" | "10" => "TLS 1.0",
        "11" => "TLS 1.1",
        "12" => "TLS 1.2",
        "13" => "TLS 1.3",
        _ => return None,
    };
    Some(Text::new_static(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_spelled_one_way() {
        for (text, expected) in [
            ("3.3 (TLS/1.2)", "TLS 1.2"),
            ("3.1 (TLS/1.0)", "TLS 1.0"),
            ("Tls12", "TLS 1.2"),
            ("Tls", "TLS 1.0"),
            ("Tls1.3", "TLS 1.3"),
            ("3.0 (SSL/3.0)", "SSL 3.0"),
        ] {
            assert_eq!(version(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(versions("grease [0xbaba], Tls1.3, Tls1.2").len(), 2);
    }
}
