//! What the language means, shown by rules made for the purpose. Most tests are cases in the language itself.
#![expect(clippy::unwrap_used, reason = "tests")]

use casetrace_model::{JsonObject, Row, Source};
use casetrace_rules::{Context, Finding, Lang, RulePack, Status, Whose};
use casetrace_timeline::{Timeline, TimelineBuilder};

const HEAD: &str = "schema_version = 1\nfamily = \"t\"\nphase = \"net\"\n";

fn pack(text: &str) -> RulePack {
    let loaded = RulePack::only(&[("t.toml".to_owned(), format!("{HEAD}{text}"))]);
    let faults: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    loaded.pack
}

/// All cases in the text must come out.
fn holds(text: &str) {
    let results = pack(text).test();
    assert!(!results.is_empty());
    for result in results {
        assert!(
            result.failures.is_empty(),
            "{}: {:#?}",
            result.name,
            result.failures
        );
    }
}

#[test]
fn one_statement_in_two_logs_is_one_statement() {
    holds(
        r#"
[[rule]]
id = "A-1"
title = "t"
severity = "high"
[[rule.evidence]]
id = "code"
role = "decisive"
indirect = true
where = "error_code = '0x1'"
[[rule.evidence]]
id = "packets"
role = "supporting"
where = "kind = 'tcp.connect' AND outcome = 'timeout'"

[[case]]
name = "the same code in dsregcmd and an event"
expect = { A-1 = "likely" }
rows = [
  { kind = "dsregcmd.section", error_code = "0x1" },
  { kind = "event", provider = "Microsoft-Windows-AAD", ts = "10:00:00", error_code = "0x1" },
]
[[case]]
name = "packets corroborate"
expect = { A-1 = "proved" }
rows = [
  { kind = "event", provider = "Microsoft-Windows-AAD", ts = "10:00:00", error_code = "0x1" },
  { kind = "tcp.connect", ts = "10:00:09", outcome = "timeout" },
]
[[case]]
name = "packets an hour later don't"
expect = { A-1 = "likely" }
rows = [
  { kind = "event", provider = "Microsoft-Windows-AAD", ts = "10:00:00", error_code = "0x1" },
  { kind = "tcp.connect", ts = "11:00:00", outcome = "timeout" },
]
[[case]]
name = "packets of another device don't"
expect = { A-1 = "likely" }
rows = [
  { kind = "event", provider = "Microsoft-Windows-AAD", ts = "10:00:00", host = "PC1.contoso.com", error_code = "0x1" },
  { kind = "tcp.connect", ts = "10:00:01", host = "PC2", outcome = "timeout" },
]
[[case]]
name = "a full and a short computer name are one device"
expect = { A-1 = "proved" }
rows = [
  { kind = "event", provider = "Microsoft-Windows-AAD", ts = "10:00:00", host = "PC1.contoso.com", error_code = "0x1" },
  { kind = "tcp.connect", ts = "10:00:01", host = "pc1", outcome = "timeout" },
]
"#,
    );
}

#[test]
fn supporting_and_weak_facts_add_up_only_if_independent() {
    holds(
        r#"
[[rule]]
id = "A-1"
title = "t"
severity = "high"
[[rule.evidence]]
id = "d"
role = "supporting"
where = "kind = 'dsregcmd.section' AND error_code = '0x1'"
[[rule.evidence]]
id = "e"
role = "supporting"
where = "kind = 'event' AND error_code = '0x2'"
[[rule.evidence]]
id = "w"
role = "weak"
where = "kind = 'log.line'"
[[rule.evidence]]
id = "v"
role = "weak"
where = "kind = 'config'"

[[case]]
name = "two instruments"
expect = { A-1 = "likely" }
rows = [{ kind = "dsregcmd.section", error_code = "0x1" }, { kind = "event", ts = "10:00:00", error_code = "0x2" }]
[[case]]
name = "one failure printed twice"
expect = { A-1 = "possible" }
rows = [
  { kind = "dsregcmd.section", error_code = "0x1", correlation_id = "6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11" },
  { kind = "event", ts = "10:00:00", error_code = "0x2", fields = { ids = ["x", "6B5D8C2E-0F57-4F2C-9A42-7F6F2B1F0C11"] } },
]
[[case]]
name = "a single weak fact is nothing"
expect = { A-1 = "nothing" }
rows = [{ kind = "log.line" }, { kind = "log.line" }]
[[case]]
name = "two different weak facts"
expect = { A-1 = "possible" }
rows = [{ kind = "log.line" }, { kind = "config" }]
"#,
    );
}

