//! A service is played through on a copy of the state by the reconciler that keeps it.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use plan::rehearsal::{Book, Rehearsal, go_on, without_targets};
use plan::services::events::STEADY;
use state::{
    Caller, Context, Dice, Draft, Rollout, Scheduling, ServiceEventKey, ServiceKey, State,
};
use types::Timestamp;

use crate::services::{Services, Waiting};
use crate::{Outcome, Reconciler, Subject};

/// Looks at a service, at most.
const LOOKS_MAX: u32 = 10_000;
/// How often nothing has happened in a row before it counts as stuck.
const IDLE_MAX: u32 = 10;

/// What a service would start and stop until it is steady, with machines that do at once as they are
/// told and tasks that are well. The copy is afterwards as the region would be.
pub fn rehearse(copy: &mut State, service: &ServiceKey, now: Timestamp) -> Rehearsal {
    without_targets(copy, service);
    let waiting = Arc::new(Mutex::new(Waiting::default()));
    let scheduler = Services { observed_for: Duration::ZERO, waiting };
    let subject = Subject::Service(service.clone());
    let mut dice = Dice::of(0);
    let mut book = Book::open(copy, service);
    let (mut now, mut idle) = (now, 0);
    for _ in 0..LOOKS_MAX {
        let before = book.moves();
        let mut draft = Draft::new(copy);
        let mut context = Context { now, caller: Caller::region(), request_id: 0, dice: &mut dice };
        let outcome = scheduler.review(&mut draft, &subject, &mut context);
        drop(draft.keep());
        book.note(copy);
        let goes_on = outcome == Outcome::Again || go_on(copy, service, now);
        idle = if goes_on || book.moves() > before { 0 } else { idle + 1 };
        match outcome {
            _ if goes_on => {}
            Outcome::AgainAt(at) if !is_steady(copy, service) && idle < IDLE_MAX => {
                now = at.max(now);
            }
            _ => break,
        }
    }
    let stuck = (!is_steady(copy, service)).then(|| last_word(copy, service));
    book.close(copy, stuck)
}

fn is_steady(state: &State, service: &ServiceKey) -> bool {
    state.services().get(service).is_some_and(|it| {
        let rollout = it.deployments.first().map(|it| it.rollout);
        it.steady_at.is_some() && rollout == Some(Rollout::Completed)
    })
}

/// What keeps a service from its end: its newest event, unless that says that all is well.
fn last_word(state: &State, service: &ServiceKey) -> String {
    let key = |number| ServiceEventKey { service: service.clone(), number };
    let newest = state.service_events().range(key(0)..=key(u64::MAX)).next_back();
    let message = newest.map(|it| &it.1.message).filter(|it| !it.ends_with(STEADY));
    let scheduling = state.services().get(service).map(|it| it.scheduling);
    match (message, scheduling) {
        (Some(message), _) => message.clone(),
        (None, Some(Scheduling::Daemon)) => {
            "daemons leave a draining instance last, and other tasks stay there".into()
        }
        (None, _) => "it does not become steady".into(),
    }
}
