//! What becomes of services.

mod fleet;
mod glances;
mod losses;
mod rooms;

use plan::rehearsal::Action;
use plan::services::bounds;
use plan::tasks;
use state::{
    Breaker, Change, Desired, Draft, InstanceStatus, Rollout, Scheduling, ServiceDeploymentStatus,
    ServiceStatus, Stop, StopCode, Switch, Task, Threshold,
};
use types::{TaskId, Timestamp, Zone};

use self::fleet::{Fleet, Image, ZONES};
use super::fixture::{MINUTE, SECOND, instance};

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
fn a_service_keeps_a_hundred_of_its_deployments_and_what_runs() {
    let mut fleet = Fleet::new(3);
    fleet.create(1, 0, 100, Image::Runs);
    fleet.run(10);
    for _ in 0..110 {
        fleet.update(Image::Runs);
    }
    fleet.run(20);
    let state = &fleet.world.state;
    assert_eq!(state.service_deployments().len(), 100);
    assert_eq!(state.service_revisions().len(), 100);
    let row = fleet.row();
    assert_eq!(row.deployments[0].rollout, Rollout::Completed);
    let newest = state.service_revisions().keys().any(|it| it.id == row.deployments[0].revision);
    assert!(newest, "it is of the newest");
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
fn an_instance_that_drains_no_more_keeps_its_tasks_also_after_a_restart() {
    let mut fleet = Fleet::new(2);
    fleet.create(2, 100, 200, Image::Runs);
    fleet.run(60);
    let task = fleet.tasks().remove(0);
    let row = fleet.world.state.container_instance(task.instance).expect("a row").clone();
    let active = row.as_ref().clone();
    fleet
        .world
        .put(state::ContainerInstance { status: InstanceStatus::Draining, ..active.clone() });
    fleet.world.run_until(fleet.world.now.0);
    assert_eq!(fleet.tasks().len(), 3, "its replacement starts");
    fleet.world = fleet.world.restarted();
    fleet.world.run_until(fleet.world.now.0);
    fleet.world.put(active);
    fleet.world.run_until(fleet.world.now.0);
    let stopped: Vec<_> =
        fleet.tasks().into_iter().filter(|it| it.desired == Desired::Stopped).collect();
    assert_eq!(stopped.len(), 1, "one is too many");
    assert_ne!(stopped[0].id, task.id, "and that is the one that does not run yet");
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

#[test]
fn a_service_is_played_through_as_it_then_goes() {
    let mut fleet = Fleet::new(4);
    fleet.create(4, 100, 150, Image::Runs);
    fleet.run(10);
    fleet.update(Image::Runs);
    let mut copy = fleet.world.state.clone();
    let seen = crate::rehearse(&mut copy, &fleet.row().key, fleet.world.now);
    let many = |action| seen.moves.iter().filter(|it| it.action == action).count();
    assert_eq!((many(Action::Start), many(Action::Stop)), (4, 4));
    assert_eq!((seen.tasks, seen.peak.0, seen.fewest, seen.stuck), (4, 6, 4, None));
}

#[test]
fn a_service_that_cannot_move_is_played_through_as_stuck() {
    let mut fleet = Fleet::new(3);
    fleet.create(1, 100, 100, Image::Runs);
    fleet.run(10);
    fleet.update(Image::Runs);
    let mut copy = fleet.world.state.clone();
    let seen = crate::rehearse(&mut copy, &fleet.row().key, fleet.world.now);
    assert_eq!((seen.moves.len(), seen.peak.0), (0, 1));
    assert!(seen.stuck.is_some_and(|it| it.contains("deployment configuration")));
}
