//! What customers send when a report asks them to run a command.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use casetrace_model::Outcome;
use common::{Read, column, field, read, wide};

const STATUS: &str = "Leap Indicator: 0(no warning)\r\nStratum: 4 (secondary reference - syncd by (S)NTP)\r\nReferenceId: 0x0A000001 (source IP:  10.0.0.1)\r\nLast Successful Sync Time: 3/2/2026 10:15:04 AM\r\nSource: DC01.corp.contoso.com\r\nPoll Interval: 10 (1024s)\r\n";

fn config<'r>(read: &'r Read, name: &str) -> &'r casetrace_model::Row {
    read.kind("config")
        .find(|row| field(row, "name") == name)
        .unwrap()
}

#[test]
fn where_the_clock_is_set_from() {
    let good = read("time.txt", STATUS.as_bytes());
    let row = config(&good, "time_source");
    assert_eq!(
        (field(row, "value").as_str(), row.outcome),
        ("DC01.corp.contoso.com", Some(Outcome::Success))
    );
    assert!(field(row, "stratum").starts_with('4'));
    let alone = STATUS
        .replace("0(no warning)", "3(not synchronized)")
        .replace("DC01.corp.contoso.com", "Local CMOS Clock");
    assert_eq!(
        config(&read("t.txt", alone.as_bytes()), "time_source").outcome,
        Some(Outcome::Failure)
    );
    let japanese = "閏インジケーター: 0 (警告なし)\r\n階層: 4 (二次参照 - (S)NTP で同期)\r\n最終正常同期時刻: 2026/03/02 10:15:04\r\nソース: dc01.corp.contoso.com\r\n";
    let japanese = read("t.txt", &wide(japanese));
    let row = config(&japanese, "time_source");
    assert_eq!(
        (field(row, "value"), field(row, "last_sync")),
        ("dc01.corp.contoso.com".into(), "2026/03/02 10:15:04".into())
    );
}

#[test]
fn how_the_clock_is_set() {
    let text = "[Configuration]\r\n\r\nEventLogFlags: 2 (Local)\r\nMaxNegPhaseCorrection: 54000 (Local)\r\n\r\n[TimeProviders]\r\n\r\nNtpClient (Local)\r\nDllName: C:\\Windows\\system32\\w32time.dll (Local)\r\nEnabled: 1 (Local)\r\nType: NT5DS (Local)\r\nNtpServer: time.windows.com,0x8 (Local)\r\n";
    let read = read("conf.txt", text.as_bytes());
    let row = config(&read, "time_client");
    assert_eq!(
        (field(row, "value"), field(row, "servers")),
        ("NT5DS (Local)".into(), "time.windows.com,0x8 (Local)".into())
    );
}

#[test]
fn how_far_the_clock_is_off() {
    let chart = "Tracking time.windows.com [203.0.113.9:123].\r\nCollecting 3 samples.\r\nThe current time is 3/2/2026 10:15:04 AM.\r\n10:15:04, -5400.3142159s\r\n10:15:06, -5400.3141999s\r\n10:15:08, error: 0x800705B4\r\n";
    let measured = read("chart.txt", chart.as_bytes());
    let row = config(&measured, "clock_offset");
    assert_eq!(
        (
            field(row, "offset_ms"),
            field(row, "server"),
            field(row, "samples")
        ),
        ("-5400314".into(), "time.windows.com".into(), "2".into())
    );
    let silent = chart
        .replace("-5400.3142159s", "error: 0x800705B4")
        .replace("-5400.3141999s", "error: 0x800705B4");
    let silent = read("chart.txt", silent.as_bytes());
    let row = config(&silent, "clock_offset");
    assert_eq!(
        (row.outcome, row.error_code.as_deref()),
        (Some(Outcome::Failure), Some("0x800705b4"))
    );
}

