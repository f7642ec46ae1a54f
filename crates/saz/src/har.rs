//! HTTP archives (HAR 1.2), as browsers and proxies export them.
//!
//! Entries are read and dropped one at a time, so that a large archive costs no more memory than its largest entry.

use std::fmt;
use std::io::{BufReader, Read};

use casetrace_model::time::from_rfc3339;
use casetrace_model::{Diagnostic, Inspection, Sink, Text};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::body::Body;
use crate::exchange::{Exchange, Message, Timing};
use crate::meta::Meta;
use crate::{Options, rows};

/// Entries that are decoded at most; a browser session has thousands.
const MAX_ENTRIES: u64 = 1_000_000;

/// Turns a HAR into rows; the record number is the entry's position from 1.
///
/// Shape: one or two rows per entry. Errors: none; where the JSON breaks, the entries before are kept and a
/// diagnostic says so.
pub fn decode_har(input: &mut dyn Read, options: &Options, sink: &mut dyn Sink) -> Inspection {
    let mut inspection = Inspection {
        clock: Text::new_static("startedDateTime of each entry"),
        ..Inspection::default()
    };
    let input = input.take(options.limits.max_member_bytes);
    let mut reader = BufReader::with_capacity(128 << 10, input);
    skip_bom(&mut reader);
    let mut entries = Entries {
        options,
        sink,
        inspection: &mut inspection,
    };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let result = Level::Top(&mut entries).deserialize(&mut json);
    let seen = inspection.records;
    if let Err(error) = result {
        let text = format!(
            "the JSON breaks at line {} column {}; {seen} entries before it were read",
            error.line(),
            error.column()
        );
        sink.diagnostic(Diagnostic::warning("HarDamaged", text));
    } else if seen == 0 {
        sink.diagnostic(Diagnostic::warning(
            "HarEmpty",
            "there are no entries under log.entries",
        ));
    }
    inspection
}

fn skip_bom(reader: &mut BufReader<impl Read>) {
    use std::io::BufRead;
    if reader
        .fill_buf()
        .is_ok_and(|buf| buf.starts_with(b"\xef\xbb\xbf"))
    {
        reader.consume(3);
    }
}

/// Where entries go.
struct Entries<'a> {
    options: &'a Options,
    sink: &'a mut dyn Sink,
    inspection: &'a mut Inspection,
}

impl Entries<'_> {
    fn entry(&mut self, value: &Value) {
        self.inspection.records += 1;
        let exchange = exchange(value, self.inspection.records);
        let (request, response) = rows::exchange(&exchange, self.options);
        for row in [request, response].into_iter().flatten() {
            if let Some(ts_ns) = row.ts_ns {
                self.inspection.saw(ts_ns);
            }
            self.inspection.count("http", None, &row.kind);
            self.sink.row(row);
        }
    }
}

/// The path to the entries: top object, `log` object, `entries` list.
enum Level<'a, 'b> {
    Top(&'a mut Entries<'b>),
    Log(&'a mut Entries<'b>),
    List(&'a mut Entries<'b>),
}

impl<'de> DeserializeSeed<'de> for Level<'_, '_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self {
            Self::List(_) => deserializer.deserialize_seq(self),
            _ => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Level<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an HTTP archive")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (entries, wanted, inside) = match self {
            Self::Top(entries) => (entries, "log", true),
            Self::Log(entries) => (entries, "entries", false),
            Self::List(_) => return Err(A::Error::custom("a list of entries was expected")),
        };
        while let Some(key) = map.next_key::<String>()? {
            match (key == wanted, inside) {
                (true, true) => map.next_value_seed(Level::Log(entries))?,
                (true, false) => map.next_value_seed(Level::List(entries))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self::List(entries) = self else {
            return Err(A::Error::custom("an object was expected"));
        };
        while let Some(value) = seq.next_element::<Value>()? {
            if entries.inspection.records < MAX_ENTRIES {
                entries.entry(&value);
            }
        }
        Ok(())
    }
}

fn exchange(entry: &Value, record: u64) -> Exchange {
    let started = entry["startedDateTime"].as_str().and_then(from_rfc3339);
    let took_ns = entry["time"]
        .as_f64()
        .filter(|ms| (0.0..1e9).contains(ms))
        .map_or(0, |ms| (ms * 1e6) as i64);
    let request = &entry["request"];
    let response = &entry["response"];
    let status = response["status"]
        .as_u64()
        .and_then(|s| u16::try_from(s).ok())
        .unwrap_or(0);
    let mut meta = Meta {
        process: entry["_initiatorProcess"].as_str().map(str::to_owned),
        ..Meta::default()
    };
    meta.server_ip = text(&entry["serverIPAddress"]).map(|ip| ip.trim_matches(['[', ']']).to_owned());
    for (name, value) in entry["timings"].as_object().into_iter().flatten() {
        if let Some(ms) = value.as_f64().filter(|ms| *ms >= 0.0) {
            meta.timers
                .insert(format!("timing_{name}_ms"), format!("{ms:.1}"));
        }
    }
    if let Some(error) = text(&response["_error"]) {
        meta.timers.insert("net_error".into(), error);
    }
    Exchange {
        record,
        timing: Timing {
            request_ns: started,
            response_ns: started.map(|s| s.saturating_add(took_ns)),
            exact: true,
        },
        gateway: None,
        request: request.is_object().then(|| Message {
            method: text(&request["method"]).unwrap_or_default().to_ascii_uppercase(),
            target: text(&request["url"]).unwrap_or_default(),
            version: version(&request["httpVersion"]),
            headers: headers(&request["headers"]),
            body: body(&request["postData"]),
            ..Message::default()
        }),
        // Status 0 is how browsers write "no answer".
        response: (status > 0).then(|| Message {
            status,
            reason: text(&response["statusText"]).unwrap_or_default(),
            version: version(&response["httpVersion"]),
            headers: headers(&response["headers"]),
            body: body(&response["content"]),
            ..Message::default()
        }),
        meta,
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|v| !v.is_empty()).map(str::to_owned)
}

fn version(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default().to_ascii_lowercase();
    text.trim_start_matches("http/")
        .replace("h2", "2")
        .replace("h3", "3")
}

fn headers(list: &Value) -> Vec<(String, String)> {
    let pair = |item: &Value| {
        Some((
            text(&item["name"])?,
            item["value"].as_str().unwrap_or_default().to_owned(),
        ))
    };
    list.as_array()
        .map(|items| items.iter().take(256).filter_map(pair).collect())
        .unwrap_or_default()
}

/// `content` or `postData`: text, or base64 for binary.
fn body(content: &Value) -> Body {
    use base64::Engine;
    let text = content["text"].as_str().unwrap_or_default();
    let total = content["size"]
        .as_u64()
        .unwrap_or(text.len() as u64)
        .max(text.len() as u64);
    if content["encoding"].as_str() == Some("base64") {
        let start = text.get(..text.len().min(64 << 10) / 4 * 4).unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(start)
            .unwrap_or_default();
        return Body::decoded(&bytes, "", total);
    }
    Body::decoded(text.as_bytes(), "", total)
}
