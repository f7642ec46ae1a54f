//! What a made trace becomes: rows, masked secrets, packets with process names.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Cursor;

use casetrace_etl::{Options, decode};
use casetrace_model::{Collected, Outcome, Packet, PacketSink, Row};
use casetrace_synth::etl::{Etl, Extended, Interface, NDIS_PACKET_CAPTURE, Process, TraceLogging, message};
use casetrace_synth::event::{Event, Provider, Value};
use casetrace_synth::moment::Moment;
use casetrace_synth::net::Host;

const WEBIO: Provider = Provider {
    name: "Microsoft-Windows-WebIO",
    guid: "50b3e73c-9370-461d-bb9f-26f32d68887d",
    channel: "",
};
const WININET: Provider = Provider {
    name: "Microsoft-Windows-WinINet",
    guid: "43d1a55c-76d6-4f7e-995c-64c711e5cafe",
    channel: "",
};
const WINHTTP: Provider = Provider {
    name: "Microsoft-Windows-WinHttp",
    guid: "7d44233d-3055-4b9c-ba64-0d47ca40a232",
    channel: "",
};
const DNS: Provider = Provider {
    name: "Microsoft-Windows-DNS-Client",
    guid: "1c95126e-7eea-49a9-a3fe-a378b03ddb4d",
    channel: "",
};
const OWN: Provider = Provider {
    name: "Contoso-Service",
    guid: "0d2d1f2e-1111-4222-8333-444455556666",
    channel: "",
};
const WPP: &str = "11111111-2222-3333-4444-555555555555";

fn start() -> Moment {
    Moment::at("2026-03-02T01:00:00Z")
}

fn run_with(etl: &Etl, options: &Options) -> Collected {
    let mut out = Collected::default();
    decode(&mut Cursor::new(etl.write()), options, &mut out, None);
    out
}

fn run(etl: &Etl) -> Collected {
    run_with(etl, &Options::default())
}

fn kinds<'r>(out: &'r Collected, kind: &str) -> Vec<&'r Row> {
    out.rows.iter().filter(|row| row.kind == kind).collect()
}

fn fields(row: &Row) -> serde_json::Value {
    serde_json::from_str(&row.fields).unwrap()
}

fn head(provider: Provider, id: u16, handle: u64, text: &str, ms: i64) -> Event {
    Event::new(provider, id, start().plus_ms(ms))
        .process(700, 4)
        .field("Request", Value::Pointer(handle))
        .field("Length", Value::U16(text.len() as u16))
        .field("Headers", Value::AnsiCounted(text.into()))
}

