//! gpsvc.log: `GPSVC(pid.tid) HH:mm:ss:fff text`, a local time of day without a date.

use crate::blocks::Machine;
use crate::clock;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    if head.any(|line| parse(line).is_some()) {
        score::CERTAIN
    } else {
        score::NO
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(GpSvc)
}

struct GpSvc;

fn parse(text: &str) -> Option<(u32, u32, jiff::civil::Time, &str)> {
    let rest = text
        .strip_prefix("GPSVC(")
        .or_else(|| text.strip_prefix("USERENV("))?;
    let (ids, rest) = rest.split_once(')')?;
    let (pid, tid) = ids.split_once('.')?;
    let (time, text) = clock::time_of_day(rest.trim_start())?;
    Some((
        u32::from_str_radix(pid, 16).ok()?,
        u32::from_str_radix(tid, 16).ok()?,
        time,
        text.trim_start(),
    ))
}

impl Machine for GpSvc {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        if text.is_empty() {
            return;
        }
        let Some((pid, tid, time, rest)) = parse(text) else {
            return out.log_line(line.number, "gpsvc", text, None);
        };
        let mut row = out.log_row(line.number, "gpsvc", rest, None);
        (row.pid, row.tid) = (Some(pid), Some(tid));
        row.fields.truncate(row.fields.len().saturating_sub(1));
        row.fields.push_str(&format!(",\"local_time\":\"{time}\"}}"));
        out.row(row);
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}
