use serde_json::json;
use state::{Change, Context, Desired, Draft, Stop, StopCode, Task};

use super::table::Table;
use super::world::key;

/// The id of a task of the service `api`, as its scheduler makes one.
fn member(table: &mut Table) -> String {
    table.region.instance(7);
    let id = table.region.step(|draft: &mut Draft<'_>, context: &mut Context<'_>| {
        let state = draft.state();
        let service = state.services().get(&key("api")).expect("is there").clone();
        let deployment = &service.deployments[0];
        let revision = state::ServiceRevisionKey { service: key("api"), id: deployment.revision };
        let revision = state.service_revisions().get(&revision).expect("is there").clone();
        let launch = plan::services::launch(state, &service, &revision, deployment);
        launch.expect("a launch").place(draft, context, 1).expect("room")
    });
    id.to_string()
}

fn ask(table: &mut Table, task: &str, more: serde_json::Value) -> serde_json::Value {
    let mut ask = json!({"cluster": "default", "tasks": [task], "protectionEnabled": true});
    for (key, value) in more.as_object().expect("members") {
        ask[key] = value.clone();
    }
    table.ecs("UpdateTaskProtection", &ask).expect("answers")
}

#[test]
fn a_task_of_a_service_is_protected_for_a_time() {
    let mut table = Table::new();
    let task = member(&mut table);
    let arn = format!("arn:aws:ecs:us-east-1:123456789012:task/default/{task}");
    let off = json!([{"taskArn": arn, "protectionEnabled": false}]);
    let get = |table: &mut Table| {
        let ask = json!({"cluster": "default", "tasks": [task]});
        table.ecs("GetTaskProtection", &ask).expect("answers")["protectedTasks"].clone()
    };
    assert_eq!(get(&mut table), off);
    let on = ask(&mut table, &task, json!({"expiresInMinutes": 1}));
    let on = on["protectedTasks"].clone();
    let expires = 1_700_000_060;
    let expected = json!([{"taskArn": arn, "protectionEnabled": true, "expirationDate": expires}]);
    assert_eq!(on, expected);
    assert_eq!(get(&mut table), on);
    let all = table.ecs("GetTaskProtection", &json!({"cluster": "default"})).expect("answers");
    assert_eq!(all["protectedTasks"], on);
    let ended = ask(&mut table, &task, json!({"protectionEnabled": false}));
    assert_eq!(ended["protectedTasks"], off);
    ask(&mut table, &task, json!({}));
    table.region.now.0 += 120 * 60_000;
    assert_eq!(get(&mut table), off, "two hours are over");
}

#[test]
fn what_is_no_running_task_of_a_service_is_a_failure() {
    let mut table = Table::new();
    let reason = |answer: serde_json::Value| answer["failures"][0]["reason"].clone();
    let none = "0123456789abcdef0123456789abcdef";
    assert_eq!(reason(ask(&mut table, none, json!({}))), "MISSING");
    let task = member(&mut table);
    let run = json!({"taskDefinition": "web"});
    let alone = table.ecs("RunTask", &run).expect("runs")["tasks"][0]["taskArn"].clone();
    let alone = alone.as_str().expect("an ARN");
    assert_eq!(reason(ask(&mut table, alone, json!({}))), "TASK_NOT_VALID");
    let stop = Stop { code: StopCode::UserInitiated, reason: "test".into() };
    let id = types::TaskId::parse(&task).expect("an id");
    let row = table.region.state.task(id).expect("is there").as_ref().clone();
    let row = Task { desired: Desired::Stopped, stop: Some(stop), ..row };
    table.region.state.apply(Change::from(row));
    assert_eq!(reason(ask(&mut table, &task, json!({}))), "TASK_NOT_VALID");
}

#[test]
fn tasks_of_a_service_are_listed_and_counted_by_it() {
    let mut table = Table::new();
    let task = member(&mut table);
    let list = |table: &mut Table, service: &str| {
        let ask = json!({"serviceName": service});
        table.ecs("ListTasks", &ask).expect("answers")["taskArns"].as_array().map(Vec::len)
    };
    assert_eq!(list(&mut table, "api"), Some(1));
    assert_eq!(list(&mut table, "agent"), Some(0));
    let shown = table.ecs("DescribeTasks", &json!({"tasks": [task]})).expect("answers");
    let shown = &shown["tasks"][0];
    assert_eq!(shown["group"], "service:api");
    assert!(shown["startedBy"].as_str().is_some_and(|it| it.starts_with("ecs-svc/")));
    let service = table.ecs("DescribeServices", &json!({"services": ["api"]})).expect("answers");
    let service = &service["services"][0];
    assert_eq!((&service["pendingCount"], &service["runningCount"]), (&json!(1), &json!(0)));
    assert_eq!(service["deployments"][0]["pendingCount"], 1);
}