#[test]
fn names_by_powershell() {
    let table = "\r\nName                           Type   TTL   Section    NameHost\r\n----                           ----   ---   -------    --------\r\nlogin.microsoftonline.com      CNAME  3599  Answer     login.mso.msidentity.com\r\n\r\nName       : login.mso.msidentity.com\r\nQueryType  : A\r\nTTL        : 59\r\nSection    : Answer\r\nIP4Address : 203.0.113.14\r\n\r\n";
    let found = read("dns.txt", table.as_bytes());
    let row = found.only("dns.response");
    assert_eq!(
        (column(row, "server_name"), column(row, "dns_rcode")),
        ("login.microsoftonline.com".into(), "NOERROR".into())
    );
    assert!(
        row.fields.contains("203.0.113.14") && row.fields.contains("login.mso.msidentity.com"),
        "{}",
        row.fields
    );
    for (text, code, outcome) in [
        (
            "Resolve-DnsName : login.microsoftonline.com : DNS name does not exist",
            Some("NXDOMAIN"),
            Outcome::Failure,
        ),
        (
            "Resolve-DnsName: login.microsoftonline.com : DNS server failure.",
            Some("SERVFAIL"),
            Outcome::Failure,
        ),
        (
            "Resolve-DnsName : login.microsoftonline.com : This operation returned because the timeout period expired",
            None,
            Outcome::Timeout,
        ),
        (
            "*** dc01.corp.contoso.com can't find login.microsoftonline.com: Non-existent domain",
            Some("NXDOMAIN"),
            Outcome::Failure,
        ),
        (
            "*** dc01.corp.contoso.com が login.microsoftonline.com を見つけられません: Non-existent domain",
            Some("NXDOMAIN"),
            Outcome::Failure,
        ),
    ] {
        let read = read("dns.txt", text.as_bytes());
        let row = read.rows.first().unwrap();
        assert_eq!(column(row, "server_name"), "login.microsoftonline.com", "{text}");
        assert_eq!(
            (row.dns_rcode.as_deref(), row.outcome),
            (code, Some(outcome)),
            "{text}"
        );
    }
}

#[test]
fn names_by_nslookup() {
    let text = "C:\\>nslookup login.microsoftonline.com\r\nServer:  dc01.corp.contoso.com\r\nAddress:  10.0.0.1\r\n\r\nNon-authoritative answer:\r\nName:    www.tm.a.prd.aadg.akadns.net\r\nAddresses:  203.0.113.14\r\n          203.0.113.15\r\nAliases:  login.microsoftonline.com\r\n\r\nC:\\>nslookup enterpriseregistration.windows.net\r\nServer:  dc01.corp.contoso.com\r\nAddress:  10.0.0.1\r\n\r\nDNS request timed out.\r\n    timeout was 2 seconds.\r\n";
    let read = read("nslookup.txt", text.as_bytes());
    let row = read.only("dns.response");
    assert_eq!(column(row, "server_name"), "login.microsoftonline.com");
    assert!(
        row.fields.contains("203.0.113.14") && row.fields.contains("203.0.113.15"),
        "{}",
        row.fields
    );
    assert!(!row.fields.contains("10.0.0.1"), "the resolver is no answer");
    let silent = read.only("dns.query");
    assert_eq!(
        (column(silent, "server_name"), silent.outcome),
        (
            "enterpriseregistration.windows.net".into(),
            Some(Outcome::Timeout)
        )
    );
}

#[test]
fn connections_by_powershell() {
    let text = "WARNING: TCP connect to (203.0.113.12 : 443) failed\r\n\r\n\r\nComputerName     : Login.microsoftonline.com\r\nRemoteAddress    : 203.0.113.12\r\nRemotePort       : 443\r\nInterfaceAlias   : Ethernet\r\nSourceAddress    : 10.0.0.20\r\nTcpTestSucceeded : False\r\n\r\n";
    let tested = read("test.txt", text.as_bytes());
    let row = tested.only("tcp.connect");
    assert_eq!(
        (column(row, "server_name"), row.dst_port, row.outcome),
        (
            "login.microsoftonline.com".into(),
            Some(443),
            Some(Outcome::Failure)
        )
    );
    let good = read("test.txt", text.replace("False", "True").as_bytes());
    assert_eq!(good.only("tcp.connect").outcome, Some(Outcome::Success));
    let unknown = read("test.txt", b"WARNING: Name resolution of login.microsoftonline.com failed\r\n\r\nComputerName   : login.microsoftonline.com\r\nRemoteAddress  : \r\nInterfaceAlias : \r\nSourceAddress  : \r\nPingSucceeded  : False\r\n");
    assert_eq!(unknown.only("dns.response").outcome, Some(Outcome::Failure));
}

