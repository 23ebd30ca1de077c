use std::collections::BTreeMap;

use state::{
    Change, Desired, DiscoveryHealth, DiscoveryInstance, DiscoveryInstanceKey, DiscoveryService,
    Interface, ServiceRegistry, ServiceRevision, Status, Task,
};
use types::{TaskId, Timestamp};

use super::fixture::{SECOND, World, instance, stopped};
use super::target_registration::{member, retire, service, service_revision};
use crate::Policy;

const SERVICE: &str = "srv-1";

/// A service `web` whose tasks are instances of a service of Cloud Map.
fn world() -> World {
    // What the scheduler would do to these tasks is another promise.
    let mut world = World::without(Policy::default(), "services");
    world.put(instance(1));
    world.put(DiscoveryService {
        id: SERVICE.into(),
        namespace: "ns-1".into(),
        name: "web".into(),
        description: None,
        creator_request_id: None,
        dns: None,
        custom_health: true,
        attributes: BTreeMap::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
        revision: 0,
    });
    world.put(service());
    let registry = ServiceRegistry {
        arn: format!("arn:aws:servicediscovery:us-east-1:123456789012:service/{SERVICE}"),
        container: None,
        container_port: None,
        port: Some(8080),
    };
    world.put(ServiceRevision { registries: vec![registry], ..service_revision(&[]) });
    world
}

/// A running task with an address of its own.
fn at_address(bits: u128) -> Task {
    let number = u16::try_from(bits).expect("small");
    let interface = Interface {
        attachment: bits.to_be_bytes().into(),
        id: format!("eni-{bits:017x}"),
        subnet: "subnet-1".into(),
        address: 0xac1f_1000 + u32::from(number),
        mac: vec![2; 6],
        security_groups: Vec::new(),
    };
    Task {
        interface: Some(interface),
        ..member(bits, 1, [30_000 + 2 * number, 30_001 + 2 * number])
    }
}

fn found(world: &World) -> Vec<String> {
    let address = |it: &DiscoveryInstance| it.attributes["AWS_INSTANCE_IPV4"].clone();
    world.state.discovery_instances().values().map(|it| address(it)).collect()
}

#[test]
fn tasks_on_a_bridge_are_found_where_their_instance_is_now() {
    let mut world = world();
    let at = |address: &str| {
        let mut row = instance(1);
        row.attributes.insert("landfall.address".into(), Some(address.into()));
        row
    };
    world.put(at("172.31.0.10"));
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    assert_eq!(found(&world), ["172.31.0.10"]);
    world.put(at("172.31.0.12"));
    world.run_until(2 * SECOND);
    assert_eq!(found(&world), ["172.31.0.12"]);
}

#[test]
fn running_tasks_are_found_and_leave_as_soon_as_they_are_to_stop() {
    let mut world = world();
    world.put(at_address(1));
    world.put(at_address(2));
    world.put(Task { last: Status::Activating, ..at_address(3) });
    world.run_until(SECOND);
    assert_eq!(found(&world), ["172.31.16.1", "172.31.16.2"]);

    retire(&mut world, 1);
    let task = world.task(1).expect("is there").clone();
    assert_eq!((task.desired, task.is_over()), (Desired::Stopped, false));
    world.run_until(2 * SECOND);
    assert_eq!(found(&world), ["172.31.16.2"]);

    let over = stopped(&at_address(2), 2 * SECOND);
    world.put(over);
    world.run_until(3 * SECOND);
    assert_eq!(found(&world), Vec::<String>::new());
    let service = &world.state.discovery_services()[SERVICE];
    assert_eq!(service.revision, 4);
}

#[test]
fn what_somebody_else_changes_is_put_right() {
    let mut world = world();
    world.put(at_address(1));
    world.run_until(SECOND);
    let key = DiscoveryInstanceKey { service: SERVICE.into(), id: TaskId::new(1).to_string() };
    world.put(Change::DiscoveryInstance(key.clone(), None));
    world.run_until(2 * SECOND);
    assert_eq!(found(&world), ["172.31.16.1"]);

    let row = world.state.discovery_instances()[&key].as_ref().clone();
    world.put(DiscoveryInstance { health: Some(DiscoveryHealth::Unhealthy), ..row.clone() });
    world.run_until(3 * SECOND);
    assert_eq!(*world.state.discovery_instances()[&key], row);
}

#[test]
fn instances_of_others_stay_as_they_are() {
    let mut world = world();
    let key = DiscoveryInstanceKey { service: SERVICE.into(), id: "by-hand".into() };
    let attributes = BTreeMap::from([("AWS_INSTANCE_IPV4".to_owned(), "10.0.0.1".to_owned())]);
    let row = DiscoveryInstance {
        key,
        attributes,
        health: None,
        registration: None,
        created_at: Timestamp(0),
    };
    world.put(row);
    world.put(at_address(1));
    world.put(stopped(&at_address(1), SECOND));
    world.run_until(SECOND);
    assert_eq!(found(&world), ["10.0.0.1"]);
}

#[test]
fn a_new_process_finds_what_is_left_to_do() {
    let mut world = world();
    world.put(at_address(1));
    world.run_until(SECOND);
    // The process ends between the stop and what follows from it.
    let over = stopped(&at_address(1), SECOND);
    world.state.apply(over.into());
    world.state.apply(at_address(2).into());
    let mut restarted = world.restarted();
    restarted.run_until(2 * SECOND);
    assert_eq!(found(&restarted), ["172.31.16.2"]);
}
