//! Recorded HTTP exchanges.

use casetrace_synth::net::http;

const META: &str = r#"<?xml version="1.0" encoding="utf-8"?><Session SID="7" BitFlags="8"><SessionTimers
ClientBeginRequest="2026-03-02T10:16:11.0000000+09:00" ServerBeginResponse="2026-03-02T10:16:11.2500000+09:00" TCPConnectTime="18"/>
<PipeInfo CltReuse="true"/><SessionFlags><SessionFlag N="x-processinfo" V="az:4711"/><SessionFlag N="x-hostip" V="198.51.100.7"/></SessionFlags></Session>"#;

const TUNNEL: &str = "A SSLv3-compatible ClientHello handshake was found. Fiddler extracted the parameters below.\r\n\r\n\
Version: 3.3 (TLS/1.2)\r\nRandom: 00 11\r\n\"Time\": 2026/03/02 01:16:11\r\nSessionID: empty\r\nExtensions: \r\n\tserver_name\ta.example\r\n\
Ciphers: \r\n\t[C030]\tTLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\r\n";

fn input(request: &[u8], response: &[u8], meta: &str) -> Vec<u8> {
    let length = |part: &[u8]| u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes();
    [
        &length(request)[..],
        &length(response),
        request,
        response,
        meta.as_bytes(),
    ]
    .concat()
}

/// See [`targets::exchange::session`](crate::targets::exchange::session).
pub(crate) fn sessions() -> Vec<Vec<u8>> {
    let token = http::request(
        "POST",
        "https://login.example/token?client-request-id=1",
        &[
            "Host: login.example",
            "Authorization: NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAA=",
        ],
        "grant_type=password&password=x",
    );
    let refused = http::response(
        400,
        "Bad Request",
        &[
            "Content-Type: application/json",
            "Date: Mon, 02 Mar 2026 01:21:11 GMT",
        ],
        "{\"error\":\"invalid_grant\",\"error_codes\":[50126],\"error_description\":\"AADSTS50126: wrong\"}",
    );
    let opened = http::raw("HTTP/1.1 200 Connection Established", &[], TUNNEL.as_bytes());
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    vec![
        input(&token, &refused, META),
        input(&http::connect("a.example:443", "agent", &[]), &opened, META),
        input(&token, chunked, ""),
        input(&token, &http::proxy_auth_required(&["NTLM"], "gw"), ""),
    ]
}

/// Member names, one a line.
pub(crate) fn names() -> Vec<Vec<u8>> {
    vec![
        b"raw/1_c.txt\nraw/1_s.txt\nraw/1_m.xml\nraw/01_w.txt\nRAW\\2_C.TXT\n[Content_Types].xml\n_index.htm\na/raw/003_s.txt".to_vec(),
    ]
}

/// An archive of two entries.
pub(crate) fn har() -> Vec<Vec<u8>> {
    let text = r#"{"log":{"version":"1.2","creator":{"name":"x","version":"1"},"entries":[
{"startedDateTime":"2026-03-02T01:16:11.123Z","time":12.5,"serverIPAddress":"198.51.100.7","connection":"443",
"request":{"method":"POST","url":"https://login.example/token?code=x","httpVersion":"HTTP/2","headers":[{"name":"Host","value":"login.example"}],
"postData":{"mimeType":"application/x-www-form-urlencoded","text":"grant_type=password","params":[{"name":"a","value":"b"}]},"headersSize":-1,"bodySize":19},
"response":{"status":400,"statusText":"Bad Request","httpVersion":"HTTP/2","headers":[{"name":"Content-Type","value":"application/json"}],
"content":{"size":20,"mimeType":"application/json","text":"eyJlcnJvciI6ImludmFsaWRfZ3JhbnQifQ==","encoding":"base64"},"redirectURL":""},
"timings":{"dns":1,"connect":2,"ssl":3,"send":0,"wait":5.5,"receive":-1}},
{"startedDateTime":"2026-03-02T10:16:12+09:00","request":{"method":"GET","url":"http://a/","headers":[]},"response":{"status":0,"_error":"net::ERR_FAILED"}}]}}"#;
    vec![
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
    ]
}
