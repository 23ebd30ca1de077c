use core::time::Duration;
use std::collections::BTreeMap;

use plan::services::bounds;
use plan::tasks;
use shapes::{ecs as shape, stored};
use state::{
    Breaker, Change, Cluster, ClusterStatus, DefinitionStatus, Demand, Deployment, Desired, Draft,
    InstanceStatus, NetworkMode, Rollout, Scheduling, Service, ServiceDeployment,
    ServiceDeploymentKey, ServiceDeploymentStatus, ServiceKey, ServiceRevision, ServiceRevisionKey,
    ServiceStatus, Status, Stop, StopCode, Switch, Task, TaskDefinition, Threshold,
};
use types::{ClusterName, Cpu, MemoryMib, ServiceName, TaskId, Timestamp, Zone};

use super::fixture::{MINUTE, SECOND, World, cluster, instance, revision};
use crate::Policy;

const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];

/// What the containers of a revision do.
#[derive(Clone, Copy, PartialEq)]
enum Image {
    Runs,
    NeverStarts,
    EndsAtOnce,
}

/// A region with agents that do at once what they are told.
struct Fleet {
    world: World,
    images: BTreeMap<u64, Image>,
    revisions: u64,
}

fn key() -> ServiceKey {
    ServiceKey { cluster: cluster(), name: ServiceName::parse("web").expect("valid") }
}

impl Fleet {
    fn new(instances: u128) -> Self {
        let mut world = World::new(Policy::default());
        world.put(Cluster {
            name: ClusterName::parse("default").expect("valid"),
            status: ClusterStatus::Active,
            spec: Vec::new(),
            tags: Vec::new(),
            created_at: Timestamp(0),
            inactive_at: None,
        });
        let container =
            shape::ContainerDefinition { name: Some("app".into()), ..Default::default() };
        let spec = shape::RegisterTaskDefinitionRequest {
            container_definitions: Some(vec![container]),
            ..Default::default()
        };
        world.put(TaskDefinition {
            revision: revision(),
            status: DefinitionStatus::Active,
            spec: stored::to_vec(&spec),
            demand: Demand { cpu: Cpu(256), memory: MemoryMib(200), ..Demand::default() },
            network: NetworkMode::Bridge,
            requires: Vec::new(),
            member_of: Vec::new(),
            registered_at: Timestamp(0),
            registered_by: String::new(),
            deregistered_at: None,
            delete_requested_at: None,
            tags: Vec::new(),
        });
        for bits in 1..=instances {
            let zone = ZONES[usize::try_from(bits).expect("few") % 3];
            world.put(state::ContainerInstance {
                zone: Zone::parse(zone).expect("valid"),
                ..instance(bits)
            });
        }
        Self { world, images: BTreeMap::new(), revisions: 0 }
    }

    fn row(&self) -> Service {
        self.world.state.services().get(&key()).expect("a service").as_ref().clone()
    }

    fn deployment(&mut self, image: Image) -> Deployment {
        self.revisions += 1;
        let id = 1_000_000_000_000_000_000 + self.revisions;
        self.images.insert(id, image);
        let now = self.world.now;
        self.world.put(ServiceRevision {
            key: ServiceRevisionKey { service: key(), id },
            definition: revision(),
            spec: stored::to_vec(&shape::CreateServiceRequest::default()),
            targets: Vec::new(),
            registries: Vec::new(),
            digests: BTreeMap::new(),
            created_at: now,
        });
        self.world.put(ServiceDeployment {
            key: ServiceDeploymentKey { service: key(), id },
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
        });
        Deployment {
            id,
            revision: id,
            rollout: Rollout::InProgress,
            reason: format!("ECS deployment ecs-svc/{id} in progress."),
            completed_at: None,
            failed: 0,
            stumbles: 0,
            wait_until: None,
            created_at: now,
            updated_at: now,
            service_deployment: id,
            paced_until: None,
        }
    }

    fn create(&mut self, desired: u32, minimum: u32, maximum: u32, image: Image) {
        let deployment = self.deployment(image);
        self.world.put(Service {
            key: key(),
            status: ServiceStatus::Active,
            spec: stored::to_vec(&shape::CreateServiceRequest::default()),
            scheduling: Scheduling::Replica,
            desired,
            minimum_percent: minimum,
            maximum_percent: maximum,
            breaker: None,
            grace: Duration::ZERO,
            rebalancing: Switch::Off,
            service_deployment: deployment.id,
            deployments: vec![deployment],
            completed_revision: None,
            steady_at: None,
            last_event: 0,
            tags: Vec::new(),
            created_at: self.world.now,
            created_by: String::new(),
            deleted_at: None,
            token: None,
        });
    }

    fn change(&mut self, what: impl FnOnce(&mut Service)) {
        let mut row = self.row();
        what(&mut row);
        self.world.put(row);
    }

