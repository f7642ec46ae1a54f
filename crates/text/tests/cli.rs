//! Debug logs of az, Az PowerShell and Microsoft Graph PowerShell.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use casetrace_model::{Outcome, TsSource};
use casetrace_text::{Options, zone};
use common::{Read, at, column, cp932, field, read, read_with, wide};

fn classes(read: &Read) -> Vec<String> {
    read.kind("cli.error").map(|row| field(row, "class")).collect()
}

const HINT: &str = "Certificate verification failed. This typically happens when using Azure CLI behind a proxy that intercepts traffic with a self-signed certificate. Please add this certificate to the trusted CA bundle.";

fn az(failure: &str) -> String {
    format!(
        "C:\\>az login --tenant contoso.com --debug\ncli.knack.cli: Command arguments: ['login', '--debug']\n\
        cli.azure.cli.core.azlogging: metadata file logging enabled - writing logs to 'C:\\Users\\u\\.azure\\commands\\2026-03-02.10-15-04.login.2152.log'.\n\
        msal.telemetry: Generate or reuse correlation_id: 11111111-2222-3333-4444-555555555555\n\
        urllib3.connectionpool: Starting new HTTPS connection (1): login.microsoftonline.com:443\n{failure}\n"
    )
}

#[test]
fn an_eof_is_not_a_certificate_whatever_the_hint_says() {
    let text = az(&format!(
        "cli.azure.cli.core.azclierror: Traceback (most recent call last):\n  File \"x.py\", line 1, in f\nssl.SSLEOFError: EOF occurred in violation of protocol (_ssl.c:1007)\n\n\
        During handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\nurllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded with url: /organizations/v2.0/.well-known/openid-configuration (Caused by SSLError(SSLEOFError(8, 'EOF occurred in violation of protocol (_ssl.c:1007)')))\n\
        az_command_data_logger: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded with url: /organizations/v2.0/.well-known/openid-configuration (Caused by SSLError(SSLEOFError(8, 'EOF occurred in violation of protocol (_ssl.c:1007)')))\n{HINT}\n\
        az_command_data_logger: exit code: 1\ncli.__main__: Command ran in 1.234 seconds (init: 0.1, invoke: 1.1)"
    ));
    let read = read("az.txt", &wide(&text));
    assert_eq!(classes(&read), ["ssl_eof"], "one failure, printed twice");
    let error = read.only("cli.error");
    assert_eq!(
        (error.outcome, field(error, "exception")),
        (Some(Outcome::Reset), "SSLEOFError".into())
    );
    assert_eq!(column(error, "server_name"), "login.microsoftonline.com");
    let run = read.only("cli.run");
    assert_eq!(
        (field(run, "exit"), field(run, "tenant"), field(run, "seconds")),
        ("1".into(), "contoso.com".into(), "1.234".into())
    );
    assert_eq!(run.outcome, Some(Outcome::Failure));
    assert!(!read.rows.iter().any(|row| field(row, "class") == "tls_verify"));
}

#[test]
fn a_file_of_many_runs_says_each_fact_of_them_once() {
    let text: String = (0..50)
        .map(|n| {
            let fact = format!(
                "msal.application: Broker enabled? {}",
                if n == 49 { "True" } else { "False" }
            );
            az(&fact).replace("C:\\>az login --tenant contoso.com --debug\n", "")
        })
        .collect();
    let read = read("az.txt", text.as_bytes());
    let run = read.only("cli.run");
    assert_eq!(run.fields.matches("\"broker\":").count(), 1, "{}", run.fields);
    assert_eq!(field(run, "broker"), "True", "the last time counts");
}

