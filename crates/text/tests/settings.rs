//! Settings of the computer and its proxies, from collectors' notes, tools and registry dumps.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use casetrace_model::{Context, Source, TsSource};
use casetrace_text::{Options, zone};
use common::{at, column, cp932, field, read, read_with, wide};

#[test]
fn collector_notes_of_version_6_give_zone_and_window() {
    let text = "Microsoft CSS Authentication Script version 6.3\nArguments passed: vAuth\nArguments passed: nonet\nData collection started on\n    2026/03/02 10:15:04 UTC+09:00 (local time on computer data was collected)\n    2026/03/02 01:15:04 UTC\nData collection stopped on\n    2026/03/02 10:19:41 UTC+09:00 (local time on computer data was collected)\n    2026/03/02 01:19:41 UTC\n";
    let read = read("script-info.txt", text.as_bytes());
    assert_eq!(read.config("collection_start"), "2026-03-02T01:15:04.000000000Z");
    assert_eq!(read.config("collection_stop"), "2026-03-02T01:19:41.000000000Z");
    assert_eq!(read.config("timezone"), "UTC+09:00");
    assert!(read.config("collector").contains("Authentication Script"));
    let arguments: Vec<_> = read
        .rows
        .iter()
        .filter(|r| field(r, "name") == "collector_arguments")
        .map(|r| field(r, "value"))
        .collect();
    assert_eq!(arguments, ["vAuth", "nonet"]);
}

#[test]
fn collector_notes_of_version_4_need_the_zone_of_the_bundle() {
    let text = b"Microsoft CSS Authentication Script version 4.6\r\nData collection started on: 2026/03/02 10:15:04\r\n";
    let without = read("script-info.txt", text);
    assert_eq!(without.config("collection_start"), "2026-03-02T10:15:04");
    assert!(without.codes.contains(&"TextZoneUnknown"));
    let options = Options {
        zone: zone("Tokyo Standard Time"),
        zone_note: Some("tzutil".into()),
        ..Options::default()
    };
    let with = read_with(&options, text);
    let row = with
        .kind("config")
        .find(|r| field(r, "name") == "collection_start")
        .unwrap();
    assert_eq!(
        (at(row), row.ts_source),
        ("2026-03-02T01:15:04".into(), TsSource::LocalAssumed)
    );
    assert_eq!(
        with.result.inspection.clock,
        "local Asia/Tokyo (assumed from tzutil)"
    );
}

#[test]
fn started_txt_says_that_the_collection_never_finished() {
    assert_eq!(
        read("Authlogs/started.txt", b"Started\r\n").config("collection_unfinished"),
        "true"
    );
    assert_eq!(read("started.txt", b"").config("collection_unfinished"), "true");
}

#[test]
fn build_and_system_information() {
    let text = "PC01 Windows 11 Enterprise Client Version:6.3 23H2 Build:22631.3007\n-----\nBuildLabEx: 22621.1.amd64fre.ni_release.220506-1250\n";
    let build = read("Build.txt", text.as_bytes());
    assert_eq!(
        (build.config("os_build"), build.config("computer_name")),
        ("22631.3007".into(), "PC01".into())
    );
    let ja = "ホスト名:               PC01\nOS 名:                  Microsoft Windows 11 Pro\nOS バージョン:          10.0.22631 N/A ビルド 22631\nタイム ゾーン:          (UTC+09:00) 大阪、札幌、東京\nドメイン:               contoso.com\n";
    for bytes in [cp932(ja), wide(ja)] {
        let info = read("systeminfo.txt", &bytes);
        assert_eq!(info.config("os_build"), "22631");
        assert_eq!(info.config("computer_name"), "PC01");
        assert!(zone(&info.config("timezone")).is_some());
    }
    let en = "Host Name:                 PC01\nOS Name:                   Microsoft Windows 10 Pro\nOS Version:                10.0.19045 N/A Build 19045\nTime Zone:                 (UTC-08:00) Pacific Time (US & Canada)\n";
    assert_eq!(read("x.txt", en.as_bytes()).config("os_build"), "19045");
    let id = read("tzutil.txt", b"W. Europe Standard Time\r\n");
    assert_eq!(field(id.only("config"), "iana"), "Europe/Berlin");
}

