//! Placement in small pictures.
//!
//! A line is an instance: its number, zone, CPU and memory, then words: `web*2` are living tasks of
//! a group that ask for nothing, `name=value` is an attribute, `-draining`, `-inactive` and `-agent` say why it takes
//! no tasks, `:80` is a taken port, `gpus=2` and `enis=1` what it has.

use state::{Change, Dice, InstanceStatus, State};
use types::{InstanceId, Port};

use crate::placement::fixture::{group, instance, region, request, task, zone};
use crate::placement::{
    Constraint, Field, Request, Resource, Strategy, check as check_one, explain, gpus_for, place,
};
use crate::query::Expression;

fn picture(lines: &str) -> State {
    let mut state = region();
    let mut tasks = 0;
    for line in lines.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u32>().expect("a number");
        let mut it = instance(number(0).into(), words[1], number(2), number(3));
        let mut held = Vec::new();
        for word in &words[4..] {
            match (*word, word.split_once('='), word.split_once('*')) {
                ("-draining", ..) => it.status = InstanceStatus::Draining,
                ("-inactive", ..) => it.status = InstanceStatus::Inactive,
                ("-agent", ..) => it.connected = false,
                (_, Some(("gpus", count)), _) => {
                    let count: u32 = count.parse().expect("a number");
                    it.resources.gpus = (0..count).map(|it| format!("gpu-{it}")).collect();
                }
                (_, Some(("enis", count)), _) => {
                    it.resources.interfaces = Some(count.parse().expect("a number"));
                }
                (_, Some((name, value)), _) => {
                    it.attributes.insert(name.to_owned(), Some(value.to_owned()));
                }
                (_, _, Some((name, count))) => {
                    held.push((name, count.parse::<u32>().expect("a number")));
                }
                (port, ..) => {
                    it.resources.ports.push(Port::tcp(port[1..].parse().expect("a port")));
                }
            }
        }
        state.apply(it.clone().into());
        for (name, count) in held {
            for _ in 0..count {
                tasks += 1;
                let nothing = Request { group: group(name), ..request(0, 0) };
                state.apply(task(tasks, &it, &nothing).into());
            }
        }
    }
    state
}

fn web(strategies: &[Strategy]) -> Request {
    Request { group: group("web"), strategies: strategies.to_vec(), ..request(100, 100) }
}