    fn update(&mut self, image: Image) {
        let deployment = self.deployment(image);
        self.change(|it| {
            it.service_deployment = deployment.id;
            it.deployments.insert(0, deployment);
        });
    }

    /// The tasks of the service that are not over.
    fn tasks(&self) -> Vec<Task> {
        let all = self.world.state.tasks().values().filter(|it| it.service_key() == Some(key()));
        all.filter(|it| !it.is_over()).map(|it| it.as_ref().clone()).collect()
    }

    fn running(&self) -> usize {
        let runs = |it: &&Task| it.last == Status::Running && it.desired == Desired::Running;
        self.tasks().iter().filter(runs).count()
    }

    /// Every agent does one step of what it is told; whether there was any.
    fn agents_step(&mut self) -> bool {
        let tasks = self.tasks();
        let mut moved = false;
        for task in tasks {
            let image = task.service.as_ref().and_then(|it| self.images.get(&it.revision));
            let image = image.copied().unwrap_or(Image::Runs);
            let now = self.world.now;
            let mut after = task.clone();
            let end = |after: &mut Task, code| {
                tasks::close(after, Stop { code, reason: "over".into() }, now);
                after.released = true;
            };
            match (task.desired, task.last, image) {
                (Desired::Stopped, ..) => end(&mut after, StopCode::ServiceSchedulerInitiated),
                (_, Status::Pending, Image::NeverStarts) => {
                    end(&mut after, StopCode::TaskFailedToStart);
                }
                (_, Status::Pending, _) => {
                    after.last = Status::Running;
                    after.started_at = Some(now);
                }
                (_, Status::Running, Image::EndsAtOnce) => {
                    end(&mut after, StopCode::EssentialContainerExited);
                }
                _ => continue,
            }
            moved = true;
            self.world.put(after);
        }
        moved
    }

    /// Time passes, in steps of a second; the bounds hold at each.
    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            let next = self.world.now.0 + SECOND;
            self.world.run_until(next);
            while self.agents_step() {
                self.check_upper();
                self.world.run_until(next);
                self.check_upper();
            }
        }
    }

    fn check_upper(&self) {
        let row = self.row();
        if row.scheduling == Scheduling::Daemon {
            return;
        }
        let upper = bounds(row.desired, row.minimum_percent, row.maximum_percent).upper;
        let there = u32::try_from(self.tasks().len()).expect("few");
        let lowered = row.steady_at.is_none();
        assert!(there <= upper || lowered, "{there} tasks, at most {upper}");
    }

    fn events(&self) -> Vec<String> {
        let all = self.world.state.service_events().values();
        all.map(|it| it.message.replace("(service web) ", "")).collect()
    }

    fn rollout(&self) -> ServiceDeploymentStatus {
        let id = self.row().service_deployment;
        let key = ServiceDeploymentKey { service: key(), id };
        self.world.state.service_deployments().get(&key).expect("a row").status
    }
}

#[test]
fn a_service_comes_up_and_says_so() {
    let mut fleet = Fleet::new(3);
    fleet.create(3, 100, 200, Image::Runs);
    fleet.run(10);
    assert_eq!(fleet.running(), 3);
    let row = fleet.row();
    let primary = row.deployments.first().expect("one");
    assert_eq!(row.deployments.len(), 1);
    assert_eq!(primary.rollout, Rollout::Completed);
    assert_eq!(fleet.rollout(), ServiceDeploymentStatus::Successful);
    let zones: std::collections::BTreeSet<_> =
        fleet.tasks().iter().map(|it| it.zone.clone()).collect();
    assert_eq!(zones.len(), 3, "spread over the zones");
    let events = fleet.events();
    assert!(events[0].starts_with("has started 3 tasks: (task "), "{events:?}");
    assert_eq!(events[1], format!("(deployment ecs-svc/{}) deployment completed.", primary.id));
    assert_eq!(events[2], "has reached a steady state.");
    assert_eq!(events.len(), 3, "{events:?}");
}

#[test]
fn a_task_that_ends_is_replaced_and_counted_once() {
    let mut fleet = Fleet::new(3);
    fleet.create(3, 100, 200, Image::Runs);
    fleet.run(10);
    let mut ended = fleet.tasks().remove(0);
    let stop = Stop { code: StopCode::EssentialContainerExited, reason: "over".into() };
    tasks::close(&mut ended, stop, fleet.world.now);
    ended.released = true;
    fleet.world.put(ended);
    fleet.run(10);
    assert_eq!(fleet.running(), 3);
    assert_eq!(fleet.row().deployments[0].failed, 0, "it had been healthy");
    assert_eq!(fleet.world.state.tasks().len(), 4);
}

