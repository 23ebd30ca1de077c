//! A region on made-up time whose agents and balancer do at once what they are told.
#![allow(dead_code, unused_imports)]

mod rows;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use reconcilers::{Policy, Queue, registry};
use state::{
    Binding, Caller, Change, Context, Desired, Dice, Draft, Seen, Service, State, Status,
    TargetHealth, TargetKey, Task,
};
use types::{AccountId, Home, InstanceId, Port, Protocol, Region, TaskId, Timestamp};

pub use rows::ZONES;
use rows::{BALANCER, CONTAINER_PORT};

/// Reviews of one reconciler.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reviews {
    pub count: u32,
    pub took: Duration,
}

pub struct House {
    pub state: State,
    pub now: Timestamp,
    pub reviews: BTreeMap<&'static str, Reviews>,
    pub changes: u64,
    queue: Queue,
    dice: Dice,
    /// What agents and the balancer have not answered yet.
    tasks: BTreeSet<TaskId>,
    targets: BTreeSet<TargetKey>,
    next_port: u16,
}

impl House {
    /// A cluster with so many instances of 200 places each in three zones, and a task definition.
    pub fn new(instances: u128) -> Self {
        let state = State::new(Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        });
        let queue = Queue::new(registry(&Policy::default()), &state, Timestamp(0));
        let mut house = Self {
            state,
            now: Timestamp(0),
            reviews: BTreeMap::new(),
            changes: 0,
            queue,
            dice: Dice::of(1),
            tasks: BTreeSet::new(),
            targets: BTreeSet::new(),
            next_port: 0,
        };
        house.put(rows::cluster());
        house.put(rows::definition());
        for bits in 1..=instances {
            house.put(rows::instance(bits));
        }
        house
    }

    /// A target group that a rule leads to, and a balancer.
    pub fn balance(&mut self) {
        self.put(rows::group());
        self.put(rows::rule());
        self.put(rows::balancer());
    }

    pub fn put(&mut self, change: impl Into<Change>) {
        let change = change.into();
        self.hear(&change);
        self.state.apply(change);
    }

    fn hear(&mut self, change: &Change) {
        self.queue.hear(change, self.now);
        match change {
            Change::Task(id, Some(_)) => drop(self.tasks.insert(*id)),
            Change::Target(key, Some(_)) => drop(self.targets.insert(key.clone())),
            _ => {}
        }
    }

    /// A step of the control plane that is no review.
    pub fn step(&mut self, step: impl FnOnce(&mut Draft<'_>, Timestamp)) {
        let mut draft = Draft::new(&mut self.state);
        step(&mut draft, self.now);
        for change in draft.keep() {
            self.hear(&change);
        }
    }

    /// Does every review that is due by then.
    pub fn run_until(&mut self, end: Timestamp) {
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
            let begun = Instant::now();
            let reviewed = self.queue.turn(&mut draft, &mut context);
            let changes = draft.keep();
            if let Some(it) = reviewed {
                let reviews = self.reviews.entry(it.reconciler).or_default();
                reviews.count += 1;
                reviews.took += begun.elapsed();
            }
            self.changes += changes.len() as u64;
            for change in changes {
                self.hear(&change);
            }
        }
    }

    /// Agents and the balancer do what they have been told and say so, each by itself: whoever is
    /// woken by that is heard before the next one speaks.
    pub fn answer(&mut self) {
        let targets = core::mem::take(&mut self.targets);
        for key in targets {
            let Some(target) = self.state.targets().get(&key).cloned() else { continue };
            let busy = false;
            let has_said = target.seen.get(BALANCER).is_some_and(|it| it.busy == busy);
            if !has_said {
                self.find(&key, TargetHealth::Healthy);
            }
        }
        let tasks = core::mem::take(&mut self.tasks);
        for id in tasks {
            let Some(task) = self.state.task(id).cloned() else { continue };
            let mut after = task.as_ref().clone();
            match (task.last, task.desired) {
                (Status::Pending, Desired::Running) => self.start(&mut after),
                (Status::Stopped | Status::Deactivating, _) | (_, Desired::Running) => continue,
                (_, Desired::Stopped) => {
                    plan::tasks::close(&mut after, plan::tasks::unexplained(), self.now);
                    after.released = true;
                }
            }
            self.put(after);
            self.run_until(self.now);
        }
    }

    /// The balancer says how it finds a target.
    pub fn find(&mut self, key: &TargetKey, health: TargetHealth) {
        let Some(target) = self.state.targets().get(key) else { return };
        let mut target = target.as_ref().clone();
        let seen = Seen { health, since: self.now, busy: false, anomaly: None };
        target.seen.insert(BALANCER.into(), seen);
        self.put(target);
        self.run_until(self.now);
    }

    fn start(&mut self, task: &mut Task) {
        task.last = Status::Running;
        task.started_at = Some(self.now);
        self.next_port = self.next_port.wrapping_add(1);
        let host = Port { protocol: Protocol::Tcp, number: self.next_port };
        for container in &mut task.containers {
            container.last = Status::Running;
            container.bindings = vec![Binding {
                address: "0.0.0.0".into(),
                container: CONTAINER_PORT,
                host,
                container_last: None,
                host_last: None,
            }];
        }
    }

    /// Seconds go by, and everybody does what there is to do, until that is so.
    pub fn run_while(&mut self, goes_on: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            self.run_until(self.now);
            self.answer();
            if !goes_on(self) {
                return;
            }
            self.run_until(self.now.after(Duration::from_secs(1)));
        }
        panic!("it does not come to an end");
    }

    /// Forgets what reviews have cost until now.
    pub fn forget_costs(&mut self) {
        self.reviews.clear();
        self.changes = 0;
    }

    /// What looks at services have cost.
    pub fn looks(&self) -> Reviews {
        let of = |name| self.reviews.get(name).copied().unwrap_or_default();
        let (one, other) = (of("services"), of("services-room"));
        Reviews { count: one.count + other.count, took: one.took + other.took }
    }

    /// What all reviews have cost.
    pub fn all_reviews(&self) -> Reviews {
        let both = |sum: Reviews, it: &Reviews| Reviews {
            count: sum.count + it.count,
            took: sum.took + it.took,
        };
        self.reviews.values().fold(Reviews::default(), both)
    }

    pub fn wanted(&self) -> usize {
        self.state.tasks().values().filter(|it| it.desired == Desired::Running).count()
    }

    pub fn steady(&self) -> usize {
        self.state.services().values().filter(|it| it.steady_at.is_some()).count()
    }

    pub fn row(&self, number: u64) -> Service {
        self.state.services()[&rows::key(number)].as_ref().clone()
    }

    /// A service of so many tasks; behind the target group, or not.
    pub fn create(&mut self, number: u64, desired: u32, is_balanced: bool) {
        let (key, now) = (rows::key(number), self.now);
        let id = 1_000_000_000_000_000_000 + number * 1_000;
        self.put(rows::service_revision(&key, id, is_balanced, now));
        self.put(rows::service_deployment(&key, id, now));
        self.put(rows::service(key, rows::deployment(id, now), desired, now));
    }

    /// A new deployment of a service.
    pub fn deploy(&mut self, number: u64, is_balanced: bool) {
        let (mut service, now) = (self.row(number), self.now);
        let id = service.service_deployment + 1;
        self.put(rows::service_revision(&service.key, id, is_balanced, now));
        self.put(rows::service_deployment(&service.key, id, now));
        service.deployments.insert(0, rows::deployment(id, now));
        service.service_deployment = id;
        service.steady_at = None;
        self.put(service);
    }

    pub fn scale(&mut self, number: u64, desired: u32) {
        let service = self.row(number);
        self.put(Service { desired, steady_at: None, ..service });
    }

    pub fn drain(&mut self, bits: u128) {
        let row = self.state.container_instance(InstanceId::new(bits)).expect("is there");
        let status = state::InstanceStatus::Draining;
        self.put(state::ContainerInstance { status, ..row.as_ref().clone() });
    }

    /// Tasks of an instance that run.
    pub fn running_on(&self, bits: u128) -> usize {
        self.state.indexes().held_on(InstanceId::new(bits)).len()
    }
}
