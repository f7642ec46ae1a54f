//! Azure CLI, Az PowerShell, Microsoft Graph PowerShell.

use super::story::{Likely, Story};
use crate::scenario::Bundle;
use crate::scenario::network::{Block, Gate, Handshake};
use crate::scenario::world::{self, AZ, PWSH};
use crate::text::Encoding;
use crate::text::cli::{
    AzLogin, CERTIFICATE_VERIFY_FAILED, PROXY_407, connect_az, connect_az_refused, connect_mg,
    name_resolution, proxy_unknown,
};

const LOGIN: &str = "login.microsoftonline.com";
const ARM: &str = "management.azure.com";
const METADATA: &str = "/organizations/v2.0/.well-known/openid-configuration";
const TENANTS: &str = "/tenants?api-version=2022-12-01";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        certificate_text_alone(),
        proxy_wants_password(),
        proxy_renamed(),
        wrong_tenant(),
        second_factor(),
        expired_secret(),
        page_instead_of_json(),
        powershell_arm_blocked(),
        broker_window(),
        arm_name_unknown(),
    ]
}

fn az(story: &Story) -> AzLogin {
    AzLogin::new(&story.case.id, story.case.at(200))
}

fn text_only(story: Story, name: &str, text: &str) -> Bundle {
    story.beside(name, Encoding::Utf16Le.encode(text)).only_files()
}

fn certificate_text_alone() -> Bundle {
    let story = Story::joined(
        "cli-certificate-text",
        "Only the CLI's text: it refuses a certificate, whose issuer nobody recorded.",
    );
    let text = az(&story)
        .fails(LOGIN, METADATA, CERTIFICATE_VERIFY_FAILED)
        .text();
    let story = story
        .first("TLS-01", Likely)
        .allow(&["CLI-02"])
        .absent(&["CLI-01", "CLI-03", "TLS-03"]);
    text_only(story, "az-login-debug.txt", &text)
}

fn proxy_wants_password() -> Bundle {
    let story = Story::joined("cli-proxy-407", "The CLI doesn't authenticate to the proxy.");
    let text = az(&story).fails(LOGIN, METADATA, PROXY_407).text();
    story
        .with(|case| {
            case.via_proxy(case.at(200), LOGIN, AZ, &Gate::Denied(2), &Handshake::Modern);
        })
        .root("CLI-04")
        .from("az-login-debug.txt", "text", "cli.error")
        .absent(&["PXY-01", "TLS-01", "CLI-02", "CLI-01", "DNS-01"])
        .capture_and("az-login-debug.txt", Encoding::Utf8.encode(&text))
}

fn proxy_renamed() -> Bundle {
    let story = Story::joined(
        "cli-proxy-name-unknown",
        "HTTPS_PROXY names a proxy that is no more.",
    );
    let cause = proxy_unknown("proxy-old.corp.contoso.com");
    let text = az(&story).fails(LOGIN, METADATA, &cause).text();
    let story = story
        .first("PXY-04", Likely)
        .allow(&["CLI-04"])
        .absent(&["PXY-01", "PXY-03", "DNS-01", "TLS-01", "CLI-01"]);
    text_only(story, "az-login-debug.txt", &text)
}

fn wrong_tenant() -> Bundle {
    let story = Story::joined(
        "cli-wrong-tenant",
        "The user signs in to a tenant where the account is only a guest of another one.",
    );
    let text = az(&story)
        .authority_ok()
        .line("urllib3.connectionpool: https://login.microsoftonline.com:443 \"POST /organizations/oauth2/v2.0/token HTTP/1.1\" 400 903")
        .line("cli.azure.cli.core.azclierror: AADSTS50020: User account 'user1@contoso.com' from identity provider 'https://sts.windows.net/aaaabbbb-0000-cccc-1111-dddd2222eeee/' does not exist in tenant 'Fabrikam' and cannot access the application. Trace ID: 00001111-aaaa-2222-bbbb-3333cccc4444 Correlation ID: 11112222-bbbb-3333-cccc-4444dddd5555 Timestamp: 2026-03-02 01:03:24Z")
        .line("az_command_data_logger: exit code: 1")
        .text();
    let story = story.root("CLI-05").absent(&["CLI-01", "TLS-01", "PRT-04"]);
    text_only(story, "az-login-debug.txt", &text)
}

fn second_factor() -> Bundle {
    let story = Story::joined(
        "cli-second-factor",
        "Conditional access wants a second factor that the password flow can't give.",
    );
    let t = story.case.at(200);
    let error = "UsernamePasswordCredential authentication failed: AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication. Trace ID: 00001111-aaaa-2222-bbbb-3333cccc4444 Correlation ID: 11112222-bbbb-3333-cccc-4444dddd5555 Timestamp: 2026-03-02 01:03:24Z";
    let text = connect_az_refused(&story.case.id, t, error);
    let story = story
        .root("CLI-06")
        .allow(&["PRT-09"])
        .absent(&["CLI-01", "CLI-05", "PRT-03"]);
    text_only(story, "Connect-AzAccount.txt", &text)
}

