use state::{Audit, Change, Draft, Outcome};
use types::Timestamp;

use super::fixture::{HOUR, MINUTE, World, instance, region, stopped, task};
use crate::{Due, Past, Policy, due, forget};

fn audit(number: u64, at: i64) -> Audit {
    Audit {
        number,
        at: Timestamp(at),
        request_id: Vec::new(),
        source: "ecs.amazonaws.com".into(),
        operation: "RunTask".into(),
        caller: String::new(),
        access_key: String::new(),
        source_ip: String::new(),
        user_agent: String::new(),
        token: None,
        outcome: Outcome::Done,
        resources: Vec::new(),
    }
}

fn archived() -> Policy {
    Policy { past: Past::Archived, ..Policy::default() }
}

#[test]
fn the_oldest_audit_rows_go_when_there_are_more_than_are_kept() {
    let mut world = World::new(Policy { audits_kept: 3, ..Policy::default() });
    for number in 1..=64 {
        world.put(audit(number, 0));
    }
    world.run_until(MINUTE);
    assert_eq!(world.state.audits().keys().copied().collect::<Vec<_>>(), [62, 63, 64]);
    world.run_until(100 * HOUR);
    assert_eq!(world.state.audits().len(), 3, "without a history the newest stay");
}

#[test]
fn nothing_leaves_the_state_by_itself_where_a_history_is_kept() {
    let mut world = World::new(archived());
    world.put(instance(1));
    world.put(stopped(&task(7, 1), 0));
    world.put(audit(1, 0));
    world.run_until(5 * HOUR);
    assert!(world.task(7).is_some());
    assert_eq!(world.state.audits().len(), 1);
}

#[test]
fn what_is_due_has_had_its_hour() {
    let mut state = region();
    state.apply(instance(1).into());
    state.apply(stopped(&task(7, 1), 0).into());
    state.apply(stopped(&task(8, 1), MINUTE).into());
    state.apply(audit(1, 2 * MINUTE).into());
    let named = |now: i64| {
        let due = due(&state, &archived(), Timestamp(now), 100);
        let tasks: Vec<u128> = due.tasks.iter().map(|it| it.id.bits()).collect();
        (tasks, due.audits.len(), due.again_at.map(|it| it.0))
    };
    assert_eq!(named(HOUR - 1), (vec![], 0, Some(HOUR)));
    assert_eq!(named(HOUR), (vec![7], 0, Some(HOUR + MINUTE)));
    assert_eq!(named(HOUR + MINUTE), (vec![7, 8], 0, Some(HOUR + 2 * MINUTE)));
    assert_eq!(named(HOUR + 2 * MINUTE), (vec![7, 8], 1, None));
}

#[test]
fn what_has_changed_since_it_was_due_is_not_forgotten() {
    let mut state = region();
    state.apply(instance(1).into());
    state.apply(stopped(&task(7, 1), 0).into());
    state.apply(stopped(&task(8, 1), 0).into());
    let due = due(&state, &archived(), Timestamp(HOUR), 100);
    let mut other = stopped(&task(7, 1), 0);
    other.version += 1;
    state.apply(other.into());
    let mut draft = Draft::new(&mut state);
    forget(&mut draft, &due);
    let gone: Vec<_> = draft.keep();
    assert!(matches!(gone.as_slice(), [Change::Task(id, None)] if id.bits() == 8), "{gone:?}");
}

#[test]
fn no_more_is_due_than_was_asked_for() {
    let mut state = region();
    state.apply(instance(1).into());
    for bits in 0..70 {
        state.apply(stopped(&task(bits, 1), 0).into());
        state.apply(audit(u64::try_from(bits).expect("small") + 1, 0).into());
    }
    let now = Timestamp(HOUR);
    let first = due(&state, &archived(), now, 100);
    assert_eq!((first.tasks.len(), first.audits.len()), (70, 30));
    assert_eq!(first.again_at, Some(now), "there is more at once");
    forget(&mut Draft::new(&mut state), &first);
    let second = due(&state, &archived(), now, 100);
    assert_eq!((second.tasks.len(), second.audits.len(), second.again_at), (0, 40, None));
}

#[test]
fn a_backlog_leaves_in_writes_of_a_hundred_rows() {
    let mut state = region();
    state.apply(instance(1).into());
    for bits in 0..250 {
        state.apply(stopped(&task(bits, 1), 0).into());
        state.apply(audit(u64::try_from(bits).expect("small") + 1, 0).into());
    }
    let due = due(&state, &archived(), Timestamp(HOUR), Due::CARRIED_MAX);
    assert_eq!((due.rows(), due.again_at), (500, None));
    let mut writes = Vec::new();
    for part in due.parts() {
        let mut draft = Draft::new(&mut state);
        forget(&mut draft, &part);
        writes.push(draft.keep().len());
    }
    assert_eq!(writes, [100, 100, 50, 100, 100, 50]);
    assert_eq!((state.tasks().len(), state.audits().len()), (0, 0));
}
