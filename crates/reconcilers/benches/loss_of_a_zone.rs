//! How long the house takes to replace what a lost zone had: 1,000 services of 100 tasks each in
//! three zones, one of which is given up. Wall time is of one thread with nothing else in it; virtual
//! time is counted from the moment at which the zone's tasks are given up.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods)]

use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

use reconcilers::{Policy, Queue, registry};
use shapes::{ecs as shape, stored};
use state::{
    Caller, Change, Cluster, ClusterStatus, ContainerInstance, Context, DefinitionStatus, Demand,
    Deployment, Desired, Dice, Draft, InstanceStatus, NetworkMode, Remarks, Resources, Revision,
    Rollout, Scheduling, Service, ServiceDeployment, ServiceDeploymentKey, ServiceDeploymentStatus,
    ServiceKey, ServiceRevision, ServiceRevisionKey, ServiceStatus, State, Status, Switch, Task,
    TaskDefinition,
};
use types::{
    AccountId, ClusterName, Cpu, Family, Home, InstanceId, MemoryMib, Region, ServiceName,
    Timestamp, Zone,
};

const SERVICES: u64 = 1_000;
const TASKS: u32 = 100;
const INSTANCES: u128 = 900;
const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];

struct House {
    state: State,
    queue: Queue,
    dice: Dice,
    now: Timestamp,
    reviews: u64,
    changes: u64,
}

impl House {
    fn new() -> Self {
        let state = State::new(Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        });
        let queue = Queue::new(registry(&Policy::default()), &state, Timestamp(0));
        let (reviews, changes) = (0, 0);
        Self { state, queue, dice: Dice::of(1), now: Timestamp(0), reviews, changes }
    }

    fn put(&mut self, change: impl Into<Change>) {
        let change = change.into();
        self.queue.hear(&change, self.now);
        self.state.apply(change);
    }

    fn run_until(&mut self, end: Timestamp) {
        loop {
            let due = self.queue.due().max(self.now);
            if due > end {
                self.now = end;
                return;
            }
            self.now = due;
            let mut draft = Draft::new(&mut self.state);
            let mut context = Context {
                now: self.now,
                caller: Caller::region(),
                request_id: 0,
                dice: &mut self.dice,
            };
            self.queue.turn(&mut draft, &mut context);
            self.reviews += 1;
            let changes = draft.keep();
            self.changes += changes.len() as u64;
            for change in changes {
                self.queue.hear(&change, self.now);
            }
        }
    }

    /// Every agent does at once what it is told.
    fn agents(&mut self) {
        let tasks: Vec<_> = self.state.tasks().values().cloned().collect();
        for task in tasks.into_iter().filter(|it| it.last == Status::Pending) {
            let started_at = Some(self.now);
            self.put(Task { last: Status::Running, started_at, ..task.as_ref().clone() });
        }
    }

    fn wanted(&self) -> usize {
        self.state.tasks().values().filter(|it| it.desired == Desired::Running).count()
    }
}

fn cluster() -> ClusterName {
    ClusterName::parse("default").expect("valid")
}

fn revision() -> Revision {
    Revision { family: Family::parse("web").expect("valid"), number: 1 }
}

