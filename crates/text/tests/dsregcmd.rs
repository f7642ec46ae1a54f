//! dsregcmd outputs of several versions, with the oddities that real ones have.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use casetrace_model::{Context, Outcome};
use common::{at, column, cp932, field, read, wide};

const RULE: &str = "+----------------------------------------------------------------------+\n";

/// A section as the tool prints it.
fn section(title: &str, fields: &[(&str, &str)]) -> String {
    let mut text = format!("{RULE}| {title:<69}|\n{RULE}\n");
    for (label, value) in fields {
        text.push_str(&format!("{label:>26} : {value}\n"));
    }
    text.push('\n');
    text
}

fn failing_join() -> String {
    section(
        "Device State",
        &[
            ("AzureAdJoined", "NO"),
            ("DomainJoined", "YES"),
            ("Device Name", "pc01.contoso.com"),
        ],
    ) + &section(
        "User State",
        &[("NgcSet", "NO"), ("WamDefaultSet", "ERROR (0x80070520)")],
    ) + &section(
        "SSO State",
        &[("AzureAdPrt", "NO"), ("AzureAdPrtAuthority", "NO")],
    ) + &section(
        "Diagnostic Data",
        &[
            ("User Context", "SYSTEM"),
            ("Client Time", "2026-03-02 01:15:42.000 UTC"),
            ("AD Connectivity Test", "PASS"),
            ("DRS Discovery Test", "FAIL [0x801c0021/0x80072ee2]"),
            ("Token Acquisition Test", "SKIPPED"),
            ("Previous Registration", "2026-03-02 00:16:43.000 UTC"),
            ("Registration Type", "sync"),
            ("Error Phase", "join"),
            ("Client ErrorCode", "0x801c03f2"),
            ("Server ErrorCode", "DirectoryError"),
            ("Server ErrorSubCode", "error_missing_device"),
            ("Https Status", "400"),
            ("Request Id", "6bff0bd9-820b-484b-ab20-2a4f7b76c58e"),
        ],
    ) + &section("WinHttp Default Proxy Config", &[("Access Type", "DIRECT")])
        + &section(
            "IE Proxy Config for Current User",
            &[("Auto-Configuration URL", "http://wpad.contoso.com/p.pac")],
        )
}

#[test]
fn a_failing_join_names_test_phase_and_context() {
    let read = read("Dsregcmd.txt", cp932(&failing_join()).as_slice());
    assert_eq!(read.result.format.name(), "dsregcmd");
    let diagnostic = read.section("Diagnostic Data");
    assert_eq!(diagnostic.context, Some(Context::System));
    assert_eq!(diagnostic.outcome, Some(Outcome::Failure));
    assert_eq!(at(diagnostic), "2026-03-02T01:15:42");
    assert_eq!(column(diagnostic, "error_code"), "0x80072ee2");
    assert_eq!(
        field(diagnostic, "DRS Discovery Test"),
        "FAIL [0x801c0021/0x80072ee2]"
    );
    assert_eq!(field(diagnostic, "DRS Discovery Test.result"), "FAIL");
    assert_eq!(field(diagnostic, "DRS Discovery Test.client"), "0x801c0021");
    assert_eq!(field(diagnostic, "DRS Discovery Test.sub"), "0x80072ee2");
    assert_eq!(field(diagnostic, "Token acquisition Test.result"), "SKIPPED");
    assert_eq!(field(diagnostic, "Error Phase"), "join");
    let attempt = read.section("Previous Registration");
    assert_eq!(at(attempt), "2026-03-02T00:16:43");
    assert_eq!(column(attempt, "error_code"), "0x801c03f2");
    assert_eq!(attempt.http_status, Some(400));
    assert_eq!(
        column(attempt, "correlation_id"),
        "6bff0bd9-820b-484b-ab20-2a4f7b76c58e"
    );
    assert_eq!(field(attempt, "Server ErrorSubCode"), "error_missing_device");
    assert_eq!(
        read.section("User State").error_code,
        None,
        "an elevated run always prints it"
    );
    assert_eq!(read.section("User State").context, Some(Context::User));
    assert_eq!(at(read.section("Device State")), "2026-03-02T01:15:42");
    assert_eq!(read.config("winhttp_proxy"), "DIRECT");
    assert_eq!(read.config("ie_pac_url"), "http://wpad.contoso.com/p.pac");
    assert_eq!(read.result.inspection.host.as_deref(), Some("pc01.contoso.com"));
}

