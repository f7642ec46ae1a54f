//! Logs with times: which instant a line has, and what it says.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use casetrace_model::{Level, Outcome, TsSource};
use casetrace_text::{Options, zone};
use common::{at, column, field, read, read_with, wide};

fn tokyo() -> Options {
    Options {
        zone: zone("UTC+09:00"),
        year_hint: Some(2026),
        ..Options::default()
    }
}

#[test]
fn a_failed_domain_join() {
    let text = "03/02/2026 10:15:04:617 -----------------------------------------------------------------\n03/02/2026 10:15:04:618 NetpDoDomainJoin\n03/02/2026 10:15:05:000 NetpDsGetDcName: failed to find a DC in the specified domain: 0x54b\n03/02/2026 10:15:05:100 NetpDoDomainJoin: status: 0x54b\n";
    let read = read_with(&tokyo(), text.as_bytes());
    let last = read.rows.last().unwrap();
    assert_eq!(
        (at(last), last.ts_source),
        ("2026-03-02T01:15:05".into(), TsSource::LocalAssumed)
    );
    assert_eq!(
        (column(last, "error_code"), last.outcome),
        ("0x8007054b".into(), Some(Outcome::Failure))
    );
    assert_eq!(field(last, "operation"), "1");
}

#[test]
fn netlogon_needs_a_year_and_says_where_it_changes() {
    let text = "12/31 23:59:59 [CRITICAL] [1044] CONTOSO: NlSessionSetup: Session setup: cannot pick trusted DC\n01/01 00:00:01 [MISC] [1044] DsGetDcName function returns 1355 (client PID=712)\n";
    let options = Options { ..tokyo() };
    let read_all = read_with(&options, text.as_bytes());
    let times: Vec<_> = read_all.rows.iter().map(at).collect();
    assert_eq!(read_all.codes, ["TextYearRolled"]);
    assert_eq!(times, ["2026-12-31T14:59:59", "2025-12-31T15:00:01"]);
    assert_eq!(
        (read_all.rows[0].tid, field(&read_all.rows[0], "category")),
        (Some(1044), "CRITICAL".into())
    );
    let without = read("Netlogon.log", text.as_bytes());
    assert_eq!(
        (without.rows[0].ts_ns, field(&without.rows[0], "local_time")),
        (None, "12/31 23:59:59".into())
    );
}

#[test]
fn gpsvc_has_a_time_of_day_only() {
    let text = "GPSVC(4a4.1f90) 10:15:04:123 ProcessGPOs: Get GPO list failed with 1355.\n";
    let read = read("gpsvc.log", &wide(text));
    let row = &read.rows[0];
    assert_eq!((row.pid, row.tid, row.ts_ns), (Some(0x4a4), Some(0x1f90), None));
    assert_eq!(field(row, "local_time"), "10:15:04.123");
}

#[test]
fn lsa_traces_name_process_and_thread() {
    let text = "[ 3/2 10:15:04] 712.1044> LSP - LsapCloudAp: status 0xc00000d0\n[ 3/2 10:15:05] 712.1044> LSP - done\n";
    let read = read_with(&tokyo(), text.as_bytes());
    assert_eq!(
        (read.rows[0].pid, column(&read.rows[0], "error_code")),
        (Some(712), "0xc00000d0".into())
    );
    assert_eq!(at(&read.rows[0]), "2026-03-02T01:15:04");
}

#[test]
fn cmtrace_times_are_exact() {
    let text = "<![LOG[Failed to enroll.\nError 0x80180026]LOG]!><time=\"10:15:04.123-540\" date=\"03-02-2026\" component=\"CoManagementHandler\" context=\"\" type=\"3\" thread=\"1234\" file=\"x.cpp:1\">\n";
    let read = read("x.log", text.as_bytes());
    let row = &read.rows[0];
    assert_eq!(
        (at(row), row.ts_source, row.level),
        ("2026-03-02T01:15:04".into(), TsSource::Exact, Some(Level::Error))
    );
    assert_eq!(
        (column(row, "error_code"), field(row, "logger")),
        ("0x80180026".into(), "CoManagementHandler".into())
    );
}

