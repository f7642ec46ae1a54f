//! Sign-in exports and XML files.

mod common;

use casetrace_model::{Outcome, Source, TsSource};
use common::{at, column, field, read, wide};

const CSV: &str = "\u{feff}Date (UTC),Request ID,Correlation ID,User ID,Username,Application,Application ID ,Resource tenant ID,IP address,Status,Sign-in error code,Failure reason,Device ID,Incoming token type,Incoming token type\r\n\
2026-03-02T01:16:11Z,r1,11111111-2222-3333-4444-555555555555,u1,user@contoso.com,Azure CLI,04b07795-8ddb-461a-bbee-02f9e1bf7b46,aaaabbbb-0000-cccc-1111-dddd2222eeee,192.0.2.10,Failure,50126,\"Error validating credentials, \"\"bad\"\"\nsecond line\",5820fbe9-60c8-43b0-bb11-44aee233e4e7,none,primary\r\n\
2026-03-02T01:17:00Z,r2,21111111-2222-3333-4444-555555555555,u1,user@contoso.com,Azure CLI,x,,192.0.2.10,Success,0,,,none,none\r\n";

#[test]
fn portal_csv_in_english() {
    let read = read("InteractiveSignIns_x.csv", CSV.as_bytes());
    let rows: Vec<_> = read.kind("signin.row").collect();
    assert_eq!((rows.len(), rows[0].source), (2, Source::Signin));
    assert_eq!(
        (column(rows[0], "error_code"), rows[0].outcome),
        ("AADSTS50126".into(), Some(Outcome::Failure))
    );
    assert_eq!(
        (at(rows[0]), rows[0].ts_source),
        ("2026-03-02T01:16:11".into(), TsSource::Exact)
    );
    assert_eq!(
        column(rows[0], "correlation_id"),
        "11111111-2222-3333-4444-555555555555"
    );
    assert_eq!(
        column(rows[0], "tenant_id"),
        "aaaabbbb-0000-cccc-1111-dddd2222eeee"
    );
    assert_eq!(
        column(rows[0], "device_id"),
        "5820fbe9-60c8-43b0-bb11-44aee233e4e7"
    );
    assert_eq!(
        field(rows[0], "Failure reason"),
        "Error validating credentials, \"bad\"\nsecond line"
    );
    assert_eq!(field(rows[0], "Incoming token type#2"), "primary");
    assert_eq!((rows[1].record, rows[1].outcome), (4, Some(Outcome::Success)));
}

#[test]
fn portal_csv_in_japanese() {
    let text = "\u{feff}日付 (UTC),要求 ID,関連付け ID,ユーザー名,アプリケーション,IP アドレス,状態,サインイン エラー コード,失敗の理由\r\n2026/03/02 1:16:11,r1,11111111-2222-3333-4444-555555555555,user@contoso.com,Azure CLI,192.0.2.10,失敗,50126,x\r\n";
    let read = read("x.csv", text.as_bytes());
    let row = read.only("signin.row");
    assert_eq!(
        (column(row, "error_code"), column(row, "user"), at(row)),
        (
            "AADSTS50126".into(),
            "user@contoso.com".into(),
            "2026-03-02T01:16:11".into()
        )
    );
}

#[test]
fn graph_portal_and_log_analytics_json() {
    let one = r#"{"id":"r1","createdDateTime":"2026-03-02T01:16:11Z","userPrincipalName":"user@contoso.com","correlationId":"11111111-2222-3333-4444-555555555555","appDisplayName":"Azure CLI","ipAddress":"192.0.2.10","status":{"errorCode":50126,"failureReason":"bad {[\"]}"},"deviceDetail":{"deviceId":"5820fbe9-60c8-43b0-bb11-44aee233e4e7"},"conditionalAccessStatus":"notApplied"}"#;
    for text in [
        format!("[{one},\n{one}]"),
        format!("{{\"@odata.context\":\"x\",\"value\":[{one},{one}]}}"),
        format!("{one}\n{one}\n"),
    ] {
        let read = read("signins.json", text.as_bytes());
        let rows: Vec<_> = read.kind("signin.row").collect();
        assert_eq!(rows.len(), 2, "{text}");
        assert_eq!(
            (column(rows[0], "error_code"), at(rows[0])),
            ("AADSTS50126".into(), "2026-03-02T01:16:11".into())
        );
        assert_eq!(
            column(rows[0], "device_id"),
            "5820fbe9-60c8-43b0-bb11-44aee233e4e7"
        );
    }
    let analytics = r#"[{"TimeGenerated":"2026-03-02T01:16:11Z","ResultType":"0","CorrelationId":"11111111-2222-3333-4444-555555555555","properties":{"userPrincipalName":"user@contoso.com","appDisplayName":"x"}}]"#;
    let read = read("x.json", analytics.as_bytes());
    let row = read.only("signin.row");
    assert_eq!(
        (row.outcome, column(row, "user")),
        (Some(Outcome::Success), "user@contoso.com".into())
    );
}