#[test]
fn a_traceback_is_the_failure_its_last_line_names() {
    let text = az(
        "cli.azure.cli.core.azclierror: Traceback (most recent call last):\n  File \"x.py\", line 1, in f\n\
        urllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='management.azure.com', port=443): Max retries exceeded with url: /tenants (Caused by SSLError(SSLEOFError(8, 'EOF occurred in violation of protocol (_ssl.c:1007)')))\n\
        cli.azure.cli.core.azclierror: HTTPSConnectionPool(host='management.azure.com', port=443): Max retries exceeded with url: /tenants (Caused by SSLError(SSLEOFError(8, 'EOF occurred in violation of protocol (_ssl.c:1007)')))",
    );
    let read = read("az.txt", text.as_bytes());
    assert_eq!(classes(&read), ["ssl_eof"], "no second one of class other");
    assert_eq!(
        read.only("cli.run").message,
        "az login --tenant contoso.com --debug"
    );
}

#[test]
fn rows_that_depend_on_hints_are_told_from_others() {
    let settings = read(
        "config.txt",
        b"Windows IP Configuration\n\n   Host Name . . . . . . . . . . . . : PC1\n",
    );
    assert!(!settings.result.hinted);
    assert!(read("az.txt", az(HINT).as_bytes()).result.hinted, "a local time");
}

/// What `az login --debug 2> az.txt` writes: no colours, so a level in front of each logger.
fn redirected(failure: &str) -> String {
    az(failure)
        .lines()
        .skip(1)
        .map(|line| {
            match line.starts_with("  ") || line.contains("Traceback") || line.starts_with("ERROR: ") {
                true => format!("{line}\n"),
                false => format!("DEBUG: {line}\n"),
            }
        })
        .collect()
}

const POOL: &str = "HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded with url: /organizations/v2.0/.well-known/openid-configuration (Caused by ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Authentication Required')))";

#[test]
fn redirected_output_of_az_is_not_taken_for_powershell() {
    let text = redirected(&format!(
        "ERROR: cli.azure.cli.core.azclierror: {POOL}\nERROR: az_command_data_logger: {POOL}"
    ));
    let read = read("login.txt", text.as_bytes());
    let run = read.only("cli.run");
    assert_eq!(
        (field(run, "tool"), run.message.as_str()),
        ("az".into(), "az login --debug")
    );
    assert_eq!(
        run.correlation_id.as_deref(),
        Some("11111111-2222-3333-4444-555555555555")
    );
    assert_eq!(classes(&read), ["proxy"]);
    let error = read.only("cli.error");
    assert_eq!(
        (error.http_status, field(error, "proxy_cause")),
        (Some(407), "credentials".into())
    );
}

