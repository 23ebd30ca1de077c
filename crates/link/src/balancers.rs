//! The control plane's end of all balancers' sessions.
//!
//! Constant work: what balancers are told is made whole, at most once in [`TICK`] and only where
//! something that it is made of has changed, and every session is sent it every second however
//! much that was. A frame that is lost is put right by the next one.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use plan::routing::session::{FromBalancer, Report, Series, ToBalancer};
use plan::routing::{Generation, Publisher, RoutingTable, is_told};
use state::Change;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_tungstenite::WebSocketStream;
use types::{Protocol, Timestamp};

use crate::hub::Later;

mod session;

/// The shortest time between two tables. Source: issue 3, "shows within 50 ms".
const TICK: Duration = Duration::from_millis(20);
/// How often each balancer is told its table, changed or not.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// A balancer that says nothing for so long is gone; it reports every five seconds.
const SILENCE: Duration = Duration::from_secs(15);
/// How long balancers may take to open a port.
const RESERVE_WITHIN: Duration = Duration::from_secs(2);
/// How long balancers may take until they serve what was just written.
const SERVE_WITHIN: Duration = Duration::from_secs(2);
/// Questions that wait for one balancer.
const QUESTIONS_MAX: usize = 64;

/// How a balancer that is not there any more was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Its session ended.
    HungUp,
    /// It has not called since the control plane started.
    NeverCalled,
}

/// Whether the region has taken in what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is durable.
    Durably,
    /// The region is overloaded. It is to be told again.
    NotNow,
}

/// A balancer's answer that a port cannot be opened, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("balancer {balancer}: {why}")]
pub struct Refused {
    /// Name of the balancer.
    pub balancer: String,
    /// Address, port and cause.
    pub why: String,
}

/// What balancers' sessions need of the region: its state through the writer.
pub trait BalancerRegion: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// What balancers are to be told now; `None` if the region cannot say at the moment.
    fn table(&self) -> Later<'_, Option<RoutingTable>>;
    /// A balancer's session stands. Returns once that is durable.
    fn called(&self, name: String) -> Later<'_, Taken>;
    /// A balancer is not there any more.
    fn gone(&self, name: String, how: Silence) -> Later<'_, Taken>;
    /// What a balancer finds.
    fn report(&self, name: String, report: Arc<Report>) -> Later<'_, Taken>;
    /// What a balancer has counted.
    fn counted(&self, name: String, series: Vec<Series>) -> Later<'_, ()>;
}

/// All sessions of a region's balancers.
pub struct Balancers {
    region: Arc<dyn BalancerRegion>,
    epoch: u64,
    /// Something that the table is made of has changed.
    changed: Notify,
    /// The newest table as a frame; empty until there is one.
    told: watch::Sender<Bytes>,
    published: watch::Sender<Published>,
    sessions: Mutex<BTreeMap<String, Arc<Line>>>,
    /// Balancers that the state believes connected and that have not called yet.
    awaited: Mutex<BTreeSet<String>>,
    questions: AtomicU64,
}

/// How often the state has been looked at for what balancers are told.
#[derive(Debug, Clone, Copy, Default)]
struct Published {
    begun: u64,
    done: u64,
    /// What the last look came to.
    newest: Generation,
}

/// What the rest of the house can do with one session.
#[derive(Debug)]
struct Line {
    hang_up: Notify,
    ask: mpsc::Sender<Question>,
    /// The table that the balancer serves.
    applied: watch::Sender<Generation>,
}

/// A port that a balancer is asked to open.
#[derive(Debug)]
struct Question {
    number: u64,
    addresses: Vec<IpAddr>,
    port: u16,
    transports: Vec<Protocol>,
    answer: oneshot::Sender<Option<String>>,
}

impl Balancers {
    /// Sessions that nobody has opened yet. `epoch` is that of the journal: tables of a later owner
    /// of the region count as newer. Balancers that the state believes connected have until the
    /// silence is over to call.
    pub fn new(
        region: Arc<dyn BalancerRegion>,
        epoch: u64,
        connected: impl IntoIterator<Item = String>,
    ) -> Arc<Self> {
        Arc::new(Self {
            region,
            epoch,
            changed: Notify::new(),
            told: watch::Sender::new(Bytes::new()),
            published: watch::Sender::default(),
            sessions: Mutex::default(),
            awaited: Mutex::new(connected.into_iter().collect()),
            questions: AtomicU64::new(0),
        })
    }

    /// Takes in durable changes.
    pub fn changed(&self, changes: &[Change]) {
        if changes.iter().any(is_told) {
            self.changed.notify_one();
        }
    }

    /// Makes tables and looks for balancers that do not call, for ever.
    pub async fn work(self: Arc<Self>) {
        tokio::join!(self.publish(), self.wait_for_calls());
    }

    async fn publish(&self) {
        let mut publisher = Publisher::new(self.epoch);
        loop {
            self.published.send_modify(|it| it.begun += 1);
            match self.region.table().await {
                Some(table) => {
                    let fresh = self.tell(table, &mut publisher);
                    self.published.send_modify(|it| {
                        it.done = it.begun;
                        it.newest = fresh.unwrap_or(it.newest);
                    });
                }
                // Overloaded: once more with the next tick.
                None => self.changed.notify_one(),
            }
            tokio::time::sleep(TICK).await;
            self.changed.notified().await;
        }
    }

