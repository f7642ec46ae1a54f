//! The second pass on several threads: the calling one reads, merges and delivers, the others build rows from batches of
//! copied records; batches are delivered in their order, so that any number of threads gives the same rows.
//!
//! ```text
//! merged records ──► batch ──► worker: build rows ──► part of the sink ──► calling thread: next part in order
//!                      ▲                                                        │
//!                      └──────────────── allocation comes back ◄────────────────┘
//! ```
//!
//! A sink that can be split takes rows on the thread that built them; only finished parts travel. Rows for any other
//! sink travel one by one, which costs about as much as building them.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use casetrace_model::{Part, PartMaker, PartTaker, Row, Sink, Source};

use super::batch::{Batch, Size};
use super::builder::{RowBuilder, Rows, Scratch};
use super::follow::{Follower, HttpFact, like};
use super::run::{Deliver, Pump};
use crate::container::merge::Events;
use crate::container::record::Event;

/// Rows of such a batch should still be in a core's cache when they are delivered.
const SMALL: Size = Size {
    bytes: 256 << 10,
    records: 192,
};
/// Rows of such a batch are taken at once, and a part is worth its making.
const LARGE: Size = Size {
    bytes: 512 << 10,
    records: 4096,
};

/// Builds and delivers all rows.
pub(super) fn run(
    builder: &RowBuilder<'_>,
    events: &mut Events<'_, '_>,
    pump: &mut Pump,
    sink: &mut dyn Sink,
    for_packets: impl FnMut(&Event<'_>),
    threads: usize,
) {
    let follower = Follower::new(builder.options.mask_secrets);
    let stage = Stage {
        builder,
        events,
        pump,
        threads,
    };
    if let Some((maker, taker)) = sink.split() {
        let work = |batch: &Batch, scratch: &mut Scratch| fill_part(maker, batch, builder, scratch);
        stage.run(LARGE, work, &mut Parts { follower, taker }, for_packets);
        return;
    }
    let work = |batch: &Batch, scratch: &mut Scratch| {
        let mut rows: Vec<Built> = Vec::with_capacity(SMALL.records);
        batch.build(builder, scratch, &mut rows);
        rows
    };
    stage.run(SMALL, work, &mut OneByOne { follower, sink }, for_packets);
}

/// What delivers a batch's results of type `R`.
trait Delivery<R> {
    fn deliver(&mut self, rows: R);
    fn sink(&mut self) -> &mut dyn Sink;
}

/// A row on its way to the thread that delivers.
#[derive(Debug)]
struct Built {
    row: Row,
    fact: Option<Box<HttpFact>>,
}

impl Rows for Vec<Built> {
    fn row(&mut self, row: &mut Row, fact: Option<Box<HttpFact>>) {
        let row = std::mem::replace(row, Row::new(Source::Etl, "", 0));
        self.push(Built { row, fact });
    }
}

struct OneByOne<'d> {
    follower: Follower,
    sink: &'d mut dyn Sink,
}

impl Delivery<Vec<Built>> for OneByOne<'_> {
    fn deliver(&mut self, rows: Vec<Built>) {
        let mut deliver = Deliver {
            follower: &mut self.follower,
            sink: self.sink,
        };
        for mut built in rows {
            deliver.row(&mut built.row, built.fact);
        }
    }
    fn sink(&mut self) -> &mut dyn Sink {
        self.sink
    }
}

/// A finished part, and what is to be followed over several parts: the fact, and a row with the place of its event.
type FilledPart = (Box<dyn Any + Send>, Vec<(HttpFact, Row)>);

struct Filling<'p> {
    part: Box<dyn Part + 'p>,
    facts: Vec<(HttpFact, Row)>,
}

impl Rows for Filling<'_> {
    fn row(&mut self, row: &mut Row, fact: Option<Box<HttpFact>>) {
        if let Some(fact) = fact {
            self.facts.push((*fact, like(row, "event")));
        }
        self.part.lend(row);
    }
}

fn fill_part(
    maker: &dyn PartMaker,
    batch: &Batch,
    builder: &RowBuilder<'_>,
    scratch: &mut Scratch,
) -> FilledPart {
    let mut filling = Filling {
        part: maker.part(),
        facts: Vec::new(),
    };
    batch.build(builder, scratch, &mut filling);
    (filling.part.finish(), filling.facts)
}