fn instance(bits: u128) -> ContainerInstance {
    let zone = ZONES[usize::try_from(bits).expect("few") % 3];
    ContainerInstance {
        id: InstanceId::new(bits),
        cluster: cluster(),
        status: InstanceStatus::Active,
        ec2_instance_id: format!("i-{bits:017x}"),
        zone: Zone::parse(zone).expect("valid"),
        attributes: BTreeMap::new(),
        resources: Resources {
            cpu: Cpu(200 * 64),
            memory: MemoryMib(200 * 64),
            ..Resources::default()
        },
        connected: true,
        connected_at: Timestamp(0),
        given_up_at: None,
        registered_at: Timestamp(0),
        version: 1,
        agent_version: "1.0.0".into(),
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

fn definition() -> TaskDefinition {
    let container = shape::ContainerDefinition { name: Some("app".into()), ..Default::default() };
    let spec = shape::RegisterTaskDefinitionRequest {
        container_definitions: Some(vec![container]),
        ..Default::default()
    };
    TaskDefinition {
        revision: revision(),
        status: DefinitionStatus::Active,
        spec: stored::to_vec(&spec),
        demand: Demand { cpu: Cpu(64), memory: MemoryMib(64), ..Demand::default() },
        network: NetworkMode::Bridge,
        requires: Vec::new(),
        member_of: Vec::new(),
        registered_at: Timestamp(0),
        registered_by: String::new(),
        deregistered_at: None,
        delete_requested_at: None,
        tags: Vec::new(),
    }
}

fn create(house: &mut House, number: u64) {
    let name = ServiceName::parse(&format!("s{number}")).expect("valid");
    let key = ServiceKey { cluster: cluster(), name };
    let spec = stored::to_vec(&shape::CreateServiceRequest::default());
    let (id, now) = (1_000_000_000_000_000_000 + number, house.now);
    house.put(ServiceRevision {
        key: ServiceRevisionKey { service: key.clone(), id },
        definition: revision(),
        spec: spec.clone(),
        targets: Vec::new(),
        registries: Vec::new(),
        digests: BTreeMap::new(),
        unresolved_at: None,
        created_at: now,
    });
    house.put(ServiceDeployment {
        key: ServiceDeploymentKey { service: key.clone(), id },
        status: ServiceDeploymentStatus::Pending,
        status_reason: None,
        sources: Vec::new(),
        target: id,
        rollback: None,
        failures: 0,
        created_at: now,
        started_at: None,
        updated_at: now,
        finished_at: None,
        stopped_at: None,
        watch: None,
    });
    let deployment = Deployment {
        id,
        revision: id,
        rollout: Rollout::InProgress,
        reason: String::new(),
        completed_at: None,
        failed: 0,
        stumbles: 0,
        wait_until: None,
        created_at: now,
        updated_at: now,
        service_deployment: id,
        paced_until: None,
    };
    house.put(Service {
        key,
        status: ServiceStatus::Active,
        spec,
        scheduling: Scheduling::Replica,
        desired: TASKS,
        minimum_percent: 100,
        maximum_percent: 200,
        breaker: None,
        grace: Duration::ZERO,
        rebalancing: Switch::Off,
        deployments: vec![deployment],
        service_deployment: id,
        completed_revision: None,
        steady_at: None,
        last_event: 0,
        tags: Vec::new(),
        created_at: now,
        created_by: String::new(),
        deleted_at: None,
        remarks: Remarks::default(),
        token: None,
        alarms: None,
    });
}

fn main() {
    let mut house = House::new();
    house.put(Cluster {
        name: cluster(),
        status: ClusterStatus::Active,
        spec: Vec::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
        inactive_at: None,
    });
    house.put(definition());
    for bits in 1..=INSTANCES {
        house.put(instance(bits));
    }
    let begun = Instant::now();
    for number in 0..SERVICES {
        create(&mut house, number);
    }
    house.run_until(Timestamp(0));
    println!("{} tasks placed in {:.1} s", house.wanted(), begun.elapsed().as_secs_f64());
    house.agents();
    house.run_until(Timestamp(10_000));
    let steady = house.state.services().values().filter(|it| it.steady_at.is_some()).count();
    println!("{steady} services are steady");

    let zone = Zone::parse(ZONES[0]).expect("valid");
    let lost: Vec<InstanceId> = house
        .state
        .container_instances()
        .values()
        .filter(|it| it.zone == zone)
        .map(|it| it.id)
        .collect();
    for id in &lost {
        let now = house.now;
        let mut draft = Draft::new(&mut house.state);
        plan::instances::disconnect(&mut draft, *id, now);
        for change in draft.keep() {
            house.queue.hear(&change, now);
        }
    }
    let given_up = Timestamp(house.now.0 + 60_000);
    house.run_until(Timestamp(given_up.0 - 1));
    let (begun, before, reviews, changes) =
        (Instant::now(), house.wanted(), house.reviews, house.changes);
    house.run_until(given_up);
    let placed = house.wanted();
    house.agents();
    house.run_until(Timestamp(given_up.0 + 6_000));
    let steady = house.state.services().values().filter(|it| it.steady_at.is_some()).count();
    println!(
        "{} instances lost with the zone: {placed} of {before} tasks are wanted again at the moment \
         of detection, {steady} services steady 6 s later; {:.1} s of wall time, {} reviews, {} rows",
        lost.len(),
        begun.elapsed().as_secs_f64(),
        house.reviews - reviews,
        house.changes - changes,
    );
    assert_eq!((placed, steady), (before, usize::try_from(SERVICES).expect("few")));
}
