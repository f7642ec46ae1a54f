//! Rows to columns, columns to Parquet, to findings, to a report.
//!
//! Rows are those that the decoders make of one megabyte of the mixture, repeated with later times and numbers: as many as
//! the bytes asked for would have.

use std::io::{Cursor, Write};

use casetrace_knowledge::Lang;
use casetrace_model::{Collected, Packet, Row, Source};
use casetrace_pcap::Analyzer;
use casetrace_report::{Input, InputLine, Report, Templates, html, markdown};
use casetrace_rules::{Context, Judged, RulePack};
use casetrace_synth::archive::Member;
use casetrace_timeline::{Spill, Timeline, TimelineBuilder, write_parquet};

use crate::{Failure, Given, Ready, Work, input};

/// Bytes of the mixture whose rows are repeated.
const POOL: u64 = 1_000_000;
/// Times of a repetition are this much later.
const LATER_NS: i64 = 3_600_000_000_000;
/// Bytes of long texts that stay in memory, as in a run.
const SPILL: u64 = 192 << 20;

/// Decoded rows and where each came from.
struct Pool {
    rows: Vec<(&'static str, Row)>,
    records: u64,
    bytes: u64,
    /// Long texts of a large timeline lie in here.
    folder: tempfile::TempDir,
}

impl Pool {
    fn new(bytes: u64) -> Result<Self, Failure> {
        let mut rows = Vec::new();
        for member in input::mixture(bytes.min(POOL) as usize) {
            let (artifact, decoded) = decode(&member)?;
            rows.extend(decoded.rows.into_iter().map(|row| (artifact, row)));
        }
        let records = rows.iter().map(|(_, row)| row.record).max().unwrap_or(0);
        Ok(Self {
            rows,
            records,
            bytes,
            folder: tempfile::tempdir()?,
        })
    }

    /// All rows of all repetitions, into columns.
    fn columns(&mut self) -> Timeline {
        let mut builder = TimelineBuilder::with_spill(&Spill::new(self.folder.path(), SPILL));
        let times = (self.bytes / POOL).max(1);
        for _ in 0..times {
            for (artifact, row) in &mut self.rows {
                builder.push(artifact, Some("PC042"), &*row);
                row.record += self.records;
                row.ts_ns = row.ts_ns.map(|ts| ts + LATER_NS);
            }
        }
        for (_, row) in &mut self.rows {
            row.record -= self.records * times;
            row.ts_ns = row.ts_ns.map(|ts| ts - LATER_NS * times as i64);
        }
        builder.finish()
    }
}

fn decode(member: &Member) -> Result<(&'static str, Collected), Failure> {
    let mut sink = Collected::default();
    let mut bytes = Cursor::new(member.data.clone());
    let artifact = match member.name.as_str() {
        "NetTrace.etl" => {
            trace(&mut bytes, &mut sink);
            "upload.zip!/NetTrace.etl"
        }
        "Security.evtx" => {
            casetrace_evtx::decode(Box::new(bytes), &casetrace_evtx::Options::default(), &mut sink);
            "upload.zip!/Security.evtx"
        }
        "az-debug.txt" => {
            casetrace_text::decode(&mut bytes, &casetrace_text::Options::default(), &mut sink);
            "upload.zip!/az-debug.txt"
        }
        "capture.pcap" => {
            casetrace_pcap::decode(&mut bytes, &casetrace_pcap::Options::default(), &mut sink);
            "upload.zip!/capture.pcap"
        }
        other => return Err(format!("nothing decodes {other}").into()),
    };
    Ok((artifact, sink))
}

/// Events, and what the packets between them say.
fn trace(bytes: &mut Cursor<Vec<u8>>, sink: &mut Collected) {
    let mut facts = Collected::default();
    let mut analyzer = Analyzer::new(&casetrace_pcap::Options {
        source: Source::Etl,
        ..casetrace_pcap::Options::default()
    });
    let mut packets = |packet: &Packet<'_>| analyzer.packet(packet, &mut facts);
    casetrace_etl::decode(
        bytes,
        &casetrace_etl::Options::default(),
        sink,
        Some(&mut packets),
    );
    analyzer.finish(&mut facts);
    sink.rows.append(&mut facts.rows);
}

fn work(bytes: u64, timeline: &Timeline) -> Work {
    Work {
        bytes,
        items: timeline.len() as u64,
        read: 0,
    }
}

pub(crate) fn columns(given: &Given) -> Result<Ready, Failure> {
    let mut pool = Pool::new(given.bytes)?;
    Ok(Box::new(move || Ok(work(pool.bytes, &pool.columns()))))
}

/// Counts what is written.
struct Nowhere(u64);

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn parquet(given: &Given) -> Result<Ready, Failure> {
    let mut pool = Pool::new(given.bytes)?;
    let timeline = pool.columns();
    Ok(Box::new(move || {
        let size = write_parquet(&timeline, Nowhere(0))?;
        match size {
            0 => Err("nothing was written".into()),
            _ => Ok(work(pool.bytes, &timeline)),
        }
    }))
}

fn judge(pack: &RulePack, timeline: &Timeline) -> Judged {
    pack.judge(timeline, &Context::default())
}

pub(crate) fn rules(given: &Given) -> Result<Ready, Failure> {
    let mut pool = Pool::new(given.bytes)?;
    let (timeline, pack) = (pool.columns(), RulePack::builtin().pack);
    Ok(Box::new(move || {
        match judge(&pack, &timeline).findings.rule_errors.first() {
            Some(error) => Err(format!("{error:?}").into()),
            None => Ok(work(pool.bytes, &timeline)),
        }
    }))
}

/// View model, markdown and page of what the rules found.
pub(crate) fn report(given: &Given) -> Result<Ready, Failure> {
    let mut pool = Pool::new(given.bytes)?;
    let timeline = pool.columns();
    let judged = judge(&RulePack::builtin().pack, &timeline);
    let inputs = [InputLine {
        path: "upload.zip".to_owned(),
        size: given.bytes,
        sha256: "0".repeat(64),
    }];
    Ok(Box::new(move || {
        let report = Report::build(
            &Input {
                name: "upload",
                inputs: &inputs,
                sources: &[],
                findings: &judged.findings,
                attempts: &judged.attempts,
                timeline: &timeline,
            },
            Lang::En,
        );
        let sizes = [
            markdown(&report, &Templates::builtin())?.len(),
            html(&report, &Templates::builtin())?.len(),
        ];
        match sizes {
            [0, _] | [_, 0] => Err("a report is empty".into()),
            _ => Ok(work(pool.bytes, &timeline)),
        }
    }))
}
