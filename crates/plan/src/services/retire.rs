//! The first step out of a service: a task leaves its target groups before it is stopped.

use state::{Change, Draft, Status, Stop, Task};
use types::Timestamp;

use crate::tasks;

/// Asks for a task to stop. One that is a target of some group becomes DEACTIVATING: its agent is
/// told nothing yet, so that what is under way to it can end. Any other one's agent is told at once.
/// Does nothing to a task that already should stop.
///
/// Source: handbook 2.4, 5.12.
pub fn retire(draft: &mut Draft<'_>, task: &Task, stop: Stop, now: Timestamp) {
    let is_target = task.service.as_ref().is_some_and(|it| !it.targets.is_empty());
    if is_target && task.last == Status::Running {
        tasks::ask_to_leave(draft, task, stop, now);
    } else {
        tasks::ask_to_stop(draft, task, stop, now);
    }
}

/// A DEACTIVATING task is a target no more: now its agent is told to stop it.
pub fn let_go(draft: &mut Draft<'_>, task: &Task) {
    if task.last != Status::Deactivating {
        return;
    }
    let mut after = Task { last: Status::Stopping, version: task.version + 1, ..task.clone() };
    if let Some(membership) = &mut after.service {
        membership.targets.clear();
    }
    draft.change(Change::from(after));
    tasks::raise_assignment(draft, task.instance);
}

#[cfg(test)]
mod tests {
    use state::{Desired, Membership, State, StopCode, TargetKey};
    use types::{AccountId, Home, InstanceId, Region, ServiceName};

    use super::*;
    use crate::assignments;
    use crate::placement::fixture;

    /// A running task of a service that is so many targets.
    fn member(targets: u16) -> (State, Task) {
        let home = Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        };
        let mut state = State::new(home);
        let instance = fixture::instance(1, "a", 1024, 1024);
        let key = |port| TargetKey { group: "group".into(), id: "172.31.0.9".into(), port };
        let task = Task {
            last: Status::Running,
            service: Some(Box::new(Membership {
                service: ServiceName::parse("web").expect("valid"),
                deployment: 1,
                revision: 1,
                targets: (0..targets).map(key).collect(),
                healthy_at: None,
                protected_until: None,
                settled_at: None,
                namespace: None,
            })),
            ..fixture::task(7, &instance, &fixture::request(1, 1))
        };
        state.apply(Change::from(instance));
        state.apply(Change::from(task.clone()));
        (state, task)
    }

    fn step(state: &mut State, decide: impl FnOnce(&mut Draft<'_>, &Task)) -> Vec<Change> {
        let task = state.tasks().values().next().expect("is there").clone();
        let mut draft = Draft::new(state);
        decide(&mut draft, &task);
        draft.keep()
    }

    fn stop() -> Stop {
        Stop { code: StopCode::ServiceSchedulerInitiated, reason: "scaled in".into() }
    }

    /// What is shown of the only task, whether its agent is told to run it, and how often that was
    /// told of.
    fn shown(state: &State) -> (Desired, Status, bool, u64) {
        let told = assignments::of(state, InstanceId::new(1)).expect("is there");
        let it = told.tasks.values().next().expect("is held");
        (it.task.desired, it.task.last, it.should_run(), told.version)
    }

    #[test]
    fn a_target_runs_on_until_it_is_let_go() {
        let (mut state, _) = member(2);
        step(&mut state, |draft, task| retire(draft, task, stop(), Timestamp(5)));
        assert_eq!(shown(&state), (Desired::Stopped, Status::Deactivating, true, 0));
        let again = step(&mut state, |draft, task| retire(draft, task, stop(), Timestamp(6)));
        assert_eq!(again, [], "it already should stop");
        step(&mut state, let_go);
        assert_eq!(shown(&state), (Desired::Stopped, Status::Stopping, false, 1));
        let task = state.tasks().values().next().expect("is there");
        assert!(task.service.as_ref().is_some_and(|it| it.targets.is_empty()));
        assert_eq!(task.stopping_at, Some(Timestamp(5)));
        assert_eq!(step(&mut state, let_go), [], "once is enough");
        assert_eq!(state.recomputed_indexes(), *state.indexes());
    }

    #[test]
    fn a_task_that_is_no_target_is_stopped_at_once() {
        let (mut state, _) = member(0);
        step(&mut state, |draft, task| retire(draft, task, stop(), Timestamp(5)));
        assert_eq!(shown(&state), (Desired::Stopped, Status::Running, false, 1));
    }
}
