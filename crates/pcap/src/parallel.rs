//! Shards over several threads, with the rows in the order one thread would give.
//!
//! The calling thread reads, opens frames and merges, and works on lanes like all others whenever enough has been read
//! ahead. A batch is the read buffer itself plus one small record a packet, so packet bytes are not copied; rows travel
//! back in the batch, so that buffers are used again. Bounded: a few batches are under way at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use casetrace_model::Sink;

use crate::analyzer::Options;
use crate::batch::{Batch, LANES, Output, Span, lanes_for};
use crate::board::{Board, Task};
use crate::emit::Emit;
use crate::finisher::Finisher;
use crate::rows::{Block, Place};
use crate::shard::{LOOK_AHEAD, SHARDS, Shard};
use crate::unit::{Unit, What};

/// Shares of batches that wait for each further thread before the calling thread works on one: it takes a while to come back
/// from it and read on. Few, so that they and their rows are still in the processor's cache when their turn comes.
const AHEAD: usize = 10;

/// Batches for each thread that may be under way if there is nothing else to do for the calling thread: another one may stand
/// still for milliseconds, and the lane it works on with it.
const MOST: usize = 8;

/// Slices of connections that may be under way at the end.
const MOST_AT_END: usize = 32;

/// Blocks of rows that are kept for each thread, by itself and for it: a tick can end thousands of connections at a time.
const KEPT_BLOCKS: usize = 32;

/// The number of the calling thread.
const CALLER: usize = 0;

/// What all threads of one capture share.
pub(crate) struct Crew {
    board: Board,
    lanes: Vec<Mutex<Lane>>,
    /// Blocks of rows to be used again by each thread, that is what still lies in its processor's cache.
    blocks: Vec<Mutex<Vec<Block>>>,
    options: Options,
}

impl Crew {
    pub(crate) fn new(options: &Options) -> Self {
        let lanes = lanes_for(options.threads);
        Self {
            board: Board::default(),
            lanes: (0..lanes)
                .map(|number| Mutex::new(Lane::new(options, number, lanes)))
                .collect(),
            blocks: (0..LANES).map(|_| Mutex::default()).collect(),
            options: *options,
        }
    }

    /// How many lanes there are.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// A worker's life.
    fn work(&self, thread: usize) {
        let mut emit = Emit::new(self.options.source);
        while let Some(task) = self.board.wait_for_task(thread) {
            self.run(&task, thread, &mut emit);
        }
    }

    fn run(&self, task: &Task<'_>, thread: usize, emit: &mut Emit) {
        let (Some(batch), Some(mut lane)) = (task.batch(), self.lane(task.lane)) else {
            return;
        };
        if let Some(mut blocks) = self.blocks(thread) {
            emit.rows.use_again(&mut blocks, KEPT_BLOCKS);
        }
        lane.run(batch, task.lane, emit);
        if let Some(mut output) = batch.output(task.lane).filter(|_| !emit.is_empty()) {
            emit.rows.hand_over(&mut output.rows);
            output.thread = thread;
            output.resolved = std::mem::take(&mut emit.resolved);
        }
    }