#[test]
fn other_logs_become_entries() {
    let text = "2026-03-02T01:15:04Z start\n  more\n2026-03-02T01:15:05Z ERROR 0x80072ee7 end\n";
    let read = read("agent.log", text.as_bytes());
    assert_eq!((read.result.format.name(), read.rows.len()), ("log", 2));
    assert!(read.rows[0].message.contains("more"));
    assert_eq!(
        (column(&read.rows[1], "error_code"), read.rows[1].level),
        ("0x80072ee7".into(), Some(Level::Error))
    );
    assert_eq!(read.result.inspection.clock, "UTC");
}

#[test]
fn unknown_text_is_counted() {
    let text = "something nobody knows, password=hunter22\nsecond line\n";
    let read = read("x.txt", &wide(text));
    let row = read.only("text.unknown");
    assert_eq!(
        (field(row, "lines"), field(row, "encoding")),
        ("2".into(), "utf-16le-bom".into())
    );
    assert!(!row.fields.contains("hunter22"));
    assert_eq!(
        common::read(
            "x.bin",
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 16, 17, 18, 0x1a, 0x1b]
        )
        .result
        .encoding,
        "binary"
    );
}

#[test]
fn a_look_alike_without_records_is_inventoried() {
    let read = read(
        "x.txt",
        b"Current WinHTTP proxy settings:\r\n\r\nnothing here\r\n",
    );
    let row = read.only("text.unknown");
    assert_eq!(
        (field(row, "format"), field(row, "lines")),
        ("winhttp".into(), "3".into())
    );
}

#[test]
fn the_trace_of_the_entra_connect_wizard_has_exact_times() {
    let text = "[23:57:41.100] [  1] [INFO ] Default logger set successfully.\n[23:57:42.321] [  1] [INFO ] ====\n[23:57:42.321] [  1] [INFO ] Start Time (Local): Mon, 02 Mar 2026 23:57:42 GMT\n[23:57:42.321] [  1] [INFO ] Start Time (UTC): Mon, 02 Mar 2026 14:57:42 GMT\n[23:57:42.321] [  1] [INFO ] Application Version: 2.3.20.0\n[23:57:43.000] [  1] [INFO ] Default Proxy [ProxyAddress]: http://proxy.contoso.local:8080\n[00:01:11.016] [ 13] [ERROR] GetToken: failed\nSystem.Net.WebException: The remote server returned an error: (407) Proxy Authentication Required.\n   at System.Net\n[00:01:12.500] [  9] [WARN ] AADSTS50076: more is needed\n";
    let read = read("trace-20260302-235741.log", text.as_bytes());
    let rows: Vec<_> = read.kind("log.line").collect();
    let times: Vec<_> = rows.iter().map(|row| at(row)).collect();
    assert_eq!(times.first().map(String::as_str), Some("2026-03-02T14:57:41"));
    assert_eq!(
        times.iter().rev().take(2).map(String::as_str).collect::<Vec<_>>(),
        ["2026-03-02T15:01:12", "2026-03-02T15:01:11"]
    );
    let error = rows[rows.len() - 2];
    assert_eq!((error.http_status, error.tid), (Some(407), Some(13)));
    assert!(error.message.contains("(407)"));
    assert_eq!(column(rows[rows.len() - 1], "error_code"), "AADSTS50076");
    let settings: Vec<_> = read.kind("config").map(|row| field(row, "value")).collect();
    assert_eq!(settings, ["2.3.20.0", "http://proxy.contoso.local:8080"]);
}

#[test]
fn a_trace_s_threads_may_be_out_of_order_at_midnight() {
    let text = "[23:59:00.000] [  1] [INFO ] Start Time (Local): Mon, 02 Mar 2026 23:59:00 GMT\n[23:59:00.000] [  1] [INFO ] Start Time (UTC): Mon, 02 Mar 2026 23:59:00 GMT\n[00:00:00.100] [  2] [INFO ] a\n[23:59:59.900] [  3] [INFO ] b\n[00:00:01.000] [  2] [INFO ] c\n[21:00:00.000] [  2] [INFO ] d\n[09:30:00.000] [  2] [INFO ] e\n";
    let read = read("trace-x.log", text.as_bytes());
    let times: Vec<_> = read.kind("log.line").skip(2).map(at).collect();
    assert_eq!(
        times,
        [
            "2026-03-03T00:00:00",
            "2026-03-02T23:59:59",
            "2026-03-03T00:00:01",
            "2026-03-03T21:00:00",
            "2026-03-04T09:30:00"
        ]
    );
}