#[test]
fn lines_that_windows_powershell_broke_are_joined() {
    let whole = redirected(&format!(
        "ERROR: cli.azure.cli.core.azclierror: {POOL}\nERROR: az_command_data_logger: exit code: 1"
    ));
    let place = "At line:1 char:1\n+ az login --debug --tenant contoso.com 2> az.txt\n+ ~~~~~~~~~~~~~~~~\n    + CategoryInfo          : NotSpecified: (DEBUG: cli.knac... '--debug']:String) [], RemoteException\n    + FullyQualifiedErrorId : NativeCommandError\n \n";
    for width in [80, 119, 120, 186] {
        let (first, rest) = whole.split_once('\n').unwrap();
        let broken: String = format!("az : {first}\n{place}{rest}")
            .lines()
            .flat_map(|line| {
                let cells: Vec<char> = line.chars().collect();
                let pieces: Vec<String> = cells.chunks(width).map(|piece| piece.iter().collect()).collect();
                if pieces.is_empty() {
                    vec![String::new()]
                } else {
                    pieces
                }
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let read = read("login.txt", &wide(&broken));
        let error = read.only("cli.error");
        assert_eq!(
            (field(error, "proxy_cause"), error.http_status),
            ("credentials".into(), Some(407)),
            "{width} columns: {broken}"
        );
        assert_eq!(
            column(error, "url"),
            "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration"
        );
        let run = read.only("cli.run");
        assert_eq!(
            (field(run, "tool"), field(run, "exit")),
            ("az".into(), "1".into())
        );
        assert_eq!(
            run.message, "az login --debug --tenant contoso.com 2> az.txt",
            "as typed"
        );
        assert_eq!(field(run, "tenant"), "contoso.com");
    }
}

#[test]
fn a_sign_in_window_without_network_is_no_fault_of_the_broker() {
    let read = read(
        "graph.txt",
        b"PS C:\\> Connect-MgGraph -Scopes user.read.all\nConnect-MgGraph : InteractiveBrowserCredential authentication failed: The browser based authentication dialog failed to\ncomplete. Reason: The server or proxy was not found.\nAt line:1 char:1\n",
    );
    assert_eq!(classes(&read), ["dns"]);
    assert_eq!(
        column(read.only("cli.error"), "server_name"),
        "login.microsoftonline.com"
    );
}

#[test]
fn the_reason_for_refusing_a_certificate_is_kept() {
    for (text, reason) in [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:997)",
            "time",
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)",
            "issuer",
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'login.microsoftonline.com'. (_ssl.c:1129)",
            "name",
        ),
        (
            "The remote certificate is invalid because of errors in the certificate chain: NotTimeValid",
            "time",
        ),
        (
            "The remote certificate is invalid because of errors in the certificate chain: PartialChain",
            "issuer",
        ),
    ] {
        let read = read("az.txt", az(&format!("ERROR: {text}")).as_bytes());
        let error = read.only("cli.error");
        assert_eq!(
            (field(error, "class"), field(error, "tls_reason")),
            ("tls_verify".into(), reason.into()),
            "{text}"
        );
    }
}

#[test]
fn a_closed_window_is_told_from_a_broken_one() {
    let read = read(
        "az.txt",
        b"PS C:\\> Connect-AzAccount\nConnect-AzAccount : InteractiveBrowserCredential authentication failed: User canceled authentication.\n",
    );
    assert_eq!(classes(&read), ["canceled"]);
}

#[test]
fn powershell_that_lost_its_prefix_is_read() {
    let read = read(
        "paste.txt",
        b"17:43:02 - ConnectAzureRmAccountCommand begin processing with ParameterSet 'UserWithSubscriptionId'.\n17:43:02 - Using Autosave scope 'CurrentUser'\n17:43:03 - [InteractiveUserAuthenticator] Calling InteractiveBrowserCredential.AuthenticateAsync with TenantId:'', Scopes:'x', AuthorityHost:'https://login.microsoftonline.com/'\nRetry failed after 4 tries. (No such host is known. (login.microsoftonline.com:443))\n",
    );
    assert_eq!(classes(&read), ["dns"]);
    let run = read.only("cli.run");
    assert_eq!(
        (field(run, "tool"), run.message.as_str()),
        ("azps".into(), "azps ConnectAzureRmAccountCommand")
    );
    assert_eq!(read.kind("log.line").count(), 2);
}