    /// Has a table told, if it says anything new. Answers the generation of a new one.
    fn tell(&self, table: RoutingTable, publisher: &mut Publisher) -> Option<Generation> {
        let fresh = publisher.publish(table)?;
        self.told.send_replace(session::frame(&ToBalancer::Told(fresh.clone())));
        Some(fresh.generation)
    }

    async fn wait_for_calls(&self) {
        tokio::time::sleep(SILENCE).await;
        let silent = core::mem::take(&mut *lock(&self.awaited));
        for name in silent {
            self.note_gone(name, Silence::NeverCalled).await;
        }
    }

    /// It may have called meanwhile, and what the region notes last is what stays.
    async fn note_gone(&self, name: String, how: Silence) {
        tracing::warn!(name, ?how, "the balancer is not there");
        let is_back = || lock(&self.sessions).contains_key(&name);
        while self.region.gone(name.clone(), how).await == Taken::NotNow && !is_back() {
            tokio::time::sleep(TICK).await;
        }
        if is_back() {
            self.note_called(&name).await;
        }
    }

    /// Returns once it is durable, or the balancer has left again.
    async fn note_called(&self, name: &str) {
        while self.region.called(name.to_owned()).await == Taken::NotNow
            && lock(&self.sessions).contains_key(name)
        {
            tokio::time::sleep(TICK).await;
        }
    }

    /// Asks all balancers to open a port; who does not answer in time does not object.
    ///
    /// # Errors
    ///
    /// [`Refused`] by the first one that cannot.
    pub async fn reserve(
        &self,
        addresses: &[IpAddr],
        port: u16,
        transports: &[Protocol],
    ) -> Result<(), Refused> {
        let lines: Vec<(String, Arc<Line>)> =
            lock(&self.sessions).iter().map(|(name, it)| (name.clone(), it.clone())).collect();
        let mut answers = Vec::new();
        for (name, line) in lines {
            let (answer, told) = oneshot::channel();
            let question = Question {
                number: self.questions.fetch_add(1, Ordering::Relaxed),
                addresses: addresses.to_vec(),
                port,
                transports: transports.to_vec(),
                answer,
            };
            if line.ask.try_send(question).is_ok() {
                answers.push((name, told));
            }
        }
        let all = async {
            for (balancer, told) in answers {
                // One that hangs up meanwhile does not object.
                if let Ok(Some(why)) = told.await {
                    return Err(Refused { balancer, why });
                }
            }
            Ok(())
        };
        tokio::time::timeout(RESERVE_WITHIN, all).await.unwrap_or(Ok(()))
    }

    /// Waits until every balancer that is there serves what is durable now; who takes too long is not
    /// waited for.
    pub async fn served(&self) {
        let lines: Vec<Arc<Line>> = lock(&self.sessions).values().cloned().collect();
        if lines.is_empty() {
            return;
        }
        let all = async {
            let mut published = self.published.subscribe();
            // A look that has begun already may have missed it.
            let wanted = published.borrow().begun + 1;
            self.changed.notify_one();
            let Ok(newest) = published.wait_for(|it| it.done >= wanted).await.map(|it| it.newest)
            else {
                return;
            };
            for line in lines {
                // What a session knows stays after it has ended: the time bounds this.
                drop(line.applied.subscribe().wait_for(|it| *it >= newest).await);
            }
        };
        drop(tokio::time::timeout(SERVE_WITHIN, all).await);
    }

    /// Holds one conversation until either end hangs up. A second balancer of the same name ends the
    /// first one's: it is the one that has come to take its place.
    pub async fn serve<S>(&self, socket: WebSocketStream<S>, name: String)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        lock(&self.awaited).remove(&name);
        let (ask, questions) = mpsc::channel(QUESTIONS_MAX);
        let line =
            Arc::new(Line { hang_up: Notify::new(), ask, applied: watch::Sender::default() });
        if let Some(older) = lock(&self.sessions).insert(name.clone(), line.clone()) {
            older.hang_up.notify_one();
        }
        // Only now: who notes that an older one is gone must see that this one is there.
        self.note_called(&name).await;
        tracing::info!(name, "the balancer's session stands");
        let why = self.converse(socket, &name, &line, questions).await;
        tracing::info!(name, why, "the balancer's session has ended");
        let was_newest = {
            let mut sessions = lock(&self.sessions);
            let is_own = sessions.get(&name).is_some_and(|it| Arc::ptr_eq(it, &line));
            is_own && sessions.remove(&name).is_some()
        };
        if was_newest {
            self.note_gone(name, Silence::HungUp).await;
        }
    }

    async fn hear(&self, (name, line): (&str, &Line), heard: FromBalancer, talk: &mut Talk) {
        match heard {
            FromBalancer::Report(report) => {
                line.applied.send_replace(report.applied);
                if talk.reported.as_deref() != Some(&report) {
                    let report = Arc::new(report);
                    let taken = self.region.report(name.to_owned(), Arc::clone(&report)).await;
                    // What was not taken in is news when it is said again.
                    talk.reported = (taken == Taken::Durably).then_some(report);
                }
            }
            FromBalancer::Reserved { question, refused } => {
                if let Some(answer) = talk.asked.remove(&question) {
                    // Nobody waits any more if it took too long.
                    drop(answer.send(refused));
                }
            }
            FromBalancer::Counted(series) => self.region.counted(name.to_owned(), series).await,
        }
    }
}

/// What one conversation knows.
#[derive(Default)]
struct Talk {
    reported: Option<Arc<Report>>,
    asked: BTreeMap<u64, oneshot::Sender<Option<String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
