use shapes::ecs;

use super::*;
use crate::ecs::task_definitions::register_task_definition;
use crate::ecs::tasks::run_task;
use crate::fixture::{self, Fixture};

fn started() -> (Fixture, TaskId) {
    let mut region = fixture::region();
    region.instance(1);
    let definition = ecs::RegisterTaskDefinitionRequest {
        family: Some("web".into()),
        container_definitions: Some(vec![ecs::ContainerDefinition {
            name: Some("app".into()),
            image: Some("nginx".into()),
            memory: Some(100),
            ..Default::default()
        }]),
        ..Default::default()
    };
    region.write(register_task_definition, definition).expect("registers");
    for id in region.state.container_instances().keys().copied().collect::<Vec<_>>() {
        let mut row = region.state.container_instance(id).expect("there").as_ref().clone();
        let definition = region.state.task_definitions().values().next().expect("one");
        for name in &definition.requires {
            row.attributes.insert(name.clone(), None);
        }
        region.state.apply(row.into());
    }
    let ask = ecs::RunTaskRequest {
        task_definition: Some("web".into()),
        client_token: Some("monday".into()),
        ..Default::default()
    };
    region.write(run_task, ask).expect("runs");
    let id = *region.state.tasks().keys().next().expect("a task");
    (region, id)
}

fn explain(region: &Fixture, task: &str) -> Result<String, Error> {
    let ask = shape::ExplainTaskRequest { cluster: None, task: Some(task.into()) };
    let meant = region.look(|state, context| meant_task(state, &ask, context))?;
    let [task] = meant.found.as_slice() else { return Err(meant.ids.unknown()) };
    let asked = region.state.audits().get(&task.audit).map(AsRef::as_ref);
    let answer = explain_task(&region.state, task, asked, From::State, region.now);
    Ok(answer.lines.expect("lines").join("\n"))
}

#[test]
fn a_task_is_found_by_arn_id_or_the_start_of_its_id() {
    let (region, id) = started();
    let arn = region.state.home().task(&ClusterName::parse("default").expect("valid"), id);
    let id = id.to_string();
    for name in [arn.as_str(), &id, &id[..4], &id[..20]] {
        assert!(explain(&region, name).is_ok(), "{name}");
    }
    for name in ["", &id[..3], "zzzz", &format!("{id}0"), "arn:aws:ecs:r:a:cluster/x"] {
        assert!(explain(&region, name).is_err(), "{name}");
    }
}

#[test]
fn a_pending_task_says_what_it_waits_for() {
    let (region, id) = started();
    let text = explain(&region, &id.to_string()).expect("explains");
    for part in [
        "of web:1 in cluster default is PENDING; it should be RUNNING.",
        "client token monday.",
        "in us-east-1a, whose agent is connected.",
        "Chosen among the 1 of 1 container instances that could take it, by spread over zones, \
         then over instances: its zone held 0 of the group and the instance 0; 1024 CPU units and \
         2048 MiB were free.",
        "Its agent has not taken it over yet.",
        "Container app is PENDING.",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_task_says_who_else_was_considered_and_what_spoke_against_them() {
    let (mut region, _) = started();
    let away = region.instance(2);
    let mut row = region.state.container_instance(away).expect("there").as_ref().clone();
    row.connected = false;
    region.state.apply(row.into());
    let ask = ecs::RunTaskRequest {
        task_definition: Some("web".into()),
        placement_strategy: Some(vec![ecs::PlacementStrategy {
            r#type: Some(ecs::PlacementStrategyType::Binpack),
            field: Some("memory".into()),
        }]),
        ..Default::default()
    };
    let answer = region.write(run_task, ask).expect("runs");
    let arn = answer.tasks.expect("tasks").remove(0).task_arn.expect("an ARN");
    let text = explain(&region, &arn).expect("explains");
    let chosen = "Chosen among the 1 of 2 container instances that could take it, by \
                  binpack(memory): its zone held 1 of the group and the instance 1;";
    assert!(text.contains(chosen), "{text}");
    assert!(text.contains(&format!("Not on {away}: its agent is not connected")), "{text}");
}

#[test]
fn a_stopped_task_says_why_and_what_helps() {
    let (mut region, id) = started();
    let check = |region: &mut Fixture, reason: &str, code: i32, expected: &str| {
        let mut row = region.state.task(id).expect("there").as_ref().clone();
        row.last = Status::Stopped;
        row.desired = Desired::Stopped;
        row.stopped_at = Some(region.now);
        row.stop = Some(Stop {
            code: StopCode::EssentialContainerExited,
            reason: "Essential container in task exited".into(),
        });
        for it in &mut row.containers {
            it.last = Status::Stopped;
            it.exit_code = Some(code);
            it.reason = (!reason.is_empty()).then(|| reason.to_owned());
        }
        region.state.apply(row.into());
        let text = explain(region, &id.to_string()).expect("explains");
        assert!(text.contains(expected), "{expected}\n{text}");
        text
    };
    let text = check(&mut region, "", 1, "Next: its output is shown by `landfall logs ");
    assert!(text.contains("(EssentialContainerExited)."), "{text}");
    assert!(text.contains("Container app is STOPPED, exit code 1."), "{text}");
    assert!(text.contains("stay reserved until its instance confirms"), "{text}");
    let reason = "OutOfMemoryError: Container killed due to memory usage";
    check(&mut region, reason, 137, "exit code 137 (killed): OutOfMemoryError");
    check(&mut region, reason, 137, "Next: give the container a higher `memory`");
}
