//! A small region with the house's reconcilers in it, on made-up time.

use std::collections::BTreeMap;

use plan::services::{self, Moment, Room};
use state::{
    AccessKey, Caller, Change, Container, ContainerInstance, Context, Demand, Desired, Dice, Draft,
    Health, InstanceStatus, LaunchType, Purpose, Resources, Revision, State, Status, Task, Token,
    TokenKey,
};
use types::{
    AccountId, ClusterName, ContainerName, Cpu, Family, Group, Home, InstanceId, MemoryMib, Region,
    TaskId, Timestamp, Zone,
};

use crate::{Policy, Queue, Reconciler, Reviewed, registry};

pub(super) const SECOND: i64 = 1000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;

/// More turns than any of these tests needs.
const TURNS_MAX: usize = 10_000;

/// A state that is looked after.
pub(super) struct World {
    pub(super) state: State,
    pub(super) now: Timestamp,
    policy: Policy,
    /// The reconciler that does not look.
    without: &'static str,
    queue: Queue,
    dice: Dice,
}

impl World {
    /// An empty region at time zero.
    pub(super) fn new(policy: Policy) -> Self {
        Self::without(policy, "")
    }

    /// The same, in which the reconciler of that name does not look.
    pub(super) fn without(policy: Policy, without: &'static str) -> Self {
        let state = region();
        let queue = Queue::new(all_but(&policy, without), &state, Timestamp(0));
        Self { state, now: Timestamp(0), policy, without, queue, dice: Dice::of(1) }
    }

    /// Somebody else's change, which the queue hears of.
    pub(super) fn put(&mut self, change: impl Into<Change>) {
        let change = change.into();
        self.queue.hear(&change, self.now);
        self.state.apply(change);
    }

    /// A step of the control plane that is no review.
    pub(super) fn step(&mut self, step: impl FnOnce(&mut Draft<'_>, Timestamp)) {
        let mut draft = Draft::new(&mut self.state);
        step(&mut draft, self.now);
        for change in draft.keep() {
            self.queue.hear(&change, self.now);
        }
    }

    /// Does every review that is due by that time, each when it is due, and answers those that
    /// changed something. At the end everything that can be checked is.
    pub(super) fn run_until(&mut self, milliseconds: i64) -> Vec<Reviewed> {
        let end = Timestamp(milliseconds);
        let mut reviewed = Vec::new();
        for _ in 0..TURNS_MAX {
            let due = self.queue.due().max(self.now);
            if due > end {
                self.now = end;
                self.check();
                return reviewed;
            }
            self.now = due;
            reviewed.extend(self.turn().filter(|it| it.changes > 0));
        }
        panic!("the reviews do not come to rest");
    }

    /// One review that is due now; whether it changed anything. Those that do not are passed over.
    pub(super) fn one_turn(&mut self) -> bool {
        while let Some(reviewed) = self.turn() {
            if reviewed.changes > 0 {
                return true;
            }
        }
        false
    }

    /// What a new process makes of the same state: a queue in which everything is due.
    pub(super) fn restarted(&self) -> Self {
        let queue = Queue::new(all_but(&self.policy, self.without), &self.state, self.now);
        Self {
            state: self.state.clone(),
            now: self.now,
            policy: self.policy.clone(),
            without: self.without,
            queue,
            dice: self.dice.clone(),
        }
    }

    fn turn(&mut self) -> Option<Reviewed> {
        let mut draft = Draft::new(&mut self.state);
        let mut context = Context {
            now: self.now,
            caller: Caller::region(),
            request_id: 0,
            dice: &mut self.dice,
        };
        let reviewed = self.queue.turn(&mut draft, &mut context);
        for change in draft.keep() {
            self.queue.hear(&change, self.now);
        }
        if reviewed.as_ref().is_some_and(|it| it.changes > 0) {
            self.check_glances();
        }
        reviewed
    }

    /// A glance at a service leads to the step that looking at each of its tasks leads to.
    fn check_glances(&self) {
        for key in self.state.services().keys() {
            let looks = [services::glance, services::snapshot]
                .map(|look| look(&self.state, key, self.policy.observed_for, self.now));
            for room in [Room::Open, Room::None] {
                let moment = Moment { now: self.now, fresh: 1, room };
                let [one, other] =
                    looks.each_ref().map(|it| it.as_ref().map(|it| services::step(it, moment)));
                assert_eq!(one, other, "{key:?} {room:?}");
            }
        }
    }

    /// Indexes equal the tables, placement's picture is true, no write was too large, and whoever
    /// looks at everything anew finds nothing to do.
    fn check(&mut self) {
        assert_eq!(self.state.recomputed_indexes(), *self.state.indexes());
        assert_eq!(plan::placement::verify(&self.state), Vec::<String>::new());
        let before = self.state.clone();
        let all = all_but(&self.policy, self.without);
        let mut fresh = Queue::new(all, &self.state, self.now);
        core::mem::swap(&mut self.queue, &mut fresh);
        for _ in 0..TURNS_MAX {
            if self.turn().is_none() {
                break;
            }
        }
        self.queue = fresh;
        assert!(self.state == before, "a second look found something to do");
    }

    pub(super) fn task(&self, bits: u128) -> Option<&Task> {
        self.state.task(TaskId::new(bits)).map(AsRef::as_ref)
    }

    pub(super) fn instance(&self, bits: u128) -> Option<&ContainerInstance> {
        self.state.container_instance(InstanceId::new(bits)).map(AsRef::as_ref)
    }
}

/// Every reconciler but those whose names begin so; all of them for an empty text.
fn all_but(policy: &Policy, without: &str) -> Vec<Box<dyn Reconciler>> {
    let is_out = |name: &str| !without.is_empty() && name.starts_with(without);
    registry(policy).into_iter().filter(|it| !is_out(it.name())).collect()
}

pub(super) fn region() -> State {
    State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    })
}

