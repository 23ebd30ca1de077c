//! What daemons need is kept for them, and who finds no room says so.

use plan::tasks;
use state::{
    ContainerInstance, Remarks, Resources, Scheduling, Service, ServiceDeployment,
    ServiceDeploymentKey, ServiceKey, ServiceRevision, ServiceRevisionKey, Stop, StopCode, Task,
};
use types::{Cpu, InstanceId, MemoryMib, ServiceName};

use super::fleet::{Fleet, Image};
use crate::tests::fixture::{SECOND, cluster, instance};

/// An instance with room for four tasks.
fn small(bits: u128) -> ContainerInstance {
    let resources =
        Resources { cpu: Cpu(1024), memory: MemoryMib(1 << 20), ..Resources::default() };
    ContainerInstance { resources, ..instance(bits) }
}

/// By its name the daemon comes last.
fn daemon() -> ServiceKey {
    ServiceKey { cluster: cluster(), name: ServiceName::parse("zagent").expect("valid") }
}

/// A daemon of what the service runs.
fn create_daemon(fleet: &mut Fleet) {
    let row = fleet.row();
    let primary = row.deployments[0].clone();
    let state = &fleet.world.state;
    let of = |it: &ServiceRevision| it.key.id == primary.revision;
    let revision = state.service_revisions().values().find(|it| of(it)).expect("a row");
    let revision = ServiceRevision {
        key: ServiceRevisionKey { service: daemon(), id: primary.revision },
        ..revision.as_ref().clone()
    };
    let rollout = state.service_deployments().values().next().expect("a row");
    let rollout = ServiceDeployment {
        key: ServiceDeploymentKey { service: daemon(), id: primary.service_deployment },
        ..rollout.as_ref().clone()
    };
    fleet.world.put(revision);
    fleet.world.put(rollout);
    fleet.world.put(Service {
        key: daemon(),
        scheduling: Scheduling::Daemon,
        minimum_percent: 0,
        maximum_percent: 100,
        last_event: 0,
        remarks: Remarks::default(),
        ..row
    });
}

/// Tasks of both services on an instance that are not over.
fn on(fleet: &Fleet, bits: u128) -> (usize, usize) {
    let all = fleet.world.state.tasks().values();
    let here: Vec<_> =
        all.filter(|it| it.instance == InstanceId::new(bits) && !it.is_over()).collect();
    let daemons = here.iter().filter(|it| it.service_key() == Some(daemon())).count();
    (here.len() - daemons, daemons)
}

fn end_daemon(fleet: &mut Fleet) {
    let all = fleet.world.state.tasks().values();
    let its = |it: &&Task| it.service_key() == Some(daemon()) && !it.is_over();
    let mut task = all.map(AsRef::as_ref).find(its).expect("a daemon").clone();
    let stop = Stop { code: StopCode::UserInitiated, reason: "over".into() };
    tasks::close(&mut task, stop, fleet.world.now);
    task.released = true;
    fleet.world.put(task);
}

fn row(fleet: &Fleet) -> Service {
    fleet.world.state.services().get(&daemon()).expect("a daemon").as_ref().clone()
}

#[test]
fn an_instance_that_comes_has_room_for_its_daemon_however_many_wait() {
    let mut fleet = Fleet::new(0);
    fleet.create(12, 100, 200, Image::Runs);
    create_daemon(&mut fleet);
    fleet.world.run_until(SECOND);
    for bits in 1..=2 {
        fleet.world.put(small(bits));
        fleet.run(1);
        assert_eq!(on(&fleet, bits), (3, 1));
    }
}

#[test]
fn the_room_of_a_daemon_that_comes_again_later_is_kept_meanwhile() {
    let mut fleet = Fleet::new(0);
    fleet.world.put(small(1));
    fleet.create(12, 100, 200, Image::Runs);
    create_daemon(&mut fleet);
    fleet.run(1);
    assert_eq!(on(&fleet, 1), (3, 1));
    // Its next launch has to wait, as after launches that failed.
    let mut waits = row(&fleet);
    waits.deployments[0].wait_until =
        Some(fleet.world.now.after(core::time::Duration::from_mins(1)));
    fleet.world.put(waits);
    end_daemon(&mut fleet);
    fleet.run(40);
    assert_eq!(on(&fleet, 1), (3, 0), "nobody else takes it");
    let kept = fleet.events().iter().any(|it| it.contains("are kept for the daemon zagent"));
    assert!(kept, "{:?}", fleet.events());
    fleet.run(25);
    assert_eq!(on(&fleet, 1), (3, 1));
}