#[test]
fn winhttp_proxy_in_two_languages_and_two_tools() {
    let ja = "\n現在の WinHTTP プロキシ設定:\n\n    プロキシ サーバー:  proxy.contoso.com:8080\n    バイパス一覧     :  *.contoso.com;<local>\n";
    let set = read("envinfo.txt", &cp932(ja));
    let row = set.only("config");
    assert_eq!(
        (field(row, "name"), field(row, "value")),
        ("winhttp_proxy".into(), "proxy.contoso.com:8080".into())
    );
    assert_eq!(
        (field(row, "bypass"), row.context),
        ("*.contoso.com;<local>".into(), Some(Context::System))
    );
    let direct = "Current WinHTTP proxy settings:\n\n    Direct access (no proxy server).\n";
    assert_eq!(read("x.txt", direct.as_bytes()).config("winhttp_proxy"), "DIRECT");
    let ja = "現在の WinHTTP プロキシ設定:\n\n    直接アクセス (プロキシ サーバーなし)。\n";
    assert_eq!(read("x.txt", &cp932(ja)).config("winhttp_proxy"), "DIRECT");
    let bits = "BITSADMIN version 3.0\n\nInternet proxy settings for account LOCALSYSTEM:\n\nProxy usage:  AUTODETECT\nProxy list:   \nBypass list:  \n";
    let bits = read("LOCAL_SYSTEM_proxy.txt", bits.as_bytes());
    assert_eq!(bits.config("bits_proxy"), "AUTODETECT");
    assert_eq!(field(bits.only("config"), "account"), "LOCALSYSTEM");
}

#[test]
fn registry_dumps_are_values_and_settings() {
    let text = "\nHKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\SecurityProviders\\SCHANNEL\\Protocols\\TLS 1.2\\Client\n    Enabled    REG_DWORD    0x0\n    DisabledByDefault    REG_DWORD    0x1\n\nHKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings\n    ProxyServer    REG_SZ    proxy:8080\n    (既定)    REG_SZ    \n";
    let read = read("Schannel-key.txt", &wide(text));
    assert_eq!(read.result.format.name(), "registry");
    assert_eq!(read.kind("registry.value").count(), 4);
    assert!(read.rows.iter().all(|row| row.source == Source::Registry));
    let tls: Vec<_> = read
        .kind("config")
        .filter(|r| field(r, "name") == "schannel_protocol")
        .collect();
    assert_eq!(
        (
            field(tls[0], "protocol"),
            field(tls[0], "side"),
            field(tls[0], "data")
        ),
        ("TLS 1.2".into(), "Client".into(), "0x0".into())
    );
    let proxy = read
        .kind("config")
        .find(|r| field(r, "name") == "ie_proxy")
        .unwrap();
    assert_eq!(
        (field(proxy, "value"), proxy.context),
        ("proxy:8080".into(), Some(Context::User))
    );
}

#[test]
fn registry_exports_continue_over_lines() {
    let text = "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\.NETFramework\\v4.0.30319]\n\"SchUseStrongCrypto\"=dword:00000001\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Internet Settings\\Connections]\n\"WinHttpSettings\"=hex:28,00,00,00,00,00,00,00,03,00,00,00,0a,00,00,00,70,72,6f,\\\n  78,79,3a,38,30,38,30,07,00,00,00,3c,6c,6f,63,61,6c,3e\n";
    let read = read("x.reg", &wide(text));
    assert_eq!(read.config("dotnet_strong_crypto"), "0x1");
    let proxy = read
        .kind("config")
        .find(|r| field(r, "name") == "winhttp_proxy")
        .unwrap();
    assert_eq!(
        (field(proxy, "value"), field(proxy, "bypass")),
        ("proxy:8080".into(), "<local>".into())
    );
}

#[test]
fn a_missing_key_is_said_in_any_language() {
    let ja = "エラー: 指定されたレジストリ キーまたは値が見つかりませんでした。\n";
    assert_eq!(
        read("Authlogs/RegCDJ-key.txt", &wide(ja)).config("registry_missing"),
        "RegCDJ-key.txt"
    );
    let en = "ERROR: The system was unable to find the specified registry key or value.\r\n";
    assert_eq!(
        read("Reg-WPJ-key.txt", en.as_bytes()).config("registry_missing"),
        "Reg-WPJ-key.txt"
    );
}

#[test]
fn environment_names_proxies_without_their_passwords() {
    let text = "COMPUTERNAME=PC01\r\nHTTPS_PROXY=http://me:hunter22@proxy:8080\r\nPath=C:\\x\r\nREQUESTS_CA_BUNDLE=C:\\ca.pem\r\n";
    let read = read("Env.txt", text.as_bytes());
    assert_eq!(read.config("env_requests_ca_bundle"), "C:\\ca.pem");
    assert_eq!(read.config("env_https_proxy"), "http://me:***@proxy:8080");
    assert!(
        !read
            .rows
            .iter()
            .any(|row| column(row, "fields").contains("hunter22") || row.message.contains("hunter22"))
    );
}

#[test]
fn registry_passwords_are_masked() {
    let text = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon\n    DefaultPassword    REG_SZ    hunter22\n    DisablePasswordChange    REG_DWORD    0x1\n";
    let read = read("x.txt", text.as_bytes());
    assert!(
        !read
            .rows
            .iter()
            .any(|row| row.message.contains("hunter22") || row.fields.contains("hunter22"))
    );
    assert_eq!(field(&read.rows[1], "data"), "0x1");
}
