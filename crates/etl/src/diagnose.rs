//! Damage and losses of a file as diagnostics.

use std::collections::BTreeMap;

use casetrace_model::{Diagnostic, Severity, Sink};

use crate::Guid;
use crate::container::clock::ClockKind;
use crate::names::{NDIS_CAPTURE, PKTMON};
use crate::options::Options;
use crate::providers::ProviderNames;
use crate::reader::EtlReader;
use crate::schema::classic;
use crate::schema::resolve::SchemaSet;
use crate::survey::{Class, EVENT_SOURCE_MANIFEST, Survey};

/// Tells the sink what the file lacks.
pub(crate) fn report(reader: &EtlReader<'_>, found: &Survey, options: &Options, sink: &mut dyn Sink) {
    let mut all = Vec::new();
    container(reader, found, &mut all);
    gaps(reader, &mut all);
    buffers(found, &mut all);
    let more = all.len().saturating_sub(options.limits.max_diagnostics);
    all.truncate(options.limits.max_diagnostics);
    for diagnostic in all {
        sink.diagnostic(diagnostic);
    }
    if more > 0 {
        sink.diagnostic(Diagnostic::warning(
            "EtlMoreDiagnostics",
            format!("{more} more places of damage are not listed."),
        ));
    }
}

fn container(reader: &EtlReader<'_>, found: &Survey, all: &mut Vec<Diagnostic>) {
    match reader.header() {
        None => all.push(Diagnostic::warning(
            "EtlNoLogfileHeader",
            "The first buffer is lost or damaged, so the clock is unknown and rows carry no time; ask for the original file.",
        )),
        Some(header) => {
            if header.end_filetime == 0 {
                let text = "The session was not closed; its loss counters are not filled in and the last buffers may be missing.";
                all.push(Diagnostic::new(Severity::Info, "EtlNotClosed", text));
            }
            if header.events_lost > 0 || header.buffers_lost > 0 {
                let text = format!(
                    "The session lost {} events and {} buffers while recording; absence of an event proves nothing.",
                    header.events_lost, header.buffers_lost
                );
                all.push(Diagnostic::warning("EtlEventsLost", text));
            }
        }
    }
    if reader.header().is_some() && reader.clock().kind == ClockKind::Unknown {
        all.push(Diagnostic::warning(
            "EtlUnknownClock",
            "The header names no usable clock; rows carry no time.",
        ));
    }
    if let Some(error) = reader.read_error.as_ref().or(found.read_error.as_ref()) {
        all.push(Diagnostic::error(
            "EtlReadFailed",
            format!("Reading stopped early: {error}; later buffers are missing."),
        ));
    }
    if reader.scan.too_many {
        all.push(Diagnostic::error(
            "EtlTooManyBuffers",
            "The file has more buffers than the limit; the rest was not read.",
        ));
    }
    if found.not_kept > 0 {
        let text = format!(
            "{} schema or rundown records were over the memory limit; some events stay undecoded.",
            found.not_kept
        );
        all.push(Diagnostic::warning("EtlTooMuchMetadata", text));
    }
}

fn gaps(reader: &EtlReader<'_>, all: &mut Vec<Diagnostic>) {
    for gap in reader.gaps() {
        all.push(if gap.blank {
            let text = format!("{} bytes were reserved and never written.", gap.len);
            Diagnostic::new(Severity::Info, "EtlBlankSpace", text).at(gap.at)
        } else {
            let text = format!("{} bytes hold no readable buffer and were skipped.", gap.len);
            Diagnostic::warning("EtlNoBuffer", text).at(gap.at).lost(gap.len)
        });
    }
}

fn buffers(found: &Survey, all: &mut Vec<Diagnostic>) {
    for damage in &found.damage {
        let at = damage.buffer.at;
        if damage.missing.torn > 0 {
            let text = format!(
                "The file ends inside a buffer; {} bytes of records are missing.",
                damage.missing.torn
            );
            all.push(
                Diagnostic::warning("EtlTruncatedBuffer", text)
                    .at(at)
                    .lost(damage.missing.torn + damage.lost),
            );
        } else if damage.missing.not_expanded > 0 {
            let text = format!(
                "A compressed buffer is damaged; {} bytes of records are missing.",
                damage.missing.not_expanded
            );
            all.push(
                Diagnostic::warning("EtlDamagedCompression", text)
                    .at(at)
                    .lost(damage.missing.not_expanded + damage.lost),
            );
        } else {
            let text = format!(
                "A record at {:#x} of the buffer is damaged; the rest of the buffer was skipped.",
                damage.at
            );
            all.push(
                Diagnostic::warning("EtlDamagedRecord", text)
                    .at(at)
                    .lost(damage.lost),
            );
        }
    }
}

/// Tells which providers stay undecoded and what would help.
pub(crate) fn undecodable(
    found: &Survey,
    schemas: &SchemaSet,
    names: &ProviderNames,
    options: &Options,
    sink: &mut dyn Sink,
) {
    let mut without: BTreeMap<(Class, Guid), u64> = BTreeMap::new();
    for (key, n) in found.counts.providers() {
        let decodable = match key.class {
            // Self-describing events have no schema in the set; their share cannot be told apart by id.
            Class::Event => {
                schemas.find(&key).is_some()
                    || classic::is_quiet(key.provider, key.id)
                    || found.counts.self_describing.contains_key(&key.provider)
                    || matches!(key.provider, PKTMON | NDIS_CAPTURE)
                    || key.id == EVENT_SOURCE_MANIFEST
            }
            Class::Classic => true,
            Class::Wpp => schemas.tmf.find(key.provider, key.id).is_some(),
        };
        if !decodable {
            *without.entry((key.class, key.provider)).or_default() += n;
        }
    }
    let listed = options.limits.max_diagnostics;
    for ((class, provider), n) in without.iter().take(listed) {
        let name = names.label(*provider);
        let (code, text) = match class {
            Class::Wpp => {
                // Messages carry the GUID of their source file, which only a TMF turns into a name.
                let text = format!(
                    "{n} WPP messages of {name} {{{provider}}} need its TMF files (--tmf DIR); they are only counted."
                );
                ("EtlWppWithoutTmf", text)
            }
            _ => (
                "EtlNoLayout",
                format!(
                    "{n} events of {name} {{{provider}}} have no known layout; give the provider's manifest (--manifests DIR)."
                ),
            ),
        };
        sink.diagnostic(Diagnostic::new(Severity::Info, code, text));
    }
    if without.len() > listed {
        let text = format!("{} more providers could not be decoded.", without.len() - listed);
        sink.diagnostic(Diagnostic::new(Severity::Info, "EtlMoreDiagnostics", text));
    }
}
