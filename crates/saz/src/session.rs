//! Fiddler's session files: `raw/<id>_c.txt` (request), `_s.txt` (response), `_m.xml` (metadata), `_w.txt`.

use std::collections::BTreeMap;

use casetrace_model::{Diagnostic, Sink};

use crate::exchange::{Exchange, Message, Timing};
use crate::meta::Meta;
use crate::{Options, head, rows, tunnel};

/// The files of one session.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// Fiddler's session number.
    pub id: u64,
    /// Raw request bytes; may be empty.
    pub client: &'a [u8],
    /// Raw response bytes; empty if none came.
    pub server: &'a [u8],
    /// `_m.xml`; minimal archives lack it.
    pub meta: Option<&'a [u8]>,
}

/// Which of the names given to [`group`] belong to one session, as their positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// Fiddler's session number.
    pub id: u64,
    /// The request.
    pub client: Option<usize>,
    /// The response.
    pub server: Option<usize>,
    /// The metadata.
    pub meta: Option<usize>,
    /// WebSocket messages.
    pub websocket: Option<usize>,
}

/// Pairs session files by number, in order of the number. Names are paths inside the archive, in any case, with
/// numbers padded or not; other names are ignored.
pub fn group<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Group> {
    let mut groups: BTreeMap<u64, Group> = BTreeMap::new();
    for (at, name) in names.enumerate() {
        let Some((id, part)) = split(name) else { continue };
        let group = groups.entry(id).or_insert(Group {
            id,
            ..Group::default()
        });
        let slot = match part {
            'c' => &mut group.client,
            's' => &mut group.server,
            'm' => &mut group.meta,
            _ => &mut group.websocket,
        };
        slot.get_or_insert(at);
    }
    groups.into_values().collect()
}

/// `raw/017_c.txt` → (17, 'c').
fn split(name: &str) -> Option<(u64, char)> {
    let name = name.replace('\\', "/").to_ascii_lowercase();
    let file = name
        .strip_prefix("raw/")
        .or_else(|| name.rsplit_once("/raw/").map(|(_, file)| file))?;
    let (stem, extension) = file.split_once('.')?;
    let (digits, part) = stem.split_once('_')?;
    let part = match (part, extension) {
        ("c", "txt") => 'c',
        ("s", "txt") => 's',
        ("m", "xml") => 'm',
        ("w", "txt") => 'w',
        _ => return None,
    };
    Some((digits.parse().ok()?, part))
}

/// Turns one session into rows: request, response, and what Fiddler says about a tunnel's TLS.
///
/// Shape: 0 to 5 rows, all with the session number as `record`. Errors: none; damage is a diagnostic.
pub fn decode_session(session: &Session<'_>, options: &Options, sink: &mut dyn Sink) {
    let meta = match session.meta.map(Meta::parse) {
        None => Meta::default(),
        Some((meta, whole)) => {
            if !whole {
                let text = format!(
                    "metadata of session {} is damaged; timers or process may be missing",
                    session.id
                );
                sink.diagnostic(Diagnostic::warning("SazMetadata", text));
            }
            meta
        }
    };
    let request = message(session.client, true, session.id, sink);
    let response = message(session.server, false, session.id, sink);
    let exchange = Exchange {
        record: session.id,
        timing: timing(&meta, response.as_ref()),
        gateway: response.as_ref().and_then(|r| gateway(r, &meta)),
        request,
        response,
        meta,
    };
    let (request_row, response_row) = rows::exchange(&exchange, options);
    if let Some(row) = request_row {
        sink.row(row);
    }
    for row in tunnel::rows(&exchange, options) {
        sink.row(row);
    }
    if let Some(row) = response_row {
        sink.row(row);
    }
}

fn message(bytes: &[u8], request: bool, id: u64, sink: &mut dyn Sink) -> Option<Message> {
    if bytes.is_empty() {
        return None;
    }
    let message = head::parse(bytes, request);
    if message.is_none() {
        let which = if request { "request" } else { "response" };
        let text = format!("the {which} of session {id} does not start with an HTTP head; it was skipped");
        sink.diagnostic(Diagnostic::warning("SazNotHttp", text).lost(bytes.len() as u64));
    }
    message
}

/// When it happened: Fiddler's timers, else the server's clock.
fn timing(meta: &Meta, response: Option<&Message>) -> Timing {
    let request = [
        "ClientBeginRequest",
        "GotRequestHeaders",
        "ClientDoneRequest",
        "FiddlerBeginRequest",
        "ClientConnected",
    ];
    let answer = [
        "ServerBeginResponse",
        "GotResponseHeaders",
        "ClientBeginResponse",
        "ServerDoneResponse",
        "ClientDoneResponse",
    ];
    let (request_ns, response_ns) = (meta.first_time(&request), meta.first_time(&answer));
    if request_ns.is_some() || response_ns.is_some() {
        return Timing {
            request_ns: request_ns.or(response_ns),
            response_ns: response_ns.or(request_ns),
            exact: true,
        };
    }
    let date = response.and_then(|r| r.date_ns());
    Timing {
        request_ns: date,
        response_ns: date,
        exact: false,
    }
}

/// The proxy Fiddler itself used, which it notes in the responses it writes for tunnels.
fn gateway(response: &Message, meta: &Meta) -> Option<String> {
    let noted = response
        .header("fiddlergateway")
        .or_else(|| meta.flag("x-overridegateway"))?;
    let noted = noted.trim();
    let direct = noted.eq_ignore_ascii_case("direct") || noted.is_empty();
    (!direct).then(|| {
        noted
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_ascii_lowercase()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_files_are_paired_by_number() {
        let names = [
            "[Content_Types].xml",
            "raw/02_s.txt",
            "raw/1_c.txt",
            "RAW\\02_C.TXT",
            "raw/1_m.xml",
            "raw/x_c.txt",
            "raw/1_w.txt",
        ];
        let groups = group(names.into_iter());
        assert_eq!(
            groups,
            [
                Group {
                    id: 1,
                    client: Some(2),
                    meta: Some(4),
                    websocket: Some(6),
                    ..Group::default()
                },
                Group {
                    id: 2,
                    client: Some(3),
                    server: Some(1),
                    ..Group::default()
                },
            ]
        );
    }
}
