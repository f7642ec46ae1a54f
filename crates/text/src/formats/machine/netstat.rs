//! `netstat -ano`: connections and listeners with their processes.

use casetrace_model::{JsonObject, Row, Source, Text};

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    match head.count(|line| socket(line).is_some()) {
        3.. => score::LIKELY + 10,
        _ if head.any(starts) => score::LIKELY,
        _ => score::NO,
    }
}

pub(crate) fn starts(text: &str) -> bool {
    let text = text.trim();
    text == "Active Connections" || text == "アクティブな接続"
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Netstat)
}

struct Netstat;

struct Socket<'a> {
    transport: &'static str,
    local: (&'a str, u16),
    remote: Option<(&'a str, u16)>,
    state: &'a str,
    pid: Option<u32>,
}

fn socket(text: &str) -> Option<Socket<'_>> {
    let mut words = text.split_whitespace();
    let transport = match words.next()? {
        "TCP" => "tcp",
        "UDP" => "udp",
        _ => return None,
    };
    let local = endpoint(words.next()?)?;
    let remote = endpoint(words.next()?);
    let rest: Vec<_> = words.collect();
    let (state, pid) = match rest.as_slice() {
        [state, pid] => (*state, pid.parse().ok()),
        [one] if one.bytes().all(|b| b.is_ascii_digit()) => ("", one.parse().ok()),
        [state] => (*state, None),
        _ => ("", None),
    };
    Some(Socket {
        transport,
        local,
        remote,
        state,
        pid,
    })
}

fn endpoint(text: &str) -> Option<(&str, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    Some((address.trim_matches(['[', ']']), port.parse().ok()?))
}

impl Machine for Netstat {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let Some(socket) = socket(line.text) else { return };
        let mut row = Row::new(Source::Text, "net.socket", line.number);
        row.transport = Some(Text::new_static(socket.transport));
        (row.src_ip, row.src_port) = (Some(Text::from(socket.local.0)), Some(socket.local.1));
        if let Some((address, port)) = socket.remote {
            (row.dst_ip, row.dst_port) = (Some(Text::from(address)), Some(port));
        }
        row.pid = socket.pid;
        row.message = format!(
            "{} {}:{} {}",
            socket.transport, socket.local.0, socket.local.1, socket.state
        );
        row.fields = JsonObject::new().str("state", socket.state).finish();
        out.row(row);
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}