/// Where one task goes, or why it goes nowhere: reasons and details of the closest instances.
fn outcome(state: &State, request: &Request) -> String {
    match place(state, request, 4) {
        Ok(placed) => placed.instance.bits().to_string(),
        Err(refusal) => {
            let lines = refusal
                .failures()
                .into_iter()
                .map(|it| format!("{} {}: {}", it.instance.bits(), it.reason, it.detail));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

#[track_caller]
fn check(request: &Request, lines: &str, expected: &str) {
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    assert_eq!(outcome(&picture(lines), request), expected.join("\n"));
}

const ZONE: Strategy = Strategy::Spread(Field::Zone);
const INSTANCE: Strategy = Strategy::Spread(Field::Instance);
const CPU: Strategy = Strategy::Binpack(Resource::Cpu);
const MEMORY: Strategy = Strategy::Binpack(Resource::Memory);

fn by(name: &str) -> Strategy {
    Strategy::Spread(Field::Attribute(name.to_owned()))
}

#[test]
fn zones_come_before_instances_where_nothing_is_asked_for() {
    check(
        &web(&[]),
        "
        1 a 1000 1000 web*2
        2 b 1000 1000 web*1
        3 b 1000 1000
    ",
        "3",
    );
    check(
        &web(&[]),
        "
        1 a 1000 1000
        2 b 1000 1000 web*1
    ",
        "1",
    );
}

#[test]
fn the_identifier_breaks_ties() {
    check(
        &web(&[]),
        "
        9 a 1000 1000
        3 b 1000 1000
        5 a 1000 1000
    ",
        "3",
    );
}

#[test]
fn spread_counts_only_living_tasks_of_the_group() {
    let mut state = picture(
        "
        1 a 1000 1000 web*1 other*5
        2 b 1000 1000 web*2
    ",
    );
    assert_eq!(outcome(&state, &web(&[])), "1");
    for task in state.tasks().clone().into_values().filter(|it| it.instance == InstanceId::new(2)) {
        let task = state::Task { desired: state::Desired::Stopped, ..state::Task::clone(&task) };
        state.apply(task.into());
    }
    assert_eq!(outcome(&state, &web(&[])), "2");
}

#[test]
fn an_impossible_spread_still_places() {
    check(
        &web(&[ZONE, INSTANCE]),
        "
        1 a 1000 1000 web*7
        2 b   50 1000
        3 c 1000 1000 -draining
    ",
        "1",
    );
}

#[test]
fn a_burst_is_spread_fairly() {
    let mut state = picture(
        "
        1 a 1000 1000
        2 a 1000 1000
        3 b 1000 1000
        4 c 1000 1000
    ",
    );
    let mut order = Vec::new();
    for number in 0..8 {
        let placed = place(&state, &web(&[]), 0).expect("room");
        order.push(placed.instance.bits());
        let on = state.container_instance(placed.instance).expect("exists").clone();
        state.apply(task(100 + number, &on, &web(&[])).into());
    }
    assert_eq!(order, [1, 3, 4, 2, 3, 4, 1, 3]);
}

#[test]
fn binpack_takes_the_one_with_the_least_left_that_fits() {
    let cluster = "
        1 a 1000 1000
        2 a  200  900
        3 b  300  150
        4 c   90   99
    ";
    check(&web(&[CPU]), cluster, "2");
    check(&web(&[MEMORY]), cluster, "3");
    check(
        &web(&[ZONE, MEMORY]),
        "
        1 a 1000  500 web*1
        2 b 1000 1000
        3 b 1000  900
    ",
        "3",
    );
}

#[test]
fn binpack_finds_the_one_member_behind_hundreds_of_others() {
    let mut state = region();
    for number in 1..=700_u32 {
        let mut it = instance(number.into(), "a", 1000 + number, 2000 + number);
        if number > 698 {
            it.attributes.insert("special".to_owned(), None);
        }
        state.apply(it.into());
    }
    let expression = Expression::parse("attribute:special exists").expect("valid");
    let special = vec![Constraint::MemberOf(expression)];
    for strategy in [CPU, MEMORY] {
        let wants = Request { constraints: special.clone(), ..web(&[strategy]) };
        assert_eq!(outcome(&state, &wants), "699");
    }
}

#[test]
fn an_attribute_that_is_missing_is_a_bucket_of_its_own() {
    check(
        &web(&[by("rack")]),
        "
        1 a 1000 1000 rack=r1 web*1
        2 a 1000 1000 web*1
        3 a 1000 1000 rack=r2
    ",
        "3",
    );
    check(
        &web(&[by("rack")]),
        "
        1 a 1000 1000 rack=r1 web*1
        2 a 1000 1000 rack=r2 web*1
        3 a 1000 1000
    ",
        "3",
    );
    check(
        &web(&[by("rack"), INSTANCE]),
        "
        1 a 1000 1000 rack=r1 web*1
        2 a 1000 1000 rack=r1
        3 a 1000 1000 rack=r2 web*2
    ",
        "2",
    );
}

#[test]
fn tasks_on_instances_that_take_none_count_for_their_attribute() {
    check(
        &web(&[by("rack")]),
        "
        1 a 1000 1000 rack=r1 web*2 -draining
        2 a 1000 1000 rack=r1
        3 a 1000 1000 rack=r2 web*1
    ",
        "3",
    );
}

#[test]
fn random_takes_all_that_can_take_the_task_alike() {
    let roomy = "1 a 1000 1000\n 2 b 1000 1000\n 3 c 50 1000\n 4 c 1000 1000";
    // Where hardly any can, those are looked for.
    let full: Vec<_> = (5..200).map(|it| format!("{it} b 50 1000")).collect();
    for lines in [roomy.to_owned(), format!("{roomy}\n{}", full.join("\n"))] {
        let state = picture(&lines);
        let mut dice = Dice::of(5);
        let mut taken = [0; 5];
        for _ in 0..3_000 {
            let placed = place(&state, &web(&[Strategy::Random]), dice.bits()).expect("room");
            taken[usize::try_from(placed.instance.bits()).expect("small")] += 1;
        }
        assert!([1, 2, 4].iter().all(|it| (900..1_100).contains(&taken[*it])), "{taken:?}");
    }
}

#[test]
fn distinct_instance_binds() {
    let distinct = Request { constraints: vec![Constraint::DistinctInstance], ..web(&[]) };
    check(
        &distinct,
        "
        1 a 1000 1000 web*1
        2 a 1000 1000 other*3
    ",
        "2",
    );
    check(
        &distinct,
        "
        1 a 1000 1000 web*1
        2 a   10 1000
    ",
        "
        2 RESOURCE:CPU: needs 100 CPU units, 10 of 10 free
        1 DistinctInstance placement constraint unsatisfied.: has a task of the same group already
    ",
    );
}

#[test]
fn member_of_binds() {
    let expression = Expression::parse("attribute:stack == prod").expect("valid");
    let member = Request { constraints: vec![Constraint::MemberOf(expression)], ..web(&[]) };
    check(
        &member,
        "
        1 a 1000 1000
        2 a 1000 1000 stack=prod web*4
    ",
        "2",
    );
    check(
        &member,
        "
        1 a 1000 1000 stack=test
    ",
        "1 MemberOf placement constraint unsatisfied.: is not a member of `attribute:stack == prod`",
    );
}

#[test]
fn affinity_sees_the_tasks_of_the_same_burst() {
    let expression = Expression::parse("task:group == web").expect("valid");
    let follower = Request {
        group: group("follower"),
        constraints: vec![Constraint::MemberOf(expression)],
        ..web(&[])
    };
    let mut state = picture("1 a 1000 1000\n 2 a 1000 1000");
    assert!(place(&state, &follower, 0).is_err());
    let on = state.container_instance(InstanceId::new(2)).expect("exists").clone();
    state.apply(task(1, &on, &web(&[])).into());
    assert_eq!(outcome(&state, &follower), "2");
}

#[test]
fn the_closest_instances_are_named_first_and_with_numbers() {
    let mut wants = web(&[]);
    wants.demand.ports = vec![Port::tcp(80)];
    wants.demand.cpu = types::Cpu(512);
    check(
        &wants,
        "
        1 a  128 1024
        2 a  500 1024 :80
        3 b  500 1024
        4 c 1024   50
        5 c 1024 1024 -agent
        6 c 1024 1024 -draining
        7 c 1024 1024 -inactive
        8 c 1024 1024 :80
    ",
        "
        3 RESOURCE:CPU: needs 512 CPU units, 500 of 500 free
        4 RESOURCE:MEMORY: needs 100 MiB of memory, 50 of 50 free
        1 RESOURCE:CPU: needs 512 CPU units, 128 of 128 free
        8 RESOURCE:PORTS: host port 80/tcp is taken
        2 RESOURCE:CPU: needs 512 CPU units, 500 of 500 free; host port 80/tcp is taken
        5 AGENT: its agent is not connected
        6 INACTIVE: the container instance is draining
    ",
    );
}

#[test]
fn gpus_interfaces_zones_and_attributes_bind() {
    let mut wants = web(&[]);
    wants.demand.gpus = 2;
    check(&wants, "1 a 1000 1000 gpus=2", "1");
    check(&wants, "1 a 1000 1000 gpus=1", "1 RESOURCE:GPU: needs 2 GPUs, 1 of 1 free");

    let mut wants = web(&[]);
    wants.demand.interface = true;
    wants.zones = Some(vec![zone("b")]);
    wants.requires = vec!["ecs.capability.task-eni".to_owned()];
    check(
        &wants,
        "
        1 a 1000 1000 ecs.capability.task-eni=
        2 b 1000 1000
        3 b 1000 1000 ecs.capability.task-eni= enis=0
    ",
        "
        3 RESOURCE:ENI: needs a network interface, none of 0 is free
        1 LOCATION: stands in a, where the task has no subnet
        2 ATTRIBUTE: lacks attribute ecs.capability.task-eni
    ",
    );
}

#[test]
fn an_empty_cluster_names_nobody() {
    let refusal = place(&region(), &web(&[]), 0).expect_err("nobody there");
    assert_eq!((refusal.instances, refusal.failures().len()), (0, 0));
}

#[test]
fn a_large_cluster_names_ten_of_the_closest() {
    let mut state = region();
    for number in 1..=99_u32 {
        let at = ["a", "b"][number as usize % 2];
        state.apply(instance(number.into(), at, 1000, number).into());
    }
    let refusal = place(&state, &web(&[]), 0).expect_err("no room");
    assert_eq!(refusal.instances, 99);
    assert_eq!(refusal.closest.len(), 10);
    // The first of them are exactly the closest; no ten are all drawn from one end of the index.
    assert_eq!(refusal.closest[..8], explain(&state, &web(&[]))[..8]);
}

#[test]
fn a_start_is_checked_on_the_instance_it_names() {
    let state = picture(
        "
        1 a 1000 1000
        2 a 1000   99
        3 a 1000 1000 -inactive
        4 a 1000 1000 -draining
        5 a 1000 1000 -agent
    ",
    );
    let reason = |id| {
        let answer = check_one(&state, InstanceId::new(id), &web(&[]));
        answer.err().and_then(|it| it.failure()).map(|it| it.reason)
    };
    assert_eq!(reason(1), None);
    assert_eq!(reason(2), Some("RESOURCE:MEMORY"));
    assert_eq!(reason(3), Some("INACTIVE"));
    assert_eq!(reason(4), Some("INACTIVE"));
    assert_eq!(reason(5), Some("AGENT"));
    assert_eq!(reason(6), Some("MISSING"));
}

#[test]
fn gpus_are_given_out_in_order() {
    let mut state = picture("1 a 1000 1000 gpus=3");
    let on = state.container_instance(InstanceId::new(1)).expect("exists").clone();
    assert_eq!(gpus_for(&state, on.id, 2), ["gpu-0", "gpu-1"]);
    let mut holder = task(1, &on, &web(&[]));
    holder.containers = vec![state::Container {
        name: types::ContainerName::parse("main").expect("valid"),
        id: Vec::new(),
        gpus: vec!["gpu-0".to_owned()],
        last: state::Status::Pending,
        runtime_id: None,
        exit_code: None,
        reason: None,
        bindings: Vec::new(),
        image_digest: None,
        pinned_digest: None,
        health: state::Health::Unknown,
    }];
    state.apply(holder.into());
    assert_eq!(gpus_for(&state, on.id, 2), ["gpu-1", "gpu-2"]);
}

#[test]
fn what_a_task_held_is_free_only_once_it_is_released() {
    let mut state = picture("1 a 100 100");
    let on = state.container_instance(InstanceId::new(1)).expect("exists").clone();
    let running = task(1, &on, &web(&[]));
    state.apply(running.clone().into());
    let full = "1 RESOURCE:CPU: needs 100 CPU units, 0 of 100 free; needs 100 MiB of memory, 0 of 100 free";
    assert_eq!(outcome(&state, &web(&[])), full);
    let stopped = state::Task { last: state::Status::Stopped, ..running };
    state.apply(stopped.clone().into());
    assert_eq!(outcome(&state, &web(&[])), full);
    state.apply(state::Task { released: true, ..stopped.clone() }.into());
    assert_eq!(outcome(&state, &web(&[])), "1");
    state.apply(Change::Task(stopped.id, None));
    assert_eq!(outcome(&state, &web(&[])), "1");
}
