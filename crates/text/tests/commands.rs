//! Outputs of Windows commands, in English and Japanese.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use casetrace_model::{Context, Outcome};
use common::{column, cp932, field, read, wide};

#[test]
fn the_resolver_cache_shows_what_does_not_exist() {
    let ja = "\nWindows IP 構成\n\n    enterpriseregistration.windows.net\n    ----------------------------------------\n    名前は存在しません。\n\n    login.microsoftonline.com\n    ----------------------------------------\n    レコード名 . . . . . : login.microsoftonline.com\n    レコードの種類 . . . : 1\n    Time To Live  . . . : 52\n    データの長さ . . . . : 4\n    セクション . . . . . : 回答\n    A (ホスト) レコード  . . . : 192.0.2.7\n";
    let read = read("Displaydns.txt", &cp932(ja));
    let rows: Vec<_> = read.kind("dns.response").collect();
    assert_eq!(
        (column(rows[0], "server_name"), column(rows[0], "dns_rcode")),
        ("enterpriseregistration.windows.net".into(), "NXDOMAIN".into())
    );
    assert_eq!(rows[0].outcome, Some(Outcome::Failure));
    assert_eq!(
        (column(rows[1], "dns_rcode"), field(rows[1], "addresses")),
        ("NOERROR".into(), "[\"192.0.2.7\"]".into())
    );
    let en = "Windows IP Configuration\n\n    wpad.contoso.com\n    ----------------------------------------\n    Name does not exist.\n\n    x.contoso.com\n    ----------------------------------------\n    No records of type AAAA\n\n    a.contoso.com\n    ----------------------------------------\n    Record Name . . . . . : a.contoso.com\n    Record Type . . . . . : 5\n    CNAME Record  . . . . : b.contoso.com\n";
    let read = common::read("x.txt", en.as_bytes());
    let codes: Vec<_> = read
        .kind("dns.response")
        .map(|r| column(r, "dns_rcode"))
        .collect();
    assert_eq!(codes, ["NXDOMAIN", "NOERROR", "NOERROR"]);
    assert!(read.rows[2].fields.contains("b.contoso.com"));
}

#[test]
fn adapters_and_their_servers() {
    let en = "\nWindows IP Configuration\n\n   Host Name . . . . . . . . . . . . : PC01\n   Primary Dns Suffix  . . . . . . . : contoso.com\n\nEthernet adapter Ethernet0:\n\n   Connection-specific DNS Suffix  . : contoso.com\n   DHCP Enabled. . . . . . . . . . . : Yes\n   IPv4 Address. . . . . . . . . . . : 192.0.2.10(Preferred) \n   DNS Servers . . . . . . . . . . . : 192.0.2.1\n                                       192.0.2.2\n";
    let read_en = read("Ipconfig-info.txt", en.as_bytes());
    assert_eq!(
        (read_en.config("computer_name"), read_en.config("adapter")),
        ("PC01".into(), "Ethernet adapter Ethernet0".into())
    );
    let adapter = read_en
        .kind("config")
        .find(|r| field(r, "name") == "adapter")
        .unwrap();
    assert_eq!(field(adapter, "DNS Servers"), "[\"192.0.2.1\",\"192.0.2.2\"]");
    let ja = "Windows IP 構成\n\n   ホスト名. . . . . . . . . . . . . : PC01\n\nイーサネット アダプター イーサネット:\n\n   DHCP 有効 . . . . . . . . . . . . : はい\n   IPv4 アドレス . . . . . . . . . . : 192.0.2.10(優先)\n   DNS サーバー. . . . . . . . . . . : 192.0.2.1\n";
    let read_ja = read("x.txt", &cp932(ja));
    let adapter = read_ja
        .kind("config")
        .find(|r| field(r, "name") == "adapter")
        .unwrap();
    assert_eq!(
        (field(adapter, "DNS Servers"), field(adapter, "DHCP Enabled")),
        ("192.0.2.1".into(), "はい".into())
    );
}

