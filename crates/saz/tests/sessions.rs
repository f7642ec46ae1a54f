//! Sessions and archives as a support engineer meets them.
#![expect(clippy::unwrap_used, reason = "tests")]

use casetrace_model::{Collected, Outcome, Row, TsSource};
use casetrace_saz::{Options, Session, decode_har, decode_session};

fn decode(client: &str, server: &str, meta: Option<&str>) -> Collected {
    let mut out = Collected::default();
    let session = Session {
        id: 7,
        client: client.as_bytes(),
        server: server.as_bytes(),
        meta: meta.map(str::as_bytes),
    };
    decode_session(&session, &Options::default(), &mut out);
    out
}

fn of<'a>(out: &'a Collected, kind: &str) -> &'a Row {
    out.rows.iter().find(|row| row.kind == kind).unwrap()
}

fn fields(row: &Row) -> serde_json::Value {
    serde_json::from_str(&row.fields).unwrap()
}

const META: &str = r#"<?xml version="1.0" encoding="utf-8"?><Session SID="7" BitFlags="8"><SessionTimers
    ClientBeginRequest="2026-03-02T10:16:11.0000000+09:00" ServerBeginResponse="2026-03-02T10:16:11.2500000+09:00" TCPConnectTime="18"/>
    <PipeInfo CltReuse="true"/><SessionFlags><SessionFlag N="x-processinfo" V="backgroundtaskhost:4711"/>
    <SessionFlag N="x-hostip" V="198.51.100.7"/><SessionFlag N="x-clientip" V="::ffff:127.0.0.1"/></SessionFlags></Session>"#;

#[test]
fn a_failed_token_request_shows_its_error_and_no_secret() {
    let out = decode(
        "POST https://login.microsoftonline.com/common/oauth2/token?client-request-id=6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11 HTTP/1.1\r\n\
         Host: login.microsoftonline.com\r\nCookie: ESTSAUTH=CANARY1\r\nAuthorization: Basic Q0FOQVJZMg==\r\n\r\n\
         grant_type=password&username=u&password=CANARY3",
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\nx-ms-request-id: 0bc1dd29-6cd1-48c4-80ff-839482e37671\r\n\
         Set-Cookie: fpc=CANARY4; path=/\r\nDate: Mon, 02 Mar 2026 01:21:11 GMT\r\nVia: 1.1 proxy01\r\n\r\n\
         {\"error\":\"invalid_grant\",\"error_description\":\"AADSTS50126: Invalid username or password.\",\"error_codes\":[50126],\
         \"refresh_token\":\"CANARY5\",\"correlation_id\":\"6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11\"}",
        Some(META),
    );
    assert!(
        !format!("{out:?}").contains("CANARY") && !format!("{out:?}").contains("Q0FOQVJZMg"),
        "{out:#?}"
    );
    let (request, response) = (of(&out, "http.request"), of(&out, "http.response"));
    assert_eq!(
        (request.pid, request.process.as_deref()),
        (Some(4711), Some("backgroundtaskhost"))
    );
    assert_eq!(
        (request.src_ip.as_deref(), request.dst_ip.as_deref()),
        (Some("127.0.0.1"), Some("198.51.100.7"))
    );
    assert_eq!(
        request.correlation_id.as_deref(),
        Some("6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11")
    );
    assert_eq!(fields(request)["has_authorization"], "Basic");
    assert_eq!(response.ts_ns.unwrap() - request.ts_ns.unwrap(), 250_000_000);
    assert_eq!(
        (response.http_status, response.error_code.as_deref()),
        (Some(400), Some("AADSTS50126"))
    );
    assert_eq!(response.outcome, Some(Outcome::Failure));
    let facts = fields(response);
    assert_eq!(facts["oauth_error"], "invalid_grant");
    assert_eq!(facts["ms_request_id"], "0bc1dd29-6cd1-48c4-80ff-839482e37671");
    assert_eq!(facts["server_date_offset_ms"], 299_750);
    assert_eq!(facts["TCPConnectTime"], "18");
    assert_eq!(facts["via"], "1.1 proxy01");
}

#[test]
fn a_tunnel_tells_its_tls() {
    let out = decode(
        "CONNECT Login.example:443 HTTP/1.0\r\nHost: Login.example:443\r\n\r\nA SSLv3-compatible ClientHello handshake was found. Fiddler extracted the parameters below.\r\n\r\n\
         Version: 3.3 (TLS/1.2)\r\nExtensions: \r\n\tserver_name\tLogin.example\r\n\tALPN\t\th2, http/1.1\r\n\tsupported_versions\tgrease [0x1a1a], Tls1.3, Tls1.2\r\n\
         Ciphers: \r\n\t[1301]\tTLS_AES_128_GCM_SHA256\r\n\t[C030]\tTLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\r\n",
        "HTTP/1.1 200 Connection Established\r\nFiddlerGateway: proxy.corp.example:8080\r\nConnection: close\r\n\r\n\
         Encrypted HTTPS traffic flows through this CONNECT tunnel.\r\n\r\nSecure Protocol: Tls12\r\nCipher: Aes256 256bits\r\n\r\n\
         == Server Certificate ==========\r\n[Subject]\r\n  CN=*.login.example, O=X\r\n\r\n[Issuer]\r\n  CN=Inspection CA\r\n\r\n[Not Before]\r\n  2022/8/15 8:00:00\r\n\r\n[Thumbprint]\r\n  99\r\n",
        Some(META),
    );
    let hello = of(&out, "tls.client_hello");
    assert_eq!(
        (hello.server_name.as_deref(), hello.alpn.as_deref()),
        (Some("login.example"), Some("h2,http/1.1"))
    );
    assert_eq!(hello.tls_version.as_deref(), Some("TLS 1.3"));
    assert_eq!(
        of(&out, "tls.server_hello").tls_version.as_deref(),
        Some("TLS 1.2")
    );
    let certificate = of(&out, "tls.certificate");
    assert_eq!(certificate.cert_issuer.as_deref(), Some("CN=Inspection CA"));
    assert_eq!(
        certificate.cert_subject.as_deref(),
        Some("CN=*.login.example, O=X")
    );
    assert_eq!(certificate.proxy.as_deref(), Some("proxy.corp.example:8080"));
    assert_eq!(fields(certificate)["not_before_text"], "2022/8/15 8:00:00");
}

#[test]
fn a_proxy_asking_for_credentials_is_seen() {
    let out = decode(
        "CONNECT a.example:443 HTTP/1.1\r\n\r\n",
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Basic realm=\"x, y\"\r\n\
         Date: Mon, 02 Mar 2026 01:16:11 GMT\r\n\r\n<html><title>Denied</title></html>",
        None,
    );
    let response = of(&out, "http.response");
    assert_eq!(response.proxy_auth.as_deref(), Some("Negotiate,NTLM,Basic"));
    assert_eq!(response.ts_source, TsSource::Derived);
    assert_eq!(fields(response)["html_title"], "Denied");
}

#[test]
fn fiddlers_own_errors_are_told_from_the_servers() {
    let out = decode(
        "GET http://a.example/ HTTP/1.1\r\nAccept: application/json\r\n\r\n",
        "HTTP/1.1 502 Fiddler - Connection Failed\r\nContent-Type: text/html\r\n\r\n[Fiddler] The connection to 'a.example' failed. <br />Error: ConnectionRefused (0x274d).",
        None,
    );
    let response = of(&out, "http.response");
    assert_eq!(response.error_code.as_deref(), Some("0x8007274d"));
    assert_eq!(fields(response)["generated_by"], "fiddler");
}

#[test]
fn damaged_sessions_leave_a_diagnostic_and_the_rest() {
    let out = decode(
        "\u{16}\u{3}\u{1}\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        Some("<Session><SessionTimers"),
    );
    assert_eq!(out.rows.len(), 1);
    let codes: Vec<_> = out.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["SazMetadata", "SazNotHttp"]);
    assert!(decode("", "", None).rows.is_empty());
    assert_eq!(
        of(
            &decode("GET http://a/ HTTP/1.1\r\n\r\n", "", None),
            "http.request"
        )
        .outcome,
        Some(Outcome::Unknown)
    );
}