struct Parts<'d> {
    follower: Follower,
    taker: &'d mut dyn PartTaker,
}

impl Delivery<FilledPart> for Parts<'_> {
    fn deliver(&mut self, (part, facts): FilledPart) {
        self.taker.take(part);
        for (fact, event) in facts {
            if let Some(row) = self.follower.follow(&event, fact) {
                self.taker.row(row);
            }
        }
    }
    fn sink(&mut self) -> &mut dyn Sink {
        self.taker
    }
}

struct Stage<'s, 'e, 'r, 'a> {
    builder: &'s RowBuilder<'s>,
    events: &'e mut Events<'r, 'a>,
    pump: &'e mut Pump,
    threads: usize,
}

impl Stage<'_, '_, '_, '_> {
    fn run<R: Send>(
        self,
        size: Size,
        work: impl Fn(&Batch, &mut Scratch) -> R + Sync,
        delivery: &mut dyn Delivery<R>,
        mut for_packets: impl FnMut(&Event<'_>),
    ) {
        std::thread::scope(|scope| {
            let (to_workers, jobs) = sync_channel::<Batch>(self.threads);
            let (from_workers, done) = channel();
            let jobs = std::sync::Arc::new(Mutex::new(jobs));
            for _ in 0..self.threads {
                let (jobs, from_workers, work) = (std::sync::Arc::clone(&jobs), from_workers.clone(), &work);
                scope.spawn(move || serve(work, &jobs, &from_workers));
            }
            drop((jobs, from_workers));
            let mut order = Order::new(done);
            let mut batch = Batch::with_size(size);
            while self.pump.step(self.events, delivery.sink(), |event, _| {
                for_packets(event);
                if self.builder.may_give_row(event) {
                    batch.push(event);
                }
            }) {
                if batch.is_full(size) {
                    let full = std::mem::replace(
                        &mut batch,
                        order.spare.pop().unwrap_or_else(|| Batch::with_size(size)),
                    );
                    if !order.send(full, &to_workers, 3 * self.threads, delivery) {
                        break;
                    }
                }
            }
            if !batch.is_empty() {
                order.send(batch, &to_workers, usize::MAX, delivery);
            }
            drop(to_workers);
            while order.next < order.sent && order.receive(delivery) {}
        });
    }
}

/// Builds batches until there are no more.
fn serve<R>(
    work: &(impl Fn(&Batch, &mut Scratch) -> R + Sync),
    jobs: &Mutex<Receiver<Batch>>,
    done: &Sender<Done<R>>,
) {
    let mut scratch = Scratch::default();
    loop {
        let batch = match jobs.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(batch) = batch else { return };
        let rows = work(&batch, &mut scratch);
        if done.send((batch.number, rows, batch)).is_err() {
            return;
        }
    }
}

/// A batch's number and rows, and the batch to be filled again.
type Done<R> = (usize, R, Batch);

/// Delivers batches in the order they were sent.
struct Order<R> {
    done: Receiver<Done<R>>,
    waiting: BTreeMap<usize, R>,
    next: usize,
    sent: usize,
    spare: Vec<Batch>,
}

impl<R> Order<R> {
    fn new(done: Receiver<Done<R>>) -> Self {
        Self {
            done,
            waiting: BTreeMap::new(),
            next: 0,
            sent: 0,
            spare: Vec::new(),
        }
    }

    /// Sends a batch, and takes results until at most `ahead` batches are on their way.
    fn send(
        &mut self,
        mut batch: Batch,
        to_workers: &SyncSender<Batch>,
        ahead: usize,
        delivery: &mut dyn Delivery<R>,
    ) -> bool {
        batch.number = self.sent;
        self.sent += 1;
        if to_workers.send(batch).is_err() {
            return false;
        }
        while self.sent - self.next > ahead {
            if !self.receive(delivery) {
                return false;
            }
        }
        true
    }

    fn receive(&mut self, delivery: &mut dyn Delivery<R>) -> bool {
        let Ok((number, rows, mut batch)) = self.done.recv() else {
            return false;
        };
        batch.clear();
        self.spare.push(batch);
        self.waiting.insert(number, rows);
        while let Some(rows) = self.waiting.remove(&self.next) {
            self.next += 1;
            delivery.deliver(rows);
        }
        true
    }
}
