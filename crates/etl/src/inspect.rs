//! The facts about a whole file that `casetrace inspect` shows.

use std::collections::BTreeMap;

use casetrace_model::{Inspection, Text};
use serde_json::{Value, json};

use crate::container::record::HeaderKind;
use crate::packets::{InterfaceTable, PacketResult, PktMonTable};
use crate::process::Processes;
use crate::providers::ProviderNames;
use crate::reader::EtlReader;
use crate::survey::{Class, Counts, Survey, kernel_group_name};

/// Name under which records without provider are counted.
pub(crate) const KERNEL: &str = "kernel";

/// Everything the inspection is made of.
pub(crate) struct Facts<'f, 'r> {
    pub(crate) reader: &'f EtlReader<'r>,
    pub(crate) survey: &'f Survey,
    pub(crate) names: &'f ProviderNames,
    pub(crate) interfaces: &'f InterfaceTable,
    pub(crate) components: &'f PktMonTable,
    pub(crate) processes: &'f Processes,
    pub(crate) schemas: usize,
    pub(crate) packets: Option<PacketResult>,
}

/// Puts the facts into the shared shape.
pub(crate) fn inspection(facts: &Facts<'_, '_>) -> Inspection {
    let counts = &facts.survey.counts;
    let clock = facts.reader.clock();
    let mut out = Inspection {
        records: counts.total(),
        clock: clock.to_string().into(),
        ..Inspection::default()
    };
    if let Some(header) = facts.reader.header() {
        out.lost.events = u64::from(header.events_lost);
        out.lost.buffers = u64::from(header.buffers_lost);
        header_facts(facts, &mut out.container);
    }
    out.lost.bytes = facts
        .survey
        .damage
        .iter()
        .map(|d| d.lost + d.missing.torn + d.missing.not_expanded)
        .sum::<u64>()
        + facts
            .reader
            .gaps()
            .iter()
            .filter(|gap| !gap.blank)
            .map(|gap| gap.len)
            .sum::<u64>();
    // Rundown and merge records stand outside of what was observed; they count only if there is nothing else.
    if let Some((first, last)) = counts.event_span.or(counts.record_span) {
        for raw in [first, last] {
            if let Some(ts_ns) = clock.to_unix_ns(raw) {
                out.saw(ts_ns);
            }
        }
    }
    buffer_facts(facts, &mut out.container);
    content_facts(facts, &mut out.container);
    out.counts = provider_counts(counts, facts.names);
    out
}

fn header_facts(facts: &Facts<'_, '_>, container: &mut BTreeMap<&'static str, Value>) {
    let Some(header) = facts.reader.header() else {
        return;
    };
    let time =
        |filetime: u64| casetrace_model::time::from_filetime(filetime).map(casetrace_model::time::to_rfc3339);
    container.insert("os_build", json!(header.os_build));
    container.insert(
        "os_version",
        json!(format!("{}.{}", header.versions[0], header.versions[1])),
    );
    container.insert(
        "layout_version",
        json!(format!("{}.{}", header.versions[2], header.versions[3])),
    );
    container.insert("pointer_size", json!(header.pointer_size));
    container.insert("processors", json!(header.processors));
    container.insert("mode", json!(format!("{:#x}", header.mode)));
    container.insert("mode_names", json!(header.mode_names().collect::<Vec<_>>()));
    container.insert("closed", json!(header.end_filetime != 0));
    container.insert("start", json!(time(header.start_filetime)));
    container.insert(
        "end",
        json!(time(header.end_filetime).filter(|_| header.end_filetime != 0)),
    );
    container.insert("boot", json!(time(header.boot_filetime)));
    container.insert("logger", json!(header.logger_name));
    container.insert("log_file", json!(file_name(&header.file_name)));
    container.insert("clock_type", json!(header.clock_type));
    container.insert("perf_frequency", json!(header.perf_frequency));
    container.insert("utc_bias_minutes", json!(header.bias_minutes));
    container.insert("time_zone", json!(header.zone));
    container.insert("buffer_size", json!(header.buffer_size));
    container.insert("buffers_written", json!(header.buffers_written));
    container.insert("maximum_file_size", json!(header.maximum_file_size));
}

/// The folder of the recording machine may name a user.
fn file_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

fn buffer_facts(facts: &Facts<'_, '_>, container: &mut BTreeMap<&'static str, Value>) {
    let buffers = facts.reader.buffers();
    container.insert("buffers", json!(buffers.len()));
    container.insert("compression", json!(facts.reader.compression().map(|c| c.name())));
    let compressed = buffers.iter().filter(|b| b.header.is_compressed()).count();
    container.insert("compressed_buffers", json!(compressed));
    container.insert("expanded_bytes", json!(facts.survey.expanded_bytes));
    let mut loggers: Vec<u16> = buffers.iter().map(|b| b.header.logger_id).collect();
    loggers.sort_unstable();
    loggers.dedup();
    container.insert("logger_ids", json!(loggers));
    let mut processors: Vec<u16> = buffers.iter().map(|b| b.header.processor).collect();
    processors.sort_unstable();
    processors.dedup();
    container.insert("processor_streams", json!(processors.len()));
    container.insert("buffers_marking_loss", json!(facts.survey.marked_losses));
    container.insert("damaged_buffers", json!(facts.survey.damage.len()));
}

