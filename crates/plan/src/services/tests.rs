//! Steps of services, as pictures: a line for each task with its deployment, zone and standing.
//!
//! Deployments: `2` is PRIMARY, `1` is older. Standings: `starting`, `unproven`, `healthy`, `ill`,
//! `leaving`; behind them `protected`, `draining`.

use core::time::Duration;
use std::collections::BTreeSet;

use state::{Deployment, Remarks, Rollout, Scheduling, Service, ServiceKey, ServiceStatus, Switch};
use types::{ClusterName, InstanceId, ServiceName, TaskId, Timestamp, Zone};

use super::snapshot::{Member, Scene, Snapshot};
use super::standing::Standing;
use super::step::{Moment, Room, Starting, Why, step};

fn deployment(id: u64, rollout: Rollout) -> Deployment {
    Deployment {
        id,
        revision: id,
        rollout,
        reason: String::new(),
        completed_at: None,
        failed: 0,
        stumbles: 0,
        wait_until: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        service_deployment: id,
        paced_until: None,
    }
}

pub(super) fn service(desired: u32, minimum_percent: u32, maximum_percent: u32) -> Service {
    Service {
        key: ServiceKey {
            cluster: ClusterName::parse("default").expect("valid"),
            name: ServiceName::parse("web").expect("valid"),
        },
        status: ServiceStatus::Active,
        spec: Vec::new(),
        scheduling: Scheduling::Replica,
        desired,
        minimum_percent,
        maximum_percent,
        breaker: None,
        grace: Duration::ZERO,
        rebalancing: Switch::Off,
        deployments: vec![deployment(2, Rollout::InProgress), deployment(1, Rollout::Completed)],
        service_deployment: 2,
        completed_revision: Some(1),
        steady_at: None,
        last_event: 0,
        tags: Vec::new(),
        created_at: Timestamp(0),
        created_by: String::new(),
        deleted_at: None,
        remarks: Remarks::default(),
        token: None,
        alarms: None,
    }
}

/// `7 of 1 in a: healthy protected`
pub(super) fn member(line: &str) -> Member {
    let words: Vec<&str> = line.split([' ', ':']).filter(|it| !it.is_empty()).collect();
    let [id, "of", deployment, "in", zone, standing, rest @ ..] = words.as_slice() else {
        panic!("nobody understands `{line}`");
    };
    let id: u128 = id.parse().expect("a number");
    Member {
        id: TaskId::new(id),
        deployment: deployment.parse().expect("a number"),
        instance: InstanceId::new(id),
        zone: Zone::parse(zone).expect("valid"),
        created_at: Timestamp(i64::try_from(id).expect("small")),
        standing: match *standing {
            "starting" => Standing::Starting,
            "unproven" => Standing::Unproven,
            "healthy" => Standing::Healthy,
            "ill" => Standing::Unhealthy("failed container health checks".into()),
            "leaving" => Standing::Leaving,
            other => panic!("nobody knows the standing {other}"),
        },
        is_proven: true,
        is_protected: rest.contains(&"protected"),
        is_draining: rest.contains(&"draining"),
        stumble: None,
    }
}

fn snapshot(service: Service, members: Vec<Member>, scene: Scene) -> Snapshot {
    Snapshot {
        crowds: Vec::new(),
        service,
        rollout: None,
        completed: None,
        alarms: Vec::new(),
        members,
        scene,
        until: None,
        has_more: false,
    }
}

/// What a step starts and stops: `start 2, stop 1 3`.
#[track_caller]
fn check_with(room: Room, service: Service, picture: &str, expected: &str) {
    let lines = picture.lines().map(str::trim).filter(|it| !it.is_empty());
    let scene = Scene { zones: BTreeSet::new(), ..Scene::default() };
    let snapshot = snapshot(service, lines.map(member).collect(), scene);
    let step = step(&snapshot, Moment { now: Timestamp(1_000_000), fresh: 3, room });
    let mut said = Vec::new();
    match step.start {
        Some(Starting::Anywhere(count)) => said.push(format!("start {count}")),
        Some(other) => said.push(format!("{other:?}")),
        None => {}
    }
    if !step.stop.is_empty() {
        let ids: Vec<_> = step.stop.iter().map(|it| it.task.bits().to_string()).collect();
        said.push(format!("stop {}", ids.join(" ")));
    }
    assert_eq!(said.join(", "), expected, "{:?}", step.events);
}