#[test]
fn prt_diagnostics_are_an_attempt_of_their_own() {
    let fields = [
        ("AzureAdPrt", "NO"),
        ("AcquirePrtDiagnostics", "PRESENT"),
        ("Previous Prt Attempt", "2026-03-01 20:10:33.789 UTC"),
        ("Attempt Status", "0xc000006d"),
        ("User Identity", "user@contoso.com"),
        ("Credential Type", "Password"),
        ("Correlation ID", "aaaa0000-bb11-2222-33cc-444444dddddd"),
        (
            "Endpoint URI",
            "https://login.microsoftonline.com/x/oauth2/token/",
        ),
        ("HTTP Method", "POST"),
        ("HTTP Error", "0x0"),
        ("HTTP status", "400"),
        ("Server Error Code", "invalid_grant"),
        (
            "Server Error Description",
            "AADSTS50126: Error validating credentials.",
        ),
        ("EnterprisePrt", "NO"),
        ("RefreshPrtDiagnostics", "PRESENT"),
        ("Previous Prt Attempt", "2026-03-01 21:00:00.000 UTC"),
        ("Attempt Status", "0xc000023c"),
        ("HTTP Error", "0x80072ee7"),
        ("OnPremTgt", "NO"),
        ("CloudTgt", "YES"),
    ];
    let read = read("x.txt", section("SSO State", &fields).as_bytes());
    let attempts: Vec<_> = read
        .rows
        .iter()
        .filter(|r| field(r, "section") == "PRT Diagnostics")
        .collect();
    assert_eq!(attempts.len(), 2);
    let (azure, enterprise) = (attempts[0], attempts[1]);
    assert_eq!(
        (field(azure, "prt"), field(azure, "flow")),
        ("AzureAdPrt".into(), "acquire".into())
    );
    assert_eq!(column(azure, "error_code"), "AADSTS50126");
    assert_eq!(column(azure, "user"), "user@contoso.com");
    assert_eq!(column(azure, "server_name"), "login.microsoftonline.com");
    assert_eq!(
        (azure.http_status, at(azure)),
        (Some(400), "2026-03-01T20:10:33".into())
    );
    assert_eq!(
        (field(enterprise, "prt"), field(enterprise, "flow")),
        ("EnterprisePrt".into(), "refresh".into())
    );
    assert_eq!(column(enterprise, "error_code"), "0x80072ee7");
    let state = read.section("SSO State");
    assert_eq!(
        (field(state, "AzureAdPrt"), field(state, "CloudTgt")),
        ("NO".into(), "YES".into())
    );
    assert_eq!(field(state, "Attempt Status"), "");
}

#[test]
fn version_1607_has_other_labels_and_no_blank_before_the_colon() {
    let text = format!(
        "{RULE}| Device State                                                         |\n{RULE}
    AzureAdJoined: YES
         DeviceId: 5820FBE9-60c8-43b0-bb11-44aee233e4e7
      KeySignTest: : MUST Run elevated to test.
         TenantId: aaaabbbb-0000-cccc-1111-dddd2222eeee
           MdmUrl: https://enrollment.manage.microsoft.com/x.svc
  dmComplianceUrl: https://portal.manage.microsoft.com/?portalAction=Compliance
     DomainJoined: YES\n"
    );
    let read = read("x.txt", text.as_bytes());
    let state = read.section("Device State");
    assert_eq!(column(state, "device_id"), "5820fbe9-60c8-43b0-bb11-44aee233e4e7");
    assert_eq!(column(state, "tenant_id"), "aaaabbbb-0000-cccc-1111-dddd2222eeee");
    assert_eq!(field(state, "KeySignTest"), ": MUST Run elevated to test.");
    assert_eq!(
        field(state, "MdmComplianceUrl"),
        "https://portal.manage.microsoft.com/?portalAction=Compliance"
    );
}