/// PowerShell writes `DEBUG:` to the console, and leaves it out in files.
#[test]
fn a_file_without_prefixes_says_what_the_console_says() {
    let msal = "DEBUG: False MSAL 4.61.3.0 MSAL.NetCore .NET 8.0.4 Microsoft Windows 10.0.22631 [2026-03-02 01:00:05Z - 11111111-2222-3333-4444-555555555555] ";
    let azure = format!(
        "DEBUG: 10:00:00 - ConnectAzureRmAccountCommand begin processing with ParameterSet 'UserWithSubscriptionId'.\n\
        DEBUG: 10:00:01 - [InteractiveUserAuthenticator] Calling InteractiveBrowserCredential.AuthenticateAsync with TenantId:'contoso.com', Scopes:'https://management.core.windows.net//.default', AuthorityHost:'https://login.microsoftonline.com/'\n\
        DEBUG: InteractiveBrowserCredential.Authenticate invoked. Scopes: [ https://management.core.windows.net//.default ] ParentRequestId: \n\
        {msal}=== InteractiveParameters Data ===\nLoginHint provided: False\n\
        {msal}Fetched access token from host login.microsoftonline.com.\n\
        DEBUG: ============================ HTTP REQUEST ============================\n\nHTTP Method:\nGET\n\nAbsolute Uri:\nhttps://management.azure.com/tenants?api-version=2021-01-01\n\nHeaders:\nx-ms-client-request-id        : 9e7d4d5f-0000-4000-8000-000000000001\n\nBody:\n\n\n\
        DEBUG: ============================ HTTP RESPONSE ============================\n\nStatus Code:\nForbidden\n\nHeaders:\nx-ms-request-id               : 9e7d4d5f-0000-4000-8000-000000000002\n\nBody:\n{{}}\n\n\
        DEBUG: AzureQoSEvent: CommandName - Connect-AzAccount; IsSuccess - False; Exception - System.Net.Http.HttpRequestException: No such host is known. (graph.microsoft.com:443)\n",
    );
    let graph = format!(
        "DEBUG: [CmdletBeginProcessing]: - Connect-MgGraph begin processing with parameterSet 'UserParameterSet'.\n\
        DEBUG: [Authentication]: - AuthType: 'Delegated', TokenCredentialType: 'InteractiveBrowser', ContextScope: 'CurrentUser'.\n\
        {msal}MSAL MSAL.NetCore with assembly version '4.61.3.0'.\n\
        DEBUG: InteractiveBrowserCredential.Authenticate was unable to retrieve an access token. Exception: Azure.Identity.AuthenticationFailedException: InteractiveBrowserCredential authentication failed: A window handle must be configured.\n",
    );
    for (name, text, tool) in [
        ("connect-az.txt", azure, "azps"),
        ("connect-mg.txt", graph, "mggraph"),
    ] {
        let [console, file] = [text.clone(), text.replace("DEBUG: ", "")]
            .map(|text| read(name, &wide(&text.replace('\n', "\r\n"))));
        assert_eq!(field(console.only("cli.run"), "tool"), tool);
        let told = |read: &Read| -> Vec<String> {
            let same = |row: &casetrace_model::Row| {
                format!(
                    "{} {} {:?} {:?} {}",
                    row.kind, row.message, row.ts_ns, row.http_status, row.fields
                )
            };
            read.rows.iter().map(same).collect()
        };
        assert_eq!(told(&console), told(&file), "{name}");
        assert!(console.kind("cli.error").count() == 1, "{name}");
    }
}

#[test]
fn an_error_of_either_powershell_is_an_entry_and_a_header_is_none() {
    let text = "DEBUG: ============================ HTTP RESPONSE ============================\n\nStatus Code:\nOK\n\nHeaders:\nAccess-Control-Expose-Headers : x\nx-ms-request-id               : 9e7d4d5f-0000-4000-8000-000000000002\n\nBody:\n{}\n\n\
        DEBUG: 10:00:01 - end\n";
    for name in ["Connect-AzAccount :", "Connect-AzAccount:"] {
        let text = format!("{text}{name} No such host is known. (graph.microsoft.com:443)\n");
        let read = read("connect.txt", text.as_bytes());
        let error = read.only("cli.error");
        assert_eq!(
            (error.record, field(error, "class")),
            (14, "dns".into()),
            "{name}"
        );
        assert_eq!(read.kind("http.response").count(), 1);
    }
}

#[test]
fn an_address_that_refuses_is_kept() {
    let read = read(
        "connect.txt",
        b"DEBUG: AzureQoSEvent: CommandName - Connect-AzAccount; IsSuccess - False; Exception - System.Net.WebException: Unable to connect to the remote server ---> System.Net.Sockets.SocketException: No connection could be made because the target machine actively refused it 192.0.2.7:8080\nDEBUG: end\n",
    );
    let error = read.only("cli.error");
    assert_eq!(
        (field(error, "class"), error.dst_port),
        ("refused".into(), Some(8080))
    );
    assert_eq!(column(error, "dst_ip"), "192.0.2.7");
}

