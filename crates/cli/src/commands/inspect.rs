//! `casetrace inspect`: what a file is, without rules.

use std::io::Write;

use casetrace_model::{Inspection, time};
use casetrace_pipeline::{CaseRows, InventoryMember, read};
use serde_json::{Value, json};

use crate::args::{Common, Inspect, TextFormat};
use crate::exit::{Failure, UNREADABLE};
use crate::input;
use crate::progress::Display;
use crate::terminal;

/// Lines per provider in text output.
const MAX_EVENTS_SHOWN: usize = 8;

/// Reads without keeping rows and prints what was counted.
pub(crate) fn run(args: &Inspect, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = input::settings(&args.reading)?;
    let display = Display::new(common.quiet, true);
    let case = read(std::slice::from_ref(&args.input), &settings, false, &display).map_err(input::failure)?;
    display.finish();
    match args.format {
        TextFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, &document(&case))?;
            writeln!(out)?;
        }
        TextFormat::Text => {
            for (member, inspection) in case.members.iter().zip(&case.inspections) {
                text(member, inspection.as_ref(), out)?;
            }
        }
    }
    if case.any_decoded() {
        Ok(())
    } else {
        Err(Failure::Code(UNREADABLE))
    }
}

/// The document of one file, or of an archive with its members below it.
fn document(case: &CaseRows) -> Value {
    let mut members = case.members.iter().zip(&case.inspections);
    let Some((first, inspection)) = members.next() else {
        return json!({ "members": [] });
    };
    let mut root = member_json(first, inspection.as_ref());
    let inner: Vec<Value> = members
        .map(|(member, inspection)| member_json(member, inspection.as_ref()))
        .collect();
    if let Some(object) = root.as_object_mut() {
        object.insert("members".to_owned(), Value::Array(inner));
    }
    root
}

fn member_json(member: &InventoryMember, inspection: Option<&Inspection>) -> Value {
    let empty = Inspection::default();
    let facts = inspection.unwrap_or(&empty);
    let span = facts
        .span
        .map(|(first, last)| [time::to_rfc3339(first), time::to_rfc3339(last)]);
    json!({
        "path": member.path,
        "kind": member.kind,
        "format": member.format,
        "encoding": member.encoding,
        "size": member.size,
        "sha256": member.sha256,
        "outcome": member.outcome,
        "container": facts.container,
        "records": facts.records,
        "lost": facts.lost,
        "span": span,
        "clock": facts.clock,
        "host": facts.host,
        "counts": facts.counts,
        "diagnostics": member.diagnostics,
    })
}

fn text(
    member: &InventoryMember,
    inspection: Option<&Inspection>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let format = member
        .format
        .as_deref()
        .map(|format| format!(" ({format})"))
        .unwrap_or_default();
    writeln!(out, "{}", terminal::line(&member.path))?;
    writeln!(
        out,
        "  kind      {}{format}, {} bytes, {}",
        member.kind,
        member.size,
        member.outcome.as_str()
    )?;
    if !member.sha256.is_empty() {
        writeln!(out, "  sha256    {}", member.sha256)?;
    }
    if let Some(reason) = &member.reason {
        writeln!(out, "  skipped   {}", terminal::line(reason))?;
    }
    if let Some(facts) = inspection {
        facts_text(facts, out)?;
    }
    for diagnostic in &member.diagnostics {
        let part = |key: &str| diagnostic.get(key).and_then(Value::as_str).unwrap_or_default();
        let offset = diagnostic
            .get("offset")
            .map(|offset| format!(" at byte {offset}"))
            .unwrap_or_default();
        writeln!(
            out,
            "  {:<9} {}{offset}: {}",
            part("severity"),
            part("code"),
            terminal::line(part("message"))
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn facts_text(facts: &Inspection, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "  records   {}", facts.records)?;
    if let Some((first, last)) = facts.span {
        writeln!(
            out,
            "  span      {} – {}",
            time::to_rfc3339(first),
            time::to_rfc3339(last)
        )?;
    }
    if !facts.clock.is_empty() {
        writeln!(out, "  clock     {}", terminal::line(&facts.clock))?;
    }
    let lost = &facts.lost;
    if lost.events + lost.buffers + lost.bytes > 0 {
        writeln!(
            out,
            "  lost      {} events, {} buffers, {} bytes",
            lost.events, lost.buffers, lost.bytes
        )?;
    }
    for (name, value) in &facts.container {
        writeln!(out, "  {name:<9} {}", terminal::line(&value.to_string()))?;
    }
    let mut counts: Vec<_> = facts.counts.iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(count.total), *name));
    for (name, count) in counts {
        let mut events: Vec<_> = count.by_event.iter().collect();
        events.sort_by_key(|(event, n)| (std::cmp::Reverse(**n), *event));
        let more = events.len().saturating_sub(MAX_EVENTS_SHOWN);
        let shown: Vec<String> = events
            .iter()
            .take(MAX_EVENTS_SHOWN)
            .map(|(event, n)| format!("{}×{n}", terminal::line(event)))
            .collect();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        writeln!(
            out,
            "  {:>9} {}: {}{more}",
            count.total,
            terminal::line(name),
            shown.join(", ")
        )?;
    }
    Ok(())
}