#[track_caller]
fn check(percentages: (u32, u32, u32), picture: &str, expected: &str) {
    let (desired, minimum, maximum) = percentages;
    check_with(Room::Open, service(desired, minimum, maximum), picture, expected);
}

#[test]
fn with_room_above_the_newer_tasks_come_first() {
    check((2, 100, 200), "1 of 1 in a: healthy\n2 of 1 in b: healthy", "start 2");
    check(
        (2, 100, 200),
        "1 of 1 in a: healthy
         2 of 1 in b: healthy
         3 of 2 in a: unproven
         4 of 2 in b: unproven",
        "",
    );
    check(
        (2, 100, 200),
        "1 of 1 in a: healthy
         2 of 1 in b: healthy
         3 of 2 in a: healthy
         4 of 2 in b: unproven",
        "stop 1",
    );
}

#[test]
fn without_room_above_older_tasks_go_first_as_far_as_they_may() {
    let four = "1 of 1 in a: healthy
                2 of 1 in b: healthy
                3 of 1 in a: healthy
                4 of 1 in b: healthy";
    check((4, 50, 100), four, "stop 1 2");
    check((4, 100, 100), four, "");
    check((4, 0, 100), four, "stop 1 2 3 4");
}

#[test]
fn what_leaves_counts_until_it_is_over() {
    let picture = "1 of 1 in a: leaving\n2 of 1 in b: healthy";
    check((2, 50, 100), picture, "");
    check((2, 50, 150), picture, "start 1");
    check((1, 0, 100), "1 of 1 in a: leaving", "");
}

#[test]
fn who_finds_no_place_makes_one_where_the_lower_bound_allows() {
    let picture = "1 of 1 in a: healthy\n2 of 1 in b: healthy";
    check_with(Room::None, service(2, 50, 200), picture, "stop 1");
    check_with(Room::None, service(2, 100, 200), picture, "");
}

#[test]
fn older_tasks_that_do_not_count_go_before_those_that_do() {
    check(
        (2, 50, 100),
        "1 of 1 in a: healthy
         2 of 1 in b: starting",
        "stop 2",
    );
}

#[test]
fn an_ill_task_is_replaced_first_and_stopped_then_where_there_is_room() {
    check((2, 100, 200), "1 of 2 in a: ill\n2 of 2 in b: healthy", "start 1");
    check(
        (2, 100, 200),
        "1 of 2 in a: ill
         2 of 2 in b: healthy
         3 of 2 in a: unproven",
        "",
    );
    check(
        (2, 100, 200),
        "1 of 2 in a: ill
         2 of 2 in b: healthy
         3 of 2 in a: healthy",
        "stop 1",
    );
}

#[test]
fn ill_tasks_go_one_by_one_where_there_is_no_room() {
    check((2, 50, 100), "1 of 2 in a: ill\n2 of 2 in b: ill", "stop 1");
    check((2, 50, 100), "1 of 2 in a: leaving\n2 of 2 in b: ill", "");
    check((2, 50, 100), "2 of 2 in b: ill", "start 1");
    check((2, 50, 100), "2 of 2 in b: ill\n3 of 2 in a: unproven", "");
}

#[test]
fn tasks_on_draining_instances_are_replaced_like_older_ones() {
    check((2, 100, 200), "1 of 2 in a: healthy draining\n2 of 2 in b: healthy", "start 1");
    check((2, 100, 200), "1 of 2 in a: starting draining\n2 of 2 in b: healthy", "start 1, stop 1");
    check((2, 100, 100), "1 of 2 in a: healthy draining\n2 of 2 in b: healthy", "");
    check((2, 50, 100), "1 of 2 in a: healthy draining\n2 of 2 in b: healthy", "stop 1");
}

