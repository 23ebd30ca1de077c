//! The index against the tables, over made-up histories.

use std::collections::BTreeMap;

use types::{
    AccountId, ClusterName, Cpu, Family, Group, Home, InstanceId, MemoryMib, Port, Region, TaskId,
    Timestamp, Zone,
};

use crate::{
    Change, ContainerInstance, Demand, Desired, Dice, Draft, InstanceStatus, LaunchType, Resources,
    Revision, State, Status, Task,
};

fn region() -> State {
    State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    })
}

fn cluster() -> ClusterName {
    ClusterName::parse("default").expect("valid")
}

fn zone(number: u64) -> Zone {
    Zone::parse(["a", "b", "c"][usize::try_from(number % 3).expect("small")]).expect("valid")
}

fn number(dice: &mut Dice, below: u64) -> u32 {
    u32::try_from(dice.below(below)).expect("small")
}

fn instance(id: InstanceId, dice: &mut Dice) -> ContainerInstance {
    let mut attributes = BTreeMap::new();
    if dice.below(2) == 0 {
        attributes.insert("stack".to_owned(), Some(format!("s{}", dice.below(3))));
    }
    if dice.below(3) == 0 {
        attributes.insert("flag".to_owned(), None);
    }
    let status = match dice.below(8) {
        0 => InstanceStatus::Draining,
        1 => InstanceStatus::Inactive,
        _ => InstanceStatus::Active,
    };
    ContainerInstance {
        id,
        cluster: cluster(),
        status,
        ec2_instance_id: format!("i-{}", dice.below(5)),
        zone: zone(dice.below(3)),
        attributes,
        resources: Resources {
            cpu: Cpu(number(dice, 4) * 1024),
            memory: MemoryMib(number(dice, 4) * 1024),
            ports: vec![Port::tcp(22)],
            gpus: (0..dice.below(3)).map(|it| format!("g{it}")).collect(),
            interfaces: (dice.below(2) == 0).then(|| number(dice, 4)),
        },
        connected: dice.below(6) > 0,
        connected_at: Timestamp(0),
        given_up_at: None,
        registered_at: Timestamp(0),
        version: 1,
        agent_version: "1.89.2".to_owned(),
        agent_hash: String::new(),
        docker_version: String::new(),
        tags: Vec::new(),
        owner: String::new(),
        machine: None,
        incarnation: 1,
        status_reason: None,
        registrations: None,
        forgot_at: None,
    }
}

fn task(id: TaskId, instance: InstanceId, dice: &mut Dice) -> Task {
    let port = Port::tcp(80 + u16::try_from(dice.below(3)).expect("small"));
    let ports = if dice.below(2) == 0 { vec![port] } else { Vec::new() };
    Task {
        id,
        cluster: cluster(),
        revision: Revision { family: Family::parse("web").expect("valid"), number: 1 },
        instance,
        zone: zone(dice.below(3)),
        group: Group::parse(&format!("g{}", dice.below(4))).expect("valid"),
        started_by: None,
        token: None,
        audit: 0,
        launch: LaunchType::Ec2,
        demand: Demand {
            cpu: Cpu(number(dice, 512)),
            memory: MemoryMib(number(dice, 512)),
            ports,
            gpus: u16::from(dice.below(4) == 0),
            interface: dice.below(4) == 0,
        },
        overrides: Vec::new(),
        tags: Vec::new(),
        desired: if dice.below(3) == 0 { Desired::Stopped } else { Desired::Running },
        last: [Status::Pending, Status::Running, Status::Stopped]
            [usize::try_from(dice.below(3)).expect("small")],
        containers: Vec::new(),
        stop: None,
        created_at: Timestamp(0),
        pull_started_at: None,
        pull_stopped_at: None,
        started_at: None,
        stopping_at: None,
        execution_stopped_at: None,
        stopped_at: None,
        connected_at: None,
        version: 1,
        interface: None,
        released: dice.below(4) == 0,
        exec: false,
        reference: None,
        placing: None,
        service: None,
    }
}

fn anything(dice: &mut Dice, instances: u64) -> Change {
    let id = InstanceId::new(u128::from(dice.below(instances)) << 64);
    match dice.below(6) {
        0 | 1 => instance(id, dice).into(),
        2 if dice.below(4) == 0 => Change::ContainerInstance(id, None),
        3 if dice.below(2) == 0 => Change::Task(TaskId::new(dice.below(60).into()), None),
        _ => task(TaskId::new(dice.below(60).into()), id, dice).into(),
    }
}

/// Whether the index says what one computes from the tables, and does not contradict itself.
#[track_caller]
fn agrees(state: &State) {
    let recomputed = state.recomputed_indexes();
    assert_eq!(state.capacity().picture(), recomputed.capacity().picture());
    assert_eq!(*state.indexes(), recomputed);
}

#[test]
fn any_history_leaves_the_index_as_the_tables_say() {
    for seed in 0..60 {
        let mut dice = Dice::of(seed);
        let mut state = region();
        let instances = 4 + seed * 5;
        for _ in 0..300 {
            state.apply(anything(&mut dice, instances));
        }
        agrees(&state);
        let empty = region().capacity().picture();
        for change in state.rows().collect::<Vec<_>>() {
            match change {
                Change::Task(id, _) => state.apply(Change::Task(id, None)),
                Change::ContainerInstance(id, _) => {
                    state.apply(Change::ContainerInstance(id, None))
                }
                other => other,
            };
        }
        assert_eq!(state.capacity().picture(), empty);
    }
}

#[test]
fn an_undone_draft_leaves_the_index_as_it_was() {
    for seed in 0..40 {
        let mut dice = Dice::of(1_000 + seed);
        let mut state = region();
        for _ in 0..150 {
            state.apply(anything(&mut dice, 20));
        }
        let before = state.clone();
        let mut draft = Draft::new(&mut state);
        for _ in 0..100 {
            draft.change(anything(&mut dice, 20));
        }
        draft.undo();
        drop(draft);
        assert_eq!(state.capacity(), before.capacity());
        agrees(&state);
    }
}

#[test]
fn thousands_of_instances_find_their_seats_in_any_order() {
    type Order = fn(u64) -> u128;
    let orders: [Order; 3] = [
        |it| it.into(),
        |it| (5_000 - it).into(),
        |it| u128::from(it.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
    ];
    for order in orders {
        let mut dice = Dice::of(3);
        let mut state = region();
        for number in 0..5_000 {
            let id = InstanceId::new(order(number));
            let it = instance(id, &mut dice);
            let it = ContainerInstance {
                status: InstanceStatus::Active,
                connected: true,
                zone: zone(0),
                ..it
            };
            state.apply(it.into());
            if number % 2 == 0 {
                state.apply(task(TaskId::new(number.into()), id, &mut dice).into());
            }
        }
        agrees(&state);
    }
}