    /// A thread that panicked leaves the lane as it was; the scope will say that it did.
    fn lane(&self, number: usize) -> Option<MutexGuard<'_, Lane>> {
        let lane = self.lanes.get(number)?;
        Some(lane.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many batches it takes to write out what is open in a shard.
    fn slices(&self, shard: usize) -> usize {
        let lane = self.lane(shard % self.lanes());
        lane.and_then(|lane| Some(lane.shards.get(shard / self.lanes())?.slices()))
            .unwrap_or(0)
    }

    /// Gives the blocks of an emptied list back to the thread that filled them.
    fn give_back(&self, mut output: MutexGuard<'_, Output>) {
        if let Some(mut blocks) = self.blocks(output.thread) {
            output.rows.give_back(&mut blocks, KEPT_BLOCKS);
        }
    }

    fn blocks(&self, thread: usize) -> Option<MutexGuard<'_, Vec<Block>>> {
        let blocks = self.blocks.get(thread)?;
        Some(blocks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn evicted(&self) -> u64 {
        let lanes = (0..self.lanes()).filter_map(|number| self.lane(number));
        lanes
            .map(|lane| lane.shards.iter().map(|shard| shard.evicted).sum::<u64>())
            .sum()
    }
}

/// The calling thread's side of a crew.
pub(crate) struct Pool<'a> {
    crew: &'a Crew,
    emit: Emit,
    /// Batches whose rows are due, oldest first.
    under_way: VecDeque<Arc<Batch>>,
    /// How many other threads there are.
    further: usize,
    /// With fewer shares left than this the calling thread reads on instead of working on one.
    ahead: usize,
    /// So many batches may be under way.
    most: usize,
    spare: Vec<Batch>,
}

impl<'a> Pool<'a> {
    /// Starts the further threads of a scope.
    pub(crate) fn start<'scope>(
        scope: &'scope std::thread::Scope<'scope, '_>,
        crew: &'scope Crew,
        threads: usize,
    ) -> Pool<'scope> {
        let further = threads.clamp(1, LANES) - 1;
        for thread in 1..=further {
            scope.spawn(move || crew.work(thread));
        }
        Pool {
            crew,
            emit: Emit::new(crew.options.source),
            under_way: VecDeque::new(),
            further,
            ahead: AHEAD * further,
            most: MOST * (1 + further),
            spare: Vec::new(),
        }
    }

    /// An empty batch, and a buffer for what is read next; both were in use before if possible.
    pub(crate) fn spare(&mut self) -> (Batch, Vec<u8>) {
        let mut batch = self.spare.pop().unwrap_or_default();
        let buffer = std::mem::take(&mut batch.data);
        (batch, buffer)
    }

    /// Hands a batch to all lanes; works along and writes out the oldest while too many are under way.
    pub(crate) fn submit(
        &mut self,
        data: Vec<u8>,
        mut batch: Batch,
        finisher: &mut Finisher,
        sink: &mut dyn Sink,
    ) {
        batch.data = data;
        let batch = Arc::new(batch);
        self.crew.board.submit(&batch);
        self.under_way.push_back(batch);
        self.collect(false, finisher, sink);
    }

    /// Writes out batches that are done, and works on the others until it is time to read on; at last, until all are written.
    fn collect(&mut self, last: bool, finisher: &mut Finisher, sink: &mut dyn Sink) {
        let board = &self.crew.board;
        while !self.under_way.is_empty() {
            let full = last || self.under_way.len() >= self.most;
            if board.retire() {
                self.write(finisher, sink);
            } else if !full && board.waiting() < self.ahead {
                return;
            } else if let Some(task) = board.claim(CALLER) {
                self.crew.run(&task, CALLER, &mut self.emit);
            } else if full {
                board.wait_for_news();
            } else {
                return;
            }
        }
    }

    /// Writes out the rows of the oldest batch.
    fn write(&mut self, finisher: &mut Finisher, sink: &mut dyn Sink) {
        let Some(batch) = self.under_way.pop_front() else {
            return;
        };
        merge(&batch, finisher, sink);
        let outputs = (0..LANES).filter_map(|lane| batch.output(lane));
        outputs.for_each(|output| self.crew.give_back(output));
        // All others let go of a batch before it counts as done.
        if let Some(mut batch) = Arc::into_inner(batch) {
            batch.clear();
            self.spare.push(batch);
        }
    }

    /// Writes out everything and ends the other threads; returns how many conversations were evicted.
    pub(crate) fn finish(mut self, finisher: &mut Finisher, sink: &mut dyn Sink, now_ns: i64) -> u64 {
        self.collect(true, finisher, sink);
        for shard in 0..SHARDS {
            let slices = self.crew.slices(shard);
            // They all lie in one lane: others find work only behind them.
            self.ahead = (slices * self.further).min(MOST_AT_END);
            self.most = self.ahead + slices.min(MOST_AT_END);
            for _ in 0..slices {
                let (mut batch, buffer) = self.spare();
                let end = Unit::end(shard as u8, now_ns);
                batch.push(&end, Span::Joined(0, 0), self.crew.lanes());
                self.submit(buffer, batch, finisher, sink);
            }
        }
        self.collect(true, finisher, sink);
        self.crew.evicted()
    }
}