#[test]
fn webio_heads_become_http_rows_without_secrets() {
    let mut etl = Etl::new(start());
    let created = Event::new(WEBIO, 17, start())
        .process(700, 4)
        .field("Request", Value::Pointer(0x10))
        .field("RequestHandle", Value::U64(1))
        .field("Session", Value::Pointer(2))
        .field("SessionHandle", Value::U64(3))
        .field("Method", Value::Ansi("GET".into()))
        .field(
            "URI",
            Value::Text("https://login.example.com/cb?code=SECRET1&x=1".into()),
        )
        .field("VersionMajor", Value::U16(1))
        .field("VersionMinor", Value::U16(1))
        .field("Error", Value::U32(0));
    etl.event(&created);
    let request = "GET /cb?code=SECRET1&x=1 HTTP/1.1\r\nHost: login.example.com\r\nAuthorization: Bearer SECRET2SECRET2SECRET2\r\n\
                   Cookie: a=SECRET3\r\nclient-request-id: 6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11\r\n\r\n";
    etl.event(&head(WEBIO, 100, 0x10, request, 5));
    etl.event(&head(WEBIO, 101, 0x10, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\nContent-Type: text/html; charset=x\r\n\r\n", 30));
    etl.process_rundown(&Process::new(700, "lsass.exe", "S-1-5-18"), start().plus_s(1));
    let out = run(&etl);
    let (requests, responses) = (kinds(&out, "http.request"), kinds(&out, "http.response"));
    assert_eq!((requests.len(), responses.len()), (1, 1));
    let request = requests[0];
    assert_eq!(
        request.url.as_deref(),
        Some("https://login.example.com/cb?code=***&x=1")
    );
    assert_eq!(request.server_name.as_deref(), Some("login.example.com"));
    assert_eq!(request.http_method.as_deref(), Some("GET"));
    assert_eq!(request.process.as_deref(), Some("lsass.exe"));
    assert_eq!(
        request.correlation_id.as_deref(),
        Some("6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11")
    );
    assert_eq!(fields(request)["has_authorization"], "Bearer");
    let response = responses[0];
    assert_eq!(
        (response.http_status, response.outcome),
        (Some(407), Some(Outcome::Failure))
    );
    assert_eq!(response.proxy_auth.as_deref(), Some("Negotiate,NTLM"));
    assert_eq!(response.content_type.as_deref(), Some("text/html"));
    assert_eq!(fields(response)["answer_ms"], 25);
    assert_eq!(fields(response)["request_record"], request.record);
    let all = format!("{:?}", out.rows);
    assert!(!all.contains("SECRET"), "a secret left the decoder");
    let open = run_with(
        &etl,
        &Options {
            mask_secrets: false,
            ..Options::default()
        },
    );
    assert!(format!("{:?}", open.rows).contains("SECRET2"), "unless asked");
}

#[test]
fn wininet_handles_lead_from_server_to_url() {
    let counted = |event: Event, text: &str| {
        event
            .field("", Value::U16(text.len() as u16))
            .field("", Value::AnsiCounted(text.into()))
    };
    let mut etl = Etl::new(start());
    let connect = Event::new(WININET, 103, start())
        .process(9, 4)
        .field("", Value::Pointer(0x20))
        .field("", Value::Pointer(0x1));
    let connect = counted(connect, "Portal.Example.com").field("", Value::U32(443));
    etl.event(&counted(connect, "").field("", Value::U32(0)));
    let opened = Event::new(WININET, 104, start().plus_ms(1))
        .process(9, 4)
        .field("", Value::Pointer(0x30))
        .field("", Value::Pointer(0x20));
    let opened = counted(counted(counted(opened, "POST"), "/token"), "HTTP/1.1");
    let opened = opened.field("", Value::U32(0));
    etl.event(&counted(opened, "").field("", Value::U32(0)));
    etl.event(&head(
        WININET,
        210,
        0x30,
        "POST /token HTTP/1.1\r\nHost: portal.example.com\r\n\r\n",
        2,
    ));
    let rows = run(&etl);
    // The head was logged by another process: its handle means nothing there.
    assert_eq!(
        kinds(&rows, "http.request")[0].url.as_deref(),
        Some("http://portal.example.com/token")
    );
    let mut own = Event::new(WININET, 210, start().plus_ms(3))
        .process(9, 4)
        .field("", Value::Pointer(0x30));
    own = counted(own, "POST /token HTTP/1.1\r\nHost: portal.example.com\r\n\r\n");
    etl.event(&own);
    let rows = run(&etl);
    assert_eq!(
        kinds(&rows, "http.request")[1].url.as_deref(),
        Some("https://Portal.Example.com/token")
    );
    assert_eq!(
        kinds(&rows, "http.request")[1].server_name.as_deref(),
        Some("portal.example.com")
    );
}

#[test]
fn credentials_set_by_a_program_are_hidden() {
    let mut etl = Etl::new(start());
    let event = Event::new(WINHTTP, 100, start())
        .field("hRequest", Value::Pointer(1))
        .field("AuthTargets", Value::U32(1))
        .field("AuthScheme", Value::U32(1))
        .field("UserName", Value::Text("alice".into()))
        .field("Password", Value::Text("SECRET".into()));
    etl.event(&event);
    let row = run(&etl).rows.remove(0);
    assert_eq!(fields(&row)["Password"], "***");
    assert_eq!(fields(&row)["UserName"], "alice");
    assert!(!format!("{row:?}").contains("SECRET"));
}

#[test]
fn names_are_asked_answered_and_missed() {
    let mut etl = Etl::new(start());
    let name = "Proxy.Corp.example.";
    let query = |id, ms| {
        Event::new(DNS, id, start().plus_ms(ms))
            .field("QueryName", name)
            .field("QueryType", Value::U32(1))
    };
    etl.event(&query(3006, 0).field("QueryOptions", Value::U64(0)));
    let result = |status, results: &str, ms| {
        query(3008, ms)
            .field("QueryOptions", Value::U64(0))
            .field("QueryStatus", Value::U32(status))
            .field("QueryResults", results)
    };
    etl.event(&result(0, "type:  5 p.example;::ffff:192.0.2.7;", 5));
    etl.event(&result(9003, "", 9));
    let out = run(&etl);
    assert_eq!(
        kinds(&out, "dns.query")[0].server_name.as_deref(),
        Some("proxy.corp.example")
    );
    let answers = kinds(&out, "dns.response");
    assert_eq!(answers[0].dns_rcode.as_deref(), Some("NOERROR"));
    assert_eq!(fields(answers[0])["addresses"][0], "192.0.2.7");
    assert_eq!(fields(answers[0])["cname"][0], "p.example");
    assert_eq!(
        (answers[1].dns_rcode.as_deref(), answers[1].outcome),
        (Some("NXDOMAIN"), Some(Outcome::Failure))
    );
    assert_eq!(kinds(&out, "event").len(), 3);
}

#[test]
fn a_schema_in_the_file_describes_its_events() {
    let mut etl = Etl::new(start()).merged(r"C:\t.etl").compressed().cpus(2);
    let event = Event::new(OWN, 42, start())
        .field("Name", "value with \"quotes\"")
        .field("Status", Value::Hex32(0x8007_0005))
        .field("When", Value::Time(start()))
        .field("Who", Value::Sid("S-1-5-21-1-2-3-500".into()))
        .field("Len", Value::U16(3))
        .field("Blob", Value::Binary(vec![1, 2, 255]));
    etl.event(&event).schema(&event, start().plus_s(5));
    let out = run(&etl);
    assert_eq!(out.rows.len(), 1);
    let fields = fields(&out.rows[0]);
    assert_eq!(out.rows[0].provider.as_deref(), Some("Contoso-Service"));
    assert_eq!(fields["Name"], "value with \"quotes\"");
    assert_eq!(fields["Status"], "0x80070005");
    assert_eq!(fields["When"], "2026-03-02T01:00:00.000000000Z");
    assert_eq!(fields["Who"], "S-1-5-21-1-2-3-500");
    assert_eq!(fields["Blob"], "0102ff");
    assert!(fields.get("_rest").is_none() && fields.get("_cut").is_none());
}

#[test]
fn pointers_follow_the_writer_of_the_record() {
    let mut etl = Etl::new(start());
    let event = Event::new(WEBIO, 102, start()).field("Context", Value::U32(0x1234));
    etl.event_with(&event, &[], true);
    let related = Extended {
        kind: 1,
        data: vec![0x11; 16],
    };
    etl.event_with(
        &Event::new(WEBIO, 102, start().plus_ms(1)).field("Context", Value::U64(0x1_0000_0000)),
        &[related],
        false,
    );
    let out = run(&etl);
    assert_eq!(fields(&out.rows[0])["Context"], "0x1234");
    assert_eq!(fields(&out.rows[1])["Context"], "0x100000000");
    assert_eq!(
        fields(&out.rows[1])["_related_activity"],
        "11111111-1111-1111-1111-111111111111"
    );
}

#[test]
fn self_describing_events_need_nothing() {
    let mut etl = Etl::new(start());
    TraceLogging::new("Contoso.Broker", "TokenFailed", start())
        .field("error", Value::I32(-2_147_024_891))
        .field("counted", Value::TextCounted("text".into()))
        .field("flag", Value::Bool(true))
        .field("token", Value::Text("SECRET".into()))
        .add_to(&mut etl);
    let row = run(&etl).rows.remove(0);
    assert_eq!(row.provider.as_deref(), Some("Contoso.Broker"));
    let fields = fields(&row);
    assert_eq!(fields["_event"], "TokenFailed");
    assert_eq!(fields["error"], "-2147024891");
    assert_eq!(fields["counted"], "text");
    assert_eq!(fields["flag"], "true");
    assert_eq!(fields["token"], "***");
}

#[test]
fn manifests_and_tmf_files_describe_what_the_trace_does_not() {
    let mut etl = Etl::new(start());
    etl.event(
        &Event::new(OWN, 7, start())
            .field("", Value::U32(5))
            .field("", "hello"),
    );
    let text: Vec<u8> = "disk"
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    etl.record(
        0,
        start().plus_ms(1),
        message(WPP, 12, etl.raw_ts(start().plus_ms(1)), 4, 8, &text),
    );
    let without = run(&etl);
    assert_eq!(without.rows.len(), 1, "the message is only counted");
    assert_eq!(fields(&without.rows[0])["_schema"], "none");
    let codes: Vec<&str> = without.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["EtlNoLayout", "EtlWppWithoutTmf"]);
    let manifest = format!(
        r#"<provider name="Contoso-Service" guid="{{{}}}"><events><event value="7" version="0" template="t" message="$(string.m)"/></events>
        <templates><template tid="t"><data name="Count" inType="win:UInt32"/><data name="Text" inType="win:UnicodeString"/></template></templates>
        <stringTable><string id="m" value="%2 was seen %1 times"/></stringTable></provider>"#,
        OWN.guid
    );
    let tmf = format!(
        "{WPP} storage.sys // SRC=a.c\n#typev a_c1 12 \"%0no %10!s!\" // LEVEL=ERROR FUNC=f\n{{\nwhat, ItemWString -- 10\n}}\n"
    );
    let out = run_with(
        &etl,
        &Options {
            manifests: vec![manifest],
            tmf: vec![tmf],
            ..Options::default()
        },
    );
    let messages: Vec<&str> = out.rows.iter().map(|row| row.message.as_str()).collect();
    assert_eq!(messages, ["hello was seen 5 times", "no disk"]);
    assert_eq!(out.rows[1].provider.as_deref(), Some("storage.sys"));
    assert!(out.diagnostics.is_empty());
}

#[derive(Default)]
struct Kept(Vec<(i64, Option<u32>, Option<String>)>, Vec<String>);

impl PacketSink for Kept {
    fn interface(&mut self, _: u32, _: u16, name: &str, description: &str) {
        self.1.push(format!("{name}|{description}"));
    }
    fn packet(&mut self, packet: &Packet<'_>) {
        self.0
            .push((packet.ts_ns, packet.pid, packet.comment.map(str::to_owned)));
    }
}

#[test]
fn sent_packets_know_their_process_and_all_their_interface() {
    let mut etl = Etl::new(start());
    for (keywords, ms) in [(0x8000_0401_c000_0001_u64, 1), (0x8000_0402_c000_0001, 2)] {
        let event = Event::new(NDIS_PACKET_CAPTURE, 1001, start().plus_ms(ms))
            .process(700, 4)
            .keywords(keywords);
        etl.event(
            &event
                .field("", Value::U32(8))
                .field("", Value::U32(8))
                .field("", Value::U32(4))
                .field("", Value::Binary(vec![1, 2, 3, 4])),
        );
    }
    etl.process_rundown(&Process::new(700, "lsass.exe", "S-1-5-18"), start().plus_s(1));
    let host = Host("192.0.2.10".parse().unwrap());
    etl.interface(
        &Interface {
            index: 8,
            alias: "Ethernet 2".into(),
            description: "Test NIC".into(),
            kind: 6,
            host,
        },
        start().plus_s(1),
    );
    let mut packets = Kept::default();
    decode(
        &mut Cursor::new(etl.write()),
        &Options::default(),
        &mut Collected::default(),
        Some(&mut packets),
    );
    assert_eq!(packets.0.len(), 2);
    assert_eq!(packets.0[0].0, start().plus_ms(1).0);
    assert_eq!(
        (packets.0[0].1, packets.0[0].2.as_deref()),
        (Some(700), Some("PID=700 TID=4 lsass.exe"))
    );
    assert_eq!((packets.0[1].1, packets.0[1].2.as_deref()), (None, None));
    assert!(packets.1[0].starts_with("Ethernet 2|Test NIC ["));
}