#[test]
fn tickets_of_the_system_session() {
    let text = "\nCurrent LogonId is 0:0x3e7\n\nCached Tickets: (1)\n\n#0>\tClient: pc01$ @ CONTOSO.COM\n\tServer: krbtgt/CONTOSO.COM @ CONTOSO.COM\n\tKerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96\n\tTicket Flags 0x40e10000 -> forwardable renewable\n\tStart Time: 3/2/2026 10:15:04 (local)\n\tEnd Time:   3/2/2026 20:15:04 (local)\n\tKdc Called: DC01.contoso.com\n";
    let en = read("Tickets-localsystem.txt", text.as_bytes());
    let ticket = en.only("kerberos.ticket");
    assert_eq!(
        (column(ticket, "user"), ticket.context),
        ("pc01$@CONTOSO.COM".into(), Some(Context::System))
    );
    assert_eq!(
        (field(ticket, "kdc"), field(ticket, "sname")),
        ("DC01.contoso.com".into(), "krbtgt/CONTOSO.COM@CONTOSO.COM".into())
    );
    assert_eq!(en.config("kerberos_tickets"), "1");
    let ja = "現在のログオン ID: 0:0x1c8a6f\n\nキャッシュされたチケット: (1)\n\n#0>\tクライアント: user @ CONTOSO.COM\n\tサーバー: krbtgt/CONTOSO.COM @ CONTOSO.COM\n";
    assert_eq!(
        read("Tickets.txt", &cp932(ja)).only("kerberos.ticket").context,
        Some(Context::User)
    );
    let cloud = "Current LogonId is 0:0x1c8a6f\nCloud Kerberos Debug info:\n\nCloud Kerberos enabled by policy: 0\nCloud Primary (Hybrid logon) TGT available: 0\n";
    assert_eq!(
        read("Klist-Cloud-Debug.txt", cloud.as_bytes()).config("cloud_tgt"),
        "missing"
    );
}

#[test]
fn a_broken_secure_channel() {
    let bad = read(
        "SecureChannel.txt",
        b"I_NetLogonControl failed: Status = 1355 0x54b ERROR_NO_SUCH_DOMAIN\r\n",
    );
    assert_eq!(column(&bad.rows[0], "error_code"), "0x8007054b");
    assert_eq!(bad.config("secure_channel"), "failed");
    let text = "Flags: b0 HAS_IP  HAS_TIMESERV\nTrusted DC Name \\\\DC01.contoso.com\nTrusted DC Connection Status Status = 0 0x0 NERR_Success\nThe command completed successfully\n";
    let good = read("x.txt", text.as_bytes());
    assert_eq!(good.config("secure_channel"), "ok");
    assert!(
        good.rows
            .iter()
            .any(|row| column(row, "server_name") == "dc01.contoso.com")
    );
}

#[test]
fn stores_list_issuers_and_thumbprints() {
    let text = "MY \"Personal\"\n================ Certificate 0 ================\nSerial Number: 1a2b\nIssuer: CN=MS-Organization-Access, DC=windows, DC=net\n NotBefore: 3/2/2026 10:15 AM\n NotAfter: 3/2/2036 10:45 AM\nSubject: CN=5820fbe9-60c8-43b0-bb11-44aee233e4e7\nNon-root Certificate\nCert Hash(sha1): aa 11 bb 22\n  Key Container = x\n  Provider = Microsoft Platform Crypto Provider\nPrivate key is NOT exportable\nSignature test passed\n\n================ Certificate 1 ================\nIssuer:\n    CN=Proxy CA\n    O=Contoso\nSubject:\n    CN=Proxy CA\nCertUtil: -store command completed successfully.\n";
    let read_en = read("Machine-Store.txt", text.as_bytes());
    let rows: Vec<_> = read_en.kind("certificate").collect();
    assert_eq!(
        (field(rows[0], "store"), field(rows[0], "sha1")),
        ("MY".into(), "aa11bb22".into())
    );
    assert!(column(rows[0], "cert_issuer").starts_with("CN=MS-Organization-Access"));
    assert_eq!(column(rows[1], "cert_issuer"), "CN=Proxy CA, O=Contoso");
    assert_eq!(read_en.config("certificate_store"), "MY");
    let ja = "Root \"信頼されたルート証明機関\"\n================ 証明書 0 ================\nシリアル番号: 01\n発行者: CN=Proxy CA\nサブジェクト: CN=Proxy CA\n証明書のハッシュ(sha1): aa11\nCertUtil: -store コマンドは正常に完了しました。\n";
    let read_ja = read("Machine-Root.txt", &cp932(ja));
    assert_eq!(column(read_ja.only("certificate"), "cert_issuer"), "CN=Proxy CA");
}

