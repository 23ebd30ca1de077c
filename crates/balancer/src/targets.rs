//! Targets as all threads know them: whether they are healthy, and whether they are busy.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plan::anomaly::{self, Mitigation, Outcomes, Watched, Window};
use plan::balancing::{Healths, SHARE_FULL};
use plan::routing::attributes::Algorithm;
use plan::routing::{Compiled, ReadyGroup, Stay, stay};
use state::{Anomaly, TargetKey};
use tokio::time::Instant;

/// A target, for as long as a table names it with that address.
#[derive(Debug)]
pub struct Target {
    /// What it is found by.
    pub key: TargetKey,
    /// Where it is reached; `None` takes no requests.
    pub address: Option<SocketAddr>,
    health: AtomicU8,
    traffic: Traffic,
    /// Of [`SHARE_FULL`]: how much of its turn it gets.
    share: AtomicU32,
    watched: Mutex<Watch>,
    is_gone: AtomicBool,
}

/// What the checks of a target have come to.
mod health {
    pub(super) const UNKNOWN: u8 = 0;
    pub(super) const HEALTHY: u8 = 1;
    pub(super) const UNHEALTHY: u8 = 2;
}

/// How much is under way, and how much has been, in one word: a request that begins or ends writes
/// one place.
#[derive(Debug, Default)]
struct Traffic {
    /// Under way in the low half; begun since the target is known, wrapping, in the high half.
    counts: AtomicU64,
    /// Of those, how many have failed; wrapping.
    failed: AtomicU32,
}

const ONE_BEGUN: u64 = 1 << 32;

impl Traffic {
    fn begun(&self) -> u32 {
        u32::try_from(self.counts.load(Ordering::Relaxed) >> 32).unwrap_or(0)
    }

    fn in_flight(&self) -> usize {
        let low = self.counts.load(Ordering::Relaxed) & u64::from(u32::MAX);
        usize::try_from(low).unwrap_or(usize::MAX)
    }
}

/// What anomaly detection knows of a target.
#[derive(Debug, Default)]
struct Watch {
    /// The counts at the end of the last window.
    begun: u32,
    failed: u32,
    known: Watched,
}

impl Target {
    /// Whether its checks have found it healthy.
    pub fn is_healthy(&self) -> bool {
        self.health.load(Ordering::Relaxed) == health::HEALTHY
    }

    /// Whether its checks have found it unhealthy; one that is not checked is neither.
    pub(crate) fn is_unhealthy(&self) -> bool {
        self.health.load(Ordering::Relaxed) == health::UNHEALTHY
    }

    /// How it does worse than the others of its group, if it does.
    pub(crate) fn anomaly(&self) -> Option<Anomaly> {
        self.watch().known.finding()
    }