#[test]
fn sequences_follow_one_connection_in_one_file() {
    holds(
        r#"
[[rule]]
id = "A-1"
title = "t"
severity = "high"
[[rule.evidence]]
id = "a"
role = "decisive"
where = "kind = 'http.request'"
not_followed_by = { where = "kind = 'http.response'", by = ["flow_id"], within = "30s" }
[[rule]]
id = "A-2"
title = "t"
severity = "high"
[[rule.evidence]]
id = "a"
role = "decisive"
where = "kind = 'http.request'"
followed_by = { where = "kind = 'http.response'", by = ["flow_id"], within = "30s" }

[[case]]
name = "answered"
expect = { A-1 = "nothing", A-2 = "proved" }
rows = [{ kind = "http.request", ts = "10:00:00", flow_id = 1 }, { kind = "http.response", ts = "10:00:29", flow_id = 1 }]
[[case]]
name = "answered too late, on another flow, in another file, before"
expect = { A-1 = "proved", A-2 = "nothing" }
rows = [
  { kind = "http.request", ts = "10:00:00", flow_id = 1 },
  { kind = "http.response", ts = "10:00:31", flow_id = 1 },
  { kind = "http.response", ts = "10:00:05", flow_id = 2 },
  { kind = "http.response", ts = "10:00:05", flow_id = 1, artifact = "other.pcap" },
  { kind = "http.response", ts = "09:59:59", flow_id = 1 },
]
[[case]]
name = "a request whose flow is unknown has no answer"
expect = { A-1 = "proved", A-2 = "nothing" }
rows = [{ kind = "http.request", ts = "10:00:00" }, { kind = "http.response", ts = "10:00:05", flow_id = 2 }]
"#,
    );
}

#[test]
fn absence_needs_somebody_who_watched() {
    holds(
        r#"
[[rule]]
id = "A-1"
title = "t"
severity = "high"
[[rule.evidence]]
id = "text"
role = "supporting"
where = "kind = 'cli.error'"
[[rule.evidence]]
id = "nothing_sent"
role = "supporting"
absent = "kind = 'tcp.connect' AND server_name = 'a.example'"
covered_by = "kind LIKE 'tcp.%'"

[[case]]
name = "watched, and nothing was sent"
expect = { A-1 = "likely" }
rows = [
  { kind = "tcp.connect", ts = "09:00:00", server_name = "b.example" },
  { kind = "cli.error", ts = "10:00:00" },
  { kind = "tcp.close", ts = "11:00:00" },
]
[[case]]
name = "the capture ended before"
expect = { A-1 = "possible" }
rows = [
  { kind = "tcp.connect", ts = "09:00:00", server_name = "b.example" },
  { kind = "tcp.close", ts = "09:59:00" },
  { kind = "cli.error", ts = "10:00:00" },
]
[[case]]
name = "it was sent"
expect = { A-1 = "possible" }
rows = [
  { kind = "tcp.connect", ts = "09:59:00", server_name = "a.example" },
  { kind = "cli.error", ts = "10:00:00" },
  { kind = "tcp.close", ts = "11:00:00" },
]
[[case]]
name = "an absence alone says nothing"
expect = { A-1 = "nothing" }
rows = [{ kind = "tcp.connect", ts = "09:00:00" }, { kind = "tcp.close", ts = "11:00:00" }]
"#,
    );
}