impl Drop for Pool<'_> {
    /// Also when the sink panics: the scope waits for the other threads.
    fn drop(&mut self) {
        self.crew.board.close();
    }
}

/// Every n-th shard.
struct Lane {
    shards: Vec<Shard>,
    /// The number of lanes is 2 to the power of this: a division for each packet would show.
    lanes_log: u32,
}

impl Lane {
    fn new(options: &Options, number: usize, lanes: usize) -> Self {
        let shards = (number..SHARDS).step_by(lanes);
        Self {
            lanes_log: lanes.trailing_zeros(),
            shards: shards.map(|_| Shard::new(&options.limits)).collect(),
        }
    }

    fn run(&mut self, batch: &Batch, lane: usize, emit: &mut Emit) {
        let mut slots = [None; LOOK_AHEAD];
        for items in batch
            .shares
            .get(lane)
            .into_iter()
            .flat_map(|share| share.chunks(LOOK_AHEAD))
        {
            // All looked up before the first is worked on: the processor then fetches many connections from memory at a
            // time, where it would wait for one after the other.
            for (slot, (_, unit, _)) in slots.iter_mut().zip(items) {
                let shard = self.shards.get(usize::from(unit.shard) >> self.lanes_log);
                *slot = shard.and_then(|shard| shard.locate(unit));
            }
            for (slot, (_, unit, _)) in slots.iter().zip(items) {
                if let (Some(shard), Some(at)) =
                    (self.shards.get(usize::from(unit.shard) >> self.lanes_log), slot)
                {
                    shard.touch(*at);
                }
            }
            for (slot, (number, unit, span)) in slots.iter().zip(items) {
                self.unit(lane, *number, unit, *slot, batch.payload(*span), emit);
            }
        }
    }

    fn unit(
        &mut self,
        lane: usize,
        number: u32,
        unit: &Unit,
        slot: Option<u32>,
        payload: &[u8],
        emit: &mut Emit,
    ) {
        if let What::Tick = unit.what {
            for (i, shard) in self.shards.iter_mut().enumerate() {
                emit.place = Place {
                    unit: number,
                    shard: (lane + (i << self.lanes_log)) as u8,
                };
                shard.unit(emit, unit, slot, payload);
            }
            return;
        }
        emit.place = Place {
            unit: number,
            shard: unit.shard,
        };
        if let Some(shard) = self.shards.get_mut(usize::from(unit.shard) >> self.lanes_log) {
            shard.unit(emit, unit, slot, payload);
        }
    }
}

/// Writes out the rows of all lanes in the order of their packets.
fn merge(batch: &Batch, finisher: &mut Finisher, sink: &mut dyn Sink) {
    let mut outputs: Vec<_> = (0..LANES).filter_map(|lane| batch.output(lane)).collect();
    let (mut names, mut queues) = (Vec::new(), Vec::new());
    for output in &mut outputs {
        let Output { rows, resolved, .. } = &mut **output;
        names.append(resolved);
        if !rows.is_empty() {
            queues.push(rows.drain());
        }
    }
    names.sort_by_key(|(place, _, _)| *place);
    let mut names = names.into_iter().peekable();
    loop {
        let next = queues
            .iter()
            .enumerate()
            .filter_map(|(i, (places, _))| Some((*places.as_slice().first()?, i)))
            .min();
        let Some((place, at)) = next else { break };
        // Names count from the packet that brought them, as they do on one thread.
        while let Some((_, address, name)) = names.next_if(|(named, _, _)| *named <= place) {
            finisher.resolved(address, name);
        }
        if let Some((places, rows)) = queues.get_mut(at) {
            places.next();
            if let Some(row) = rows.next()
                && finisher.complete(row)
            {
                sink.lend(row);
            }
        }
    }
    for (_, address, name) in names {
        finisher.resolved(address, name);
    }
}
