use serde_json::json;
use state::{ServiceDeployment, ServiceDeploymentKey, ServiceDeploymentStatus};

use super::table::Table;
use super::world::key;

/// The ARN of the newest service deployment of `api`.
fn newest(table: &mut Table) -> String {
    let shown = table.ecs("DescribeServices", &json!({"services": ["api"]})).expect("answers");
    let arn = shown["services"][0]["currentServiceDeployment"].as_str();
    arn.expect("an ARN").to_owned()
}

fn set(table: &mut Table, status: ServiceDeploymentStatus) {
    let service = table.region.state.services().get(&key("api")).expect("is there");
    let key = ServiceDeploymentKey { service: key("api"), id: service.service_deployment };
    let row = table.region.state.service_deployments().get(&key).expect("is there");
    let row = ServiceDeployment { status, ..row.as_ref().clone() };
    table.region.state.apply(row.into());
}

#[test]
fn deployments_are_listed_newest_first_in_pages_and_by_status_and_time() {
    let mut table = Table::new();
    let first = newest(&mut table);
    table.region.now.0 += 60_000;
    table.ecs("UpdateService", &json!({"service": "api", "forceNewDeployment": true})).expect("ok");
    let second = newest(&mut table);
    let mut list = |more: serde_json::Value| {
        let mut ask = json!({"service": "api"});
        for (key, value) in more.as_object().expect("members") {
            ask[key] = value.clone();
        }
        let page = table.ecs("ListServiceDeployments", &ask).expect("answers");
        let arns = page["serviceDeployments"].as_array().expect("a list").iter();
        let arns = arns.map(|it| it["serviceDeploymentArn"].as_str().expect("an ARN").to_owned());
        (arns.collect::<Vec<_>>(), page["nextToken"].clone())
    };
    assert_eq!(list(json!({})).0, [second.clone(), first.clone()]);
    let (page, token) = list(json!({"maxResults": 1}));
    assert_eq!(page, std::slice::from_ref(&second));
    assert_eq!(list(json!({"maxResults": 1, "nextToken": token})).0, std::slice::from_ref(&first));
    assert_eq!(list(json!({"status": ["STOPPED"]})).0, std::slice::from_ref(&first));
    assert_eq!(
        list(json!({"status": ["PENDING", "IN_PROGRESS"]})).0,
        std::slice::from_ref(&second)
    );
    let at = 1_700_000_030.0;
    assert_eq!(list(json!({"createdAt": {"after": at}})).0, [second]);
    assert_eq!(list(json!({"createdAt": {"before": at}})).0, [first]);
}

#[test]
fn a_deployment_and_its_revision_say_what_is_rolled_out() {
    let mut table = Table::new();
    let breaker = json!({"enable": true, "rollback": true});
    let ask = json!({"service": "api", "desiredCount": 25, "forceNewDeployment": true,
                     "deploymentConfiguration": {"deploymentCircuitBreaker": breaker}});
    table.ecs("UpdateService", &ask).expect("updates");
    let arn = newest(&mut table);
    let none = "arn:aws:ecs:us-east-1:123456789012:service-deployment/default/api/1";
    let ask = json!({"serviceDeploymentArns": [arn, none]});
    let shown = table.ecs("DescribeServiceDeployments", &ask).expect("answers");
    assert_eq!(shown["failures"], json!([{"arn": none, "reason": "MISSING"}]));
    let it = &shown["serviceDeployments"][0];
    assert_eq!(it["status"], "PENDING");
    assert_eq!(it["targetServiceRevision"]["requestedTaskCount"], 25);
    assert_eq!(it["sourceServiceRevisions"].as_array().map(Vec::len), Some(1));
    let breaker = json!({"status": "MONITORING", "failureCount": 0, "threshold": 13});
    assert_eq!(it["deploymentCircuitBreaker"], breaker);
    let revision = it["targetServiceRevision"]["arn"].clone();
    let ask = json!({"serviceRevisionArns": [revision]});
    let shown = table.ecs("DescribeServiceRevisions", &ask).expect("answers");
    let it = &shown["serviceRevisions"][0];
    assert_eq!(it["serviceRevisionArn"], revision);
    let definition = "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1";
    assert_eq!(it["taskDefinition"], definition);
    assert_eq!(it["containerImages"], json!([{"containerName": "app", "image": "nginx"}]));
}

#[test]
fn a_deployment_that_is_under_way_can_be_asked_to_stop_once() {
    let mut table = Table::new();
    let arn = newest(&mut table);
    let stop = json!({"serviceDeploymentArn": arn, "stopType": "ROLLBACK"});
    for (status, asked) in [
        (ServiceDeploymentStatus::InProgress, "ROLLBACK"),
        (ServiceDeploymentStatus::Pending, "ABORT"),
    ] {
        set(&mut table, status);
        let ask = json!({"serviceDeploymentArn": arn, "stopType": asked});
        let answer = table.ecs("StopServiceDeployment", &ask).expect("can be stopped");
        assert_eq!(answer, json!({"serviceDeploymentArn": arn}));
        let refused = table.ecs("StopServiceDeployment", &stop).expect_err("once");
        assert_eq!(refused.code, "ConflictException");
    }
    set(&mut table, ServiceDeploymentStatus::Successful);
    let refused = table.ecs("StopServiceDeployment", &stop).expect_err("it has ended");
    let words = "The service deployment cannot be stopped: its status is SUCCESSFUL.";
    assert_eq!((refused.code.as_ref(), refused.message.as_str()), ("ConflictException", words));
}
