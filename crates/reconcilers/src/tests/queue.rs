//! The queue alone, with reconcilers that only write down when they were asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use state::{Caller, Change, Context, Dice, Draft, State};
use types::{InstanceId, Timestamp};

use super::fixture::{MINUTE, instance, region};
use crate::{Outcome, Queue, Reconciler, Reviewed, Subject};

/// What the next look at a subject answers; settled if nothing is planned.
type Plans = Arc<Mutex<BTreeMap<Subject, Outcome>>>;

struct Scripted {
    name: &'static str,
    plans: Plans,
}

impl Reconciler for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        state.container_instances().keys().copied().map(Subject::Instance).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::ContainerInstance(id, _) => Some(Subject::Instance(*id)),
            _ => None,
        }
    }

    fn review(&self, _: &mut Draft<'_>, subject: &Subject, _: &mut Context<'_>) -> Outcome {
        self.plans.lock().expect("whole").remove(subject).unwrap_or(Outcome::Settled)
    }
}

struct Bench {
    state: State,
    queue: Queue,
    plans: Plans,
}

fn bench(instances: u128, names: &[&'static str]) -> Bench {
    let mut state = region();
    for bits in 1..=instances {
        state.apply(instance(bits).into());
    }
    let plans = Plans::default();
    let make = |name: &&'static str| -> Box<dyn Reconciler> {
        Box::new(Scripted { name, plans: plans.clone() })
    };
    let queue = Queue::new(names.iter().map(make).collect(), &state, Timestamp(0));
    Bench { state, queue, plans }
}

impl Bench {
    fn turn(&mut self, now: i64) -> Option<Reviewed> {
        let mut dice = Dice::of(1);
        let mut context = Context {
            now: Timestamp(now),
            caller: Caller::region(),
            request_id: 0,
            dice: &mut dice,
        };
        self.queue.turn(&mut Draft::new(&mut self.state), &mut context)
    }

    /// Who was looked at by then, in order.
    fn looked_at(&mut self, now: i64) -> Vec<(&'static str, Subject)> {
        let mut all = Vec::new();
        while let Some(it) = self.turn(now) {
            all.push((it.reconciler, it.subject));
        }
        all
    }

    fn wake(&mut self, bits: u128, now: i64) {
        self.queue.hear(&instance(bits).into(), Timestamp(now));
    }

    fn plan(&mut self, bits: u128, outcome: Outcome) {
        self.plans.lock().expect("whole").insert(subject(bits), outcome);
    }
}

fn subject(bits: u128) -> Subject {
    Subject::Instance(InstanceId::new(bits))
}

#[test]
fn after_a_restart_everything_is_due_and_once_looked_at_it_is_not() {
    let mut bench = bench(2, &["first", "second"]);
    let all = [("first", 1), ("first", 2), ("second", 1), ("second", 2)];
    assert_eq!(bench.looked_at(0), all.map(|(name, bits)| (name, subject(bits))));
    assert_eq!(bench.looked_at(0), []);
    assert_eq!(bench.queue.due(), Timestamp(5 * MINUTE), "the next sweep");
}

#[test]
fn a_subject_stands_in_the_queue_once_however_often_it_is_woken() {
    let mut bench = bench(1, &["only"]);
    for now in [0, 1, 2] {
        bench.wake(1, now);
    }
    assert_eq!(bench.looked_at(10), [("only", subject(1))]);
}

#[test]
fn a_change_wakes_who_cares_about_it() {
    let mut bench = bench(2, &["only"]);
    bench.looked_at(0);
    bench.wake(2, 7);
    assert_eq!(bench.queue.due(), Timestamp(7));
    assert_eq!(bench.looked_at(6), []);
    assert_eq!(bench.looked_at(7), [("only", subject(2))]);
}

#[test]
fn reviews_come_in_the_order_of_their_time() {
    let mut bench = bench(3, &["only"]);
    for (bits, at) in [(1, 300), (2, 100), (3, 200)] {
        bench.plan(bits, Outcome::AgainAt(Timestamp(at)));
    }
    bench.looked_at(0);
    assert_eq!(bench.queue.due(), Timestamp(100));
    assert_eq!(bench.looked_at(99), []);
    assert_eq!(bench.looked_at(200), [("only", subject(2)), ("only", subject(3))]);
    assert_eq!(bench.looked_at(300), [("only", subject(1))]);
}

#[test]
fn an_earlier_call_counts_and_a_later_one_does_not_postpone() {
    let mut bench = bench(1, &["only"]);
    bench.plan(1, Outcome::AgainAt(Timestamp(100)));
    bench.looked_at(0);
    bench.wake(1, 200);
    assert_eq!(bench.queue.due(), Timestamp(100));
    bench.wake(1, 50);
    assert_eq!(bench.queue.due(), Timestamp(50));
    assert_eq!(bench.looked_at(50), [("only", subject(1))]);
    assert_eq!(bench.looked_at(200), [], "the later calls were the same one");
}

#[test]
fn a_look_may_name_others_that_are_due_later() {
    let mut bench = bench(1, &["only"]);
    bench.plan(1, Outcome::Others(vec![(subject(2), Timestamp(100)), (subject(3), Timestamp(50))]));
    assert_eq!(bench.looked_at(0), [("only", subject(1))]);
    assert_eq!(bench.looked_at(100), [("only", subject(3)), ("only", subject(2))]);
    assert_eq!(bench.looked_at(1000), []);
}

#[test]
fn who_has_more_to_do_is_asked_again_at_once_but_after_those_who_wait() {
    let mut bench = bench(2, &["only"]);
    bench.plan(1, Outcome::Again);
    assert_eq!(bench.turn(5).map(|it| it.subject), Some(subject(1)));
    assert_eq!(bench.turn(5).map(|it| it.subject), Some(subject(2)));
    assert_eq!(bench.turn(5).map(|it| it.subject), Some(subject(1)));
    assert_eq!(bench.turn(5), None);
}

#[test]
fn a_sweep_looks_at_everything_that_nobody_spoke_of() {
    let mut bench = bench(2, &["only"]);
    bench.looked_at(0);
    // A change that the queue has not heard of.
    bench.state.apply(instance(3).into());
    assert_eq!(bench.looked_at(5 * MINUTE - 1), []);
    let all = [1, 2, 3].map(|bits| ("only", subject(bits)));
    assert_eq!(bench.looked_at(5 * MINUTE), all);
    assert_eq!(bench.queue.due(), Timestamp(10 * MINUTE));
}
