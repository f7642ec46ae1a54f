//! The facts that the corpus READMEs name come out as rows. Skipped where the corpus is absent.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod common;

use std::io::Read as _;
use std::path::PathBuf;

use casetrace_model::Context;
use common::{Read, at, column, field, read};

fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("CASETRACE_CORPUS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
        PathBuf::from,
    );
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: no corpus at {}", path.display());
    None
}

fn file(folder: &str, name: &str) -> Option<Read> {
    let bytes = std::fs::read(corpus()?.join(folder).join(name)).unwrap();
    Some(read(name, &bytes))
}

fn classes(read: &Read) -> Vec<String> {
    read.kind("cli.error").map(|row| field(row, "class")).collect()
}

#[test]
fn dsregcmd_not_configured() {
    let Some(read) = file("text", "dsregcmd-kolide-not-configured.txt") else {
        return;
    };
    assert_eq!(
        field(read.section("Device State"), "Device Name"),
        "lenovo-thinkpad"
    );
    assert_eq!(field(read.section("User State"), "WamDefaultSet"), "ERROR");
    assert_eq!(
        field(read.section("Ngc Prerequisite Check"), "PreReqResult"),
        "WillNotProvision"
    );
    assert_eq!(read.kind("dsregcmd.section").count(), 6);
}

#[test]
fn dsregcmd_malformed_header() {
    let Some(read) = file("text", "dsregcmd-kolide-header-missing-line3.txt") else {
        return;
    };
    assert_eq!(field(read.only("dsregcmd.section"), "AzureAdJoined"), "NO");
}

#[test]
fn dsregcmd_scp_missing() {
    let Some(read) = file("text", "dsregcmd-ws2022-scp-missing.txt") else {
        return;
    };
    let diagnostic = read.section("Diagnostic Data");
    assert_eq!(field(diagnostic, "AD Configuration Test.client"), "0x80070002");
    assert_eq!(
        (at(diagnostic), diagnostic.context),
        ("2022-11-07T15:51:42".into(), Some(Context::System))
    );
    let attempt = read.section("Previous Registration");
    assert_eq!(
        (column(attempt, "error_code"), field(attempt, "Error Phase")),
        ("0x801c001d".into(), "discover".into())
    );
    assert!(
        read.config("wpad_status")
            .ends_with("using WPAD. code: 0x80072f94")
    );
    assert_eq!(read.config("winhttp_proxy"), "DIRECT");
}

#[test]
fn dsregcmd_prt_failure() {
    let Some(read) = file("text", "dsregcmd-docs-prt-fail-50126.txt") else {
        return;
    };
    let attempt = read.section("PRT Diagnostics");
    assert_eq!(column(attempt, "error_code"), "AADSTS50126");
    assert_eq!(column(attempt, "user"), "john@contoso.com");
    assert_eq!(attempt.http_status, Some(400));
    assert_eq!(field(read.section("SSO State"), "EnterprisePrt"), "YES");
}

#[test]
fn pasted_wstrust_events() {
    let Some(read) = file("text", "aad-oper-wstrust-invalidscope.txt") else {
        return;
    };
    let ids: Vec<_> = read.kind("event").map(|row| row.event_id.unwrap()).collect();
    assert_eq!(ids, [1088, 1084, 1085]);
    let events: Vec<_> = read.kind("event").collect();
    assert!(events[0].message.contains("InvalidScope") && events[0].message.contains("ID3082"));
    assert_eq!(column(events[1], "error_code"), "0x800484c1");
    assert_eq!(column(events[2], "error_code"), "0xc00484c1");
    assert_eq!(
        column(events[1], "correlation_id"),
        column(events[2], "correlation_id")
    );
    assert_eq!(
        column(events[1], "correlation_id"),
        "f9baacc0-9d7a-4c8c-9207-921c81e80129"
    );
}