#[test]
fn the_tpm_in_both_spellings() {
    for (text, value) in [
        (
            "-TPM Present: True\r\n-TPM Version: 2.0\r\n-Ready For Storage: True\r\n-Is Locked Out: False\r\n",
            "ready",
        ),
        (
            "-TPM Present: True\r\n-Ready For Storage: False\r\n\t-Is Locked Out: True\r\n",
            "locked out",
        ),
        (
            "\r\nTpmPresent                : True\r\nTpmReady                  : False\r\nLockedOut                 : False\r\n",
            "not ready",
        ),
        (
            "TpmPresent                : False\r\nTpmReady                  : False\r\n",
            "missing",
        ),
    ] {
        let read = read("tpm.txt", text.as_bytes());
        assert_eq!(field(config(&read, "tpm"), "value"), value, "{text}");
    }
}

#[test]
fn keywords_of_the_service_connection_point() {
    let read = read(
        "scp.txt",
        b"azureADName:contoso.com\r\nazureADId:aaaabbbb-0000-cccc-1111-dddd2222eeee\r\n",
    );
    let row = config(&read, "scp_keywords");
    assert_eq!(
        (field(row, "tenant_name"), field(row, "tenant_id")),
        (
            "contoso.com".into(),
            "aaaabbbb-0000-cccc-1111-dddd2222eeee".into()
        )
    );
}

#[test]
fn curl_through_a_proxy() {
    let text = "* Uses proxy env variable https_proxy == 'http://user:secret@Proxy.contoso.com:8080'\r\n*   Trying 10.0.0.9:8080...\r\n* Connected to Proxy.contoso.com (10.0.0.9) port 8080\r\n* CONNECT tunnel: HTTP/1.1 negotiated\r\n> CONNECT fs.contoso.com:443 HTTP/1.1\r\n> Host: fs.contoso.com:443\r\n>\r\n< HTTP/1.1 407 Proxy Authentication Required\r\n< Proxy-Authenticate: Negotiate\r\n< Proxy-Authenticate: Basic realm=\"x\"\r\n< Content-Type: text/html\r\n<\r\n* CONNECT tunnel failed, response 407\r\ncurl: (56) CONNECT tunnel failed, response 407\r\n";
    let read = read("curl.txt", text.as_bytes());
    let row = read.only("http.response");
    assert_eq!(
        (
            row.http_status,
            column(row, "http_method"),
            column(row, "server_name")
        ),
        (Some(407), "CONNECT".into(), "fs.contoso.com".into())
    );
    assert_eq!(
        (column(row, "proxy"), column(row, "proxy_auth")),
        ("proxy.contoso.com:8080".into(), "Negotiate,Basic".into())
    );
    assert_eq!(read.only("tcp.connect").dst_port, Some(8080));
}

#[test]
fn curl_without_a_name_or_a_connection() {
    let unknown = read("curl.txt", b"* Could not resolve host: fs.contoso.com\r\n* Closing connection\r\ncurl: (6) Could not resolve host: fs.contoso.com\r\n");
    assert_eq!(unknown.only("dns.response").outcome, Some(Outcome::Failure));
    for (why, outcome) in [
        ("Timed out", Outcome::Timeout),
        ("Connection refused", Outcome::Refused),
        ("Could not connect to server", Outcome::Failure),
    ] {
        let text = format!(
            "*   Trying 203.0.113.1:443...\r\n* Failed to connect to fs.contoso.com port 443 after 21043 ms: {why}\r\n* Closing connection\r\n"
        );
        assert_eq!(
            read("curl.txt", text.as_bytes()).only("tcp.connect").outcome,
            Some(outcome),
            "{why}"
        );
    }
}

#[test]
fn several_answers_in_one_file() {
    let text = format!(
        "PS C:\\> w32tm /query /status\r\n{STATUS}\r\nPS C:\\> Get-Tpm\r\n\r\nTpmPresent                : True\r\nTpmReady                  : True\r\nLockedOut                 : False\r\n\r\nPS C:\\> Resolve-DnsName login.microsoftonline.com\r\nResolve-DnsName : login.microsoftonline.com : DNS name does not exist\r\n"
    );
    let read = read("answers.txt", text.as_bytes());
    assert_eq!(
        field(config(&read, "time_source"), "value"),
        "DC01.corp.contoso.com"
    );
    assert_eq!(field(config(&read, "tpm"), "value"), "ready");
    assert_eq!(column(read.only("dns.response"), "dns_rcode"), "NXDOMAIN");
}