#[test]
fn the_hint_alone_is_no_failure() {
    let read = read("az.txt", az(HINT).as_bytes());
    assert_eq!(classes(&read).len(), 0);
}

#[test]
fn every_failure_has_its_class() {
    let pool = "HTTPSConnectionPool(host='management.azure.com', port=443): Max retries exceeded with url: /tenants (Caused by ";
    for (text, class) in [
        (format!("{pool}SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed')))"), "tls_verify"),
        (format!("{pool}ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Authentication Required')))"), "proxy"),
        (format!("{pool}NewConnectionError('<x>: Failed to establish a new connection: [Errno 11001] getaddrinfo failed'))"), "dns"),
        (format!("{pool}ConnectTimeoutError(<x>, 'Connection to management.azure.com timed out.'))"), "timeout"),
        ("('Connection aborted.', ConnectionResetError(10054, 'x', None, 10054, None))".into(), "reset"),
        ("json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)".into(), "json"),
        ("No subscriptions found for user@contoso.com.".into(), "no_subscriptions"),
        ("AADSTS50076: Due to a configuration change you must use multi-factor authentication. Trace ID: aaaa0000-bb11-2222-33cc-444444dddddd Correlation ID: 11111111-2222-3333-4444-555555555555 Timestamp: 2026-03-02 01:16:11Z".into(), "aadsts"),
        ("msal.oauth2cli.authcode: code 400, message Bad request version ('x')".into(), "hsts"),
    ] {
        let read = read("az.txt", az(&format!("ERROR: {text}")).as_bytes());
        assert_eq!(classes(&read), [class], "{text}");
    }
    let read = read("az.txt", az("ERROR: AADSTS50076: x Correlation ID: 11111111-2222-3333-4444-555555555555 Timestamp: 2026-03-02 01:16:11Z").as_bytes());
    let error = read.only("cli.error");
    assert_eq!(
        (column(error, "error_code"), at(error), error.ts_source),
        (
            "AADSTS50076".into(),
            "2026-03-02T01:16:11".into(),
            TsSource::Exact
        )
    );
}

#[test]
fn exchanges_and_the_start_time_are_rows() {
    let text = az(
        "urllib3.connectionpool: https://login.microsoftonline.com:443 \"GET /organizations/v2.0/.well-known/openid-configuration HTTP/1.1\" 200 1589\n\
        cli.azure.cli.core.auth.identity: Retrieving tenants and subscriptions for the selection...\n\
        cli.azure.cli.core.sdk.policies: x\nazure.core.pipeline.policies.http_logging_policy: Request URL: 'https://management.azure.com/tenants?api-version=2022-12-01'\n\
        azure.core.pipeline.policies.http_logging_policy: Request method: 'GET'\nazure.core.pipeline.policies.http_logging_policy: Request headers:\n\
        azure.core.pipeline.policies.http_logging_policy:     'User-Agent': 'AZURECLI/2.58.0 (MSI) Python/3.11'\nazure.core.pipeline.policies.http_logging_policy:     'Authorization': 'Bearer abcdefghijklmnopqrst'\n\
        urllib3.connectionpool: https://management.azure.com:443 \"GET /tenants?api-version=2022-12-01 HTTP/1.1\" 403 12\n\
        azure.core.pipeline.policies.http_logging_policy: Response status: 403\nazure.core.pipeline.policies.http_logging_policy: Response headers:\n\
        azure.core.pipeline.policies.http_logging_policy:     'Date': 'Mon, 02 Mar 2026 01:16:11 GMT'\nazure.core.pipeline.policies.http_logging_policy:     'Via': '1.1 proxy.contoso.com'",
    );
    let options = Options {
        zone: zone("UTC+09:00"),
        ..Options::default()
    };
    let read = read_with(&options, text.as_bytes());
    let responses: Vec<_> = read.kind("http.response").collect();
    assert_eq!(
        responses
            .iter()
            .map(|r| r.http_status.unwrap())
            .collect::<Vec<_>>(),
        [200, 403]
    );
    assert_eq!(column(responses[1], "server_name"), "management.azure.com");
    assert_eq!(
        (at(responses[1]), field(responses[1], "via")),
        ("2026-03-02T01:16:11".into(), "1.1 proxy.contoso.com".into())
    );
    let run = read.only("cli.run");
    assert_eq!(
        (at(run), run.ts_source),
        ("2026-03-02T01:15:04".into(), TsSource::LocalAssumed)
    );
    assert_eq!(field(run, "version"), "2.58.0");
    assert!(!read.rows.iter().any(|row| row.fields.contains("klmnopqrst")));
}