fn content_facts(facts: &Facts<'_, '_>, container: &mut BTreeMap<&'static str, Value>) {
    let counts = &facts.survey.counts;
    let by_header: BTreeMap<&str, u64> = HeaderKind::ALL
        .iter()
        .zip(counts.by_header)
        .filter(|(_, n)| *n > 0)
        .map(|(kind, n)| (kind.name(), n))
        .collect();
    container.insert("records_by_header", json!(by_header));
    let extended: BTreeMap<String, u64> = counts
        .extended
        .iter()
        .map(|(kind, n)| (kind.to_string(), *n))
        .collect();
    container.insert("extended_items", json!(extended));
    // Several GUIDs may carry one name.
    let mut self_describing: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (provider, names) in &counts.self_describing {
        let events = self_describing.entry(facts.names.label(*provider)).or_default();
        for (name, n) in names {
            *events
                .entry(String::from_utf8_lossy(name).into_owned())
                .or_default() += n;
        }
    }
    container.insert("tracelogging_events", json!(self_describing));
    container.insert("embedded_schemas", json!(facts.schemas));
    container.insert("interfaces", json!(facts.interfaces.len()));
    container.insert("process_names", json!(facts.processes.len()));
    packet_facts(facts, container);
}

fn packet_facts(facts: &Facts<'_, '_>, container: &mut BTreeMap<&'static str, Value>) {
    let packets = &facts.survey.counts.packets;
    if packets.pktmon > 0 || facts.components.len() > 0 {
        let name = |kind: u16| match kind {
            1 => "ethernet".to_owned(),
            2 => "wifi".to_owned(),
            3 => "ip".to_owned(),
            other => format!("type_{other}"),
        };
        let by_type: BTreeMap<String, u64> = packets
            .pktmon_by_type
            .iter()
            .map(|(kind, n)| (name(*kind), *n))
            .collect();
        let facts = json!({
            "packet_events": packets.pktmon,
            "by_type": by_type,
            "distinct_group_number": packets.pktmon_groups.len(),
            "truncated": packets.pktmon_truncated,
            "components": facts.components.len(),
        });
        container.insert("pktmon", facts);
    }
    if packets.ndis > 0 {
        let layers: BTreeMap<String, u64> = packets
            .ndis_layers
            .iter()
            .map(|((miniport, lower), n)| (format!("{miniport}/{lower}"), *n))
            .collect();
        container.insert(
            "ndis",
            json!({ "packet_events": packets.ndis, "by_layer": layers }),
        );
    }
    if let Some(result) = facts.packets {
        container.insert("packets", json!(result.delivered));
        container.insert("packet_copies", json!(result.copies));
        container.insert("packet_fragments_lost", json!(result.torn_fragments));
    }
    if packets.ndis + packets.pktmon + packets.ras == 0 {
        container.insert("no_packets_because", json!(why_no_packets(facts)));
    }
}

/// What a reader should know when a trace that should hold packets has none.
fn why_no_packets(facts: &Facts<'_, '_>) -> String {
    let counts = &facts.survey.counts;
    let has = |guid| counts.providers().iter().any(|(key, _)| key.provider == guid);
    let lost = facts
        .reader
        .header()
        .is_some_and(|h| h.events_lost > 0 || h.buffers_lost > 0);
    let circular = facts.reader.header().is_some_and(|h| h.mode & 0x2 != 0);
    let mut text = if has(crate::names::NDIS_CAPTURE) {
        "the packet capture provider only logged its configuration: no packet passed its filter".to_owned()
    } else if facts.components.len() > 0 {
        "Packet Monitor only logged its components: no packet passed its filter, or counters only were asked for".to_owned()
    } else {
        "no packet capture provider was recorded (netsh needs capture=yes)".to_owned()
    };
    if lost {
        text.push_str("; the session lost events");
    }
    if circular {
        text.push_str("; the file is circular, older packets may be overwritten");
    }
    text
}

fn provider_counts(counts: &Counts, names: &ProviderNames) -> BTreeMap<Text, casetrace_model::ProviderCount> {
    let mut out: BTreeMap<Text, casetrace_model::ProviderCount> = BTreeMap::new();
    for (key, n) in counts.providers() {
        let guid = key.provider.to_string();
        let mut label = match key.class {
            Class::Wpp if names.get(key.provider).is_none() => format!("WPP {{{guid}}}"),
            _ => names.label(key.provider),
        };
        if out
            .get(label.as_str())
            .is_some_and(|other| other.guid.as_deref() != Some(&guid))
        {
            label = format!("{label} {{{guid}}}");
        }
        let entry = out.entry(label.into()).or_default();
        entry.guid = Some(guid.into());
        entry.total += n;
        *entry.by_event.entry(key.id.to_string().into()).or_default() += n;
    }
    for (group, kind, n) in counts.kernel() {
        let group = kernel_group_name(group).map_or_else(|| format!("group{group}"), str::to_owned);
        let entry = out.entry(KERNEL.into()).or_default();
        entry.total += n;
        *entry
            .by_event
            .entry(format!("{group}/{kind}").into())
            .or_default() += n;
    }
    out
}
