//! The search against the reference, over made-up clusters.

use state::{Change, ContainerInstance, Desired, Dice, Draft, InstanceStatus, State, Status, Task};
use types::{Port, TaskId, Zone};

use super::reference;
use crate::placement::fixture::{cluster, demand, group, instance, region, task, zone};
use crate::placement::{
    Constraint, Field, NAMED, Request, Resource, Strategy, check, doubled, explain, place, verify,
};
use crate::query::Expression;

/// A choice among these.
fn one<T: Clone>(dice: &mut Dice, of: &[T]) -> T {
    of[usize::try_from(dice.below(of.len() as u64)).expect("small")].clone()
}

fn some_instance(dice: &mut Dice, id: u128) -> ContainerInstance {
    let mut it = instance(
        id,
        one(dice, &["a", "b", "c"]),
        one(dice, &[0, 512, 1024, 4096]),
        one(dice, &[256, 1024, 2000, 3955]),
    );
    let sizes = ["t2.micro", "t2.large", "m5.large"];
    it.attributes.insert("ecs.instance-type".to_owned(), Some(one(dice, &sizes).to_owned()));
    for name in ["stack", "rack", "ssd"] {
        let value = one(dice, &[None, Some(None), Some(Some("1")), Some(Some("2"))]);
        if let Some(value) = value {
            it.attributes.insert(name.to_owned(), value.map(str::to_owned));
        }
    }
    it.status = one(
        dice,
        &[
            InstanceStatus::Active,
            InstanceStatus::Active,
            InstanceStatus::Active,
            InstanceStatus::Active,
            InstanceStatus::Draining,
            InstanceStatus::Inactive,
        ],
    );
    it.connected = dice.below(8) > 0;
    it.resources.gpus =
        (0..dice.below(4).saturating_sub(1)).map(|it| format!("gpu-{it}")).collect();
    it.resources.interfaces = one(dice, &[None, None, Some(1), Some(2)]);
    it.agent_version = one(dice, &["1.2.3", "1.89.2", "2.0"]).to_owned();
    it
}

const EXPRESSIONS: &[&str] = &[
    "attribute:ecs.instance-type =~ t2.*",
    "attribute:ecs.instance-type != m5.large",
    "attribute:stack == 1",
    "attribute:stack exists",
    "attribute:rack !exists or attribute:rack in [1, 2]",
    "not(task:group == family:web) and agentVersion >= 1.80",
    "task:group == family:web || runningTasksCount < 2",
    "task:group !in [g1, g2]",
    "attribute:rack >= 2",
    "ec2InstanceId =~ i-.*1",
    "ec2InstanceId == i-3 or ec2InstanceId in [i-4, i-5, i-6]",
    "attribute:ecs.availability-zone in [a, c] and agentConnected == true",
    "attribute:nowhere != 1",
    "registeredAt < 2018-06-18",
    "!(attribute:ssd not_matches \"1|2\" or attribute:stack !~ 2)",
];

fn some_request(dice: &mut Dice) -> Request {
    let mut wants = demand(one(dice, &[0, 64, 128, 512]), one(dice, &[0, 64, 256, 900]));
    wants.ports =
        one(dice, &[vec![], vec![], vec![Port::tcp(80)], vec![Port::tcp(80), Port::udp(53)]]);
    wants.gpus = one(dice, &[0, 0, 0, 1, 2]);
    wants.interface = dice.below(5) == 0;
    let mut constraints = Vec::new();
    if dice.below(6) == 0 {
        constraints.push(Constraint::DistinctInstance);
    }
    for _ in 0..dice.below(4).saturating_sub(1) {
        let text = one(dice, EXPRESSIONS);
        constraints.push(Constraint::MemberOf(Expression::parse(text).expect("valid")));
    }
    let fields = [
        Field::Zone,
        Field::Instance,
        Field::Attribute("stack".to_owned()),
        Field::Attribute("rack".to_owned()),
        Field::Attribute("nowhere".to_owned()),
    ];
    let strategies = (0..dice.below(5))
        .map(|_| match dice.below(8) {
            0 => Strategy::Random,
            1 => Strategy::Binpack(Resource::Cpu),
            2 => Strategy::Binpack(Resource::Memory),
            _ => Strategy::Spread(one(dice, &fields)),
        })
        .collect();
    let zones: [Option<Vec<Zone>>; 4] =
        [None, None, Some(vec![zone("a"), zone("c")]), Some(vec![zone("b")])];
    Request {
        cluster: cluster(),
        demand: wants,
        group: group(one(dice, &["family:web", "g1", "g2"])),
        constraints,
        requires: one(dice, &[vec![], vec![], vec!["ssd".to_owned()]]),
        zones: one(dice, &zones),
        strategies,
    }
}