#[test]
fn log_files_of_az_carry_their_own_times() {
    let text = "2152 | 2026-03-02 10:15:04,123 | DEBUG | cli.knack.cli | Command arguments: ['login']\n2152 | 2026-03-02 10:15:05,000 | ERROR | cli.azure.cli.core.azclierror | ('Connection aborted.', RemoteDisconnected('Remote end closed'))\n";
    let options = Options {
        zone: zone("Asia/Tokyo"),
        ..Options::default()
    };
    let read = read_with(&options, text.as_bytes());
    assert_eq!(
        (classes(&read), at(read.only("cli.error"))),
        (vec!["reset".into()], "2026-03-02T01:15:05".into())
    );
}

const BLOCKS: &str = "PS C:\\> Connect-AzAccount -Tenant contoso.com -Debug
DEBUG: 10:15:04 - ConnectAzureRmAccountCommand begin processing with ParameterSet 'UserWithSubscriptionId'.
DEBUG: (False) MSAL 4.65.0.0 MSAL.NetCore .NET 8.0 Windows 11 [03/02/2026 01:16:10 - 11111111-2222-3333-4444-555555555555] === Token Acquisition finished successfully
DEBUG: ============================ HTTP REQUEST ============================

HTTP Method:
GET

Absolute Uri:
https://management.azure.com/tenants?api-version=2021-01-01

Headers:
Accept-Language               : en-US
x-ms-client-request-id        : aaaa0000-bb11-2222-33cc-444444dddddd
User-Agent                    : AzurePowershell/v11.0.0,Az.Accounts/2.13.1

Body:


DEBUG: ============================ HTTP RESPONSE ============================

Status Code:
ProxyAuthenticationRequired

Headers:
Date                          : Mon, 02 Mar 2026 01:16:11 GMT
Content-Type                  : text/html; charset=utf-8
Via                           : 1.1 proxy

Body:
<html><body>blocked</body></html>

";

#[test]
fn http_blocks_of_powershell_are_exchanges() {
    let read = read("az.txt", BLOCKS.replace('\n', "\r\n").as_bytes());
    let response = read.only("http.response");
    assert_eq!(
        (response.http_status, column(response, "http_method")),
        (Some(407), "GET".into())
    );
    assert_eq!(
        column(response, "url"),
        "https://management.azure.com/tenants?api-version=2021-01-01"
    );
    assert_eq!(
        (field(response, "body_kind"), column(response, "content_type")),
        ("html".into(), "text/html".into())
    );
    assert_eq!(
        column(response, "correlation_id"),
        "aaaa0000-bb11-2222-33cc-444444dddddd"
    );
    assert_eq!(at(response), "2026-03-02T01:16:11");
    let run = read.only("cli.run");
    assert_eq!(
        (field(run, "tool"), field(run, "version"), field(run, "tenant")),
        ("azps".into(), "2.13.1".into(), "contoso.com".into())
    );
    assert_eq!(field(run, "msal_version"), "4.65.0.0");
    assert!(
        read.kind("cli.phase")
            .any(|r| field(r, "phase") == "token" && r.outcome == Some(Outcome::Success))
    );
}