#[test]
fn a_service_is_scaled_out_and_in() {
    let mut fleet = Fleet::new(6);
    fleet.create(2, 100, 200, Image::Runs);
    fleet.run(10);
    fleet.change(|it| it.desired = 9);
    fleet.run(10);
    assert_eq!(fleet.running(), 9);
    fleet.change(|it| it.desired = 3);
    fleet.run(10);
    assert_eq!(fleet.running(), 3);
    let zones: std::collections::BTreeSet<_> =
        fleet.tasks().iter().map(|it| it.zone.clone()).collect();
    assert_eq!(zones.len(), 3, "the fullest zones gave theirs");
    assert!(fleet.row().steady_at.is_some());
}

#[test]
fn fifty_tasks_are_started_at_once() {
    let mut fleet = Fleet::new(5);
    fleet.create(50, 100, 200, Image::Runs);
    fleet.world.run_until(0);
    assert_eq!(fleet.tasks().len(), 50);
    fleet.run(6);
    assert_eq!(fleet.row().deployments[0].rollout, Rollout::Completed);
}

#[test]
fn a_deployment_replaces_every_task_within_the_percentages() {
    for (desired, minimum, maximum) in
        [(4, 50, 100), (4, 100, 200), (2, 75, 150), (5, 0, 100), (1, 0, 100)]
    {
        let mut fleet = Fleet::new(4);
        fleet.create(desired, minimum, maximum, Image::Runs);
        fleet.run(10);
        fleet.update(Image::Runs);
        let newest = fleet.row().deployments[0].id;
        for _ in 0..60 {
            fleet.run(1);
            let lower = bounds(desired, minimum, maximum).lower as usize;
            assert!(fleet.running() >= lower, "{desired} {minimum} {maximum}");
        }
        let row = fleet.row();
        assert_eq!(row.deployments.len(), 1, "{row:?}");
        assert_eq!(row.deployments[0].rollout, Rollout::Completed);
        assert_eq!(fleet.rollout(), ServiceDeploymentStatus::Successful);
        let all = fleet.tasks();
        assert!(all.iter().all(|it| it.service.as_ref().is_some_and(|it| it.deployment == newest)));
        assert_eq!(all.len(), desired as usize);
    }
}

#[test]
fn a_hundred_percent_both_ways_moves_nothing_and_says_so() {
    let mut fleet = Fleet::new(3);
    fleet.create(1, 100, 100, Image::Runs);
    fleet.run(10);
    fleet.update(Image::Runs);
    fleet.run(60);
    let row = fleet.row();
    assert_eq!(row.deployments.len(), 2);
    let stuck = fleet.events().iter().filter(|it| it.contains("deployment configuration")).count();
    assert_eq!(stuck, 1, "{:?}", fleet.events());
}

#[test]
fn a_bad_version_is_rolled_back_at_exactly_its_threshold() {
    for image in [Image::NeverStarts, Image::EndsAtOnce] {
        let mut fleet = Fleet::new(3);
        fleet.create(4, 100, 200, Image::Runs);
        fleet.change(|it| {
            it.breaker = Some(Breaker {
                threshold: Threshold::Count(5),
                rollback: Switch::On,
                reset_on_healthy_task: Switch::On,
            });
        });
        fleet.run(10);
        let good = fleet.row().deployments[0].clone();
        fleet.update(image);
        let bad = fleet.row().deployments[0].id;
        fleet.run(120);
        let row = fleet.row();
        assert_eq!(row.deployments.len(), 1, "{row:?}");
        assert_eq!(
            (row.deployments[0].id, row.deployments[0].rollout),
            (good.id, Rollout::Completed)
        );
        assert_eq!(fleet.running(), 4);
        assert_eq!(fleet.rollout(), ServiceDeploymentStatus::RollbackSuccessful);
        let rollouts = fleet.world.state.service_deployments();
        assert_eq!(rollouts.values().map(|it| it.failures).max(), Some(5));
        let events = fleet.events();
        let failed =
            format!("(deployment ecs-svc/{bad}) deployment failed: tasks failed to start.");
        let back = format!("rolling back to deployment ecs-svc/{}.", good.id);
        assert!(events.contains(&failed) && events.contains(&back), "{events:?}");
    }
}

#[test]
fn tasks_that_never_run_are_tried_less_and_less_often() {
    let mut fleet = Fleet::new(3);
    fleet.create(2, 100, 200, Image::NeverStarts);
    fleet.run(600);
    let tried = fleet.world.state.tasks().len();
    assert!((20..40).contains(&tried), "{tried}");
    assert!(
        fleet.events().iter().any(|it| it == "is unable to consistently start tasks successfully.")
    );
    fleet.update(Image::Runs);
    fleet.run(10);
    assert_eq!(fleet.running(), 2, "an update begins anew");
}

