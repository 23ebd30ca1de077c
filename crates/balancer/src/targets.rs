//! Targets as all threads know them: whether they are healthy, and whether they are busy.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use plan::routing::{Compiled, ReadyGroup};
use state::TargetKey;

/// A target, for as long as a table names it with that address.
#[derive(Debug)]
pub struct Target {
    /// What it is found by.
    pub key: TargetKey,
    /// Where it is reached; `None` takes no requests.
    pub address: Option<SocketAddr>,
    is_healthy: AtomicBool,
    in_flight: AtomicUsize,
    is_gone: AtomicBool,
}

impl Target {
    /// Whether its checks have found it healthy.
    pub fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    /// How many requests, tunnels and flows are under way to it.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether no table names it any more: what it still has under way is ended.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// Something begins that keeps the target busy until it is [`Self::left`].
    pub(crate) fn entered(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn left(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A target group and its targets, by the numbers that the group's table gives them.
#[derive(Debug)]
pub struct Group {
    /// As it was told.
    pub ready: Arc<ReadyGroup>,
    /// In the order of the group's targets.
    pub targets: Vec<Arc<Target>>,
    /// Grows with each change of a health, so that threads look again.
    health_changes: AtomicU64,
}

impl Group {
    /// Notes the outcome of a target's checks. Threads see it with their next request.
    pub fn set_health(&self, number: u32, is_healthy: bool) {
        let Some(target) = self.targets.get(number as usize) else { return };
        if target.is_healthy.swap(is_healthy, Ordering::Relaxed) != is_healthy {
            self.health_changes.fetch_add(1, Ordering::Release);
        }
    }

    pub(crate) fn health_changes(&self) -> u64 {
        self.health_changes.load(Ordering::Acquire)
    }
}

/// Every target that a table names.
#[derive(Debug, Default)]
pub(crate) struct Targets(Mutex<BTreeMap<TargetKey, Arc<Target>>>);

impl Targets {
    /// The targets of a table: those that stood before with the same address stay as they are, and
    /// those that are named no more are gone. O(targets).
    pub(crate) fn settle(&self, compiled: &Compiled, before: &[Arc<Group>]) -> Vec<Arc<Group>> {
        let mut standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = core::mem::take(&mut *standing);
        let mut groups = Vec::with_capacity(compiled.groups.len());
        for ready in &compiled.groups {
            let mut targets = Vec::with_capacity(ready.told.targets.len());
            for told in &ready.told.targets {
                let group = ready.told.arn.clone();
                let key = TargetKey { group, id: told.id.clone(), port: told.port };
                let address = told.address.map(|it| SocketAddr::new(it, told.port));
                let same = old.get(&key).filter(|it| it.address == address).cloned();
                let target = same.unwrap_or_else(|| Arc::new(Target::new(key.clone(), address)));
                standing.insert(key, Arc::clone(&target));
                targets.push(target);
            }
            let same = before.iter().find(|it| Arc::ptr_eq(&it.ready, ready));
            groups.push(match same {
                Some(group) => Arc::clone(group),
                None => Arc::new(Group {
                    ready: Arc::clone(ready),
                    targets,
                    health_changes: AtomicU64::new(0),
                }),
            });
        }
        for (key, target) in old {
            if !standing.get(&key).is_some_and(|it| Arc::ptr_eq(it, &target)) {
                target.is_gone.store(true, Ordering::Relaxed);
            }
        }
        groups
    }
}

impl Target {
    fn new(key: TargetKey, address: Option<SocketAddr>) -> Self {
        Self {
            key,
            address,
            is_healthy: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
        }
    }
}