    /// A request came back with a 5xx of its, or found no connection to it.
    pub(crate) fn failed(&self) {
        self.traffic.failed.fetch_add(1, Ordering::Relaxed);
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come since the last window ended.
    fn window(&self, watch: &mut Watch) -> Window {
        let (begun, failed) = (self.traffic.begun(), self.traffic.failed.load(Ordering::Relaxed));
        let outcomes = Outcomes {
            asked: begun.wrapping_sub(watch.begun).into(),
            failed: failed.wrapping_sub(watch.failed).into(),
        };
        (watch.begun, watch.failed) = (begun, failed);
        Window { before: watch.known, outcomes, is_healthy: self.is_healthy() }
    }

    /// How many requests, tunnels and flows are under way to it.
    pub fn in_flight(&self) -> usize {
        self.traffic.in_flight()
    }

    /// Whether it has left, and its time to finish is over: what it still has under way is ended.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// Something begins that keeps the target busy until it is [`Self::left`].
    pub(crate) fn entered(&self) {
        self.traffic.counts.fetch_add(ONE_BEGUN + 1, Ordering::Relaxed);
    }

    pub(crate) fn left(&self) {
        self.traffic.counts.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A target group and its targets, by the numbers that the group's table gives them.
#[derive(Debug)]
pub struct Group {
    /// As it was told.
    pub ready: Arc<ReadyGroup>,
    /// In the order of the group's targets.
    pub targets: Vec<Arc<Target>>,
    /// Grows with each change of a health or a share, so that threads look again.
    health_changes: AtomicU64,
}

impl Group {
    /// Notes the outcome of a target's checks. Threads see it with their next request.
    pub fn set_health(&self, number: u32, is_healthy: bool) {
        self.note_health(number, if is_healthy { health::HEALTHY } else { health::UNHEALTHY });
    }

    /// Nothing is known of a target's health: it has not been checked yet, or is no more.
    pub(crate) fn forget_health(&self, number: u32) {
        self.note_health(number, health::UNKNOWN);
    }

    fn note_health(&self, number: u32, found: u8) {
        let Some(target) = self.targets.get(number as usize) else { return };
        if target.health.swap(found, Ordering::Relaxed) != found {
            self.health_changes.fetch_add(1, Ordering::Release);
        }
    }

    /// A window is over: compares what the targets' requests have come to, and gives each its share.
    /// Groups that do not speak HTTP have nothing to compare. Answers whether there is anything to
    /// tell.
    pub(crate) fn end_window(&self) -> bool {
        if self.ready.told.version.is_none() {
            return false;
        }
        let mitigation = match self.ready.attributes.algorithm {
            Algorithm::WeightedRandom { mitigation: true } => Mitigation::On,
            _ => Mitigation::Off,
        };
        let windows: Vec<Window> =
            self.targets.iter().map(|it| it.window(&mut it.watch())).collect();
        let mut is_news = false;
        let mut shares_change = false;
        for (target, known) in self.targets.iter().zip(anomaly::next(&windows, mitigation)) {
            let before = core::mem::replace(&mut target.watch().known, known);
            is_news |= before.finding() != known.finding();
            shares_change |= target.share.swap(known.share(), Ordering::Relaxed) != known.share();
        }
        if shares_change {
            self.health_changes.fetch_add(1, Ordering::Release);
        }
        is_news
    }

    pub(crate) fn health_changes(&self) -> u64 {
        self.health_changes.load(Ordering::Acquire)
    }
}

impl Healths for Group {
    fn is_healthy(&self, target: u32) -> bool {
        self.targets.get(target as usize).is_some_and(|it| it.is_healthy())
    }

    fn share(&self, target: u32) -> u32 {
        let target = self.targets.get(target as usize);
        target.map_or(SHARE_FULL, |it| it.share.load(Ordering::Relaxed))
    }
}

/// Every target that a table names, and those that finish what they have.
#[derive(Debug, Default)]
pub(crate) struct Targets(Mutex<BTreeMap<TargetKey, Known>>);

#[derive(Debug)]
struct Known {
    target: Arc<Target>,
    /// When what it still has is ended, if it takes nothing new.
    ends_at: Option<Instant>,
}

impl Targets {
    /// The targets of a table: those that stood before with the same address stay as they are, and
    /// those that are named no more leave. O(targets).
    pub(crate) fn settle(
        &self,
        compiled: &Compiled,
        (before, groups_before): (&Compiled, &[Arc<Group>]),
        now: Instant,
    ) -> Vec<Arc<Group>> {
        let mut known = self.lock();
        let mut old = core::mem::take(&mut *known);
        let mut groups = Vec::with_capacity(compiled.groups.len());
        for ready in &compiled.groups {
            let mut targets = Vec::with_capacity(ready.told.targets.len());
            for told in &ready.told.targets {
                let group = ready.told.arn.clone();
                let key = TargetKey { group, id: told.id.clone(), port: told.port };
                let address = told.address.map(|it| SocketAddr::new(it, told.port));
                let serves = told.draining.is_none();
                let is_same =
                    |it: &Known| it.target.address == address && !(serves && it.target.is_gone());
                let same = match old.remove(&key) {
                    Some(it) if is_same(&it) => it,
                    other => {
                        if let Some(it) = other {
                            it.target.end();
                        }
                        let target = Arc::new(Target::new(key.clone(), address));
                        Known { target, ends_at: None }
                    }
                };
                let ends_at = ends_at(&key, same.ends_at, (before, compiled), now);
                targets.push(Arc::clone(&same.target));
                known.insert(key, Known { ends_at, ..same });
            }
            let same = groups_before.iter().find(|it| Arc::ptr_eq(&it.ready, ready));
            groups.push(match same {
                Some(group) => Arc::clone(group),
                None => Arc::new(Group {
                    ready: Arc::clone(ready),
                    targets,
                    health_changes: AtomicU64::new(0),
                }),
            });
        }
        for (key, it) in old {
            match ends_at(&key, it.ends_at, (before, compiled), now) {
                Some(at) if at > now => drop(known.insert(key, Known { ends_at: Some(at), ..it })),
                _ => it.target.end(),
            }
        }
        groups
    }

    /// Ends what targets have whose time is over, whether anybody tells of it or not. Answers whether
    /// there was one.
    pub(crate) fn end_overdue(&self, now: Instant) -> bool {
        let mut any = false;
        for it in self.lock().values_mut() {
            if it.ends_at.is_some_and(|at| at <= now) && !it.target.is_gone() {
                it.target.end();
                any = true;
            }
        }
        any
    }

    /// Whether any target is finishing what it has, so that it matters when it is idle.
    pub(crate) fn any_finishing(&self) -> bool {
        self.lock().values().any(|it| it.ends_at.is_some() && !it.target.is_gone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TargetKey, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When what a target has is ended. Time that runs already runs on.
fn ends_at(
    key: &TargetKey,
    already: Option<Instant>,
    (before, now): (&Compiled, &Compiled),
    at: Instant,
) -> Option<Instant> {
    match stay(key, before, now) {
        Stay::Serves => None,
        Stay::Finishes(within) => already.or_else(|| at.checked_add(within)),
        // Of a group that left before the one that is served now.
        Stay::Gone if now.group_number(&key.group).is_none() => already,
        Stay::Gone => Some(at),
    }
}

impl Target {
    fn end(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }

    fn new(key: TargetKey, address: Option<SocketAddr>) -> Self {
        Self {
            key,
            address,
            health: AtomicU8::new(health::UNKNOWN),
            traffic: Traffic::default(),
            share: AtomicU32::new(SHARE_FULL),
            watched: Mutex::default(),
            is_gone: AtomicBool::new(false),
        }
    }
}

#[cfg(test)]
mod tests;