#[test]
fn values_wrapped_by_the_console_are_joined() {
    let status = "Failed to auto detect the Proxy Auto-Configuration (PAC) script u";
    let text = section("URL Specific Proxy Config", &[("Auto Detect PAC Status", status)])
        .replace("script u\n", "script u\nsing WPAD. code: 0x80072f94\n")
        + "    Executing Account Name : CONTOSO\\PC01$, PC01$@contoso.com\n";
    let read = read("x.txt", text.as_bytes());
    let row = read.section("URL Specific Proxy Config");
    assert!(field(row, "Auto Detect PAC Status").ends_with("script using WPAD. code: 0x80072f94"));
    assert_eq!(column(row, "error_code"), "0x80072f94");
    assert_eq!(row.context, Some(Context::System));
}

#[test]
fn two_runs_in_one_file_stay_apart() {
    let text = failing_join() + "C:\\>dsregcmd /status /debug\n" + &failing_join();
    let read = read("x_DSregCmd.txt", &wide(&text));
    assert_eq!(read.result.encoding, "utf-16le-bom");
    let runs: Vec<_> = read
        .rows
        .iter()
        .filter(|r| field(r, "section") == "Device State")
        .map(|r| field(r, "run"))
        .collect();
    assert_eq!(runs, ["0", "1"]);
}

#[test]
fn fields_without_any_header_find_their_section() {
    let text = "  Error Phase : discover\n  Client ErrorCode : 0x801c001d\n  Registration Type : sync\n  Https Status : 0\n  Error Phase : x\n";
    let read = read("x.txt", text.as_bytes());
    assert_eq!(read.result.format.name(), "dsregcmd");
    assert_eq!(
        column(read.section("Previous Registration"), "error_code"),
        "0x801c001d"
    );
}

#[test]
fn debug_lines_are_no_fields() {
    let text = "C:\\Windows\\system32>dsregcmd /join /debug\ndsregcmd::wmain logging initialized.\nPreJoinChecks Complete.\npreCheckResult: Join\nisSystem: YES\nresultCode: 0x0\n\
        TenantInfo::Discover: Join Info { TenantType = Federated; AutoJoinEnabled = 1; TenandID = aaaabbbb-0000-cccc-1111-dddd2222eeee; TenantName = adfs.contoso.com }\n\
        AdalLog: Token is not available in the cache ; HRESULT: 0x0\nAdalErrorCode: 0x2ee6\nAdalCorrelationId: {7C732D89-A151-4E7B-9406-8878EC8AE00B}\n\
        DsrCmdJoinHelper::Join: Federated join failed with error 0xcaa1000e.\nDSREGCMD_END_STATUS\n  AzureAdJoined : NO\n";
    let read = read("x.txt", text.as_bytes());
    let lines: Vec<_> = read.kind("log.line").collect();
    assert!(
        lines
            .iter()
            .any(|r| r.message.starts_with("AdalErrorCode") && column(r, "error_code") == "0x80072ee6")
    );
    let failed = lines
        .iter()
        .find(|r| r.message.contains("failed with error"))
        .unwrap();
    assert_eq!(
        column(failed, "correlation_id"),
        "7c732d89-a151-4e7b-9406-8878ec8ae00b"
    );
    assert_eq!(failed.outcome, Some(Outcome::Failure));
    let tenant = lines.iter().find(|r| r.tenant_id.is_some()).unwrap();
    assert_eq!(field(tenant, "TenantType"), "Federated");
    assert_eq!(read.section("Pre-Join Checks").context, Some(Context::System));
    assert_eq!(field(read.section("Device State"), "AzureAdJoined"), "NO");
}