pub(super) fn cluster() -> ClusterName {
    ClusterName::parse("default").expect("valid")
}

pub(super) fn revision() -> Revision {
    Revision { family: Family::parse("web").expect("valid"), number: 1 }
}

/// A connected instance with room for everything that these tests put on it.
pub(super) fn instance(bits: u128) -> ContainerInstance {
    ContainerInstance {
        id: InstanceId::new(bits),
        cluster: cluster(),
        status: InstanceStatus::Active,
        ec2_instance_id: format!("i-{bits:017x}"),
        zone: Zone::parse("us-east-1a").expect("valid"),
        attributes: BTreeMap::new(),
        resources: Resources {
            cpu: Cpu(1 << 20),
            memory: MemoryMib(1 << 20),
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

/// A running task of `web:1` with one container.
pub(super) fn task(bits: u128, on: u128) -> Task {
    Task {
        id: TaskId::new(bits),
        cluster: cluster(),
        revision: revision(),
        instance: InstanceId::new(on),
        zone: Zone::parse("us-east-1a").expect("valid"),
        group: Group::parse("family:web").expect("valid"),
        started_by: None,
        token: None,
        audit: 0,
        launch: LaunchType::Ec2,
        demand: Demand { cpu: Cpu(256), memory: MemoryMib(200), ..Demand::default() },
        overrides: Vec::new(),
        tags: Vec::new(),
        desired: Desired::Running,
        last: Status::Running,
        containers: vec![Container {
            name: ContainerName::parse("app").expect("valid"),
            id: bits.to_be_bytes().into(),
            gpus: Vec::new(),
            last: Status::Running,
            runtime_id: None,
            exit_code: None,
            reason: None,
            bindings: Vec::new(),
            image_digest: None,
            pinned_digest: None,
            health: Health::Unknown,
        }],
        stop: None,
        created_at: Timestamp(0),
        pull_started_at: None,
        pull_stopped_at: None,
        started_at: Some(Timestamp(0)),
        stopping_at: None,
        execution_stopped_at: None,
        stopped_at: None,
        connected_at: None,
        version: 1,
        interface: None,
        released: false,
        exec: false,
        reference: None,
        placing: None,
        service: None,
    }
}

/// The task as it is once its agent has said that it stopped at that time.
pub(super) fn stopped(running: &Task, at: i64) -> Task {
    let mut task = running.clone();
    plan::tasks::close(&mut task, plan::tasks::unexplained(), Timestamp(at));
    Task { released: true, ..task }
}

/// A client token that is forgotten at that time.
pub(super) fn token(name: &str, tasks: &[u128], expires_at: i64) -> Token {
    Token {
        key: TokenKey { cluster: cluster(), token: name.into() },
        digest: vec![0; 32],
        tasks: tasks.iter().copied().map(TaskId::new).collect(),
        failures: Vec::new(),
        created_at: Timestamp(0),
        expires_at: Timestamp(expires_at),
        audit: 0,
    }
}

/// Credentials of a task that expire at that time.
pub(super) fn key(id: &str, of: u128, expires_at: i64) -> AccessKey {
    AccessKey {
        id: id.into(),
        secret: "secret".into(),
        session_token: Some("session".into()),
        expires_at: Some(Timestamp(expires_at)),
        purpose: Purpose::Task {
            task: TaskId::new(of),
            role: "arn:aws:iam::123456789012:role/app".into(),
        },
        created_at: Timestamp(0),
    }
}
