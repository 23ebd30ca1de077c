//! A service on a few instances whose agents do at once what they are told.

use core::time::Duration;
use std::collections::BTreeMap;

use plan::services::bounds;
use plan::tasks;
use shapes::{ecs as shape, stored};
use state::{
    Cluster, ClusterStatus, DefinitionStatus, Demand, Deployment, Desired, NetworkMode, Remarks,
    Rollout, Scheduling, Service, ServiceDeployment, ServiceDeploymentKey, ServiceDeploymentStatus,
    ServiceKey, ServiceRevision, ServiceRevisionKey, ServiceStatus, Status, Stop, StopCode, Switch,
    Task, TaskDefinition,
};
use types::{ClusterName, Cpu, MemoryMib, ServiceName, Timestamp, Zone};

use super::super::fixture::{SECOND, World, cluster, instance, revision};
use crate::Policy;

pub(super) const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];

/// What the containers of a revision do.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Image {
    Runs,
    NeverStarts,
    EndsAtOnce,
}

/// A region with agents that do at once what they are told.
pub(super) struct Fleet {
    pub(super) world: World,
    images: BTreeMap<u64, Image>,
    revisions: u64,
}

fn key() -> ServiceKey {
    ServiceKey { cluster: cluster(), name: ServiceName::parse("web").expect("valid") }
}

impl Fleet {
    pub(super) fn new(instances: u128) -> Self {
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

    pub(super) fn row(&self) -> Service {
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
            unresolved_at: None,
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
            watch: None,
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

    pub(super) fn create(&mut self, desired: u32, minimum: u32, maximum: u32, image: Image) {
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
            remarks: Remarks::default(),
            token: None,
            alarms: None,
        });
    }

    pub(super) fn change(&mut self, what: impl FnOnce(&mut Service)) {
        let mut row = self.row();
        what(&mut row);
        self.world.put(row);
    }

    pub(super) fn update(&mut self, image: Image) {
        let deployment = self.deployment(image);
        self.change(|it| {
            it.service_deployment = deployment.id;
            it.deployments.insert(0, deployment);
        });
    }

    /// The tasks of the service that are not over.
    pub(super) fn tasks(&self) -> Vec<Task> {
        let all = self.world.state.tasks().values().filter(|it| it.service_key() == Some(key()));
        all.filter(|it| !it.is_over()).map(|it| it.as_ref().clone()).collect()
    }

    pub(super) fn running(&self) -> usize {
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
    pub(super) fn run(&mut self, seconds: i64) {
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

    pub(super) fn events(&self) -> Vec<String> {
        let all = self.world.state.service_events().values();
        all.map(|it| it.message.replace("(service web) ", "")).collect()
    }

    pub(super) fn rollout(&self) -> ServiceDeploymentStatus {
        let id = self.row().service_deployment;
        let key = ServiceDeploymentKey { service: key(), id };
        self.world.state.service_deployments().get(&key).expect("a row").status
    }
}