#[test]
fn refuting_limiting_resolving_and_thresholds() {
    holds(
        r#"
[[rule]]
id = "A-1"
title = "t"
severity = "high"
about = "server_name"
[[rule.evidence]]
id = "fail"
role = "decisive"
where = "kind = 'tcp.connect' AND outcome = 'timeout'"
min_count = 2
[[rule.evidence]]
id = "ok"
role = "refuting"
where = "kind = 'http.response' AND http_status = 200"
[[rule.evidence]]
id = "hint"
role = "refuting"
at_most = "possible"
where = "kind = 'config'"
[[rule.evidence]]
id = "later"
role = "resolving"
where = "kind = 'tls.server_hello'"
[[rule]]
id = "A-2"
title = "t"
severity = "high"
at_most = "likely"
[[rule.evidence]]
id = "many"
role = "decisive"
where = "kind = 'tcp.connect'"
min_distinct = { of = "server_name", count = 2 }

[[case]]
name = "two of one host, one of another"
expect = { A-1 = "proved", A-2 = "likely" }
rows = [
  { kind = "tcp.connect", ts = "10:00:00", outcome = "timeout", server_name = "a.example" },
  { kind = "tcp.connect", ts = "10:00:10", outcome = "timeout", server_name = "a.example" },
  { kind = "tcp.connect", ts = "10:00:20", outcome = "timeout", server_name = "b.example" },
]
[[case]]
name = "too few"
expect = { A-1 = "nothing", A-2 = "nothing" }
rows = [{ kind = "tcp.connect", ts = "10:00:00", outcome = "timeout", server_name = "a.example" }]
[[case]]
name = "refuted for that host only"
expect = { A-1 = "refuted" }
rows = [
  { kind = "tcp.connect", ts = "10:00:00", outcome = "timeout", server_name = "a.example" },
  { kind = "tcp.connect", ts = "10:00:10", outcome = "timeout", server_name = "a.example" },
  { kind = "http.response", ts = "10:01:00", http_status = 200, server_name = "a.example" },
]
[[case]]
name = "another host's success refutes nothing, and a hint only limits"
expect = { A-1 = "possible" }
rows = [
  { kind = "tcp.connect", ts = "10:00:00", outcome = "timeout", server_name = "a.example" },
  { kind = "tcp.connect", ts = "10:00:10", outcome = "timeout", server_name = "a.example" },
  { kind = "http.response", ts = "10:01:00", http_status = 200, server_name = "b.example" },
  { kind = "config" },
]
[[case]]
name = "success before the last failure resolves nothing"
expect = { A-1 = "proved" }
rows = [
  { kind = "tcp.connect", ts = "10:00:00", outcome = "timeout", server_name = "a.example" },
  { kind = "tls.server_hello", ts = "10:00:05", server_name = "a.example" },
  { kind = "tcp.connect", ts = "10:00:10", outcome = "timeout", server_name = "a.example" },
]
[[case]]
name = "hours later it worked"
expect = { A-1 = "resolved" }
rows = [
  { kind = "tcp.connect", ts = "10:00:00", outcome = "timeout", server_name = "a.example" },
  { kind = "tcp.connect", ts = "10:00:10", outcome = "timeout", server_name = "a.example" },
  { kind = "tls.server_hello", ts = "15:00:00", server_name = "a.example" },
]
"#,
    );
}

#[test]
fn causes_come_before_consequences() {
    holds(
        r#"
[[rule]]
id = "LOW-1"
title = "t"
severity = "medium"
phase = "proxy"
at_most = "likely"
explains = ["UP-*"]
[[rule.evidence]]
id = "a"
role = "decisive"
where = "kind = 'http.response'"
[[rule]]
id = "UP-1"
title = "t"
severity = "critical"
phase = "join"
[[rule.evidence]]
id = "a"
role = "decisive"
where = "kind = 'event'"

[[case]]
name = "same device and time"
expect = { LOW-1 = "likely", UP-1 = "consequence" }
first = "LOW-1"
rows = [{ kind = "http.response", ts = "10:00:00", host = "PC1" }, { kind = "event", ts = "10:00:05", host = "PC1.x" }]
[[case]]
name = "another device"
expect = { LOW-1 = "likely", UP-1 = "proved" }
first = "UP-1"
rows = [{ kind = "http.response", ts = "10:00:00", host = "PC1" }, { kind = "event", ts = "10:00:05", host = "PC2" }]
[[case]]
name = "another day"
expect = { LOW-1 = "likely", UP-1 = "proved" }
first = "UP-1"
rows = [{ kind = "http.response", ts = "2026-01-01T10:00:00Z" }, { kind = "event", ts = "2026-01-02T10:00:00Z" }]
"#,
    );
}

#[test]
fn data_quality_looks_at_rows_and_members() {
    holds(
        r#"
[[quality]]
id = "DQ-02"
title = "No packets"
severity = "medium"
absent = "kind LIKE 'tcp.%'"
if_present = "kind = 'dsregcmd.section'"
per = "case"
[[quality]]
id = "DQ-07"
title = "Lost"
severity = "medium"
from = "inventory"
where = "contains_any(codes, 'EtlEventsLost')"
[[quality]]
id = "DQ-14"
title = "Twice"
severity = "info"
from = "inventory"
where = "size > 0"
same = ["sha256"]
min_count = 2

[[case]]
name = "no packets, lost events, a copy"
expect = { DQ-02 = "fires", DQ-07 = "fires", DQ-14 = "fires" }
rows = [{ kind = "dsregcmd.section" }]
inventory = [{ path = "a/Report.etl", codes = "EtlEventsLost, X", size = 5, sha256 = "aa" }, { path = "b.etl", size = 5, sha256 = "aa" }]
[[case]]
name = "all fine"
expect = { DQ-02 = "nothing", DQ-07 = "nothing", DQ-14 = "nothing" }
rows = [{ kind = "dsregcmd.section" }, { kind = "tcp.connect" }]
inventory = [{ path = "a.etl", size = 5, sha256 = "aa" }, { path = "b.etl", size = 5, sha256 = "bb" }, { path = "c", size = 0, sha256 = "aa" }]
"#,
    );
}

