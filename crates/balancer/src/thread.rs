//! What everything on one thread shares. Nothing here leaves its thread.

use core::cell::{Cell, RefCell};
use core::task::Waker;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;
use types::Timestamp;

use crate::access_log;
use crate::counters::{Meter, Meters, Subject};
use crate::date;
use crate::gate::Gate;
use crate::http1::work::Work;
use crate::limits;
use crate::tls::Connector;
use crate::trace::Fresh;
use crate::view::View;

/// The time of the day, for logs and cookies. Injected, because tests have a time of their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) meters: Arc<Meters>,
    pub(crate) log: access_log::Sink,
    pub(crate) connector: Connector,
    pub(crate) clock: Clock,
    pub(crate) gate: Arc<Gate>,
}

/// What everything on one thread shares.
pub(crate) struct Thread {
    pub(crate) shared: Arc<Shared>,
    /// What sockets are read into; only ever borrowed within one poll.
    pub(crate) scratch: RefCell<Vec<u8>>,
    view: RefCell<Rc<View>>,
    #[allow(clippy::vec_box, reason = "they are handed out as boxes, and not moved")]
    works: RefCell<Vec<Box<Work>>>,
    meters: RefCell<HashMap<Subject, Arc<Meter>>>,
    dice: Cell<u64>,
    /// The time of the day at an instant; taken anew each second, so that it follows the clock.
    anchor: Cell<(Instant, Timestamp)>,
    date: RefCell<(i64, Rc<str>)>,
    sleepers: RefCell<Vec<Option<Waker>>>,
    sleepers_free: RefCell<Vec<usize>>,
    is_draining: Cell<bool>,
    connections: Cell<usize>,
    /// Told when the last connection has gone.
    emptied: Notify,
}

/// Works that are kept while nobody needs them.
const WORKS_KEPT: usize = 256;

impl Thread {
    pub(crate) fn new(shared: Arc<Shared>, seed: u64) -> Rc<Self> {
        let now = (shared.clock)();
        Rc::new(Self {
            shared,
            scratch: RefCell::new(vec![0; limits::SCRATCH]),
            view: RefCell::default(),
            works: RefCell::default(),
            meters: RefCell::default(),
            dice: Cell::new(seed),
            anchor: Cell::new((Instant::now(), now)),
            date: RefCell::new((i64::MIN, Rc::from(""))),
            sleepers: RefCell::default(),
            sleepers_free: RefCell::default(),
            is_draining: Cell::new(false),
            connections: Cell::new(0),
            emptied: Notify::new(),
        })
    }

    pub(crate) fn view(&self) -> Rc<View> {
        Rc::clone(&self.view.borrow())
    }

    pub(crate) fn set_view(&self, view: Rc<View>) {
        self.view.replace(view);
        self.wake_all();
    }

    /// Looks at the clock.
    pub(crate) fn tick(&self) {
        self.anchor.set((Instant::now(), (self.shared.clock)()));
    }

    /// The time of the day at an instant.
    pub(crate) fn time(&self, at: Instant) -> Timestamp {
        let (anchor, time) = self.anchor.get();
        match at.checked_duration_since(anchor) {
            Some(later) => time.after(later),
            None => {
                let earlier = anchor.duration_since(at).as_millis();
                Timestamp(time.0 - i64::try_from(earlier).unwrap_or(0))
            }
        }
    }

    /// The date as HTTP writes it; made anew once in a second.
    pub(crate) fn date(&self, now: Instant) -> Rc<str> {
        let time = self.time(now);
        let second = time.0.div_euclid(1000);
        let mut date = self.date.borrow_mut();
        if date.0 != second {
            *date = (second, Rc::from(date::http(time)));
        }
        Rc::clone(&date.1)
    }

    /// A random number: good for choices, not for secrets (`SplitMix64`).
    pub(crate) fn dice(&self) -> u64 {
        let state = self.dice.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.dice.set(state);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An identifier for the trace of a request.
    pub(crate) fn fresh_trace(&self, now: Instant) -> Fresh {
        Fresh::new(self.time(now).0.div_euclid(1000), [self.dice(), self.dice()])
    }

    pub(crate) fn meter(&self, subject: Subject) -> Arc<Meter> {
        let mut meters = self.meters.borrow_mut();
        let fresh = || self.shared.meters.meter(&subject);
        Arc::clone(meters.entry(subject.clone()).or_insert_with(fresh))
    }

    /// Drops the meters of what is not served any more.
    pub(crate) fn forget_meters(&self, keep: impl Fn(&Subject) -> bool) {
        self.meters.borrow_mut().retain(|subject, _| keep(subject));
    }

    pub(crate) fn take_work(&self) -> Box<Work> {
        self.works.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_work(&self, mut work: Box<Work>) {
        let mut works = self.works.borrow_mut();
        if works.len() < WORKS_KEPT && work.is_small() {
            work.clear();
            works.push(work);
        }
    }

    /// Wakes everybody who waits, so that they see what has changed.
    pub(crate) fn wake_all(&self) {
        for waker in self.sleepers.borrow().iter().flatten() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    pub(crate) fn drain(&self) {
        self.is_draining.set(true);
        self.wake_all();
    }

    /// Waits until the last connection of a client has gone.
    pub(crate) async fn until_empty(&self) {
        while self.connections.get() > 0 {
            self.emptied.notified().await;
        }
    }

    /// How many connections of clients this thread holds.
    pub(crate) fn connections(&self) -> usize {
        self.connections.get()
    }
}

/// A task that is to be woken when a table comes or the thread drains.
pub(crate) struct Sleeper {
    thread: Rc<Thread>,
    place: Option<usize>,
}

impl Sleeper {
    pub(crate) fn new(thread: &Rc<Thread>) -> Self {
        thread.connections.set(thread.connections.get() + 1);
        Self { thread: Rc::clone(thread), place: None }
    }

    /// The thread that it sleeps on.
    pub(crate) fn thread(&self) -> &Rc<Thread> {
        &self.thread
    }

    /// Remembers by what the task is woken; once is enough, it does not change.
    pub(crate) fn remember(&mut self, waker: &Waker) {
        if self.place.is_some() {
            return;
        }
        let mut sleepers = self.thread.sleepers.borrow_mut();
        let place = self.thread.sleepers_free.borrow_mut().pop().unwrap_or_else(|| {
            sleepers.push(None);
            sleepers.len() - 1
        });
        if let Some(slot) = sleepers.get_mut(place) {
            *slot = Some(waker.clone());
        }
        self.place = Some(place);
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let left = self.thread.connections.get().saturating_sub(1);
        self.thread.connections.set(left);
        if left == 0 {
            self.thread.emptied.notify_one();
        }
        let Some(place) = self.place else { return };
        if let Some(slot) = self.thread.sleepers.borrow_mut().get_mut(place) {
            *slot = None;
        }
        self.thread.sleepers_free.borrow_mut().push(place);
    }
}