#[test]
fn the_fullest_zone_gives_first_and_protected_tasks_stay() {
    let five = "1 of 2 in a: healthy
                2 of 2 in a: healthy
                3 of 2 in a: healthy
                4 of 2 in b: healthy
                5 of 2 in c: healthy";
    check((3, 100, 200), five, "stop 3 2");
    check(
        (4, 100, 200),
        &five.replace("3 of 2 in a: healthy", "3 of 2 in a: healthy protected"),
        "stop 2",
    );
    check((4, 100, 200), &five.replace("5 of 2 in c: healthy", "5 of 2 in c: starting"), "stop 5");
    check((1, 100, 200), "1 of 2 in a: healthy protected\n2 of 2 in a: healthy protected", "");
}

#[test]
fn protected_tasks_count_where_they_are() {
    check(
        (4, 100, 200),
        "1 of 2 in a: healthy
         2 of 2 in a: healthy protected
         3 of 2 in a: healthy protected
         4 of 2 in b: healthy
         5 of 2 in b: healthy",
        "stop 1",
    );
}

/// A steady service that may move its tasks between the zones a, b and c.
#[track_caller]
fn check_move(picture: &str, expected: &str) {
    let lines = picture.lines().map(str::trim).filter(|it| !it.is_empty());
    let members: Vec<Member> = lines.map(member).collect();
    let mut service = service(u32::try_from(members.len()).expect("few"), 100, 200);
    service.rebalancing = Switch::On;
    service.deployments.truncate(1);
    let zone = |it: &str| Zone::parse(it).expect("valid");
    let scene = Scene { zones: ["a", "b", "c"].map(zone).into(), ..Scene::default() };
    let snapshot = snapshot(service, members, scene);
    let step = step(&snapshot, Moment { now: Timestamp(1_000_000), fresh: 3, room: Room::Open });
    let start = step.start.map(|it| format!("{it:?}")).unwrap_or_default();
    assert_eq!(start, expected, "{:?}", step.events);
}

#[test]
fn a_task_is_moved_where_one_may_go() {
    let picture = "1 of 2 in a: healthy protected
                   2 of 2 in a: healthy protected
                   3 of 2 in a: healthy
                   4 of 2 in b: healthy";
    let to = |it: &[&str]| {
        let zones = it.iter().map(|it| Zone::parse(it).expect("valid")).collect();
        format!("{:?}", Starting::InFirstOf(zones))
    };
    check_move(picture, &to(&["c", "b"]));
    // Whichever of the poor zones has a place for it.
    check_move(
        "1 of 2 in a: healthy\n2 of 2 in a: healthy\n3 of 2 in a: healthy",
        &to(&["b", "c"]),
    );
    let all = picture.replace("3 of 2 in a: healthy", "3 of 2 in a: healthy protected");
    // Whatever came to c, another one would have to go for it.
    check_move(&all, "");
    check_move(&format!("{all}\n5 of 2 in b: healthy"), &to(&["c"]));
}

#[test]
fn stopped_tasks_say_why_in_awss_words() {
    let ill = "(port 80) is unhealthy in (target-group arn:x) due to (reason Health checks failed)";
    for (why, said) in [
        (Why::Deployment(7), "Scaling activity initiated by (deployment ecs-svc/7)"),
        (Why::Scaling, "Scaling activity initiated by (deployment ecs-svc/2)"),
        (Why::Rebalancing, "Availability-zone rebalancing initiated by (deployment ecs-svc/2)"),
        (Why::Unhealthy(ill.into()), "Task failed ELB health checks in (target-group arn:x)"),
        (
            Why::Unhealthy("(instance i-1) is unhealthy in (elb web) due to (reason x)".into()),
            "Task failed ELB health checks in (elb web)",
        ),
        (
            Why::Unhealthy("failed container health checks".into()),
            "Task failed container health checks",
        ),
    ] {
        assert_eq!(why.reason(2), said);
    }
}

#[test]
fn a_failed_deployment_starts_nothing_more() {
    let mut stalled = service(2, 100, 200);
    stalled.deployments[0].rollout = Rollout::Failed;
    check_with(Room::Open, stalled, "1 of 1 in a: healthy\n2 of 1 in b: healthy", "");
}
