//! HTTP/1.1 messages as bytes.

/// A request. `headers` are `Name: value` lines; `Content-Length` is added when there is a body.
pub fn request(method: &str, target: &str, headers: &[&str], body: &str) -> Vec<u8> {
    message(&format!("{method} {target} HTTP/1.1"), headers, body.as_bytes())
}

/// A response with its `Content-Length`.
pub fn response(status: u16, reason: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut lines: Vec<&str> = headers.to_vec();
    let length = format!("Content-Length: {}", body.len());
    if body.is_empty() {
        lines.push("Content-Length: 0");
    }
    if !body.is_empty() {
        lines.push(&length);
    }
    raw(&format!("HTTP/1.1 {status} {reason}"), &lines, body.as_bytes())
}

/// `CONNECT host:443`, as WinHTTP sends it to a proxy.
pub fn connect(target: &str, user_agent: &str, extra: &[&str]) -> Vec<u8> {
    let agent = format!("User-Agent: {user_agent}");
    let host = format!("Host: {target}");
    let mut headers = vec![
        "Connection: Keep-Alive",
        agent.as_str(),
        host.as_str(),
        "Proxy-Connection: Keep-Alive",
    ];
    headers.extend_from_slice(extra);
    message(&format!("CONNECT {target} HTTP/1.0"), &headers, &[])
}

/// The proxy's "connected".
pub fn connected() -> Vec<u8> {
    raw("HTTP/1.1 200 Connection established", &[], &[])
}

/// 407 that offers `schemes` (one `Proxy-Authenticate` line each) with a short HTML page.
pub fn proxy_auth_required(schemes: &[&str], via: &str) -> Vec<u8> {
    let lines: Vec<String> = schemes
        .iter()
        .map(|s| format!("Proxy-Authenticate: {s}"))
        .collect();
    let via = format!("Via: 1.1 {via}");
    let mut headers = vec![
        via.as_str(),
        "Content-Type: text/html; charset=utf-8",
        "Proxy-Connection: close",
    ];
    headers.extend(lines.iter().map(String::as_str));
    response(
        407,
        "Proxy Authentication Required",
        &headers,
        "<html><head><title>Access Denied</title></head><body>Authentication is required to use this proxy.</body></html>",
    )
}

fn message(first: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut lines = headers.to_vec();
    let length = format!("Content-Length: {}", body.len());
    if !body.is_empty() {
        lines.push(&length);
    }
    raw(first, &lines, body)
}

/// A message of exactly these lines, for odd and broken ones.
pub fn raw(first: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{first}\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