#[test]
fn commands_of_certutil_without_a_store_keep_their_lines() {
    let text = "Provider Name: Microsoft Platform Crypto Provider\r\nProvider test failed: NTE_DEVICE_NOT_READY 0x80090030 (-2146893776 NTE_DEVICE_NOT_READY)\r\nCertUtil: -csptest command FAILED: 0x80090030 (-2146893776 NTE_DEVICE_NOT_READY)\r\n";
    let read = read("csptest.txt", text.as_bytes());
    assert_eq!(read.kind("config").count(), 0, "no store was printed");
    assert!(
        read.kind("log.line")
            .any(|row| row.error_code.as_deref() == Some("0x80090030"))
    );
}

#[test]
fn objects_end_points_domains_and_partners() {
    let text = "PS C:\\> Get-ADComputer PC1 -Properties userCertificate\r\n\r\n\r\nDistinguishedName : CN=PC1,OU=PCs,DC=corp,DC=contoso,DC=com\r\nName              : PC1\r\nObjectClass       : computer\r\nSamAccountName    : PC1$\r\nuserCertificate   : {}\r\n\r\n\r\nAddressPath                                         Enabled Proxy\r\n-----------                                         ------- -----\r\n/adfs/services/trust/13/windowstransport              False False\r\n/adfs/services/trust/mex                               True  True\r\n\r\nId                      IsVerified\r\n--                      ----------\r\ncontoso.com                   True\r\ncorp.contoso.com             False\r\n\r\nReplication Summary Start Time: 2026-03-02 10:15:04\r\n\r\nSource DSA          largest delta    fails/total %%   error\r\n DC01                  02h:12m:12s    3 /   5   60  (1722) The RPC server is unavailable.\r\n DC02                      10m:25s    0 /   5    0\r\n";
    let read = read("answers.txt", text.as_bytes());
    let row = config(&read, "ad_object");
    assert_eq!(
        (
            field(row, "value"),
            field(row, "class"),
            field(row, "user_certificate")
        ),
        ("PC1".into(), "computer".into(), "absent".into())
    );
    assert_eq!(column(row, "host"), "PC1");
    let all = |name: &str, detail: &str| -> Vec<(String, String)> {
        let rows = read.kind("config").filter(|row| field(row, "name") == name);
        rows.map(|row| (field(row, "value"), field(row, detail)))
            .collect()
    };
    assert_eq!(
        all("adfs_endpoint", "enabled"),
        [
            ("/adfs/services/trust/13/windowstransport".into(), "False".into()),
            ("/adfs/services/trust/mex".into(), "True".into())
        ]
    );
    assert_eq!(
        all("tenant_domain", "verified"),
        [
            ("contoso.com".into(), "True".into()),
            ("corp.contoso.com".into(), "False".into())
        ]
    );
    assert_eq!(
        all("ad_replication", "partner"),
        [("failing".into(), "DC01".into()), ("ok".into(), "DC02".into())]
    );
    let failing = read
        .kind("config")
        .find(|row| field(row, "partner") == "DC01")
        .unwrap();
    assert_eq!(failing.error_code.as_deref(), Some("0x800706ba"));
}

#[test]
fn a_lone_user_name() {
    let read = read("out.txt", b"user1@corp.local\r\n");
    assert_eq!(field(config(&read, "user_upn"), "value"), "user1@corp.local");
}

#[test]
fn curl_s_body_names_the_error() {
    let text = "*   Trying 203.0.113.9:443...\n> POST /common/oauth2/v2.0/token HTTP/1.1\n> Host: login.microsoftonline.com\n>\n< HTTP/1.1 400 Bad Request\n< Content-Type: application/json\n<\n{ [62 bytes data]\n{\"error_description\":\"AADSTS50126: Error validating credentials.\"}\n* Connection #0 to host login.microsoftonline.com left intact\n";
    let read = read("curl.txt", text.as_bytes());
    let row = read.only("http.response");
    assert_eq!(column(row, "error_code"), "AADSTS50126");
    assert!(field(row, "body_start").starts_with("{\"error_description\""));
}
