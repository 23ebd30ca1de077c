use shapes::ecs as op;
use state::{Change, Outcome};

use super::*;
use crate::fixture::{self, Fixture};
use crate::{ecs, registry};

mod chance;
mod fuzz;

/// Runs a listed write as the gateway and the writer do.
fn run(region: &mut Fixture, registry: &Registry, name: &str, fill: Fill<'_>) -> Answer {
    let Ok(Entry::Write(entry)) = registry.find(&shapes::ecs::SERVICE, name) else {
        panic!("{name} is not a write");
    };
    let write = entry.prepare(fill).expect("keeps the limits of its shape");
    region.step(|draft, context| write.run(draft, context))
}

/// Fills the request with members of another, through the stored form.
fn with(request: &dyn Shape) -> impl FnMut(&mut dyn Shape) -> Result<(), DecodeError> + use<> {
    let bytes = shapes::stored::to_vec(request);
    move |into| shapes::cbor::decode(&bytes, into)
}

fn create(region: &mut Fixture, name: &str) -> Answer {
    let request =
        op::CreateClusterRequest { cluster_name: Some(name.into()), ..Default::default() };
    run(region, &ecs::registry(), "CreateCluster", &mut with(&request))
}

#[test]
fn every_operation_of_ecs_is_answered_or_refused_by_name() {
    let registry = registry();
    let mut answered = 0;
    for operation in shapes::ecs::SERVICE.operations {
        match registry.find(&shapes::ecs::SERVICE, operation.name) {
            Ok(_) => answered += 1,
            Err(fault) => {
                assert_eq!(fault.code, "UnsupportedFeatureException");
                assert_eq!(fault.status, 400);
                assert!(fault.message.contains(operation.name), "{}", fault.message);
            }
        }
    }
    let listed = registry.entries().filter(|(service, _, _)| *service == "ecs").count();
    assert_eq!(answered, listed);
}

#[test]
fn other_services_refuse_by_their_own_code() {
    let registry = registry();
    let code = |service: &Service, name: &str| match registry.find(service, name) {
        Ok(_) => panic!("{name} is answered"),
        Err(fault) => fault.code,
    };
    assert_eq!(code(&shapes::elbv2::SERVICE, "CreateTrustStore"), "UnsupportedOperationException");
    assert_eq!(code(&shapes::ec2::SERVICE, "CreateVpc"), "UnsupportedOperationException");
    assert_eq!(code(&shapes::ecs::SERVICE, "FlyToMoon"), "UnknownOperationException");
    assert_eq!(code(&shapes::ec2::SERVICE, "FlyToMoon"), "InvalidAction");
}

#[test]
fn a_request_out_of_bounds_does_not_reach_its_operation() {
    let registry = registry();
    let Ok(Entry::Write(entry)) = registry.find(&shapes::ecs::SERVICE, "RegisterTaskDefinition")
    else {
        panic!("it is a write");
    };
    let empty = op::RegisterTaskDefinitionRequest::default();
    match entry.prepare(&mut with(&empty)) {
        Err(Invalid::OutOfBounds(fault)) => assert_eq!(fault.code, "InvalidParameterException"),
        _ => panic!("a family is required"),
    }
    let unreadable: Fill<'_> = &mut |_| Err(DecodeError::TooDeep);
    assert!(matches!(entry.prepare(unreadable), Err(Invalid::Unreadable(DecodeError::TooDeep))));
}

#[test]
fn a_write_that_is_done_leaves_its_changes_and_one_audit_row() {
    let mut region = fixture::region();
    create(&mut region, "blue").expect("is made");
    let (number, row) = region.state.audits().last_key_value().expect("a row");
    assert_eq!((*number, region.state.audits().len()), (1, 1));
    assert_eq!(row.source, "ecs.amazonaws.com");
    assert_eq!(row.operation, "CreateCluster");
    assert_eq!(row.outcome, Outcome::Done);
    assert_eq!(row.resources, ["arn:aws:ecs:us-east-1:123456789012:cluster/blue"]);
    create(&mut region, "green").expect("is made");
    assert_eq!(region.state.audits().len(), 2);
    assert_eq!(crate::next_audit(&region.state), 3);
}