#[test]
fn net_exceptions_in_two_languages() {
    for (text, class, host) in [
        (
            "Connect-AzAccount : リモート名を解決できませんでした。: 'login.microsoftonline.com'",
            "dns",
            "login.microsoftonline.com",
        ),
        (
            "Connect-AzAccount : The remote name could not be resolved: 'login.microsoftonline.com'",
            "dns",
            "login.microsoftonline.com",
        ),
        (
            "Connect-AzAccount : No such host is known. (login.microsoftonline.com:443)",
            "dns",
            "login.microsoftonline.com",
        ),
        (
            "Connect-AzAccount : 要求は中止されました: SSL/TLS のセキュリティで保護されているチャネルを作成できませんでした。",
            "dotnet_tls",
            "",
        ),
        (
            "Connect-AzAccount : 基礎になる接続が閉じられました: 送信時に、予期しないエラーが発生しました。",
            "reset",
            "",
        ),
        (
            "Connect-AzAccount : The SSL connection could not be established, see inner exception. The remote certificate is invalid because of errors in the certificate chain: UntrustedRoot",
            "tls_verify",
            "",
        ),
        (
            "Connect-AzAccount : Unexpected character encountered while parsing value: <. Path '', line 0",
            "json",
            "",
        ),
    ] {
        let text = format!("PS C:\\> Connect-AzAccount\nDEBUG: 午前 10:15:04 - x\nDEBUG: y\n{text}\n");
        for bytes in [cp932(&text), wide(&text), text.clone().into_bytes()] {
            let read = read("x.txt", &bytes);
            assert_eq!(classes(&read), [class], "{text}");
            assert_eq!(column(read.only("cli.error"), "server_name"), host);
        }
    }
}

#[test]
fn graph_broker_failures_and_wrapped_msal_lines() {
    let head = "DEBUG: False MSAL 4.67.0.0 MSAL.NetCore .NET 8.0.1 Microsoft Windows 10.0.22631 [2026-03-02 01:16:10Z - 11111111-2222-3333-4444-555555555555] ";
    let text = format!(
        "PS C:\\> Connect-MgGraph -Debug\nDEBUG: [CmdletBeginProcessing]: - Connect-MgGraph begin processing with parameterSet 'UserParameterSet'.\n{head}MsalUiRequiredException, ErrorCode: failed_to_acquire_token_silently_from_broker\n"
    );
    let read = read("x.txt", text.as_bytes());
    assert_eq!(read.result.format.name(), "mggraph");
    let error = read.only("cli.error");
    assert_eq!(
        (field(error, "class"), field(error, "tool"), at(error)),
        ("broker".into(), "mggraph".into(), "2026-03-02T01:16:10".into())
    );
    assert_eq!(
        column(error, "correlation_id"),
        "11111111-2222-3333-4444-555555555555"
    );
}

#[test]
fn adal_lines_of_azurerm() {
    let text = "DEBUG: 10:15:04 - AddAzureRMAccountCommand begin processing with ParameterSet 'x'.\n2016-07-03T01:45:22.1Z: 11111111-2222-3333-4444-555555555555 - AcquireTokenHandlerBase: === Token Acquisition started:\n\tAuthority: https://login.microsoftonline.com/contoso.com/\n2016-07-03T01:45:23.0Z: 11111111-2222-3333-4444-555555555555 - TokenCache: Looking up cache\n";
    let read = read("x.txt", text.as_bytes());
    let cache = read
        .kind("log.line")
        .find(|r| field(r, "logger") == "TokenCache")
        .unwrap();
    assert_eq!(
        (at(cache), cache.ts_source),
        ("2016-07-03T01:45:23".into(), TsSource::Exact)
    );
    assert_eq!(field(read.only("cli.run"), "tenant"), "contoso.com");
}