#[test]
fn no_cut_of_a_session_panics() {
    let client = "POST https://a.example/x?code=abc#y HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let server = "HTTP/1.1 302 Found\r\nLocation: https://b/?error=x&error_description=AADSTS50076%3a+x\r\n\r\n{\"error\":\"é\"}";
    for at in 0..client.len().max(server.len()) {
        let cut = |text: &'static str| text.as_bytes().get(..at).unwrap_or(text.as_bytes());
        let session = Session {
            id: 1,
            client: cut(client),
            server: cut(server),
            meta: Some(META.as_bytes().get(..at).unwrap_or_default()),
        };
        decode_session(&session, &Options::default(), &mut Collected::default());
    }
}

const HAR: &str = r#"{"log":{"version":"1.2","creator":{"name":"x"},"pages":[{"id":"p"}],"entries":[
 {"startedDateTime":"2026-03-02T01:16:11.123Z","time":250.5,"serverIPAddress":"[2001:db8::1]","timings":{"dns":4,"connect":-1},
  "request":{"method":"GET","url":"https://portal.example/cb?code=CANARY","httpVersion":"h2","headers":[{"name":"Cookie","value":"a=CANARY"}]},
  "response":{"status":403,"statusText":"","httpVersion":"http/2.0","headers":[{"name":"content-type","value":"text/html"}],
   "content":{"size":20,"mimeType":"text/html","encoding":"base64","text":"PGh0bWw+PHRpdGxlPk5vPC90aXRsZT4="}}},
 {"startedDateTime":"2026-03-02T01:16:12Z","request":{"method":"GET","url":"https://blocked.example/"},"response":{"status":0,"_error":"net::ERR_CONNECTION_RESET"}}
]}}"#;

#[test]
fn a_har_gives_the_same_kinds_of_rows() {
    let mut out = Collected::default();
    let inspection = decode_har(
        &mut format!("\u{feff}{HAR}").as_bytes(),
        &Options::default(),
        &mut out,
    );
    assert!(!format!("{out:?}").contains("CANARY"));
    assert_eq!(
        (inspection.records, out.rows.len(), out.diagnostics.len()),
        (2, 3, 0)
    );
    let response = of(&out, "http.response");
    assert_eq!(
        (response.http_status, response.dst_ip.as_deref()),
        (Some(403), Some("2001:db8::1"))
    );
    assert_eq!(fields(response)["html_title"], "No");
    assert_eq!(out.rows[2].outcome, Some(Outcome::Unknown));
    assert_eq!(fields(&out.rows[2])["net_error"], "net::ERR_CONNECTION_RESET");
}

#[test]
fn a_cut_har_keeps_the_entries_before_the_cut() {
    let cut = HAR.find("2026-03-02T01:16:12Z").unwrap();
    let mut out = Collected::default();
    let inspection = decode_har(&mut &HAR.as_bytes()[..cut], &Options::default(), &mut out);
    assert_eq!((inspection.records, out.rows.len()), (1, 2));
    assert_eq!(out.diagnostics[0].code, "HarDamaged");
    for at in (0..HAR.len()).filter(|at| HAR.is_char_boundary(*at)) {
        decode_har(
            &mut &HAR.as_bytes()[..at],
            &Options::default(),
            &mut Collected::default(),
        );
    }
}