#[test]
fn the_trail_names_tasks_and_not_the_instances_they_land_on() {
    let mut region = fixture::region();
    region.instance(1);
    let container = op::ContainerDefinition {
        name: Some("app".into()),
        image: Some("landfall/demo:latest".into()),
        memory: Some(64),
        ..Default::default()
    };
    let register = op::RegisterTaskDefinitionRequest {
        family: Some("web".into()),
        container_definitions: Some(vec![container]),
        ..Default::default()
    };
    let start = op::RunTaskRequest { task_definition: Some("web".into()), ..Default::default() };
    let drain = op::UpdateContainerInstancesStateRequest {
        container_instances: Some(vec![format!("{:032x}", 1)]),
        status: Some("DRAINING".into()),
        ..Default::default()
    };
    let requests: [(&str, &dyn Shape); 3] = [
        ("RegisterTaskDefinition", &register),
        ("RunTask", &start),
        ("UpdateContainerInstancesState", &drain),
    ];
    let mut kinds = Vec::new();
    for (name, request) in requests {
        run(&mut region, &ecs::registry(), name, &mut with(request)).map(drop).expect("answers");
        let (_, row) = region.state.audits().last_key_value().expect("a row");
        let kind = |it: &String| it.split([':', '/']).nth(5).expect("a kind").to_owned();
        kinds.push(row.resources.iter().map(kind).collect::<Vec<_>>());
    }
    assert_eq!(kinds, [["task-definition"], ["task"], ["container-instance"]]);
}

#[test]
fn a_refused_write_leaves_the_audit_row_alone() {
    let mut region = fixture::region();
    let before = region.state.clone();
    create(&mut region, "no such name").map(drop).expect_err("refused");
    let row = region.state.audits().get(&1).expect("a row").clone();
    let Outcome::Refused { code, .. } = &row.outcome else { panic!("{row:?}") };
    assert_eq!(code, "InvalidParameterException");
    assert_eq!(row.resources, Vec::<String>::new());
    assert!(fuzz::without_audit(&region.state, &before) == before);
}

#[test]
fn the_token_of_a_request_and_what_it_repeats_stand_in_the_trail() {
    type Started = Result<op::RunTaskResponse, Fault>;
    #[expect(clippy::unnecessary_wraps, reason = "the form that every operation has")]
    fn first(draft: &mut Draft<'_>, _: op::RunTaskRequest, context: &mut Context<'_>) -> Started {
        let name = types::ClusterName::parse("made").expect("valid");
        let cluster = ecs::first_cluster(name, draft.state(), context);
        draft.change(Change::from(cluster));
        Ok(op::RunTaskResponse::default())
    }
    #[expect(clippy::unnecessary_wraps, reason = "the form that every operation has")]
    fn again(draft: &mut Draft<'_>, _: op::RunTaskRequest, _: &mut Context<'_>) -> Started {
        draft.replay(state::Replay { audit: 1, resources: vec!["arn:made".into()] });
        Ok(op::RunTaskResponse::default())
    }
    let mut region = fixture::region();
    let request = op::RunTaskRequest {
        client_token: Some("t".into()),
        task_definition: Some("web".into()),
        ..Default::default()
    };
    for registry in [
        Registry::default().write::<op::RunTask, Fault>(first),
        Registry::default().write::<op::RunTask, Fault>(again),
    ] {
        run(&mut region, &registry, "RunTask", &mut with(&request)).map(drop).expect("answers");
    }
    let rows: Vec<_> = region.state.audits().values().collect();
    assert_eq!(rows[0].token.as_deref(), Some("t"));
    assert_eq!(rows[1].outcome, Outcome::Replayed(1));
    assert_eq!(rows[1].resources, ["arn:made"]);
}

#[test]
fn a_refusal_of_nobody_leaves_no_row() {
    let mut region = fixture::region();
    let registry = registry();
    let Ok(Entry::Write(entry)) = registry.find(&shapes::landfall::SERVICE, "RedeemJoinToken")
    else {
        panic!("it is a write");
    };
    let request = shapes::landfall::RedeemJoinTokenRequest { join_token: Some("guess".into()) };
    let write = entry.prepare(&mut with(&request)).expect("keeps the limits of its shape");
    let answer = region.step(|draft, context| write.run(draft, context));
    assert_eq!(answer.map(drop).expect_err("refused").code, "InvalidTokenException");
    assert_eq!(region.state.audits().len(), 0);
}

#[test]
fn what_agents_report_leaves_no_row() {
    fn run_report(
        _: &mut Draft<'_>,
        _: op::SubmitTaskStateChangeRequest,
        _: &mut Context<'_>,
    ) -> Result<op::SubmitTaskStateChangeResponse, Fault> {
        Err(Fault::new("ClientException", "no"))
    }
    let registry = Registry::default().report::<op::SubmitTaskStateChange, Fault>(run_report);
    let mut region = fixture::region();
    let request = op::SubmitTaskStateChangeRequest::default();
    let answer = run(&mut region, &registry, "SubmitTaskStateChange", &mut with(&request));
    assert!(answer.is_err());
    assert_eq!(region.state.audits().len(), 0);
}
