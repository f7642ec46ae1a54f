//! Runs the first pass over all buffers, on one thread or several.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::counts::Counts;
use super::keep::{Kept, why_keep};
use crate::Guid;
use crate::container::extended::kind;
use crate::container::load::{End, Missing, Payload, inflate, stored_payload, walk};
use crate::container::record::Event;
use crate::container::scan::BufferAt;
use crate::expand::Compression;
use crate::reader::EtlReader;

/// Bytes of kept payloads.
const MAX_KEPT: usize = 96 << 20;

/// Damage of one buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Damage {
    pub(crate) buffer: BufferAt,
    /// Where in the (expanded) payload the records end too early.
    pub(crate) at: usize,
    pub(crate) lost: u64,
    pub(crate) missing: Missing,
}

/// What the first pass found.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) counts: Counts,
    pub(crate) kept: Vec<Kept>,
    /// Records that were to be kept when the ceiling was reached.
    pub(crate) not_kept: u64,
    pub(crate) provider_names: BTreeMap<Guid, Vec<u8>>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) marked_losses: u64,
    pub(crate) expanded_bytes: u64,
    pub(crate) read_error: Option<std::io::Error>,
    kept_bytes: usize,
}

impl Survey {
    fn new() -> Self {
        Self {
            counts: Counts::new(),
            kept: Vec::new(),
            not_kept: 0,
            provider_names: BTreeMap::new(),
            damage: Vec::new(),
            marked_losses: 0,
            expanded_bytes: 0,
            read_error: None,
            kept_bytes: 0,
        }
    }

    fn buffer(&mut self, job: &Job<'_>, settings: Settings, spare: &mut Vec<u8>) {
        let buffer = &job.buffer;
        let stored = job.stored.bytes();
        let (payload, missing) = if buffer.header.is_compressed() {
            let missing = inflate(buffer, stored, settings.compression, spare);
            (spare.as_slice(), missing)
        } else {
            let promised = crate::container::load::payload_len(buffer);
            (
                stored,
                Missing {
                    torn: promised.saturating_sub(stored.len()) as u64,
                    not_expanded: 0,
                },
            )
        };
        self.expanded_bytes += payload.len() as u64;
        self.marked_losses += u64::from(buffer.header.marks_loss());
        let mut last_ts = 0;
        let mut at = 0_u32;
        let end = walk(payload, |head, bytes| {
            last_ts = head.raw_ts.unwrap_or(last_ts);
            let event = Event {
                bytes,
                kind: head.kind,
                raw_ts: last_ts,
                processor: buffer.header.processor,
                ordinal: 0,
                machine_pointer: settings.machine_pointer,
            };
            self.record(&event, head.raw_ts.is_some(), (job.number, at));
            at = at.saturating_add(1);
        });
        self.note_damage(buffer, payload.len(), end, missing);
    }

    fn note_damage(&mut self, buffer: &BufferAt, len: usize, end: End, missing: Missing) {
        let (at, lost) = match end {
            End::Regular => (len, 0),
            End::Damaged { at } => (at, (len - at) as u64),
        };
        if lost > 0 || missing != Missing::default() {
            self.damage.push(Damage {
                buffer: *buffer,
                at,
                lost,
                missing,
            });
        }
    }

    #[inline]
    fn record(&mut self, event: &Event<'_>, has_time: bool, order: (u32, u32)) {
        self.counts.record(event, has_time);
        if let Some(why) = why_keep(event) {
            let len = event.payload().len();
            if self.kept_bytes + len > MAX_KEPT {
                self.not_kept += 1;
            } else {
                self.kept_bytes += len;
                self.kept.push(Kept::new(order, why, event));
            }
        }
        if event.flags() & 1 != 0
            && let Some(traits) = event.extended().find_kind(kind::TRAITS)
            && let Some(provider) = event.provider()
        {
            self.name(provider, crate::schema::tracelogging::provider_name(traits));
        }
    }

    /// A provider has one name; should a trace give it several, the first in the alphabet holds on any number of threads.
    fn name(&mut self, provider: Guid, name: &[u8]) {
        match self.provider_names.get_mut(&provider) {
            Some(held) if held.as_slice() <= name => {}
            Some(held) => *held = name.to_vec(),
            None => drop(self.provider_names.insert(provider, name.to_vec())),
        }
    }

