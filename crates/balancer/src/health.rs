//! Health checks: every balancer asks every target for itself, on connections of their own.
//!
//! Each target has a task that asks, waits and asks again; what the answers come to is decided by
//! `plan::target_health`. Targets that drain are not asked.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use plan::target_health::{self, Check, Checked};
use state::{HealthCheck, ProtocolVersion, TargetHealth, TargetKey};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use types::Timestamp;

use crate::snapshot::Snapshot;
use crate::tls::Connector;

mod probe;

/// Who is asked, and how. A change of any of it begins a new round of questions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject {
    address: SocketAddr,
    version: Option<ProtocolVersion>,
    settings: HealthCheck,
    registered_at: Timestamp,
}

/// What has been found so far.
#[derive(Default)]
struct Found {
    known: Mutex<BTreeMap<TargetKey, Checked>>,
    changed: Notify,
}

/// The checks of all targets.
pub(crate) struct Checker {
    found: Arc<Found>,
    connector: Arc<Connector>,
    asked: BTreeMap<TargetKey, (Subject, AbortHandle)>,
}

impl Checker {
    pub(crate) fn new() -> Self {
        Self {
            found: Arc::default(),
            connector: Arc::new(Connector::new()),
            asked: BTreeMap::new(),
        }
    }

    /// Asks the targets of a snapshot from now on, and no others. Those that are asked already and
    /// stay as they are notice nothing. Runs in a runtime.
    pub(crate) fn settle(&mut self, snapshot: &Snapshot) {
        let wanted = subjects(snapshot);
        let mut known = self.found.lock();
        known.retain(|key, _| wanted.contains_key(key));
        let mut before = core::mem::take(&mut self.asked);
        for (key, subject) in wanted {
            let standing = before.remove(&key);
            if let Some((same, task)) = standing {
                if same == subject {
                    self.asked.insert(key, (same, task));
                    continue;
                }
                task.abort();
                let is_other =
                    same.address != subject.address || same.registered_at != subject.registered_at;
                if is_other {
                    known.remove(&key);
                }
            }
            let asking = ask(
                key.clone(),
                subject.clone(),
                Arc::clone(&self.found),
                Arc::clone(&self.connector),
            );
            let task = tokio::spawn(asking).abort_handle();
            self.asked.insert(key, (subject, task));
        }
        for (_, task) in before.into_values() {
            task.abort();
        }
    }

    /// Waits until some target's health has become another one.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + 'static {
        let found = Arc::clone(&self.found);
        async move { found.changed.notified().await }
    }

    /// What is known of a target.
    pub(crate) fn health(&self, key: &TargetKey) -> TargetHealth {
        self.found.lock().get(key).map_or(TargetHealth::Initial, |it| it.health.clone())
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        for (_, task) in self.asked.values() {
            task.abort();
        }
    }
}

impl Found {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TargetKey, Checked>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(&self, key: &TargetKey, check: Check, settings: &HealthCheck) {
        let mut known = self.lock();
        let before = known.get(key).cloned().unwrap_or_default();
        let after = target_health::next(&before, check, settings);
        let is_other = before.health != after.health;
        if is_other {
            tracing::info!(
                group = key.group,
                target = key.id,
                port = key.port,
                before = ?before.health,
                after = ?after.health,
                "the health of a target has changed"
            );
        }
        known.insert(key.clone(), after);
        drop(known);
        if is_other {
            self.changed.notify_one();
        }
    }
}

fn subjects(snapshot: &Snapshot) -> BTreeMap<TargetKey, Subject> {
    let mut subjects = BTreeMap::new();
    for group in &snapshot.compiled.groups {
        let settings = &group.told.health_check;
        for target in &group.told.targets {
            let Some(address) = target.address.filter(|_| target.draining.is_none()) else {
                continue;
            };
            let id = target.id.clone();
            let key = TargetKey { group: group.told.arn.clone(), id, port: target.port };
            let subject = Subject {
                address: SocketAddr::new(address, settings.port.unwrap_or(target.port)),
                version: group.told.version,
                settings: settings.clone(),
                registered_at: target.registered_at,
            };
            subjects.insert(key, subject);
        }
    }
    subjects
}

/// Asks one target for ever. Cancelling it leaves nothing but a connection that closes.
async fn ask(key: TargetKey, subject: Subject, found: Arc<Found>, connector: Arc<Connector>) {
    let settings = &subject.settings;
    if !settings.enabled {
        found.take_in(&key, Check::Reached, settings);
        return;
    }
    sleep(first_wait(settings)).await;
    loop {
        let again_at = Instant::now() + settings.interval.max(Duration::from_millis(1));
        let asked = probe::ask(subject.address, subject.version, settings, &connector);
        let check = match timeout(settings.timeout, asked).await {
            Ok(Ok(check)) => check,
            Ok(Err(error)) => {
                tracing::debug!(target = key.id, port = key.port, %error, "a check has failed");
                Check::Failed
            }
            Err(_) => Check::Timeout,
        };
        found.take_in(&key, check, settings);
        sleep_until(again_at).await;
    }
}

/// Balancers and targets that begin together do not ask together.
fn first_wait(settings: &HealthCheck) -> Duration {
    target_health::first_wait(settings, getrandom::u64().unwrap_or_default())
}

#[cfg(test)]
mod tests;
