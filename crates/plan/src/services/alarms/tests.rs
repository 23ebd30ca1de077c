//! Deployments under their alarms, look by look.

use std::collections::BTreeMap;
use std::sync::Arc;

use state::{
    Revision, ServiceDeployment, ServiceDeploymentKey, ServiceRevision, ServiceRevisionKey, Switch,
};
use types::{Family, Timestamp};

use super::super::snapshot::{Scene, Snapshot};
use super::super::step::{Moment, Room, Step, step};
use super::super::tests::{member, service};
use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn alarm(name: &str, state: Option<AlarmState>) -> Watched {
    let span = if state.is_some() { MINUTE } else { Duration::ZERO };
    Watched { name: name.into(), state, span }
}

/// A service whose deployment has just been asked for, with all of its tasks replaced already.
fn world(alarms: Vec<Watched>) -> Snapshot {
    let names = alarms.iter().map(|it| it.name.clone()).collect();
    let mut service = service(2, 100, 200);
    service.alarms = Some(DeploymentAlarms { names, rollback: Switch::On });
    service.deployments.truncate(1);
    let key = service.key.clone();
    let rollout = ServiceDeployment {
        key: ServiceDeploymentKey { service: key.clone(), id: 2 },
        status: Status::Pending,
        status_reason: None,
        sources: vec![1],
        target: 2,
        rollback: None,
        failures: 0,
        created_at: Timestamp(0),
        started_at: None,
        updated_at: Timestamp(0),
        finished_at: None,
        stopped_at: None,
        watch: None,
    };
    let completed = ServiceRevision {
        key: ServiceRevisionKey { service: key, id: 1 },
        definition: Revision { family: Family::parse("web").expect("valid"), number: 1 },
        spec: Vec::new(),
        targets: Vec::new(),
        registries: Vec::new(),
        digests: BTreeMap::new(),
        unresolved_at: None,
        created_at: Timestamp(0),
    };
    Snapshot {
        crowds: Vec::new(),
        service,
        rollout: Some(rollout),
        completed: Some(Arc::new(completed)),
        alarms,
        members: ["1 of 2 in a: healthy", "2 of 2 in b: healthy"].map(member).into(),
        scene: Scene::default(),
        until: None,
        has_more: false,
    }
}

/// One look so many seconds after the beginning; the rows are as it left them.
fn look(world: &mut Snapshot, seconds: i64) -> Step {
    let step = step(world, Moment { now: Timestamp(seconds * 1000), fresh: 3, room: Room::Open });
    world.service = step.service.clone();
    world.rollout.clone_from(&step.rollout);
    step
}

fn status(world: &Snapshot) -> (Status, Rollout) {
    let row = world.rollout.as_ref().expect("its rollout");
    let primary = world.service.deployments.first().expect("a deployment");
    (row.status, primary.rollout)
}

fn watching(world: &Snapshot) -> Option<Watching> {
    world.rollout.as_ref()?.watch.as_ref().map(|it| it.status)
}

fn says(step: &Step, what: &str) -> bool {
    step.events.iter().any(|it| it.contains(what))
}

#[test]
fn a_deployment_is_complete_when_its_bake_time_is_over() {
    let quiet = alarm("slow", Some(AlarmState::InsufficientData));
    let mut world = world(vec![alarm("errors", Some(AlarmState::Ok)), quiet]);
    let first = look(&mut world, 0);
    assert_eq!(status(&world), (Status::InProgress, Rollout::InProgress));
    assert_eq!(first.again_at, Some(Timestamp(60_000)));
    assert!(says(&first, "is in its bake time of 60 seconds."), "{:?}", first.events);

    let again = look(&mut world, 30);
    assert_eq!((again.events.len(), again.again_at), (0, Some(Timestamp(60_000))));
    assert_eq!(look(&mut world, 59).again_at, Some(Timestamp(60_000)));
    assert_eq!(status(&world), (Status::InProgress, Rollout::InProgress));

    let last = look(&mut world, 60);
    assert!(says(&last, "deployment completed."), "{:?}", last.events);
    assert_eq!(status(&world), (Status::Successful, Rollout::Completed));
    assert_eq!(watching(&world), Some(Watching::Monitoring));
}

