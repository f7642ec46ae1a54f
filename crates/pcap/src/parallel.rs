//! Shards over several threads, with the rows in the order one thread would give.
//!
//! The calling thread reads, opens frames and merges; each worker owns every n-th shard and gets every batch. A batch
//! is the read buffer itself plus one small record a packet, so packet bytes are not copied. Bounded: a few batches
//! are under way at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use casetrace_model::{Packet, PacketSink, Row, Sink, Text};

use crate::analyzer::{Finisher, Options, Router};
use crate::emit::{Emit, Place};
use crate::shard::{SHARDS, Shard, Unit, What};

/// Batches that workers may lag behind.
const MAX_LAG: usize = 4;

/// Where a unit's payload lies.
#[derive(Debug, Clone, Copy)]
enum Span {
    /// In the read buffer.
    Read(u32, u32),
    /// Among the datagrams put together from fragments.
    Joined(u32, u32),
}

/// Packets of one read buffer.
#[derive(Default)]
pub(crate) struct Batch {
    data: Vec<u8>,
    joined: Vec<u8>,
    units: Vec<(Unit, Span)>,
}

/// What one worker made of one batch.
struct Output {
    rows: Vec<(Place, Row)>,
    resolved: Vec<(Place, Text, Text)>,
    evicted: u64,
}

/// Collects the units of the buffer being parsed.
pub(crate) struct Collector<'a> {
    pub(crate) router: &'a mut Router,
    pub(crate) batch: &'a mut Batch,
    /// Address of the first byte of the buffer, to tell where a payload lies in it.
    pub(crate) buffer: (usize, usize),
}

impl PacketSink for Collector<'_> {
    fn packet(&mut self, packet: &Packet<'_>) {
        let Self {
            router,
            batch,
            buffer,
        } = self;
        router.route(packet, |unit, payload| {
            let at = (payload.as_ptr() as usize).wrapping_sub(buffer.0);
            let span = if at.checked_add(payload.len()).is_some_and(|end| end <= buffer.1) {
                Span::Read(at as u32, payload.len() as u32)
            } else {
                let start = batch.joined.len();
                batch.joined.extend_from_slice(payload);
                Span::Joined(start as u32, payload.len() as u32)
            };
            batch.units.push((*unit, span));
        });
    }
}

/// Workers and the channels to and from them.
pub(crate) struct Pool {
    inputs: Vec<SyncSender<Arc<Batch>>>,
    outputs: Vec<Receiver<Output>>,
    /// Batches whose rows are due, oldest first; kept so that their buffers can be used again.
    under_way: VecDeque<Arc<Batch>>,
    spare: Vec<Batch>,
}

impl Pool {
    /// Starts the workers of a scope.
    pub(crate) fn start<'scope>(
        scope: &'scope std::thread::Scope<'scope, '_>,
        options: &Options,
        threads: usize,
    ) -> Self {
        let threads = threads.min(SHARDS);
        let mut pool = Self {
            inputs: Vec::new(),
            outputs: Vec::new(),
            under_way: VecDeque::new(),
            spare: Vec::new(),
        };
        for number in 0..threads {
            let (input, batches) = sync_channel::<Arc<Batch>>(MAX_LAG + 1);
            // Roomy enough never to block a worker: one output a batch under way, and the last.
            let (results, output) = sync_channel(MAX_LAG + 4);
            let options = *options;
            scope.spawn(move || work(&options, number, threads, &batches, &results));
            pool.inputs.push(input);
            pool.outputs.push(output);
        }
        pool
    }

    /// An empty batch, and a buffer for what is read next; both were in use before if possible.
    pub(crate) fn spare(&mut self) -> (Batch, Vec<u8>) {
        let mut batch = self.spare.pop().unwrap_or_default();
        let buffer = std::mem::take(&mut batch.data);
        (batch, buffer)
    }

    /// Hands a batch to all workers; writes out the oldest if too many are under way.
    pub(crate) fn submit(
        &mut self,
        data: Vec<u8>,
        mut batch: Batch,
        finisher: &mut Finisher,
        sink: &mut dyn Sink,
    ) {
        batch.data = data;
        let batch = Arc::new(batch);
        for input in &self.inputs {
            // A worker that is gone has panicked; the scope will say so.
            let _ = input.send(Arc::clone(&batch));
        }
        self.under_way.push_back(batch);
        if self.under_way.len() > MAX_LAG {
            self.collect(finisher, sink);
        }
    }

    fn collect(&mut self, finisher: &mut Finisher, sink: &mut dyn Sink) -> u64 {
        let outputs: Vec<Output> = self
            .outputs
            .iter()
            .filter_map(|output| output.recv().ok())
            .collect();
        // Workers let go of a batch before they hand in its rows.
        if let Some(mut batch) = self.under_way.pop_front().and_then(Arc::into_inner) {
            batch.units.clear();
            batch.joined.clear();
            self.spare.push(batch);
        }
        let evicted = outputs.iter().map(|o| o.evicted).sum();
        merge(outputs, finisher, sink);
        evicted
    }

    /// Ends the workers and writes out everything; returns how many conversations were evicted.
    pub(crate) fn finish(mut self, finisher: &mut Finisher, sink: &mut dyn Sink, now_ns: i64) -> u64 {
        let seen = crate::emit::Seen {
            ts_ns: now_ns,
            record: 0,
        };
        let nobody = (crate::net::addr::Addr::default(), 0);
        let last = Unit {
            seen,
            src: nobody,
            dst: nobody,
            pid: None,
            what: What::Tick,
            shard: u8::MAX,
        };
        let batch = Batch {
            units: vec![(last, Span::Joined(0, 0))],
            ..Batch::default()
        };
        self.submit(Vec::new(), batch, finisher, sink);
        self.inputs.clear();
        let mut evicted = 0;
        while !self.under_way.is_empty() {
            evicted += self.collect(finisher, sink);
        }
        evicted
    }
}