#[test]
fn pasted_registration_events_and_debug_trace() {
    let Some(read) = file("text", "udr-304-305-dsregcmd-debug-onprem-drs.txt") else {
        return;
    };
    let events: Vec<_> = read.kind("event").collect();
    assert_eq!(
        events.iter().map(|row| row.event_id.unwrap()).collect::<Vec<_>>(),
        [304, 305]
    );
    assert_eq!(field(events[0], "errorPhase"), "auth");
    assert_eq!(field(events[0], "drsInstance"), "ent");
    assert_eq!(
        column(events[0], "correlation_id"),
        "7c732d89-a151-4e7b-9406-8878ec8ae00b"
    );
    assert!(
        field(events[0], "codes").contains("0xcaa1000e") && field(events[0], "codes").contains("0x80072ee6")
    );
    assert!(field(events[1], "codes").contains("0x801c0515"));
    assert!(read.kind("log.line").any(
        |row| row.message.contains("DsrCmdJoinHelper::Join") && column(row, "error_code") == "0xcaa1000e"
    ));
    assert_eq!(read.section("Pre-Join Checks").context, Some(Context::System));
}

#[test]
fn az_login_with_hsts_for_localhost() {
    let Some(read) = file("text", "az-login-debug-localhost-hsts.txt") else {
        return;
    };
    assert_eq!(classes(&read), ["hsts"]);
    let run = read.only("cli.run");
    assert_eq!(
        (field(run, "command"), field(run, "tenant")),
        ("az login --debug".into(), "organizations".into())
    );
    let phases: Vec<_> = read.kind("cli.phase").map(|row| field(row, "phase")).collect();
    assert_eq!(phases, ["authority", "browser", "token"]);
}

#[test]
fn az_errors_keep_their_class_host_and_phase() {
    let Some(read) = file("text", "az-login-errors-excerpts.txt") else {
        return;
    };
    assert_eq!(classes(&read), ["tls_verify", "tls_verify", "proxy"]);
    let errors: Vec<_> = read.kind("cli.error").collect();
    assert_eq!(column(errors[0], "server_name"), "login.microsoftonline.com");
    assert_eq!(
        (column(errors[1], "server_name"), field(errors[1], "phase")),
        ("management.azure.com".into(), "arm".into())
    );
}

#[test]
fn az_powershell_debug() {
    let Some(read) = file("text", "azps-connect-debug-excerpts.txt") else {
        return;
    };
    let run = read.only("cli.run");
    assert_eq!(
        (field(run, "tool"), field(run, "version")),
        ("azps".into(), "0".into())
    );
    assert!(field(run, "authority").starts_with("https://login.microsoftonline.us"));
    let msal: Vec<_> = read
        .kind("log.line")
        .filter(|row| field(row, "logger") == "MSAL")
        .collect();
    assert_eq!(at(msal[1]), "2022-09-13T05:23:13");
    assert!(
        msal.iter()
            .all(|row| column(row, "correlation_id") == "f46dc1ff-09d0-4e43-9aa7-262fadf283db")
    );
}

#[test]
fn graph_powershell_debug_is_unwrapped() {
    let Some(read) = file("text", "mggraph-connect-debug-excerpt.txt") else {
        return;
    };
    let run = read.only("cli.run");
    assert_eq!(
        (field(run, "tool"), field(run, "command")),
        ("mggraph".into(), "Connect-MGGraph -Debug".into())
    );
    assert_eq!(
        column(run, "correlation_id"),
        "b4e5fa3e-6d61-4269-bdfb-c00fef9677fc"
    );
    assert!(
        read.kind("log.line")
            .any(|row| row.message.contains("with assembly version '4.56.0.0'")
                && at(row) == "2024-04-01T06:40:39")
    );
}

#[test]
fn netsetup_workgroup_join() {
    let Some(read) = file("text", "netsetup-rhlseth.log") else {
        return;
    };
    assert_eq!(read.result.format.name(), "netsetup");
    assert!(
        read.rows
            .iter()
            .any(|row| row.message.contains("to workgroup 'WORKGROUP'"))
    );
    assert!(read.rows.iter().all(|row| row.error_code.is_none()));
}