fn timeline(rows: impl IntoIterator<Item = Row>) -> Timeline {
    let mut builder = TimelineBuilder::new();
    rows.into_iter()
        .for_each(|row| builder.push("case.zip!/a.pcap", Some("PC1"), row));
    builder.finish()
}

fn findings(pack: &RulePack, timeline: &Timeline, lang: Lang) -> Vec<Finding> {
    let context = Context {
        tool_version: "1",
        lang,
        ..Context::default()
    };
    let out = pack.evaluate(timeline, &context);
    assert!(out.rule_errors.is_empty());
    out.findings
}

#[test]
fn a_finding_says_what_where_and_when() {
    let pack = pack(
        r#"
[[rule]]
id = "A-1"
title = { en = "{subject} refuses", ja = "{subject} が拒否" }
severity = "high"
about = "server_name"
explanation = "{count} times from {first_ts}[[, proxy {proxy}]]: {a.fields.why}."
next_steps = ["Look.", { to = "network", en = "Open {subject}." }]
ask_customer = ["A trace."]
[[rule.evidence]]
id = "a"
role = "supporting"
where = "kind = 'http.response'"
says = "status {http_status}"
"#,
    );
    let row = |n: u64| {
        let mut row = Row::new(Source::Pcap, "http.response", n).at(1_767_261_600_000_000_000 + n as i64);
        row.server_name = Some("login.example".into());
        row.http_status = Some(403);
        row.error_code = Some("0x80072ee2".into());
        row.context = Some(casetrace_model::Context::System);
        row.fields = JsonObject::new()
            .str("why", "**no**\n{subject} <b>\u{202e}")
            .finish();
        row
    };
    let t = timeline((1..=20).map(row));
    let found = findings(&pack, &t, Lang::En);
    let [f] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(f.title, "login.example refuses");
    // Values are data: braces in them stay, line breaks and direction marks go, nothing is escaped yet.
    assert_eq!(
        f.explanation,
        "20 times from 2026-01-01 10:00:00 UTC: **no** {subject} <b>."
    );
    assert_eq!(
        (f.count, f.context, f.status, f.rank),
        (20, Whose::System, Status::Active, Some(1))
    );
    assert_eq!(
        (f.codes.join(","), f.hosts.join(",")),
        ("0x80072ee2".into(), "PC1".into())
    );
    assert_eq!(f.next_steps, ["Look.", "Open login.example."]);
    assert_eq!(f.ask_customer, ["A trace."]);
    let records: Vec<u64> = f.evidence.iter().map(|e| e.record).collect();
    assert_eq!(records, [1, 2, 3, 4, 19, 20]);
    assert_eq!(f.evidence[0].summary, "status 403");
    assert_eq!(f.evidence[0].artifact, "case.zip!/a.pcap");
    assert_eq!(findings(&pack, &t, Lang::Ja)[0].title, "login.example が拒否");
    let json = serde_json::to_value(f).unwrap();
    assert_eq!(json["evidence"][0]["role"], "supporting");
    assert_eq!(json["consequence_of"], serde_json::json!([]));
}

#[test]
fn a_rule_without_focus_is_cut_and_says_so() {
    let pack = pack(
        "[[rule]]\nid = \"A-1\"\ntitle = \"t\"\nseverity = \"low\"\nabout = \"server_name\"\n[[rule.evidence]]\nid = \"a\"\nrole = \"supporting\"\nwhere = \"kind = 'dns.query'\"\n",
    );
    let rows = (0..500_u64).map(|n| {
        let mut row = Row::new(Source::Pcap, "dns.query", n);
        row.server_name = Some(format!("h{n}.example").into());
        row
    });
    let out = pack.evaluate(&timeline(rows), &Context::default());
    assert_eq!(out.findings.len(), 100);
    assert_eq!(out.data_quality[0].id, "DQ-LIMIT");
}