fn work(
    options: &Options,
    number: usize,
    threads: usize,
    batches: &Receiver<Arc<Batch>>,
    results: &SyncSender<Output>,
) {
    let mut shards: Vec<Shard> = (number..SHARDS)
        .step_by(threads)
        .map(|_| Shard::new(&options.limits))
        .collect();
    let mut emit = Emit::new(options.source);
    while let Ok(batch) = batches.recv() {
        let mut evicted = 0;
        for (at, (unit, span)) in batch.units.iter().enumerate() {
            let unit_number = at as u32;
            if let What::Tick = unit.what {
                for (i, shard) in shards.iter_mut().enumerate() {
                    emit.place = Place {
                        unit: unit_number,
                        shard: (number + i * threads) as u8,
                    };
                    if unit.shard == u8::MAX {
                        shard.finish(&mut emit, unit.seen.ts_ns);
                        evicted += shard.evicted;
                    } else {
                        shard.unit(&mut emit, unit, &[]);
                    }
                }
                continue;
            }
            let owner = usize::from(unit.shard);
            if owner % threads != number {
                continue;
            }
            emit.place = Place {
                unit: unit_number,
                shard: unit.shard,
            };
            if let Some(shard) = shards.get_mut(owner / threads) {
                shard.unit(&mut emit, unit, batch.payload(*span));
            }
        }
        drop(batch);
        // Rows are large; growing the list would copy them several times.
        let room = emit.rows.len() + emit.rows.len() / 4;
        let output = Output {
            rows: std::mem::replace(&mut emit.rows, Vec::with_capacity(room)),
            resolved: std::mem::take(&mut emit.resolved),
            evicted,
        };
        if results.send(output).is_err() {
            return;
        }
    }
}

impl Batch {
    fn payload(&self, span: Span) -> &[u8] {
        let (from, at, len) = match span {
            Span::Read(at, len) => (&self.data, at, len),
            Span::Joined(at, len) => (&self.joined, at, len),
        };
        from.get(at as usize..at as usize + len as usize)
            .unwrap_or_default()
    }
}

/// Rows of all workers in the order of their packets.
fn merge(outputs: Vec<Output>, finisher: &mut Finisher, sink: &mut dyn Sink) {
    let mut names: Vec<(Place, Text, Text)> = Vec::new();
    let mut queues = Vec::new();
    for output in outputs {
        names.extend(output.resolved);
        queues.push(output.rows.into_iter());
    }
    names.sort_by_key(|(place, _, _)| *place);
    let mut names = names.into_iter().peekable();
    loop {
        // Looked at in place: rows are too large to be moved for a comparison.
        let first =
            |rows: &std::vec::IntoIter<(Place, Row)>| rows.as_slice().first().map(|(place, _)| *place);
        let next = queues
            .iter()
            .enumerate()
            .filter_map(|(i, rows)| Some((first(rows)?, i)))
            .min();
        let Some((place, at)) = next else { break };
        // Names count from the packet that brought them, as they do on one thread.
        while let Some((_, address, name)) = names.next_if(|(named, _, _)| *named <= place) {
            finisher.resolved(address, name);
        }
        if let Some((_, row)) = queues.get_mut(at).and_then(Iterator::next) {
            finisher.row(row, sink);
        }
    }
    for (_, address, name) in names {
        finisher.resolved(address, name);
    }
}