fn change_a_task(dice: &mut Dice, state: &State) -> Option<Task> {
    let tasks: Vec<_> = state.tasks().values().collect();
    let task = tasks.get(usize::try_from(dice.below(tasks.len().max(1) as u64)).expect("small"))?;
    let mut task = Task::clone(task);
    match dice.below(4) {
        _ if task.last == Status::Stopped => task.released = true,
        0 => task.last = Status::Running,
        1 => task.desired = Desired::Stopped,
        2 => task.last = Status::Stopped,
        _ => {
            task.desired = Desired::Stopped;
            task.last = Status::Stopped;
            task.released = true;
        }
    }
    Some(task)
}

/// The two agree, and what the search says of itself is true.
#[track_caller]
fn agrees(state: &State, request: &Request, dice: u128) -> Option<ContainerInstance> {
    let expected = reference::place(state, request, dice);
    match place(state, request, dice) {
        Ok(placed) => {
            assert_eq!(Some(placed.instance), expected, "{request:?}");
            assert_eq!(check(state, placed.instance, request), Ok(()));
            let it = state.container_instance(placed.instance).expect("exists");
            assert_eq!(placed.zone, it.zone);
            Some(ContainerInstance::clone(it))
        }
        Err(refusal) => {
            assert_eq!(None, expected, "{request:?}");
            let all = explain(state, request);
            assert_eq!(refusal.instances, all.len());
            assert!(all.iter().all(|it| !it.misfits.is_empty()));
            assert_eq!(refusal.failures().len(), all.len().min(NAMED));
            None
        }
    }
}

/// A made-up cluster: instances come, go and change, tasks are placed and end.
fn history(seed: u64, steps: u64, instances: u64) {
    let mut dice = Dice::of(seed);
    let mut state = region();
    for id in 0..=dice.below(instances) {
        state.apply(some_instance(&mut dice, id.into()).into());
    }
    let mut requests: Vec<_> = (0..4).map(|_| some_request(&mut dice)).collect();
    for step in 0..steps {
        match dice.below(12) {
            0 => {
                let id = dice.below(instances + 2).into();
                state.apply(some_instance(&mut dice, id).into());
            }
            1 => {
                let at = usize::try_from(dice.below(4)).expect("small");
                requests[at] = some_request(&mut dice);
            }
            2 | 3 => {
                if let Some(task) = change_a_task(&mut dice, &state) {
                    state.apply(task.into());
                }
            }
            _ => {
                let request = one(&mut dice, &requests);
                if let Some(on) = agrees(&state, &request, dice.bits()) {
                    state.apply(task(step.into(), &on, &request).into());
                }
            }
        }
    }
    assert_eq!(*state.indexes(), state.recomputed_indexes());
}

#[test]
fn the_index_gives_the_answers_of_a_scan_in_small_clusters() {
    for seed in 0..1_500 {
        history(seed, 60, 8);
    }
}

#[test]
fn the_index_gives_the_answers_of_a_scan_in_larger_clusters() {
    for seed in 0..12 {
        history(10_000 + seed, 250, 250);
    }
}

#[test]
fn no_instance_promises_anything_twice() {
    for seed in 0..150 {
        let mut dice = Dice::of(20_000 + seed);
        let mut state = region();
        for id in 0..10 {
            state.apply(some_instance(&mut dice, id).into());
        }
        let mut distinct = some_request(&mut dice);
        distinct.group = group("alone");
        distinct.constraints = vec![Constraint::DistinctInstance];
        for step in 0..80 {
            let request = if step % 4 == 0 { distinct.clone() } else { some_request(&mut dice) };
            if let Ok(placed) = place(&state, &request, dice.bits()) {
                let on = state.container_instance(placed.instance).expect("exists").clone();
                state.apply(task(step, &on, &request).into());
            }
            if dice.below(5) == 0
                && let Some(task) = change_a_task(&mut dice, &state)
            {
                state.apply(task.into());
            }
            assert_eq!(verify(&state), Vec::<String>::new());
            assert_eq!(doubled(&state, &cluster(), &group("alone")), []);
        }
    }
}

#[test]
fn a_refused_burst_leaves_the_index_as_it_was() {
    for seed in 0..100 {
        let mut dice = Dice::of(30_000 + seed);
        let mut state = region();
        for id in 0..8 {
            state.apply(some_instance(&mut dice, id).into());
        }
        let before = state.clone();
        let mut draft = Draft::new(&mut state);
        for step in 0..20 {
            let request = some_request(&mut dice);
            if let Ok(placed) = place(draft.state(), &request, 0) {
                let on = draft.state().container_instance(placed.instance).expect("exists").clone();
                draft.change(task(step, &on, &request).into());
            }
            if step % 7 == 0 {
                draft.change(Change::Task(TaskId::new(step / 2), None));
            }
        }
        draft.undo();
        drop(draft);
        assert_eq!(state.capacity(), before.capacity());
        assert_eq!(*state.indexes(), state.recomputed_indexes());
    }
}
