//! Shards over several threads, with the rows in the order one thread would give.
//!
//! The calling thread reads, opens frames and merges; each worker owns every n-th shard and gets its share of every
//! batch. A batch is the read buffer itself plus one small record a packet, so packet bytes are not copied; rows travel
//! back in the batch, so that buffers are used again. Bounded: a few batches are under way at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use casetrace_model::{Row, Sink};

use crate::analyzer::Options;
use crate::batch::{Batch, Output, Span};
use crate::emit::{Emit, Place};
use crate::finisher::Finisher;
use crate::shard::{SHARDS, Shard};
use crate::unit::{Unit, What};

/// Batches that workers may lag behind. A worker runs dry when its share of a few batches in a row is small; with 256 KiB each
/// this is still little memory.
const MAX_LAG: usize = 8;

/// Workers and the channels to and from them.
pub(crate) struct Pool {
    inputs: Vec<SyncSender<Arc<Batch>>>,
    done: Vec<Receiver<()>>,
    /// Batches whose rows are due, oldest first.
    under_way: VecDeque<Arc<Batch>>,
    spare: Vec<Batch>,
    /// Conversations written out early for lack of room, as far as batches came back.
    evicted: u64,
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
            done: Vec::new(),
            under_way: VecDeque::new(),
            spare: Vec::new(),
            evicted: 0,
        };
        for number in 0..threads {
            let (input, batches) = sync_channel::<Arc<Batch>>(MAX_LAG + 1);
            // Roomy enough never to block a worker: one word a batch under way, and the last.
            let (finished, done) = sync_channel(MAX_LAG + 4);
            let options = *options;
            scope.spawn(move || {
                Worker::new(&options, number, threads).run(&batches, &finished);
            });
            pool.inputs.push(input);
            pool.done.push(done);
        }
        pool
    }

    /// An empty batch, and a buffer for what is read next; both were in use before if possible.
    pub(crate) fn spare(&mut self) -> (Batch, Vec<u8>) {
        let threads = self.inputs.len();
        let mut batch = self.spare.pop().unwrap_or_else(|| Batch::new(threads));
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

    /// Waits for the oldest batch and writes out its rows.
    fn collect(&mut self, finisher: &mut Finisher, sink: &mut dyn Sink) {
        for done in &self.done {
            let _ = done.recv();
        }
        let Some(batch) = self.under_way.pop_front() else {
            return;
        };
        self.evicted += merge(&batch, finisher, sink);
        // Workers let go of a batch before they say that they are done.
        if let Some(mut batch) = Arc::into_inner(batch) {
            batch.clear();
            self.spare.push(batch);
        }
    }

    /// Ends the workers and writes out everything; returns how many conversations were evicted.
    pub(crate) fn finish(mut self, finisher: &mut Finisher, sink: &mut dyn Sink, now_ns: i64) -> u64 {
        // One after the other: the rows of all open conversations at once would be most of the memory used.
        for shard in 0..SHARDS {
            let (mut batch, buffer) = self.spare();
            batch.push(&Unit::end(shard as u8, now_ns), Span::Joined(0, 0));
            self.submit(buffer, batch, finisher, sink);
        }
        self.inputs.clear();
        while !self.under_way.is_empty() {
            self.collect(finisher, sink);
        }
        self.evicted
    }
}

/// One thread and its shards.
struct Worker {
    number: usize,
    threads: usize,
    shards: Vec<Shard>,
    emit: Emit,
    evicted: u64,
}

impl Worker {
    fn new(options: &Options, number: usize, threads: usize) -> Self {
        Self {
            number,
            threads,
            shards: (number..SHARDS)
                .step_by(threads)
                .map(|_| Shard::new(&options.limits))
                .collect(),
            emit: Emit::new(options.source),
            evicted: 0,
        }
    }

    fn run(&mut self, batches: &Receiver<Arc<Batch>>, finished: &SyncSender<()>) {
        while let Ok(batch) = batches.recv() {
            for (number, unit, span) in batch.shares.get(self.number).into_iter().flatten() {
                self.unit(*number, unit, batch.payload(*span));
            }
            if let Some(mut output) = batch.output(self.number) {
                // The batch's old lists are empty and have room.
                std::mem::swap(&mut output.rows, &mut self.emit.rows);
                std::mem::swap(&mut output.resolved, &mut self.emit.resolved);
                output.evicted = std::mem::take(&mut self.evicted);
            }
            drop(batch);
            if finished.send(()).is_err() {
                return;
            }
        }
    }

    fn unit(&mut self, number: u32, unit: &Unit, payload: &[u8]) {
        if let What::Tick = unit.what {
            for (i, shard) in self.shards.iter_mut().enumerate() {
                let shard_number = (self.number + i * self.threads) as u8;
                self.emit.place = Place {
                    unit: number,
                    shard: shard_number,
                };
                shard.unit(&mut self.emit, unit, payload);
            }
            return;
        }
        self.emit.place = Place {
            unit: number,
            shard: unit.shard,
        };
        if let Some(shard) = self.shards.get_mut(usize::from(unit.shard) / self.threads) {
            shard.unit(&mut self.emit, unit, payload);
            if let What::End = unit.what {
                self.evicted += shard.evicted;
            }
        }
    }
}

/// Rows of all workers in the order of their packets; returns how many conversations were evicted.
fn merge(batch: &Batch, finisher: &mut Finisher, sink: &mut dyn Sink) -> u64 {
    let mut outputs: Vec<_> = (0..batch.outputs.len())
        .filter_map(|worker| batch.output(worker))
        .collect();
    let evicted = outputs.iter().map(|output| output.evicted).sum();
    let (mut names, mut queues) = (Vec::new(), Vec::new());
    for output in &mut outputs {
        let Output { rows, resolved, .. } = &mut **output;
        names.append(resolved);
        queues.push(rows.drain(..));
    }
    names.sort_by_key(|(place, _, _)| *place);
    let mut names = names.into_iter().peekable();
    loop {
        // Looked at in place: rows are too large to be moved for a comparison.
        let first =
            |rows: &std::vec::Drain<'_, (Place, Row)>| rows.as_slice().first().map(|(place, _)| *place);
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
    evicted
}