#[test]
fn a_draining_instance_is_left_within_the_percentages() {
    let mut fleet = Fleet::new(3);
    fleet.create(6, 100, 200, Image::Runs);
    fleet.run(10);
    let row = fleet.world.instance(1).expect("there").clone();
    fleet.world.put(state::ContainerInstance { status: InstanceStatus::Draining, ..row });
    for _ in 0..20 {
        fleet.run(1);
        assert!(fleet.running() >= 6);
    }
    assert_eq!(fleet.running(), 6);
    assert!(fleet.tasks().iter().all(|it| it.instance.bits() != 1));
}

#[test]
fn a_deleted_service_ends_its_tasks_and_is_forgotten_after_an_hour() {
    let mut fleet = Fleet::new(3);
    fleet.create(3, 100, 200, Image::Runs);
    fleet.run(10);
    let now = fleet.world.now;
    fleet.change(|it| {
        it.status = ServiceStatus::Draining;
        it.desired = 0;
        it.deleted_at = Some(now);
    });
    fleet.run(3);
    assert_eq!((fleet.tasks().len(), fleet.row().status), (0, ServiceStatus::Inactive));
    fleet.world.run_until(now.0 + 61 * MINUTE);
    let state = &fleet.world.state;
    assert!(state.services().is_empty() && state.service_events().is_empty());
    assert!(state.service_revisions().is_empty() && state.service_deployments().is_empty());
}

#[test]
fn a_service_without_room_says_what_is_missing_and_takes_it_when_it_comes() {
    let mut fleet = Fleet::new(0);
    fleet.create(1, 100, 200, Image::Runs);
    fleet.run(5);
    let event = fleet.events().remove(0);
    assert!(
        event.starts_with("was unable to place a task because no container instance met"),
        "{event}"
    );
    fleet.world.put(instance(9));
    fleet.world.run_until(fleet.world.now.0);
    assert_eq!(fleet.tasks().len(), 1, "at once");
}

#[test]
fn a_daemon_is_on_every_instance_and_moves_with_them() {
    let mut fleet = Fleet::new(3);
    fleet.create(0, 0, 100, Image::Runs);
    fleet.change(|it| it.scheduling = Scheduling::Daemon);
    fleet.run(10);
    assert_eq!(fleet.running(), 3);
    assert_eq!(fleet.row().deployments[0].rollout, Rollout::Completed);
    fleet.world.put(instance(9));
    fleet.run(10);
    assert_eq!(fleet.running(), 4);
    let row = fleet.world.instance(9).expect("there").clone();
    fleet.world.put(state::ContainerInstance { status: InstanceStatus::Draining, ..row });
    fleet.run(10);
    assert_eq!(fleet.running(), 3);
    fleet.update(Image::Runs);
    fleet.run(20);
    assert_eq!((fleet.running(), fleet.row().deployments.len()), (3, 1));
}

#[test]
fn protected_tasks_are_not_scaled_in() {
    let mut fleet = Fleet::new(3);
    fleet.create(3, 100, 200, Image::Runs);
    fleet.run(10);
    let until = Timestamp(fleet.world.now.0 + 60 * SECOND);
    for mut task in fleet.tasks() {
        if let Some(it) = &mut task.service {
            it.protected_until = Some(until);
        }
        fleet.world.put(task);
    }
    fleet.change(|it| it.desired = 1);
    fleet.run(30);
    assert_eq!(fleet.running(), 3);
    assert!(fleet.events().iter().any(|it| it.contains("2 tasks under protection")));
    fleet.run(60);
    assert_eq!(fleet.running(), 1);
}

#[test]
fn zones_are_balanced_again_without_ever_having_too_few() {
    let mut fleet = Fleet::new(0);
    fleet.world.put(state::ContainerInstance {
        zone: Zone::parse(ZONES[0]).expect("valid"),
        ..instance(1)
    });
    fleet.create(4, 100, 200, Image::Runs);
    fleet.change(|it| it.rebalancing = Switch::On);
    fleet.run(10);
    assert_eq!(fleet.running(), 4);
    fleet.world.put(state::ContainerInstance {
        zone: Zone::parse(ZONES[1]).expect("valid"),
        ..instance(2)
    });
    let first: TaskId = fleet.tasks()[0].id;
    fleet.world.step(|draft: &mut Draft<'_>, _| {
        let task = draft.state().task(first).expect("there").as_ref().clone();
        draft.change(Change::from(Task { version: task.version + 1, ..task }));
    });
    for _ in 0..60 {
        fleet.run(1);
        assert!(fleet.running() >= 4);
    }
    let in_second = fleet.tasks().iter().filter(|it| it.zone.as_str() == ZONES[1]).count();
    assert_eq!((fleet.running(), in_second), (4, 2), "{:?}", fleet.events());
    assert!(
        fleet.events().iter().any(|it| it.starts_with("is AZ balanced with 2 tasks in")),
        "{:?}",
        fleet.events()
    );
}
