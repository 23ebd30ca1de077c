//! The one thread that changes the state, and the one that makes it durable.
//!
//! The writer decides on input after input while the journal's thread syncs; whatever has been
//! decided by the time a sync ends goes into the next one (group commit without a timer). Every
//! answer, also that of a read, waits until the journal holds all that it has seen.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use state::{Caller, Change, Context, Draft};
use types::Timestamp;

use crate::journal::{Epoch, Journal, JournalError, Room};
use crate::{Core, Transaction};

/// Inputs that may wait for the writer; more are refused at the door.
const INBOX_MAX: usize = 4096;
/// Inputs handled before what they decided is handed to the journal.
const TURN_MAX: usize = 256;
/// Reviews done between two looks at the inbox, so that neither starves.
const REVIEWS_MAX: usize = 32;
/// Answers that may wait for a sync; beyond it the writer waits for the journal.
const WAITING_MAX: usize = 16_384;
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
    /// Starts the two threads.
    pub fn start(
        core: Core,
        epoch: Epoch,
        journal: Box<dyn Journal>,
        desk: Box<dyn Desk>,
        surroundings: Surroundings,
    ) -> (Self, Threads) {
        let (inbox, orders) = sync_channel(INBOX_MAX);
        let reserve_only = Arc::new(AtomicBool::new(journal.room() == Room::ReserveOnly));
        let belt = Arc::new(Belt::default());
        let Surroundings { now, durable, fatal } = surroundings;
        let syncer = Syncer {
            belt: belt.clone(),
            journal,
            epoch,
            durable,
            fatal,
            reserve_only: reserve_only.clone(),
        };
        let decider = Decider { core, desk, orders, now, belt };
        let handles =
            vec![spawn("writer", move || decider.run()), spawn("journal", move || syncer.run())];
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
        .expect("a machine that cannot start two threads cannot run a region")
}

/// What travels from the writer to the journal.
#[derive(Default)]
struct Load {
    transactions: Vec<Transaction>,
    releases: VecDeque<Release>,
    closed: bool,
}

/// The belt between the two threads.
#[derive(Default)]
struct Belt {
    load: Mutex<Load>,
    moved: Condvar,
}

impl Belt {
    fn put(&self, transactions: Vec<Transaction>, releases: &mut VecDeque<Release>) {
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        while load.releases.len() > WAITING_MAX {
            load = self.moved.wait(load).unwrap_or_else(PoisonError::into_inner);
        }
        load.transactions.extend(transactions);
        load.releases.append(releases);
        self.moved.notify_all();
    }

    fn close(&self) {
        self.load.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.moved.notify_all();
    }

    /// Everything there is; `None` once the belt is closed and empty.
    fn take(&self) -> Option<Load> {
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if !load.releases.is_empty() || !load.transactions.is_empty() {
                let closed = load.closed;
                let taken = core::mem::replace(&mut *load, Load { closed, ..Load::default() });
                self.moved.notify_all();
                return Some(taken);
            }
            if load.closed {
                return None;
            }
            load = self.moved.wait(load).unwrap_or_else(PoisonError::into_inner);
        }
    }
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
            if !transactions.is_empty() || !releases.is_empty() {
                self.belt.put(transactions, &mut releases);
            }
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

struct Syncer {
    belt: Arc<Belt>,
    journal: Box<dyn Journal>,
    epoch: Epoch,
    durable: Hearer,
    fatal: Box<dyn Fn(JournalError) + Send>,
    reserve_only: Arc<AtomicBool>,
}

impl Syncer {
    /// Ends at the first failed commit: what memory holds may not be on disk, so nothing that was
    /// decided may be shown any more.
    fn run(mut self) {
        while let Some(load) = self.belt.take() {
            if !load.transactions.is_empty() {
                let batches: Vec<_> = load.transactions.iter().map(Transaction::batch).collect();
                if let Err(error) = self.journal.commit(self.epoch, &batches) {
                    (self.fatal)(error);
                    return;
                }
                self.reserve_only
                    .store(self.journal.room() == Room::ReserveOnly, Ordering::Relaxed);
                (self.durable)(&load.transactions);
            }
            for release in load.releases {
                release();
            }
        }
        if let Err(error) = self.journal.close() {
            (self.fatal)(error);
        }
    }
}