#[test]
fn sockets_processes_and_services() {
    let text = "\nActive Connections\n\n  Proto  Local Address          Foreign Address        State           PID\n  TCP    192.0.2.10:50123       198.51.100.7:443       SYN_SENT        712\n  TCP    [::]:135               [::]:0                 LISTENING       1036\n  UDP    0.0.0.0:53             *:*                                    1400\n";
    let sockets = read("netstat.txt", text.as_bytes());
    let rows: Vec<_> = sockets.kind("net.socket").collect();
    assert_eq!(
        (rows.len(), rows[0].dst_port, rows[0].pid, field(rows[0], "state")),
        (3, Some(443), Some(712), "SYN_SENT".into())
    );
    assert_eq!(
        (column(rows[2], "transport"), rows[2].pid),
        ("udp".into(), Some(1400))
    );
    let text = "\nImage Name                     PID Services                                    \n========================= ======== ============================================\nlsass.exe                      712 KeyIso, SamSs,                              \n                                   VaultSvc                                    \nsvchost.exe                   1036 N/A\n";
    let processes = read("Tasklist.txt", text.as_bytes());
    let rows: Vec<_> = processes.kind("process").collect();
    assert_eq!(
        (column(rows[0], "process"), rows[0].pid),
        ("lsass.exe".into(), Some(712))
    );
    assert!(field(rows[0], "services").contains("VaultSvc"));
    let text = "\nSERVICE_NAME: W32Time\nDISPLAY_NAME: Windows Time\n        TYPE               : 30  WIN32\n        STATE              : 1  STOPPED\n";
    assert_eq!(
        field(
            read("Services-config.txt", text.as_bytes()).only("service"),
            "state"
        ),
        "STOPPED"
    );
    let text = "These Windows services are started:\n\n   DHCP Client\n   DNS Client\n\nThe command completed successfully.\n";
    assert_eq!(
        read("Services-started.txt", text.as_bytes()).config("services_started"),
        "DHCP Client; DNS Client"
    );
}

#[test]
fn filters_on_the_computer() {
    let text = "\nFilter Name                     Num Instances    Altitude    Frame\n------------------------------  -------------  ------------  -----\nbindflt                                 1       409800         0\nCSAgent                                 9       321410         0\n";
    assert_eq!(
        read("fltmc.txt", text.as_bytes()).config("filter_drivers"),
        "bindflt; CSAgent"
    );
    let entry = |name: &str| {
        format!(
            "Winsock Catalog Provider Entry\n------------------------------------------------------\nEntry Type:                         Base Service Provider\nDescription:                        {name}\nCatalog Entry ID:                   1001\n\n"
        )
    };
    let text = [
        entry("MSAFD Tcpip [TCP/IP]"),
        entry("Agent LSP"),
        entry("Agent LSP"),
    ]
    .concat();
    assert_eq!(
        read("WinsockCatalog.txt", text.as_bytes()).config("winsock_providers"),
        "MSAFD Tcpip [TCP/IP]; Agent LSP"
    );
}