#[test]
fn sign_in_header_alone_is_an_empty_export() {
    let Some(read) = file("text", "entra-signin-interactive-header.csv") else {
        return;
    };
    assert_eq!(read.result.format.name(), "signin_csv");
    assert_eq!(read.config("signin_export"), "57");
    assert_eq!(read.kind("signin.row").count(), 0);
}

#[test]
fn support_diagnostics_results() {
    for (name, id) in [
        ("APPS", "APPS"),
        ("DOM", "ActiveDirectory"),
        ("NET", "NET"),
        ("SETUP", "Setup"),
    ] {
        let Some(read) = file("bundles", &format!("sdp-results_{name}.xml")) else {
            return;
        };
        assert_eq!(read.config("sdp_id"), format!("DIAG_psSDP_{id}"));
        assert_eq!(read.config("sdp_publisher"), "Microsoft Corporation");
    }
}

fn member(archive: &str, name: &str) -> Option<Read> {
    let file = std::fs::File::open(corpus()?.join("bundles").join(archive)).unwrap();
    let mut bytes = Vec::new();
    if archive.ends_with(".cab") {
        cab::Cabinet::new(file)
            .unwrap()
            .read_file(name)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
    } else {
        zip::ZipArchive::new(file)
            .unwrap()
            .by_name(name)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
    }
    Some(read(name, &bytes))
}

#[test]
fn authlogs_of_a_japanese_computer() {
    let zip = "recon-Authlogs-v6-ja.zip";
    let Some(info) = member(zip, "Authlogs/script-info.txt") else {
        return;
    };
    assert_eq!(
        (info.config("timezone"), info.config("collector_arguments")),
        ("UTC+09:00".into(), "vAuth".into())
    );
    assert_eq!(info.config("collection_stop"), "2026-03-02T01:19:41.000000000Z");
    let build = member(zip, "Authlogs/Build.txt").unwrap();
    assert_eq!(
        (build.config("os_build"), build.config("computer_name")),
        ("20348.1194".into(), "RCMLAB-WS2022-S".into())
    );
    let cdj = member(zip, "Authlogs/CDJ-AAD.txt").unwrap();
    assert_eq!(cdj.result.encoding, "utf-16le-bom");
    assert_eq!(
        cdj.config("scp_tenant_id"),
        "aaaabbbb-0000-cccc-1111-dddd2222eeee"
    );
    assert_eq!(cdj.config("scp_tenant_name"), "contoso.onmicrosoft.com");
    assert_eq!(
        member(zip, "Authlogs/RegCDJ-key.txt")
            .unwrap()
            .config("registry_missing"),
        "RegCDJ-key.txt"
    );
    let dns = member(zip, "Authlogs/Displaydns.txt").unwrap();
    assert_eq!(dns.result.encoding, "cp932");
    let row = dns.only("dns.response");
    assert_eq!(
        (column(row, "server_name"), column(row, "dns_rcode")),
        ("enterpriseregistration.windows.net".into(), "NXDOMAIN".into())
    );
    for name in [
        "Authlogs/Dsregcmd.txt",
        "Authlogs/PreTraceLogs/DsRegCmdStatus.txt",
    ] {
        let status = member(zip, name).unwrap();
        assert_eq!(
            column(status.section("Previous Registration"), "error_code"),
            "0x801c001d"
        );
    }
}

#[test]
fn nettrace_cabinet_of_a_japanese_computer() {
    let Some(path) = corpus().map(|path| path.join("bundles/recon-nettrace-ja-mszip.cab")) else {
        return;
    };
    let cabinet = cab::Cabinet::new(std::fs::File::open(path).unwrap()).unwrap();
    let names: Vec<String> = cabinet
        .folder_entries()
        .flat_map(|f| f.file_entries())
        .map(|f| f.name().to_owned())
        .collect();
    let mut proxies = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(".txt")) {
        let read = member("recon-nettrace-ja-mszip.cab", name).unwrap();
        assert!(read.result.format.is_known(), "{name}");
        proxies.extend(Some(read.config("winhttp_proxy")).filter(|proxy| !proxy.is_empty()));
    }
    assert_eq!(proxies.len(), 1, "{names:?}");
}