fn expired_secret() -> Bundle {
    let story = Story::joined("cli-expired-secret", "The service principal's secret expired.");
    let text = az(&story)
        .authority_ok()
        .line("cli.azure.cli.core.azclierror: AADSTS7000222: The provided client secret keys for app '22223333-cccc-4444-dddd-5555eeee6666' are expired. Trace ID: 00001111-aaaa-2222-bbbb-3333cccc4444 Correlation ID: 11112222-bbbb-3333-cccc-4444dddd5555 Timestamp: 2026-03-02 01:03:24Z")
        .line("az_command_data_logger: exit code: 1")
        .text();
    let story = story.root("CLI-12").absent(&["CLI-01", "CLI-05", "TLS-01"]);
    text_only(story, "az-login-debug.txt", &text)
}

fn page_instead_of_json() -> Bundle {
    let story = Story::joined(
        "cli-page-instead-of-json",
        "A sign-in page of the network answers where the CLI expects JSON.",
    );
    let text = az(&story)
        .line("urllib3.connectionpool: https://login.microsoftonline.com:443 \"GET /organizations/v2.0/.well-known/openid-configuration HTTP/1.1\" 200 2210")
        .line("cli.azure.cli.core.azclierror: Expecting value: line 1 column 1 (char 0)")
        .line("cli.azure.cli.core.azclierror: Traceback (most recent call last):")
        .line("  File \"json\\decoder.py\", line 355, in raw_decode")
        .line("json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)")
        .line("az_command_data_logger: exit code: 1")
        .text();
    let story = story
        .first("CLI-13", Likely)
        .allow(&["PXY-02"])
        .absent(&["TLS-01", "CLI-01", "CLI-05"]);
    text_only(story, "az-login-debug.txt", &text)
}

fn powershell_arm_blocked() -> Bundle {
    let story = Story::joined(
        "cli-powershell-arm-blocked",
        "Az PowerShell gets its token, then Resource Manager doesn't answer.",
    );
    let text = connect_az(
        &story.case.id,
        story.case.at(200),
        "DEBUG: System.Net.Http.HttpRequestException: A connection attempt failed because the connected party did not properly respond after a period of time, or established connection failed because connected host has failed to respond. (management.azure.com:443)\n",
    );
    story
        .with(|case| {
            case.works(case.at(205), LOGIN, PWSH);
            case.lookup(case.at(210), ARM);
            let t = case.blocked(case.at(210).plus_ms(30), world::https(ARM), PWSH, Block::Drop);
            case.blocked(t.plus_ms(500), world::https(ARM), PWSH, Block::Drop);
        })
        .root("CLI-01")
        .from("capture.pcapng", "pcap", "tcp.connect")
        .allow(&["NET-02", "FW-01"])
        .absent(&["DNS-01", "TLS-01", "CLI-05"])
        .capture_and("Connect-AzAccount.txt", Encoding::Utf16Le.encode(&text))
}

fn broker_window() -> Bundle {
    let story = Story::joined(
        "cli-broker-window",
        "Microsoft Graph PowerShell can't show the broker's window from an elevated shell.",
    );
    let text = connect_mg(
        story.case.at(200),
        "DEBUG: MsalUiRequiredException, ErrorCode: failed_to_acquire_token_silently_from_broker\n\nConnect-MgGraph: InteractiveBrowserCredential authentication failed: \n",
    );
    let story = story
        .first("CLI-09", Likely)
        .absent(&["CLI-01", "TLS-01", "CLI-05"]);
    text_only(story, "Connect-MgGraph.txt", &text)
}

fn arm_name_unknown() -> Bundle {
    let story = Story::joined(
        "cli-arm-name-unknown",
        "Sign-in works; the name of Resource Manager doesn't resolve.",
    );
    let text = az(&story)
        .authority_ok()
        .signed_in()
        .fails(ARM, TENANTS, &name_resolution(ARM))
        .text();
    story
        .with(|case| {
            case.works(case.at(202), LOGIN, AZ);
            for ms in [0, 2_000, 6_000] {
                case.lookup_fails(case.at(215).plus_ms(ms), ARM, 3);
            }
        })
        .root("DNS-01")
        .from("capture.pcapng", "pcap", "dns.response")
        .allow(&["CLI-01"])
        .absent(&["TLS-01", "CLI-05"])
        .capture_and("az-login-debug.txt", Encoding::Cp1252.encode(&text))
}