#[test]
fn an_alarm_in_the_bake_time_puts_the_last_completed_revision_back() {
    let mut world = world(vec![alarm("errors", Some(AlarmState::Ok))]);
    look(&mut world, 0);
    world.alarms = vec![alarm("errors", Some(AlarmState::Alarm))];
    let step = look(&mut world, 59);
    assert!(says(
        &step,
        "(deployment ecs-svc/2) deployment failed: alarm detected. (alarms: errors)"
    ));
    assert!(says(&step, "rolling back to deployment ecs-svc/3."), "{:?}", step.events);
    assert_eq!(status(&world), (Status::RollbackInProgress, Rollout::InProgress));
    let primary = world.service.deployments.first().expect("a deployment");
    assert_eq!((primary.id, primary.revision), (3, 1));
    assert_eq!(primary.reason, "ECS deployment alarms: rolling back to deploymentId ecs-svc/3.");
    let row = world.rollout.as_ref().expect("its rollout");
    let watch = row.watch.as_ref().expect("watched");
    assert_eq!(
        (watch.status, watch.triggered.as_slice()),
        (Watching::Triggered, &["errors".to_owned()][..])
    );
    assert_eq!(row.rollback.as_ref().expect("it goes back").revision, 1);

    // The alarm still sounds: what is put back is complete all the same, and at once.
    world.members = ["3 of 3 in a: healthy", "4 of 3 in b: healthy"].map(member).into();
    look(&mut world, 70);
    assert_eq!(status(&world), (Status::RollbackSuccessful, Rollout::Completed));
}

#[test]
fn without_rollback_a_deployment_whose_alarm_goes_off_stays_where_it_is() {
    let mut world = world(vec![alarm("errors", Some(AlarmState::Ok))]);
    world.service.alarms.as_mut().expect("some").rollback = Switch::Off;
    world.members.truncate(1);
    assert!(look(&mut world, 0).start.is_some());
    world.alarms = vec![alarm("errors", Some(AlarmState::Alarm))];
    let step = look(&mut world, 1);
    assert_eq!(status(&world), (Status::Stopped, Rollout::Failed));
    assert_eq!(step.start, None, "a failed deployment starts nothing");
    let primary = world.service.deployments.first().expect("a deployment");
    assert_eq!(primary.reason, "ECS deployment failed: alarm detected: errors.");
}

#[test]
fn alarms_that_sounded_before_a_deployment_began_do_not_count_for_it() {
    let sounding = || alarm("errors", Some(AlarmState::Alarm));
    let mut world = world(vec![sounding(), alarm("slow", Some(AlarmState::Ok))]);
    let step = look(&mut world, 0);
    assert!(says(&step, "some were in ALARM when it began: errors."), "{:?}", step.events);
    assert_eq!(
        status(&world),
        (Status::Successful, Rollout::Completed),
        "and there is no bake time"
    );
    assert_eq!(watching(&world), Some(Watching::Disabled));

    // Neither does another one that goes off while it lasts.
    let mut world = super::tests::world(vec![sounding(), alarm("slow", Some(AlarmState::Ok))]);
    world.members.truncate(1);
    look(&mut world, 0);
    world.alarms =
        vec![alarm("errors", Some(AlarmState::Ok)), alarm("slow", Some(AlarmState::Alarm))];
    look(&mut world, 1);
    assert_eq!(status(&world), (Status::InProgress, Rollout::InProgress));
    assert_eq!(watching(&world), Some(Watching::Disabled));
}

#[test]
fn alarms_that_are_switched_off_while_a_deployment_goes_on_end_nothing() {
    let mut world = world(vec![alarm("errors", Some(AlarmState::Ok))]);
    look(&mut world, 0);
    world.service.alarms = None;
    world.alarms = Vec::new();
    look(&mut world, 1);
    assert_eq!(status(&world), (Status::Successful, Rollout::Completed));
    assert_eq!(watching(&world), Some(Watching::Disabled));
}

#[test]
fn an_alarm_that_does_not_exist_is_told_of_and_waited_for_by_nobody() {
    let mut world = world(vec![alarm("errrors", None)]);
    let step = look(&mut world, 0);
    assert!(says(&step, "names alarms that do not exist: errrors."), "{:?}", step.events);
    assert_eq!(status(&world), (Status::Successful, Rollout::Completed));
}
