//! A balancer: its threads, and what can be asked of it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use plan::routing::{Generation, Reception, RoutingTable};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::access_log::{Lines, Sink};
use crate::counters::{Count, Meters, Subject};
use crate::gate::Gate;
use crate::inheritance::Inheritance;
use crate::limits;
use crate::listeners::{self, Doors};
use crate::snapshot::Snapshot;
use crate::sockets::Sockets;
use crate::targets::Targets;
use crate::thread::{Clock, Shared, Thread};
use crate::tls::Connector;
use crate::view::View;

/// How a balancer is started.
pub struct Config {
    /// How many threads carry traffic: one for each core.
    pub threads: usize,
    /// Addresses of this machine at which every load balancer is served too.
    pub addresses: Vec<IpAddr>,
    /// The time of the day.
    pub clock: Clock,
    /// Clients are taken in once this is open.
    pub gate: Arc<Gate>,
    /// Where its listening sockets come from, and who holds them.
    pub inheritance: Arc<Inheritance>,
}

/// A balancer that runs. It stops when this is dropped.
pub struct Balancer {
    threads: Vec<mpsc::Sender<Order>>,
    shared: Arc<Shared>,
    addresses: Vec<IpAddr>,
    targets: Targets,
    sockets: Mutex<Sockets>,
    inheritance: Arc<Inheritance>,
    snapshot: RwLock<Arc<Snapshot>>,
    /// One table is applied at a time.
    applying: tokio::sync::Mutex<()>,
    lines: Mutex<Option<Lines>>,
}

/// Orders that wait for a thread. There is one giver and they are answered.
const ORDERS: usize = 4;

enum Order {
    Apply(Arc<Snapshot>, listeners::Sockets, oneshot::Sender<()>),
    /// Some targets' time is over.
    End,
    /// Answered once nobody is connected any more.
    Drain(oneshot::Sender<()>),
}

/// What came of a table.
#[derive(Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is served now, but for the addresses that could not be listened on, with the cause.
    Served(BTreeMap<SocketAddr, String>),
    /// A newer one is served already.
    Stale,
}