#[test]
fn the_registration_task() {
    let ja = "フォルダー: \\Microsoft\\Windows\\Workplace Join\nホスト名:                           PC01\nタスク名:                           \\Microsoft\\Windows\\Workplace Join\\Automatic-Device-Join\n次回の実行時刻:                     N/A\n状態:                               無効\n前回の結果:                         -2145648579\nスケジュールされたタスクの状態:     無効\n";
    let read_ja = read("Schtasks.query.v.txt", &cp932(ja));
    let task = read_ja.only("task");
    assert_eq!(column(task, "error_code"), "0x801c003d");
    assert_eq!(field(task, "state"), "無効");
    let table = "Folder: \\Microsoft\\Windows\\Workplace Join\nHostName      TaskName                                 Next Run Time          Status         \n============= ======================================== ====================== ===============\nPC01          Automatic-Device-Join                    N/A                    Ready          \n";
    assert_eq!(
        field(read("x.txt", table.as_bytes()).only("task"), "task"),
        "\\Microsoft\\Windows\\Workplace Join\\Automatic-Device-Join"
    );
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n<Tasks>\n\n<!-- \\Microsoft\\Windows\\Workplace Join\\Automatic-Device-Join -->\n<Task version=\"1.5\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\n  <RegistrationInfo>\n    <URI>\\Microsoft\\Windows\\Workplace Join\\Automatic-Device-Join</URI>\n  </RegistrationInfo>\n  <Settings>\n    <Enabled>false</Enabled>\n  </Settings>\n</Task>\n</Tasks>\n";
    assert_eq!(
        field(read("Schtasks.query.xml.txt", &wide(xml)).only("task"), "state"),
        "Disabled"
    );
}

#[test]
fn who_ran_the_collector_and_what_hosts_overrides() {
    let text = "\nUSER INFORMATION\n----------------\n\nUser Name     SID\n============= =============================================\ncontoso\\admin S-1-5-21-1-2-3-500\n\n\nGROUP INFORMATION\n-----------------\n\nGroup Name                             Type             SID          Attributes\n====================================== ================ ============ ==========\nBUILTIN\\Administrators                 Alias            S-1-5-32-544 Enabled\nMandatory Label\\High Mandatory Level   Label            S-1-16-12288\n";
    let who = read("whoami.txt", text.as_bytes());
    let row = who.only("config");
    assert_eq!(
        (column(row, "user"), column(row, "user_sid")),
        ("contoso\\admin".into(), "S-1-5-21-1-2-3-500".into())
    );
    assert!(field(row, "integrity").contains("High"));
    let upn = read("whoami_upn.txt", b"user@contoso.local\r\n");
    assert_eq!(upn.config("user_upn"), "user@contoso.local");
    let hosts = read(
        "hosts",
        b"# comment\r\n127.0.0.1 login.microsoftonline.com # bad\r\n",
    );
    let row = hosts.only("config");
    assert_eq!(
        (column(row, "server_name"), column(row, "dst_ip")),
        ("login.microsoftonline.com".into(), "127.0.0.1".into())
    );
}

#[test]
fn reachability_tests_name_the_endpoint() {
    let text = "Testing Device Registration endpoints connectivity as SYSTEM...\nConnection to login.microsoftonline.com .............. Succeeded.\nConnection to enterpriseregistration.windows.net ..... failed.\n";
    let read = read("Test_DeviceRegConnectivity_Output.txt", &wide(text));
    let rows: Vec<_> = read
        .kind("connectivity.test")
        .map(|r| (column(r, "server_name"), r.outcome))
        .collect();
    assert_eq!(
        rows,
        [
            ("login.microsoftonline.com".into(), Some(Outcome::Success)),
            (
                "enterpriseregistration.windows.net".into(),
                Some(Outcome::Failure)
            )
        ]
    );
}

#[test]
fn outputs_of_several_tools_in_one_file() {
    let text = "C:\\>netsh winhttp show proxy\n\nCurrent WinHTTP proxy settings:\n\n    Proxy Server(s) :  proxy:8080\n    Bypass List     :  (none)\n\nC:\\>nltest /sc_query:contoso.com\nI_NetLogonControl failed: Status = 1311 0x51f ERROR_NO_LOGON_SERVERS\n\nC:\\>dsregcmd /status\n+----------------------------------------------------------------------+\n| Device State                                                         |\n+----------------------------------------------------------------------+\n             AzureAdJoined : NO\n";
    let read = read("paste.txt", text.as_bytes());
    assert_eq!(read.config("winhttp_proxy"), "proxy:8080");
    assert_eq!(read.config("secure_channel"), "failed");
    assert_eq!(field(read.section("Device State"), "AzureAdJoined"), "NO");
}
