//! Debug output of `az`, Az PowerShell and Microsoft Graph PowerShell.
//!
//! Line shapes: public issues of the three projects and their sources' log calls.

use std::fmt::Write as _;

use crate::bytes::guid_for;
use crate::identity::Identity;
use crate::moment::Moment;
use crate::scenario::canary;

/// `az login --debug`, told step by step.
#[derive(Debug, Clone)]
pub struct AzLogin {
    text: String,
    correlation: String,
}

impl AzLogin {
    /// The command starts.
    pub fn new(id: &Identity, at: Moment) -> Self {
        let stamp = id.local(at, "%Y-%m-%d.%H-%M-%S");
        let canary = canary::sentence();
        let text = format!(
            "cli.knack.cli: Command arguments: ['login', '--debug']\n\
             cli.knack.cli: __init__ debug log:\nEnable color in terminal.\n\
             cli.knack.cli: Event: Cli.PreExecute []\n\
             cli.azure.cli.core: Modules found from index for 'login': ['azure.cli.command_modules.profile']\n\
             cli.azure.cli.core: Raw command  : login\ncli.azure.cli.core: Command table: login\n\
             cli.azure.cli.core.azlogging: metadata file logging enabled - writing logs to \
             'C:\\Users\\user1\\.azure\\commands\\{stamp}.login.5120.log'.\n\
             az_command_data_logger: command args: login --debug\n\
             cli.azure.cli.core.auth.persistence: build_persistence: \
             location='C:\\\\Users\\\\user1\\\\.azure\\\\msal_token_cache.bin', encrypt=True\n\
             msal.telemetry: {canary}\n\
             urllib3.util.retry: Converted retries value: 1 -> Retry(total=1, connect=None, read=None, redirect=None, status=None)\n\
             urllib3.connectionpool: Starting new HTTPS connection (1): login.microsoftonline.com:443\n"
        );
        Self {
            text,
            correlation: guid_for(&format!("az {}", at.0)),
        }
    }

    /// Appends a line of your own.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        let _ = writeln!(self.text, "{line}");
        self
    }

    /// The authority's metadata came.
    #[must_use]
    pub fn authority_ok(self) -> Self {
        self.line("urllib3.connectionpool: https://login.microsoftonline.com:443 \"GET /organizations/v2.0/.well-known/openid-configuration HTTP/1.1\" 200 1589")
            .line("msal.authority: openid_config = {'token_endpoint': 'https://login.microsoftonline.com/organizations/oauth2/v2.0/token', 'issuer': 'https://login.microsoftonline.com/{tenantid}/v2.0', 'authorization_endpoint': 'https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize'}")
            .line("msal.application: Broker enabled? False")
    }

    /// The browser returned a code and a token came back.
    #[must_use]
    pub fn signed_in(self) -> Self {
        let correlation = self.correlation.clone();
        self.line("cli.azure.cli.core.auth.identity: A web browser has been opened at https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize. Please continue the login in the web browser.")
            .line(&format!("msal.telemetry: Generate or reuse correlation_id: {correlation}"))
            .line("msal.oauth2cli.oauth2: Using http://localhost:63187 as redirect_uri")
            .line("urllib3.connectionpool: https://login.microsoftonline.com:443 \"POST /organizations/oauth2/v2.0/token HTTP/1.1\" 200 5521")
            .line("msal.token_cache: event={")
            .line("    \"client_id\": \"04b07795-8ddb-461a-bbee-02f9e1bf7b46\",")
            .line("    \"token_endpoint\": \"https://login.microsoftonline.com/organizations/oauth2/v2.0/token\"")
            .line("}")
            .line("Retrieving tenants and subscriptions for the selection...")
            .line("cli.azure.cli.core._profile: Finding tenants by a GET request")
            .line("azure.core.pipeline.policies.http_logging_policy: Request URL: 'https://management.azure.com/tenants?api-version=2022-12-01'")
            .line("azure.core.pipeline.policies.http_logging_policy: Request method: 'GET'")
            .line("azure.core.pipeline.policies.http_logging_policy: Request headers:")
            .line(&format!("    'x-ms-client-request-id': '{correlation}'"))
            .line("    'CommandName': 'login'")
            .line("urllib3.connectionpool: Starting new HTTPS connection (1): management.azure.com:443")
    }

    /// Resource Manager answered.
    #[must_use]
    pub fn arm_ok(self) -> Self {
        let correlation = self.correlation.clone();
        self.line("urllib3.connectionpool: https://management.azure.com:443 \"GET /tenants?api-version=2022-12-01 HTTP/1.1\" 200 426")
            .line("azure.core.pipeline.policies.http_logging_policy: Response status: 200")
            .line(&format!("    'x-ms-correlation-request-id': '{correlation}'"))
            .line("urllib3.connectionpool: https://management.azure.com:443 \"GET /subscriptions?api-version=2022-12-01 HTTP/1.1\" 200 812")
            .line("cli.knack.cli: Event: Cli.SuccessfulExecute []")
    }

    /// The command ends with a urllib3 error about `host`.
    #[must_use]
    pub fn fails(self, host: &str, url: &str, cause: &str) -> Self {
        let text = format!(
            "HTTPSConnectionPool(host='{host}', port=443): Max retries exceeded with url: {url} (Caused by {cause})"
        );
        self.line("cli.azure.cli.core.azclierror: Traceback (most recent call last):")
            .line("  File \"D:\\a\\_work\\1\\s\\build_scripts\\windows\\artifacts\\cli\\Lib\\site-packages\\urllib3/connectionpool.py\", line 789, in urlopen")
            .line(&format!("urllib3.exceptions.MaxRetryError: {text}"))
            .line(&format!("cli.azure.cli.core.azclierror: {text}"))
            .line(&format!("az_command_data_logger: {text}"))
            .line("cli.knack.cli: Event: Cli.PostExecute [<function AzCliLogging.deinit_cmd_metadata_logging at 0x03C7C2B8>]")
            .line("az_command_data_logger: exit code: 1")
    }

    /// The console text.
    pub fn text(&self) -> String {
        self.text.clone()
    }

    /// The correlation id the run uses.
    pub fn correlation(&self) -> &str {
        &self.correlation
    }
}