#[test]
fn a_truncated_json_keeps_what_is_whole() {
    let text = r#"[{"createdDateTime":"2026-03-02T01:16:11Z","userPrincipalName":"u","correlationId":"x"},{"createdDateTime":"2026-"#;
    let read = read("x.json", text.as_bytes());
    assert_eq!(read.kind("signin.row").count(), 1);
    assert!(read.codes.contains(&"SigninTruncated"));
}

#[test]
fn filtering_platform_drops() {
    let text = "<?xml version=\"1.0\"?><netEvents numItems=\"1\"><item><header><timeStamp>2026-03-02T01:16:11.123Z</timeStamp><ipProtocol>6</ipProtocol><localAddrV4>192.0.2.10</localAddrV4><remoteAddrV4>198.51.100.7</remoteAddrV4><localPort>50123</localPort><remotePort>443</remotePort><appId><data>5c00</data><asString>\\.d.\\.l.s.a.s.s...e.x.e...</asString></appId><userId>S-1-5-18</userId></header><type>FWPM_NET_EVENT_TYPE_CLASSIFY_DROP</type><classifyDrop><filterId>66</filterId></classifyDrop></item></netEvents>";
    let read = read("netevents.xml", &wide(text));
    let row = read.only("wfp.event");
    assert_eq!(
        (row.outcome, row.dst_port, column(row, "process")),
        (Some(Outcome::Failure), Some(443), "lsass.exe".into())
    );
    assert_eq!(
        (at(row), field(row, "classifyDrop.filterId")),
        ("2026-03-02T01:16:11".into(), "66".into())
    );
}

#[test]
fn event_xml_without_a_root() {
    let one = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-AAD'/><EventID>1098</EventID><Level>2</Level><TimeCreated SystemTime='2026-03-02T01:16:11.123456700Z'/><EventRecordID>7</EventRecordID><Execution ProcessID='712' ThreadID='8'/><Channel>Microsoft-Windows-AAD/Operational</Channel><Computer>PC01</Computer></System><EventData><Data Name='Error'>0xcaa20003</Data><Data Name='ErrorMessage'>AADSTS50126: x &amp; y</Data></EventData></Event>";
    let read = read("x.xml", format!("{one}\r\n{one}").as_bytes());
    let rows: Vec<_> = read.kind("event").collect();
    assert_eq!((rows.len(), rows[0].event_id, rows[0].record), (2, Some(1098), 7));
    assert_eq!(
        (column(rows[0], "error_code"), column(rows[0], "host")),
        ("AADSTS50126".into(), "PC01".into())
    );
    assert_eq!(field(rows[0], "ErrorMessage"), "AADSTS50126: x & y");
}

#[test]
fn support_reports_name_their_root_causes() {
    let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?><ResultReport><Package><Problem><RootCauseInformation><RootCause id=\"RC_Proxy\" name=\"Proxy is not reachable\"><Data id=\"Code\">0x80072ee7</Data></RootCause></RootCauseInformation></Problem></Package></ResultReport>";
    let report = read("ResultReport.xml", text.as_bytes());
    let row = report.only("log.line");
    assert!(row.message.contains("Proxy is not reachable"));
    assert_eq!(column(row, "error_code"), "0x80072ee7");
    let text = "<DebugReport><Functions><Function name=\"Diagnose\"><data id=\"StatusCode\">0x0</data></Function></Functions></DebugReport>";
    assert_eq!(
        field(read("DebugReport.xml", text.as_bytes()).only("log.line"), "name"),
        "StatusCode"
    );
}

#[test]
fn broken_xml_keeps_what_came_before() {
    let text = "<netEvents><item><header><remotePort>443</remotePort></header><type>X_DROP</type></item><item><header><remotePort>80</rem";
    let read = read("netevents.xml", text.as_bytes());
    assert_eq!(read.kind("wfp.event").count(), 1);
}

#[test]
fn events_printed_as_a_list() {
    let text = "\n\nTimeCreated  : 3/2/2026 10:15:04 AM\nProviderName : Microsoft-Windows-DeviceManagement-Enterprise-Diagnostics-Provider\nId           : 76\nMessage      : Auto MDM Enroll: Device Credential (0x0), Failed\n               (Unknown Win32 Error code: 0x8018002b)\n\nTimeCreated  : 3/2/2026 10:16:04 AM\nId           : 75\nMessage      : Auto MDM Enroll: Succeeded\n";
    let read = read("DmEventLog.txt", &wide(text));
    let rows: Vec<_> = read.kind("event").collect();
    assert_eq!(
        (rows.len(), rows[0].event_id, column(rows[0], "error_code")),
        (2, Some(76), "0x8018002b".into())
    );
}
