use std::sync::Arc;

use shapes::ecs;
use state::{ContainerInstance, InstanceStatus, NetworkMode, Resources, Task};
use types::{ClusterName, Home, Zone};

use super::*;
use crate::payload::tests::{assigned, home};

fn all(tasks: &[(u128, Desired)]) -> Assignments {
    let spec = ecs::RegisterTaskDefinitionRequest {
        container_definitions: Some(Vec::new()),
        ..Default::default()
    };
    let tasks = tasks.iter().map(|(id, desired)| {
        let it = assigned(&spec, NetworkMode::Bridge);
        let task = Task { id: TaskId::new(*id), desired: *desired, ..it.task.as_ref().clone() };
        (task.id, Assigned { task: Arc::new(task), ..it })
    });
    Assignments { instance: Arc::new(instance()), version: 5, tasks: tasks.collect() }
}

fn instance() -> ContainerInstance {
    ContainerInstance {
        id: InstanceId::new(9),
        cluster: ClusterName::parse("default").expect("valid"),
        status: InstanceStatus::Active,
        ec2_instance_id: "i-9".into(),
        zone: Zone::parse("us-east-1a").expect("valid"),
        attributes: BTreeMap::new(),
        resources: Resources::default(),
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

/// What was said, in short: `manifest 1 2`, `payload 1 -2` (minus: to stop), `stop 1`.
fn short(said: &[ToAgent]) -> Vec<String> {
    let number = |arn: &Option<String>| {
        let tail = arn.as_deref().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        tail.trim_start_matches('0').to_owned()
    };
    let sign = |desired: &Option<String>| {
        if desired.as_deref() == Some("STOPPED") { "-" } else { "" }
    };
    said.iter()
        .map(|it| match it {
            ToAgent::Heartbeat(_) => "heartbeat".into(),
            ToAgent::Manifest(it) => {
                let tasks = it.tasks.iter().flatten();
                tasks.fold("manifest".into(), |text, it| {
                    format!("{text} {}{}", sign(&it.desired_status), number(&it.task_arn))
                })
            }
            ToAgent::Payload(it) => {
                let tasks = it.tasks.iter().flatten();
                tasks.fold("payload".into(), |text, it| {
                    format!("{text} {}{}", sign(&it.desired_status), number(&it.arn))
                })
            }
            ToAgent::StopVerified(it) => {
                let tasks = it.stop_tasks.iter().flatten();
                tasks.fold("stop".into(), |text, it| format!("{text} {}", number(&it.task_arn)))
            }
            ToAgent::Credentials(_) => "credentials".into(),
        })
        .collect()
}

struct Talk {
    home: Home,
    session: Session,
}

impl Talk {
    fn new() -> Self {
        let session = Session::open(InstanceId::new(9), 7, Timestamp(0));
        Self { home: home(), session }
    }

    fn around(&self) -> Surroundings<'static> {
        let home: &'static Home = Box::leak(Box::new(self.home.clone()));
        Surroundings { home, region: None }
    }

    fn tell(&mut self, all: &Assignments) -> Vec<ToAgent> {
        self.session.tell(self.around(), all, Timestamp(0))
    }

    fn ack(&mut self, said: &[ToAgent], all: &Assignments) {
        for it in said {
            if let ToAgent::Payload(it) = it {
                let ack =
                    acs::AckRequest { message_id: it.message_id.clone(), ..Default::default() };
                self.session.hear(&FromAgent::Ack(ack), self.around(), all, Timestamp(0));
            }
        }
    }
}

const RUN: Desired = Desired::Running;
const STOP: Desired = Desired::Stopped;

#[test]
fn a_connection_begins_with_the_whole() {
    let mut talk = Talk::new();
    let said = talk.tell(&all(&[(1, RUN), (2, STOP)]));
    assert_eq!(short(&said), ["manifest 1 -2", "payload 1 -2"]);
    assert_eq!(short(&talk.tell(&all(&[(1, RUN), (2, STOP)]))), Vec::<String>::new());
}

#[test]
fn only_the_difference_is_said_afterwards() {
    let mut talk = Talk::new();
    let before = all(&[(1, RUN), (2, RUN)]);
    let said = talk.tell(&before);
    talk.ack(&said, &before);

    assert_eq!(short(&talk.tell(&all(&[(1, RUN), (2, STOP), (3, RUN)]))), ["payload -2 3"]);
}

#[test]
fn what_nobody_acknowledged_is_said_again() {
    let mut talk = Talk::new();
    let it = all(&[(1, RUN)]);
    talk.tell(&it);
    let around = talk.around();
    assert_eq!(short(&talk.session.tick(around, &it, Timestamp(1_000))), ["heartbeat"]);
    assert_eq!(talk.session.due(), Timestamp(6_000));
    let said = talk.session.tick(around, &it, Timestamp(20_000));
    assert_eq!(short(&said), ["heartbeat", "payload 1"]);
}

#[test]
fn a_clock_set_back_stops_no_heartbeat() {
    let mut talk = Talk::new();
    let it = all(&[]);
    talk.tell(&it);
    let around = talk.around();
    talk.session.tick(around, &it, Timestamp(3_600_000));
    assert_eq!(short(&talk.session.tick(around, &it, Timestamp(1_000))), ["heartbeat"]);
    assert_eq!(talk.session.due(), Timestamp(6_000));
}

#[test]
fn a_late_acknowledgement_of_a_start_does_not_hide_a_stop() {
    let mut talk = Talk::new();
    let running = all(&[(1, RUN)]);
    let started = talk.tell(&running);
    let stopping = all(&[(1, STOP)]);
    let stopped = talk.tell(&stopping);
    assert_eq!(short(&stopped), ["payload -1"]);

    talk.ack(&stopped, &stopping);
    talk.ack(&started, &stopping);
    assert_eq!(short(&talk.tell(&stopping)), Vec::<String>::new());
}

#[test]
fn only_what_should_not_run_is_verified_as_a_stop() {
    let mut talk = Talk::new();
    let it = all(&[(1, RUN)]);
    let said = talk.tell(&it);
    let Some(ToAgent::Manifest(manifest)) = said.first() else { panic!("a manifest comes first") };
    let candidate = |id: u128| acs::TaskIdentifier {
        task_arn: Some(home().task(&instance().cluster, TaskId::new(id))),
        ..Default::default()
    };
    let mut ask = acs::TaskStopVerificationMessage {
        message_id: manifest.message_id.clone(),
        stop_candidates: Some(vec![candidate(1), candidate(8)]),
    };
    let around = talk.around();
    let asked = FromAgent::StopVerification(ask.clone());
    let said = talk.session.hear(&asked, around, &it, Timestamp(0));
    assert_eq!(short(&said), ["stop 8"]);

    ask.message_id = Some("of an older manifest".into());
    let asked = FromAgent::StopVerification(ask);
    assert_eq!(talk.session.hear(&asked, around, &it, Timestamp(0)), []);
}

#[test]
fn fresh_credentials_are_said_once_and_the_first_ones_come_with_the_task() {
    let mut talk = Talk::new();
    let with_key = |id: &str| {
        let mut it = all(&[(1, RUN)]);
        let purpose = state::Purpose::Task { task: TaskId::new(1), role: "r".into() };
        let mut dice = state::Dice::of(1);
        let key = crate::credentials::long_lived(purpose, Timestamp(0), &mut dice);
        let key = state::AccessKey { id: id.into(), ..key };
        for assigned in it.tasks.values_mut() {
            assigned.key = Some(Arc::new(key.clone()));
        }
        it
    };
    assert_eq!(short(&talk.tell(&with_key("first"))), ["manifest 1", "payload 1"]);
    assert_eq!(short(&talk.tell(&with_key("first"))), Vec::<String>::new());
    assert_eq!(short(&talk.tell(&with_key("second"))), ["credentials"]);
    assert_eq!(short(&talk.tell(&with_key("second"))), Vec::<String>::new());
}

/// As [`all`], after the instance has registered once more.
fn registered_again(tasks: &[(u128, Desired)]) -> Assignments {
    let before = all(tasks);
    let instance = ContainerInstance { incarnation: 2, ..instance() };
    Assignments { instance: Arc::new(instance), version: 6, ..before }
}

#[test]
fn after_a_registration_the_standing_session_begins_with_the_whole_again() {
    let mut talk = Talk::new();
    let said = talk.tell(&all(&[(1, RUN), (2, RUN)]));
    talk.ack(&said, &all(&[(1, RUN), (2, RUN)]));

    let now = registered_again(&[(3, RUN)]);
    let said = talk.tell(&now);
    assert_eq!(short(&said), ["manifest 3", "payload 3"]);
    let Some(ToAgent::Manifest(manifest)) = said.first() else { panic!("a manifest") };
    let candidates = [1, 2].map(|id| acs::TaskIdentifier {
        task_arn: Some(talk.home.task(&now.instance.cluster, TaskId::new(id))),
        ..Default::default()
    });
    let asked = FromAgent::StopVerification(acs::TaskStopVerificationMessage {
        message_id: manifest.message_id.clone(),
        stop_candidates: Some(candidates.into()),
    });
    let said = talk.session.hear(&asked, talk.around(), &now, Timestamp(0));
    assert_eq!(short(&said), ["stop 1 2"], "what was released meanwhile stops");
    assert_eq!(short(&talk.tell(&now)), Vec::<String>::new());
}

#[test]
fn a_task_that_leaves_its_target_groups_runs_for_its_agent() {
    let mut talk = Talk::new();
    let mut told = all(&[(1, RUN)]);
    let leaving = |last| move |it: Task| Task { desired: STOP, last, ..it };
    change(&mut told, leaving(state::Status::Deactivating));
    let said = talk.tell(&told);
    assert_eq!(short(&said), ["manifest 1", "payload 1"], "after a restart as before");
    talk.ack(&said, &told);
    assert_eq!(short(&talk.tell(&told)), [""; 0]);
    change(&mut told, leaving(state::Status::Stopping));
    assert_eq!(short(&talk.tell(&told)), ["payload -1"]);
}

fn change(told: &mut Assignments, change: impl Fn(Task) -> Task) {
    for it in told.tasks.values_mut() {
        it.task = Arc::new(change(it.task.as_ref().clone()));
    }
}
