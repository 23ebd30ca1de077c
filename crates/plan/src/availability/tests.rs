use super::*;
use crate::placement::fixture::{cluster, group, instance, region, request, task, zone};
use crate::placement::{Request, Strategy, place};

/// A cluster by zone: how many instances of 1,000 CPU units and 1,000 MiB each has.
fn region_of(hosts: &[(&str, u32)]) -> State {
    let mut state = region();
    let mut number = 0;
    for (at, count) in hosts {
        for _ in 0..*count {
            number += 1;
            state.apply(instance(number, at, 1000, 1000).into());
        }
    }
    state
}

/// Places tasks one by one, as RunTask does.
fn run(state: &mut State, name: &str, count: u32, of: (u32, u32), strategies: &[Strategy]) {
    let first = state.tasks().len() as u128;
    let ask =
        Request { group: group(name), strategies: strategies.to_vec(), ..request(of.0, of.1) };
    for number in 0..u128::from(count) {
        let placed = place(state, &ask, 0).expect("there is room");
        let on = state.container_instance(placed.instance).expect("there").clone();
        state.apply(task(first + number + 1, &on, &ask).into());
    }
}

fn look(state: &State) -> Availability {
    let mut copy = state.clone();
    let all = availability(&mut copy, &cluster());
    assert!(copy == *state && copy.indexes() == state.indexes(), "the copy is as it was");
    all
}

fn codes(all: &Availability) -> Vec<&'static str> {
    all.findings.iter().map(Finding::code).collect()
}

/// `group: of all, lost, placed` for a failure.
fn parts(loss: &Loss) -> Vec<String> {
    let one = |(group, it): (&Group, &Part)| format!("{group} {} {}", it.lost, it.placed);
    loss.parts.iter().map(one).collect()
}

#[test]
fn the_unbalanced_cluster_of_the_source_is_told_in_measured_numbers() {
    let mut state = region_of(&[("us-east-1a", 2), ("us-east-1b", 1), ("us-east-1c", 5)]);
    run(&mut state, "service:x", 9, (100, 100), &[]);
    let all = look(&state);

    let spread: Vec<_> = all.groups[&group("service:x")].by_zone.values().copied().collect();
    assert_eq!(spread, [3, 3, 3]);
    let lost: Vec<_> = all.zone_losses.iter().map(|it| (it.hosts, it.lost())).collect();
    assert_eq!(lost, [(2, 3), (1, 3), (5, 3)]);
    // One host of the second zone weighs as much as the whole zone.
    let (worst, part) = all.worst_instance(&group("service:x")).expect("there is one");
    assert_eq!(
        (worst.domain.to_string().as_str(), part.lost, part.placed),
        (format!("instance {}", InstanceId::new(3)).as_str(), 3, 3)
    );
    assert_eq!(codes(&all), ["UNBALANCED", "ZONE_OF_ONE_INSTANCE"]);
    let text = all.findings[0].to_string();
    assert!(text.ends_with("the loss of us-east-1c takes 5 of 8 (62.5 %)"), "{text}");
}

#[test]
fn an_even_cluster_with_room_has_nothing_to_say() {
    let mut state = region_of(&[("us-east-1a", 2), ("us-east-1b", 2), ("us-east-1c", 2)]);
    run(&mut state, "service:x", 6, (500, 500), &[]);
    let all = look(&state);
    assert_eq!(codes(&all), [""; 0]);
    assert_eq!(all.load, 3);
    assert_eq!(parts(&all.zone_losses[0]), ["service:x 2 2"]);
    assert!(all.instance_losses.iter().all(|it| parts(it) == ["service:x 1 1"]));
}

#[test]
fn what_the_rest_cannot_take_over_is_counted_by_really_placing_it() {
    let mut state = region_of(&[("us-east-1a", 1), ("us-east-1b", 1), ("us-east-1c", 1)]);
    run(&mut state, "service:big", 3, (700, 600), &[]);
    run(&mut state, "service:small", 3, (100, 100), &[]);
    let all = look(&state);
    // 200 CPU units are left on each of the others: enough for a small one.
    for loss in &all.zone_losses {
        assert_eq!(parts(loss), ["service:big 1 0", "service:small 1 1"]);
    }
    assert_eq!(
        codes(&all),
        [
            "NOT_COVERED",
            "NOT_COVERED",
            "NO_HEADROOM",
            "CAPACITY_CONSTRAINED",
            "CAPACITY_CONSTRAINED",
            "CAPACITY_CONSTRAINED",
        ]
    );
    assert_eq!(
        all.findings[1].to_string(),
        "if zone us-east-1a fails, 1 of the 1 lost tasks of service:big find no place on the rest"
    );
}

#[test]
fn a_single_zone_leaves_nothing() {
    let mut state = region_of(&[("us-east-1a", 2)]);
    run(&mut state, "service:x", 2, (100, 100), &[]);
    let all = look(&state);
    assert_eq!(parts(&all.zone_losses[0]), ["service:x 2 0"]);
    assert_eq!(codes(&all), ["NOT_COVERED", "ONE_ZONE"]);
}

#[test]
fn tasks_packed_onto_one_instance_are_told() {
    let mut state = region_of(&[("us-east-1a", 1), ("us-east-1b", 1)]);
    let packed = [Strategy::parse("binpack(memory)").expect("one")];
    run(&mut state, "service:x", 3, (100, 100), &packed);
    let all = look(&state);
    assert_eq!(codes(&all), ["ONE_INSTANCE", "UNEVEN_TASKS"]);
}

#[test]
fn instances_that_take_no_tasks_are_no_hosts_and_take_nothing_over() {
    let mut state = region_of(&[("us-east-1a", 1), ("us-east-1b", 1)]);
    run(&mut state, "service:x", 1, (100, 100), &[]);
    let mut away = state.container_instance(InstanceId::new(2)).expect("there").as_ref().clone();
    away.connected = false;
    state.apply(away.into());
    let all = look(&state);
    let shares: Vec<_> = all.zones.iter().map(|it| (it.hosts, it.resting)).collect();
    assert_eq!(shares, [(1, 0), (0, 1)]);
    assert_eq!(parts(&all.zone_losses[0]), ["service:x 1 0"]);
    assert_eq!(codes(&all), ["NOT_COVERED", "NOT_COVERED", "ONE_ZONE"]);
}

#[test]
fn an_empty_cluster_is_told_as_such() {
    let all = look(&region());
    assert_eq!(codes(&all), ["NO_INSTANCES"]);
    assert_eq!((all.load, all.hosts()), (0, 0));
}

#[test]
fn ports_and_gpus_that_others_hold_stand_in_the_way_too() {
    let mut state = region_of(&[("us-east-1a", 1), ("us-east-1b", 1)]);
    let mut ask = Request { group: group("service:x"), ..request(100, 100) };
    ask.demand.ports = vec![types::Port::tcp(80)];
    for number in 1..=2 {
        let placed = place(&state, &ask, 0).expect("there is room");
        let on = state.container_instance(placed.instance).expect("there").clone();
        state.apply(task(number, &on, &ask).into());
    }
    let all = look(&state);
    assert_eq!(parts(&all.zone_losses[0]), ["service:x 1 0"]);
    assert_eq!(all.zones[0].zone, zone("us-east-1a"));
}
