//! Carries what is over from the state into the history.
//!
//! Level-triggered: each turn asks the state what is due, makes that durable in the history, and
//! has it taken out of the state by an ordinary write. Ending anywhere in between is nothing: the
//! next turn finds the same rows due.

use core::time::Duration;
use std::sync::Arc;

use api::landfall::{Record, audit_record, task_record};
use reconcilers::{Due, Policy};
use state::Caller;
use store::{Core, Release, Writer};
use tokio::sync::oneshot;
use types::Timestamp;

use super::History;
use crate::region::Clock;

/// The longest time between two looks at the state: how late a task may leave it.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The shortest, unless a whole turn's rows were due: then more are, and it goes on at once.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// After a failure the disk is left alone for so long.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Whoever carries what is over into the history.
pub struct Archivist {
    history: Arc<History>,
    writer: Writer,
    policy: Policy,
    clock: Clock,
}

/// What is due, as the history writes it down.
struct Load {
    due: Due,
    tasks: Vec<Record>,
    audits: Vec<Record>,
}

impl Archivist {
    /// An archivist who has not begun.
    pub fn new(history: Arc<History>, writer: Writer, policy: Policy, clock: Clock) -> Self {
        Self { history, writer, policy, clock }
    }

    /// Works until it is dropped; being dropped anywhere leaves nothing half done.
    pub async fn work(self) {
        loop {
            let wait = self.turn().await;
            tokio::time::sleep(wait).await;
        }
    }

    /// One turn; answers when to come back.
    async fn turn(&self) -> Duration {
        let policy = self.policy.clone();
        let Some(load) = self.ask(move |core| load(core, &policy)).await else {
            return LOOK_EVERY;
        };
        let now = (self.clock)();
        let again = load.due.again_at.map_or(LOOK_EVERY, |at| at.since(now));
        let rest =
            if load.due.rows() < Due::CARRIED_MAX { LOOK_AT_MOST_EVERY } else { Duration::ZERO };
        let Load { due, tasks, audits } = load;
        let history = self.history.clone();
        let kept = tokio::task::spawn_blocking(move || {
            history.keep(&tasks, &audits, now)?;
            history.expire(now)
        });
        match kept.await {
            Ok(Ok(0)) => {}
            Ok(Ok(segments)) => tracing::info!(segments, "the oldest of the history has gone"),
            Ok(Err(error)) => {
                self.trouble(&error);
                return TRY_AGAIN;
            }
            // The process ends: it takes no more blocking work.
            Err(_) => return LOOK_EVERY,
        }
        if self.history.note(None) {
            tracing::info!("the history takes in again what is over");
        }
        if !due.is_empty() {
            let forget = move |core: &mut Core| {
                for part in due.parts() {
                    core.write(Caller::region(), 0, |draft, _| reconcilers::forget(draft, &part));
                }
            };
            self.ask(forget).await;
        }
        again.clamp(rest, LOOK_EVERY)
    }

    fn trouble(&self, error: &telemetry::history::HistoryError) {
        let text = match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        if self.history.note(Some(text.clone())) {
            tracing::error!(
                error = text,
                "the history takes nothing in; what is over stays in the state until it does"
            );
        }
    }

    /// Puts something before the writer and waits until the answer is durable.
    async fn ask<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let job = Box::new(move |core: &mut Core| -> Release {
            let answer = decide(core);
            Box::new(move || drop(tell.send(answer)))
        });
        self.writer.submit(job).ok()?;
        told.await.ok()
    }
}

fn load(core: &mut Core, policy: &Policy) -> Load {
    let (state, now): (_, Timestamp) = (core.state(), core.now());
    let due = reconcilers::due(state, policy, now, Due::CARRIED_MAX);
    let tasks = due.tasks.iter().map(|it| task_record(state, it)).collect();
    let audits = due.audits.iter().map(|it| audit_record(it)).collect();
    Load { due, tasks, audits }
}

#[cfg(test)]
mod tests;