#[test]
fn an_instance_that_never_has_room_for_a_daemon_keeps_none() {
    let mut fleet = Fleet::new(0);
    let resources =
        Resources { cpu: Cpu(1024), memory: MemoryMib(1 << 20), ..Resources::default() };
    fleet.world.put(ContainerInstance { resources, ..instance(1) });
    fleet.create(4, 100, 200, Image::Runs);
    create_daemon(&mut fleet);
    let mut large =
        fleet.world.state.task_definitions().values().next().expect("one").as_ref().clone();
    large.revision.number = 2;
    large.demand.cpu = Cpu(2048);
    let its = |it: &&std::sync::Arc<ServiceRevision>| it.key.service == daemon();
    let revision = fleet.world.state.service_revisions().values().find(its).expect("a row");
    let revision =
        ServiceRevision { definition: large.revision.clone(), ..revision.as_ref().clone() };
    fleet.world.put(large);
    fleet.world.put(revision);
    fleet.run(1);
    assert_eq!(on(&fleet, 1), (4, 0));
}

#[test]
fn a_daemon_without_room_says_so_and_counts_no_failure() {
    let mut fleet = Fleet::new(0);
    fleet.world.put(small(1));
    fleet.create(12, 100, 200, Image::Runs);
    fleet.run(1);
    assert_eq!(on(&fleet, 1), (4, 0));
    create_daemon(&mut fleet);
    fleet.run(120);
    let events: Vec<_> = fleet
        .world
        .state
        .service_events()
        .values()
        .filter(|it| it.key.service == daemon())
        .map(|it| it.message.clone())
        .collect();
    let [only] = events.as_slice() else { panic!("said once: {events:?}") };
    let start = "(service zagent) was unable to place a task because no container instance met all of \
                 its requirements. The closest matching (container-instance ";
    assert!(only.starts_with(start), "{only}");
    assert!(only.contains(") has insufficient CPU units available."), "{only}");
    assert_eq!((row(&fleet).deployments[0].failed, row(&fleet).deployments[0].stumbles), (0, 0));
    fleet.change(|it| it.desired = 3);
    fleet.run(2);
    assert_eq!(on(&fleet, 1), (3, 1));
}

/// An instance with room for many tasks that has so many network interfaces for them.
fn with_interfaces(bits: u128, count: u32) -> ContainerInstance {
    let resources = Resources {
        cpu: Cpu(1 << 20),
        memory: MemoryMib(1 << 20),
        interfaces: Some(count),
        ..Resources::default()
    };
    ContainerInstance { resources, ..instance(bits) }
}

/// Tasks of the service and of the daemon each take an interface from now on.
fn give_interfaces(fleet: &mut Fleet) {
    let rows = fleet.world.state.task_definitions().values();
    let mut row = rows.map(AsRef::as_ref).next().expect("a definition").clone();
    row.demand.interface = true;
    fleet.world.put(row);
}

#[test]
fn the_network_interface_of_a_daemon_is_kept_too() {
    let mut fleet = Fleet::new(0);
    fleet.create(12, 100, 200, Image::Runs);
    create_daemon(&mut fleet);
    give_interfaces(&mut fleet);
    fleet.world.run_until(SECOND);
    fleet.world.put(with_interfaces(1, 3));
    fleet.run(1);
    assert_eq!(on(&fleet, 1), (2, 1));
    let mut waits = row(&fleet);
    waits.deployments[0].wait_until =
        Some(fleet.world.now.after(core::time::Duration::from_mins(1)));
    fleet.world.put(waits);
    end_daemon(&mut fleet);
    fleet.run(40);
    assert_eq!(on(&fleet, 1), (2, 0), "nobody else takes it");
    let kept = "1 are free and 1 kept for the daemon zagent";
    assert!(fleet.events().iter().any(|it| it.contains(kept)), "{:?}", fleet.events());
}

#[test]
fn where_every_interface_is_kept_for_daemons_looking_for_one_ends() {
    let mut fleet = Fleet::new(0);
    fleet.create(3, 100, 200, Image::Runs);
    create_daemon(&mut fleet);
    give_interfaces(&mut fleet);
    fleet.world.run_until(SECOND);
    for bits in 1..=100 {
        fleet.world.put(with_interfaces(bits, 1));
    }
    fleet.run(1);
    assert_eq!((1..=100).map(|it| on(&fleet, it).0).sum::<usize>(), 0);
}
