//! Requests and answers pasted as they go over the wire.

mod common;
use casetrace_model::Outcome;
use common::{column, field, read};

#[test]
fn a_proxy_that_asks_for_authentication() {
    let text = "CONNECT login.microsoftonline.com:443 HTTP/1.1\nHost: login.microsoftonline.com:443\nUser-Agent: x\n\nHTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: Negotiate\nProxy-Authenticate: NTLM\nVia: 1.1 proxy01 (squid/4.10)\nContent-Length: 0\n\n";
    let read = read("fiddler.txt", text.as_bytes());
    let row = read.only("http.response");
    assert_eq!(
        (row.http_status, row.outcome),
        (Some(407), Some(Outcome::Failure))
    );
    assert_eq!(column(row, "server_name"), "login.microsoftonline.com");
    assert_eq!(column(row, "http_method"), "CONNECT");
    assert_eq!(column(row, "proxy_auth"), "Negotiate,NTLM");
    assert_eq!(field(row, "via"), "1.1 proxy01 (squid/4.10)");
}

#[test]
fn an_answer_of_the_token_endpoint_with_its_body() {
    let text = "POST https://login.microsoftonline.com/common/oauth2/v2.0/token HTTP/1.1\nHost: login.microsoftonline.com\nContent-Type: application/x-www-form-urlencoded\n\ngrant_type=password&password=hunter2\n\nHTTP/1.1 400 Bad Request\nContent-Type: application/json; charset=utf-8\nx-ms-request-id: 0f3c8c4d-54a8-4b0d-8d2f-1d2f4a3b0100\nclient-request-id: 2f0cbbd1-5e0a-4a83-8d1d-7e1e0a3c7a11\n\n{\"error\":\"invalid_grant\",\n \"error_description\":\"AADSTS50126: Error validating credentials.\"}\n\nPS C:\\> w32tm /stripchart /computer:time.windows.com /samples:1 /dataonly\nTracking time.windows.com [20.101.57.9:123].\n09:15:02, +00.0012345s\n";
    let read = read("fiddler.txt", text.as_bytes());
    let row = read.only("http.response");
    assert_eq!(
        column(row, "url"),
        "https://login.microsoftonline.com/common/oauth2/v2.0/token"
    );
    assert_eq!(column(row, "error_code"), "AADSTS50126");
    assert_eq!(
        column(row, "correlation_id"),
        "2f0cbbd1-5e0a-4a83-8d1d-7e1e0a3c7a11"
    );
    assert_eq!(field(row, "body_kind"), "json");
    assert!(field(row, "body_start").starts_with("{\"error\""));
    assert!(
        read.rows
            .iter()
            .all(|row| !row.fields.contains("hunter2") && !row.message.contains("hunter2"))
    );
    assert!(read.kind("config").count() > 0);
}

#[test]
fn a_page_where_data_were_asked() {
    let text = "GET /common/discovery/instance HTTP/1.1\nHost: login.microsoftonline.com\n\nHTTP/1.1 200 OK\nContent-Type: text/html\n\n<html><head><title>Sign in to the gateway</title></head>\n<body>\n\nPlease sign in.\n</body></html>\n";
    let read = read("x.txt", text.as_bytes());
    let row = read.only("http.response");
    assert_eq!(
        column(row, "url"),
        "https://login.microsoftonline.com/common/discovery/instance"
    );
    assert_eq!(
        (field(row, "body_kind"), row.outcome),
        ("html".into(), Some(Outcome::Success))
    );
}

#[test]
fn neither_credentials_nor_tokens_are_told() {
    let token = "eyJhbGciOiJub25lIn0.".repeat(40);
    let text = format!(
        "GET https://me:hunter2@login.microsoftonline.com/x HTTP/1.1\n\nHTTP/1.1 200 OK\nContent-Type: application/json\n\n{{\"access_token\":\"{token}\"}}\n\nGET /y HTTP/1.1\n\nHTTP/1.1 200 OK\n\n"
    );
    let read = read("x.txt", text.as_bytes());
    let rows: Vec<_> = read.kind("http.response").collect();
    assert_eq!(column(rows[0], "server_name"), "login.microsoftonline.com");
    // The second request names no host.
    assert_eq!(rows[1].server_name, None);
    for row in &read.rows {
        let all = format!("{row:?}");
        assert!(!all.contains("hunter2") && !all.contains("eyJhbGci"), "{all}");
    }
}