    fn absorb(&mut self, other: Self) {
        self.counts.absorb(other.counts);
        self.kept.extend(other.kept);
        self.not_kept += other.not_kept;
        self.damage.extend(other.damage);
        self.marked_losses += other.marked_losses;
        self.expanded_bytes += other.expanded_bytes;
        for (provider, name) in other.provider_names {
            self.name(provider, &name);
        }
    }

    fn finish(mut self) -> Self {
        self.kept.sort_by_key(|kept| kept.order);
        self.damage.sort_by_key(|damage| damage.buffer.at);
        self
    }
}

#[derive(Clone, Copy)]
struct Settings {
    compression: Compression,
    machine_pointer: u8,
}

/// One buffer as it lies in the file.
struct Job<'a> {
    number: u32,
    buffer: BufferAt,
    stored: Payload<'a>,
}

/// Goes over every buffer once; `progress` hears how many bytes of the file are done.
pub(crate) fn survey(reader: &mut EtlReader<'_>, threads: usize, progress: &mut dyn FnMut(u64)) -> Survey {
    let settings = Settings {
        compression: reader.assumed_compression(),
        machine_pointer: reader.machine_pointer(),
    };
    let worth_sharing = reader.buffers().len() >= 8 && reader.file_len() > 1 << 20;
    let found = if threads > 1 && worth_sharing {
        on_threads(reader, settings, threads, progress)
    } else {
        on_this_thread(reader, settings, progress)
    };
    found.finish()
}

fn on_this_thread(reader: &mut EtlReader<'_>, settings: Settings, progress: &mut dyn FnMut(u64)) -> Survey {
    let mut found = Survey::new();
    let (mut spare, mut read) = (Vec::new(), Vec::new());
    for number in 0..reader.scan.buffers.len() {
        match next_job(reader, number, std::mem::take(&mut read)) {
            Ok(Some(job)) => {
                found.buffer(&job, settings, &mut spare);
                progress(job.buffer.at + job.buffer.stored as u64);
                read = job.stored.recycle();
            }
            Ok(None) => break,
            Err(error) => {
                found.read_error = Some(error);
                break;
            }
        }
    }
    found
}

fn next_job<'a>(
    reader: &mut EtlReader<'a>,
    number: usize,
    spare: Vec<u8>,
) -> std::io::Result<Option<Job<'a>>> {
    let Some(buffer) = reader.scan.buffers.get(number).copied() else {
        return Ok(None);
    };
    let stored = stored_payload(&mut reader.input, &buffer, spare)?;
    Ok(Some(Job {
        number: u32::try_from(number).unwrap_or(u32::MAX),
        buffer,
        stored,
    }))
}

/// This thread reads and the others expand and count; allocations travel back to be used again.
fn on_threads(
    reader: &mut EtlReader<'_>,
    settings: Settings,
    threads: usize,
    progress: &mut dyn FnMut(u64),
) -> Survey {
    std::thread::scope(|scope| {
        let (to_workers, jobs) = std::sync::mpsc::sync_channel::<Job<'_>>(2 * threads);
        let (give_back, spares) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (jobs, give_back) = (Arc::clone(&jobs), give_back.clone());
                scope.spawn(move || work(&jobs, settings, &give_back))
            })
            .collect();
        drop(jobs);
        let mut found = Survey::new();
        for number in 0..reader.scan.buffers.len() {
            let spare = spares.try_recv().unwrap_or_default();
            match next_job(reader, number, spare) {
                Ok(Some(job)) => {
                    let done = job.buffer.at;
                    if to_workers.send(job).is_err() {
                        break;
                    }
                    progress(done);
                }
                Ok(None) => break,
                Err(error) => {
                    found.read_error = Some(error);
                    break;
                }
            }
        }
        drop(to_workers);
        for worker in workers {
            if let Ok(share) = worker.join() {
                found.absorb(share);
            }
        }
        found
    })
}

fn work(jobs: &Mutex<Receiver<Job<'_>>>, settings: Settings, give_back: &Sender<Vec<u8>>) -> Survey {
    let mut found = Survey::new();
    let mut spare = Vec::new();
    loop {
        let job = match jobs.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return found,
        };
        let Ok(job) = job else { return found };
        found.buffer(&job, settings, &mut spare);
        // Nobody listens any more once the last buffer is read.
        let _ = give_back.send(job.stored.recycle());
    }
}