/// The cause text of a connection that timed out.
pub fn connect_timeout(host: &str) -> String {
    format!(
        "ConnectTimeoutError(<urllib3.connection.HTTPSConnection object at 0x0000021F5A0B7A10>, 'Connection to {host} timed out. (connect timeout=300)')"
    )
}

/// The cause text of a refused certificate.
pub const CERTIFICATE_VERIFY_FAILED: &str = "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)'))";

/// The cause text of a connection cut in the TLS handshake.
pub const SSL_EOF: &str = "SSLError(SSLEOFError(8, '[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)'))";

/// The cause text of a proxy that wants credentials.
pub const PROXY_407: &str = "ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))";

/// The cause text of a proxy whose name can't be resolved.
pub fn proxy_unknown(proxy: &str) -> String {
    format!(
        "ProxyError('Unable to connect to proxy', {})",
        name_resolution(proxy)
    )
}

/// The cause text of a name that can't be resolved.
pub fn name_resolution(host: &str) -> String {
    format!(
        "NameResolutionError(\"<urllib3.connection.HTTPSConnection object at 0x0000021F5A0B7A10>: Failed to resolve '{host}' ([Errno 11001] getaddrinfo failed)\")"
    )
}

/// The first lines of `Connect-AzAccount -Debug`.
fn connect_az_head(id: &Identity, at: Moment) -> String {
    let clock = id.local(at, "%-I:%M:%S %p");
    format!(
        "DEBUG: Got version 3.0.0 of Az.Accounts\nDEBUG: {clock} - ConnectAzureRmAccountCommand begin processing with ParameterSet 'UserWithSubscriptionId'.\nDEBUG: {clock} - [InteractiveUserAuthenticator] Calling InteractiveBrowserCredential.AuthenticateAsync with TenantId:'', Scopes:'https://management.core.windows.net//.default', AuthorityHost:'https://login.microsoftonline.com/', RedirectUri:'http://localhost:8400/'\n"
    )
}

/// `Connect-AzAccount -Debug` that ends with `error` before any token came.
pub fn connect_az_refused(id: &Identity, at: Moment, error: &str) -> String {
    format!("{}\nConnect-AzAccount: {error}\n", connect_az_head(id, at))
}

/// `Connect-AzAccount -Debug` of Az.Accounts on PowerShell 7: sign-in, then the first Resource Manager call.
/// `arm` is the text after the request block: a response block or an exception.
pub fn connect_az(id: &Identity, at: Moment, arm: &str) -> String {
    let correlation = guid_for(&format!("azps {}", at.0));
    let msal = |ms: i64, text: &str| {
        let stamp = at.plus_ms(ms).format("%Y-%m-%d %H:%M:%SZ", 0);
        format!(
            "DEBUG: False MSAL 4.61.3.0 MSAL.NetCore .NET 8.0.4 Microsoft Windows 10.0.22631 [{stamp} - {correlation}] {text}\n"
        )
    };
    let mut out = connect_az_head(id, at);
    out += &msal(900, "=== InteractiveParameters Data ===");
    out += &msal(9_000, "Fetched access token from host login.microsoftonline.com.");
    out += &msal(9_010, "=== Token Acquisition finished successfully:");
    let _ = write!(
        out,
        "DEBUG: ============================ HTTP REQUEST ============================\n\nHTTP Method:\nGET\n\nAbsolute Uri:\nhttps://management.azure.com/tenants?api-version=2021-01-01\n\nHeaders:\n{:<30}: en-US\n{:<30}: {correlation}\n\nBody:\n\n\n",
        "Accept-Language", "x-ms-client-request-id"
    );
    out + arm
}

/// An HTTP response block of Az PowerShell's debug output.
pub fn az_response(status: &str, at: Moment, body: &str) -> String {
    format!(
        "DEBUG: ============================ HTTP RESPONSE ============================\n\nStatus Code:\n{status}\n\nHeaders:\n{:<30}: {}\n{:<30}: {}\n\nBody:\n{body}\n\n\n",
        "x-ms-request-id",
        guid_for(&format!("response {}", at.0)),
        "Date",
        at.http_date()
    )
}

/// `Connect-MgGraph -Debug` that ends with `ending`.
pub fn connect_mg(at: Moment, ending: &str) -> String {
    let correlation = guid_for(&format!("mg {}", at.0));
    let stamp = at.format("%Y-%m-%d %H:%M:%SZ", 0);
    format!(
        "DEBUG: [CmdletBeginProcessing]: - Connect-MgGraph begin processing with parameterSet 'UserParameterSet'.\nDEBUG: [Authentication]: - AuthType: 'Delegated', TokenCredentialType: 'InteractiveBrowser', ContextScope: 'CurrentUser', AppName: 'Microsoft Graph Command Line Tools'.\nDEBUG: InteractiveBrowserCredential.Authenticate invoked. Scopes: [ User.Read ] ParentRequestId: \nDEBUG: False MSAL 4.67.2.0 MSAL.NetCore .NET 8.0.4 Microsoft Windows 10.0.22631 [{stamp} - {correlation}] MSAL MSAL.NetCore with assembly version '4.67.2.0'. CorrelationId({correlation})\n{ending}"
    )
}
