//! The one thread that changes the state, and those that make it durable.
//!
//! The writer decides on input after input while the journal syncs; whatever has been decided by
//! the time one of its threads is free goes into the next sync (group commit without a timer).
//! Every answer, also that of a read, waits until the journal holds all that it has seen.

mod belt;
mod syncer;

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use state::{Caller, Change, Context, Draft};
use types::Timestamp;

use self::belt::Belt;
use self::syncer::Syncer;
use crate::journal::{Epoch, Journal, JournalError, Room};
use crate::{Core, Load, Pipeline, Transaction};

/// Inputs that may wait for the writer; more are refused at the door.
const INBOX_MAX: usize = 4096;
/// Inputs handled before what they decided is handed to the journal.
const TURN_MAX: usize = 16;
/// Reviews done between two looks at the inbox, so that neither starves.
const REVIEWS_MAX: usize = 32;
/// How many syncs are under way at once at most. With one, a request waits for the sync under way
/// before its own begins; with so many it hardly waits before.
pub const SYNCS_AT_ONCE: usize = 12;
/// The longest the writer sleeps without looking at the time.
const NAP_MAX: Duration = Duration::from_secs(1);

/// What is done with an answer once it may be seen.
pub type Release = Box<dyn FnOnce() + Send>;

/// One input: decides on the core, gives out what to do once that is durable.
pub type Job = Box<dyn FnOnce(&mut Core) -> Release + Send>;

/// What lies in the writer's inbox.
enum Order {
    Handle(Job),
    End,
}

/// The standing control loops, as the writer sees them.
pub trait Desk: Send {
    /// Takes in a change.
    fn hear(&mut self, change: &Change, now: Timestamp);
    /// When there is something to do next.
    fn due(&self) -> Timestamp;
    /// Does one thing that is due; false if there was none.
    fn turn(&mut self, draft: &mut Draft<'_>, context: &mut Context<'_>) -> bool;
}

/// Told of transactions once they are durable, in order.
pub type Hearer = Box<dyn FnMut(&[Transaction]) + Send>;

/// What the writer needs from outside.
pub struct Surroundings {
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send>,
    /// Hears of every transaction.
    pub durable: Hearer,
    /// How many syncs may be under way at once; usually [`SYNCS_AT_ONCE`].
    pub syncs_at_once: usize,
    /// Told why a thread ends before its time; must not return to business: the process ends.
    pub fatal: Box<dyn Fn(JournalError) + Send>,
}

/// More inputs wait than [`INBOX_MAX`], or the region is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests wait for the region's writer")]
pub struct Overloaded;

/// The way to the writer, for everybody.
#[derive(Clone)]
pub struct Writer {
    inbox: SyncSender<Order>,
    reserve_only: Arc<AtomicBool>,
}

/// The threads behind a [`Writer`]; they end when told, or when every handle is gone.
pub struct Threads {
    inbox: SyncSender<Order>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Lets the writer handle what lies before it and end; waits until all that was decided is
    /// durable and answered. Later inputs are refused.
    pub fn end(self) {
        // It has ended already if nobody takes this.
        drop(self.inbox.send(Order::End));
        for thread in self.handles {
            // A panic has been reported by the thread's own hook.
            drop(thread.join());
        }
    }
}

impl Writer {
    /// Starts the threads: one that decides, and one for each sync that may be under way.
    pub fn start(
        core: Core,
        epoch: Epoch,
        journal: Box<dyn Journal>,
        desk: Box<dyn Desk>,
        surroundings: Surroundings,
    ) -> (Self, Threads) {
        let (inbox, orders) = sync_channel(INBOX_MAX);
        let reserve_only = Arc::new(AtomicBool::new(journal.room() == Room::ReserveOnly));
        let Surroundings { now, durable, syncs_at_once, fatal } = surroundings;
        let syncs_at_once = syncs_at_once.max(1);
        let belt = Arc::new(Belt::new(syncs_at_once));
        let pipeline = Pipeline::new(journal, epoch);
        let syncers = Syncer::crew(syncs_at_once, &belt, pipeline, durable, fatal, &reserve_only);
        let decider = Decider { core, desk, orders, now, belt };
        let mut handles = vec![spawn("writer", move || decider.run())];
        handles.extend(syncers.into_iter().map(|it| spawn("journal", move || it.run())));
        (Self { inbox: inbox.clone(), reserve_only }, Threads { inbox, handles })
    }

    /// Hands an input to the writer.
    ///
    /// # Errors
    ///
    /// [`Overloaded`]: nothing will happen.
    pub fn submit(&self, job: Job) -> Result<(), Overloaded> {
        self.inbox.try_send(Order::Handle(job)).map_err(|refused| match refused {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Overloaded,
        })
    }

    /// Whether the disk has only its reserve left, for what frees things.
    pub fn reserve_only(&self) -> bool {
        self.reserve_only.load(Ordering::Relaxed)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("a machine that cannot start a few threads cannot run a region")
}

struct Decider {
    core: Core,
    desk: Box<dyn Desk>,
    orders: Receiver<Order>,
    now: Box<dyn Fn() -> Timestamp + Send>,
    belt: Arc<Belt>,
}

impl Decider {
    fn run(mut self) {
        let mut releases = VecDeque::new();
        loop {
            self.core.advance((self.now)());
            let nap = self.desk.due().since(self.core.now()).min(NAP_MAX);
            let first = self.orders.recv_timeout(nap);
            let waiting = matches!(first, Ok(Order::Handle(_)));
            let mut ending = matches!(first, Ok(Order::End) | Err(RecvTimeoutError::Disconnected));
            if let Ok(Order::Handle(job)) = first {
                self.handle(job, &mut releases);
            }
            for _ in 0..if waiting { TURN_MAX } else { 0 } {
                match self.orders.try_recv() {
                    Ok(Order::Handle(job)) => self.handle(job, &mut releases),
                    Ok(Order::End) => ending = true,
                    Err(_) => break,
                }
            }
            self.core.advance((self.now)());
            self.review();
            let transactions = self.core.take();
            self.belt.put(Load { transactions, releases: core::mem::take(&mut releases) });
            if ending {
                break;
            }
        }
        self.belt.close();
    }

    fn handle(&mut self, job: Job, releases: &mut VecDeque<Release>) {
        self.core.advance((self.now)());
        let seen = self.core.fresh().len();
        releases.push_back(job(&mut self.core));
        self.hear(seen);
    }

    fn hear(&mut self, seen: usize) {
        for transaction in self.core.fresh().iter().skip(seen) {
            for change in &transaction.changes {
                self.desk.hear(change, self.core.now());
            }
        }
    }

    fn review(&mut self) {
        for _ in 0..REVIEWS_MAX {
            let seen = self.core.fresh().len();
            let desk = &mut self.desk;
            let done =
                self.core.write(Caller::region(), 0, |draft, context| desk.turn(draft, context));
            self.hear(seen);
            if !done {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
