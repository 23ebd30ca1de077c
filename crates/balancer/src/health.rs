//! Health checks: every balancer asks every target for itself, on connections of their own.
//!
//! Each target has a task that asks, waits and asks again; what the answers come to is decided by
//! `plan::target_health`. Targets that drain are not asked.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use plan::routing::Compiled;
use plan::target_health::{self, Check, Roster, Subject};
use state::{HealthCheck, TargetHealth, TargetKey};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::tls::Connector;

mod probe;

/// What has been found so far.
#[derive(Default)]
struct Found {
    known: Mutex<Roster>,
    changed: Notify,
}

/// The checks of all targets.
pub(crate) struct Checker {
    found: Arc<Found>,
    connector: Arc<Connector>,
    asked: BTreeMap<TargetKey, AbortHandle>,
}

impl Checker {
    pub(crate) fn new() -> Self {
        Self {
            found: Arc::default(),
            connector: Arc::new(Connector::new()),
            asked: BTreeMap::new(),
        }
    }

    /// Asks the targets of a table from now on, and no others. Those that are asked already and
    /// stay as they are notice nothing. Runs in a runtime.
    pub(crate) fn settle(&mut self, compiled: &Compiled) {
        let settled = self.found.lock().settle(compiled);
        for task in settled.ended.iter().filter_map(|it| self.asked.remove(it)) {
            task.abort();
        }
        for (key, subject) in settled.begun {
            let (found, connector) = (Arc::clone(&self.found), Arc::clone(&self.connector));
            let asking = ask(key.clone(), subject, found, connector);
            self.asked.insert(key, tokio::spawn(asking).abort_handle());
        }
    }

    /// Waits until some target's health has become another one.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + 'static {
        let found = Arc::clone(&self.found);
        async move { found.changed.notified().await }
    }

    /// What is known of a target.
    pub(crate) fn health(&self, key: &TargetKey) -> TargetHealth {
        self.found.lock().health(key)
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        for task in self.asked.values() {
            task.abort();
        }
    }
}

impl Found {
    fn lock(&self) -> std::sync::MutexGuard<'_, Roster> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(&self, key: &TargetKey, asked: &Subject, check: Check) {
        let Some((before, after)) = self.lock().take_in(key, asked, check) else { return };
        tracing::info!(
            group = key.group,
            target = key.id,
            port = key.port,
            ?before,
            ?after,
            "the health of a target has changed"
        );
        self.changed.notify_one();
    }
}

/// Asks one target for ever. Cancelling it leaves nothing but a connection that closes.
async fn ask(key: TargetKey, subject: Subject, found: Arc<Found>, connector: Arc<Connector>) {
    let settings = &subject.settings;
    if !settings.enabled {
        found.take_in(&key, &subject, Check::Reached);
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
        found.take_in(&key, &subject, check);
        sleep_until(again_at).await;
    }
}

/// Balancers and targets that begin together do not ask together.
fn first_wait(settings: &HealthCheck) -> Duration {
    target_health::first_wait(settings, getrandom::u64().unwrap_or_default())
}

#[cfg(test)]
mod tests;
