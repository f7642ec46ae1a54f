//! Any number of threads, and a sink that takes rows in parts, give the same rows.

use std::any::Any;
use std::io::Cursor;

use casetrace_etl::{Options, decode};
use casetrace_model::{Collected, Diagnostic, Part, PartMaker, PartTaker, Row, Sink};
use casetrace_synth::etl::{Etl, TraceLogging};
use casetrace_synth::event::{Event, Provider, Value};
use casetrace_synth::moment::Moment;

const WEBIO: Provider = Provider {
    name: "Microsoft-Windows-WebIO",
    guid: "50b3e73c-9370-461d-bb9f-26f32d68887d",
    channel: "",
};
const DNS: Provider = Provider {
    name: "Microsoft-Windows-DNS-Client",
    guid: "1c95126e-7eea-49a9-a3fe-a378b03ddb4d",
    channel: "",
};

fn start() -> Moment {
    Moment::at("2026-03-02T01:00:00Z")
}

/// Takes rows on the threads that make them, as the command does.
#[derive(Default)]
struct InParts {
    all: Collected,
    parts: usize,
}

struct Maker;

struct OnePart(Vec<Row>);

impl PartMaker for Maker {
    fn part(&self) -> Box<dyn Part + '_> {
        Box::new(OnePart(Vec::new()))
    }
}

impl Part for OnePart {
    fn row(&mut self, row: Row) {
        self.0.push(row);
    }
    fn finish(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(self.0)
    }
}

impl Sink for InParts {
    fn row(&mut self, row: Row) {
        self.all.row(row);
    }
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.all.diagnostic(diagnostic);
    }
    fn split(&mut self) -> Option<(&dyn PartMaker, &mut dyn PartTaker)> {
        Some((&Maker, self))
    }
}

impl PartTaker for InParts {
    fn take(&mut self, part: Box<dyn Any + Send>) {
        self.parts += 1;
        if let Ok(rows) = part.downcast::<Vec<Row>>() {
            self.all.rows.extend(*rows);
        }
    }
}

/// Questions, and now and then a request whose answer comes much later.
fn busy_trace() -> Vec<u8> {
    let mut etl = Etl::new(start()).cpus(3);
    for i in 0..9_000_i64 {
        let at = start().plus_us(i * 11);
        let question = Event::new(DNS, 3006, at)
            .process(700, 4)
            .field("QueryName", Value::Text(format!("Host-{i}.corp.example.com")))
            .field("QueryType", Value::U32(28))
            .field("QueryOptions", Value::U64(1))
            .field("ServerList", Value::Text(String::new()))
            .field("IsNetworkQuery", Value::U32(0))
            .field("NetworkQueryIndex", Value::U32(0))
            .field("InterfaceIndex", Value::U32(0))
            .field("IsAsyncQuery", Value::U32(0));
        etl.event(&question);
        let (id, text) = match i % 3_000 {
            100 => (
                100,
                format!("GET /{i} HTTP/1.1\r\nHost: login.example.com\r\n\r\n"),
            ),
            2_900 => (
                101,
                "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".to_owned(),
            ),
            _ => continue,
        };
        let head = Event::new(WEBIO, id, at.plus_us(5))
            .process(700, 4)
            .field("Request", Value::Pointer(0x10))
            .field("Length", Value::U16(text.len() as u16))
            .field("Headers", Value::AnsiCounted(text));
        etl.event(&head);
    }
    etl.write()
}

fn options(threads: usize) -> Options {
    Options {
        threads,
        ..Options::default()
    }
}

#[test]
fn rows_are_the_same_however_they_are_made() {
    let file = busy_trace();
    let mut alone = Collected::default();
    decode(&mut Cursor::new(&file), &options(1), &mut alone, None);
    assert_eq!(
        alone
            .rows
            .iter()
            .filter(|row| row.kind == "http.response")
            .count(),
        3
    );
    let mut together = Collected::default();
    decode(&mut Cursor::new(&file), &options(3), &mut together, None);
    assert_eq!(alone.rows, together.rows);

    let mut parts = InParts::default();
    decode(&mut Cursor::new(&file), &options(3), &mut parts, None);
    assert!(parts.parts > 1, "several parts");
    // What was followed over several records comes behind its part; sorting, as the timeline does, puts it in place.
    parts.all.rows.sort_by_key(|row| row.record);
    assert_eq!(alone.rows, parts.all.rows);
    assert_eq!(alone.diagnostics, parts.all.diagnostics);
}

#[test]
fn many_events_that_describe_themselves_all_give_rows() {
    let mut etl = Etl::new(start());
    for i in 0..400_i64 {
        let name = if i % 2 == 0 { "Opened" } else { "Closed" };
        TraceLogging::new("Contoso.Broker", name, start().plus_us(i * 7))
            .field("number", Value::I32(i as i32))
            .add_to(&mut etl);
    }
    let mut out = Collected::default();
    decode(&mut Cursor::new(etl.write()), &options(1), &mut out, None);
    assert_eq!(out.rows.len(), 400);
    let closed = out
        .rows
        .iter()
        .filter(|row| row.fields.contains(r#""_event":"Closed""#));
    assert_eq!(closed.count(), 200);
}