impl Balancer {
    /// Starts the threads; nothing is served until a table is applied.
    ///
    /// # Errors
    ///
    /// If the system gives no threads, no event queues or no randomness.
    pub fn start(config: Config) -> io::Result<Self> {
        let (log, lines) = Sink::new();
        let shared = Arc::new(Shared {
            meters: Arc::default(),
            log,
            connector: Connector::new(),
            clock: config.clock,
            gate: config.gate,
        });
        let mut threads = Vec::with_capacity(config.threads);
        for number in 0..config.threads.max(1) {
            let (orders, taken) = mpsc::channel(ORDERS);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let seed = seed()?;
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("balancer-{number}")).spawn(move || {
                let work = async move { run(Thread::new(shared, seed), taken).await };
                runtime.block_on(LocalSet::new().run_until(work));
            })?;
            threads.push(orders);
        }
        Ok(Self {
            threads,
            shared,
            addresses: config.addresses,
            targets: Targets::default(),
            sockets: Mutex::default(),
            inheritance: config.inheritance,
            snapshot: RwLock::default(),
            applying: tokio::sync::Mutex::new(()),
            lines: Mutex::new(Some(lines)),
        })
    }

    /// Serves a table from now on, whole: when this returns, every thread does.
    ///
    /// A generation that is not newer than the one that is served changes nothing.
    pub async fn apply(&self, table: RoutingTable) -> Applied {
        let _one_at_a_time = self.applying.lock().await;
        let before = self.snapshot();
        if table.generation.beside(before.compiled.generation) == Reception::Older {
            return Applied::Stale;
        }
        let snapshot = Arc::new(Snapshot::new(table, &before, &self.targets, &self.addresses));
        let (refused, orders) = self.settle_sockets(&snapshot);
        let mut done = Vec::new();
        for (thread, sockets) in self.threads.iter().zip(orders) {
            let (tell, told) = oneshot::channel();
            // A thread that has ended has ended the process.
            let _ = thread.send(Order::Apply(Arc::clone(&snapshot), sockets, tell)).await;
            done.push(told);
        }
        for told in done {
            let _ = told.await;
        }
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&snapshot);
        let known = |subject: &Subject| {
            let balanced = &snapshot.compiled.load_balancers;
            balanced.iter().any(|it| it.told.arn == subject.load_balancer)
        };
        self.shared.meters.retain(known);
        Applied::Served(refused.into_iter().map(|it| (it.0, it.1.to_string())).collect())
    }

    fn settle_sockets(
        &self,
        snapshot: &Snapshot,
    ) -> (BTreeMap<SocketAddr, io::Error>, Vec<listeners::Sockets>) {
        let http = snapshot.doors.iter().filter(|it| it.1.speaks_http());
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = sockets.settle(http.map(|it| it.0), self.threads.len(), &self.inheritance);
        let orders = (0..self.threads.len()).map(|thread| sockets.of(thread)).collect();
        (refused, orders)
    }

    /// What is served: load balancers, groups and targets with their health and whether they are
    /// busy.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The generation that is served.
    pub fn generation(&self) -> Generation {
        self.snapshot().compiled.generation
    }

    /// Ends what targets still have whose time to finish is over. Answers whether others still have
    /// time, so that this is to be asked again.
    pub async fn end_overdue(&self) -> bool {
        if self.targets.end_overdue(Instant::now()) {
            for thread in &self.threads {
                let _ = thread.send(Order::End).await;
            }
        }
        self.targets.any_finishing()
    }

    /// What has been counted since the process began, for each load balancer and target group.
    /// O(subjects × threads).
    pub fn counters(&self) -> BTreeMap<Subject, Count> {
        self.shared.meters.read()
    }

    /// Where flows are counted too.
    pub(crate) fn meters(&self) -> Arc<Meters> {
        Arc::clone(&self.shared.meters)
    }

    /// Where the lines of access logs come out; whoever asks first has them.
    pub fn access_log(&self) -> Option<Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lines of access logs that were dropped because nobody took them in time.
    pub fn access_log_dropped(&self) -> u64 {
        self.shared.log.dropped()
    }

    /// Takes nobody in any more and returns once everybody has left: those without a request at
    /// once, the others after it.
    pub async fn drain(&self) {
        // Before the threads close theirs: whoever sees the first client go must not be let in again
        // by a socket that nobody listens to.
        *self.sockets.lock().unwrap_or_else(PoisonError::into_inner) = Sockets::default();
        let mut done = Vec::new();
        for thread in &self.threads {
            let (tell, told) = oneshot::channel();
            let _ = thread.send(Order::Drain(tell)).await;
            done.push(told);
        }
        for told in done {
            let _ = told.await;
        }
    }
}

fn seed() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
}

/// What one thread does until nobody gives orders any more.
async fn run(thread: Rc<Thread>, mut orders: mpsc::Receiver<Order>) {
    let mut doors = Doors::default();
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    let mut sweep = interval(limits::SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return,
                Some(Order::Apply(snapshot, sockets, done)) => {
                    let view = View::new(snapshot, &thread);
                    let before = thread.view();
                    thread.set_view(Rc::clone(&view));
                    let closed = doors.settle(&thread, &view, &sockets);
                    drop(sockets);
                    until_closed(closed).await;
                    close_gone(&before);
                    drop(before);
                    let _ = done.send(());
                }
                Some(Order::End) => {
                    close_gone(&thread.view());
                    thread.wake_all();
                }
                Some(Order::Drain(done)) => {
                    until_closed(doors.close()).await;
                    thread.drain();
                    waiting.push(done);
                }
            },
            _ = sweep.tick() => {
                thread.tick();
                let now = Instant::now();
                for target in thread.view().groups.iter().flat_map(|it| &it.targets) {
                    target.pool.sweep(now, limits::POOL_IDLE);
                }
            }
        }
        if !waiting.is_empty() {
            thread.until_empty().await;
            for done in waiting.drain(..) {
                let _ = done.send(());
            }
        }
    }
}

/// Waits until doors that are being closed have given their sockets back.
async fn until_closed(doors: Vec<JoinHandle<()>>) {
    for door in doors {
        // It was told to end: that it has is all there is to know.
        let _ = door.await;
    }
}

/// Closes what is kept to targets that are named no more.
fn close_gone(before: &View) {
    let targets = before.groups.iter().flat_map(|it| &it.targets);
    targets.filter(|it| it.shared.is_gone()).for_each(|it| it.pool.clear());
}
