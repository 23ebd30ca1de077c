//! A conversation as the genuine agent leads it, with the whole control plane at the other end.
//!
//! Words and order are those of recorded conversations of amazon-ecs-agent 1.105.1.

use serde_json::{Value, json};

use crate::agent::{self, Agent, Refused};
use crate::region::Region;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_genuine_agent_is_understood() {
    let region = Region::start().await;
    let mut agent = Agent::register(&region).await;
    greeting(&region, &mut agent).await;
    let task = a_task_from_start_to_end(&region, &mut agent).await;
    let next = a_connection_that_breaks(&region, &mut agent, &task).await;
    an_image_that_is_not_there(&region, &agent, &next).await;
    the_end_of_an_instance(&region, agent).await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_not_signed_by_the_region_s_keys_is_refused() {
    let region = Region::start().await;
    let mut agent = Agent::register(&region).await;
    agent.key.secret = "of somebody else".into();
    let refused = agent.open(&region, "acs").await.expect_err("refused");
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("AccessDeniedException"), "{refused:?}");
    region.stop().await;
}

async fn describe(region: &Region, operation: &str, what: Value) -> Value {
    region.ok(&region.root, operation, what).await
}

async fn task_row(region: &Region, arn: &str) -> Value {
    let answer = describe(region, "DescribeTasks", json!({"tasks": [arn]})).await;
    answer["tasks"][0].clone()
}

async fn instance_row(region: &Region, arn: &str) -> Value {
    let what = json!({"containerInstances": [arn]});
    describe(region, "DescribeContainerInstances", what).await["containerInstances"][0].clone()
}

/// A session begins with a sign of life and a manifest; from then on the instance is connected.
async fn greeting(region: &Region, agent: &mut Agent) {
    agent.connect(region).await;
    let beat = agent.hear("HeartbeatMessage").await;
    assert_eq!(beat["healthy"], json!(true));
    agent.say("HeartbeatAckRequest", &json!({"messageId": beat["messageId"]})).await;
    let manifest = agent.hear("TaskManifestMessage").await;
    assert_eq!(manifest["tasks"], json!([]));
    assert_eq!(manifest["containerInstanceArn"], json!(agent.arn));
    agent.acknowledge(&manifest).await;
    let row = instance_row(region, &agent.arn).await;
    assert_eq!((&row["agentConnected"], &row["status"]), (&json!(true), &json!("ACTIVE")));
}

async fn a_task_from_start_to_end(region: &Region, agent: &mut Agent) -> String {
    let definition = json!({"family": "job", "containerDefinitions": [{
        "name": "job", "image": "busybox:1", "cpu": 64, "memory": 64,
        "command": ["/bin/sh", "-c", "sleep 3; exit 3"],
        "healthCheck": {"command": ["CMD-SHELL", "true"]},
    }]});
    region.ok(&region.root, "RegisterTaskDefinition", definition).await;
    let arn = run(region).await;

    let payload = agent.hear("PayloadMessage").await;
    let told = &payload["tasks"][0];
    assert_eq!((&told["arn"], &told["desiredStatus"]), (&json!(arn), &json!("RUNNING")));
    assert_eq!((&told["family"], &told["version"]), (&json!("job"), &json!("1")));
    assert_eq!(told["containers"][0]["name"], json!("job"));
    agent.acknowledge(&payload).await;

    let container = json!({"containerName": "job", "runtimeId": "c2253402", "status": "RUNNING"});
    agent.submit(region, &arn, json!({"status": "RUNNING", "containers": [container]})).await;
    assert_eq!(task_row(region, &arn).await["lastStatus"], json!("RUNNING"));
    telemetry(region, agent, &arn).await;

    region.ok(&region.root, "StopTask", json!({"task": arn, "reason": "enough"})).await;
    let payload = agent.hear("PayloadMessage").await;
    assert_eq!(payload["tasks"][0]["desiredStatus"], json!("STOPPED"));
    agent.acknowledge(&payload).await;
    let ended = json!({
        "containers": [{
            "containerName": "job", "exitCode": 3, "runtimeId": "c2253402", "status": "STOPPED",
        }],
        "executionStoppedAt": 1_795_309_596.847, "status": "STOPPED",
    });
    agent.submit(region, &arn, ended).await;
    let row = task_row(region, &arn).await;
    assert_eq!(
        (&row["lastStatus"], &row["stopCode"]),
        (&json!("STOPPED"), &json!("UserInitiated"))
    );
    assert_eq!(row["containers"][0]["exitCode"], json!(3));
    assert_eq!(row["executionStoppedAt"], json!(1_795_309_596.847));
    arn
}

async fn run(region: &Region) -> String {
    let answer = region.ok(&region.root, "RunTask", json!({"taskDefinition": "job"})).await;
    assert_eq!(answer["failures"], json!([]));
    answer["tasks"][0]["taskArn"].as_str().expect("an ARN").to_owned()
}

/// Telemetry frames carry a block of headers before the message.
async fn telemetry(region: &Region, agent: &Agent, task: &str) {
    let mut socket = agent.open(region, "tcs").await.expect("opens");
    let metadata = json!({
        "cluster": "default", "containerInstance": agent.arn, "fin": true, "messageId": "d29a4e6a",
    });
    let checked = json!({
        "containerName": "job", "healthStatus": "HEALTHY", "statusSince": 1_795_309_610.691,
    });
    let frames = [
        ("PublishMetricsRequest", "AckPublishMetric", json!({"timestamp": 1_795_309_591.027})),
        (
            "PublishHealthRequest",
            "AckPublishHealth",
            json!({"tasks": [{"taskArn": task, "containers": [checked]}]}),
        ),
        (
            "PublishInstanceStatusRequest",
            "AckPublishInstanceStatus",
            json!({"statuses": [{"type": "ContainerRuntime", "status": "OK"}]}),
        ),
    ];
    for (kind, answer, mut message) in frames {
        message["metadata"] = metadata.clone();
        let frame = json!({"type": kind, "message": message});
        let block = "Authorization: AWS4-HMAC-SHA256 Credential=unread\r\nHost: unread";
        agent::send(&mut socket, format!("{block}\r\n\r\n{frame}")).await;
        agent::next(&mut socket, answer).await.expect("an answer");
    }
    assert_eq!(task_row(region, task).await["containers"][0]["healthStatus"], json!("HEALTHY"));
}

/// What was not acknowledged is said again, and the manifest holds what should be there.
async fn a_connection_that_breaks(region: &Region, agent: &mut Agent, over: &str) -> String {
    let arn = run(region).await;
    agent.hear("PayloadMessage").await;
    agent.connect(region).await;
    let manifest = agent.hear("TaskManifestMessage").await;
    let held: Vec<_> = manifest["tasks"].as_array().expect("tasks").iter().collect();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["taskArn"], json!(arn), "not {over}, which is over");
    agent.acknowledge(&manifest).await;
    let payload = agent.hear("PayloadMessage").await;
    assert_eq!(payload["tasks"][0]["arn"], json!(arn));
    agent.acknowledge(&payload).await;
    arn
}

async fn an_image_that_is_not_there(region: &Region, agent: &Agent, task: &str) {
    let reason = "CannotPullImageManifestError: Error response from daemon: no such host";
    let ended = json!({
        "containers": [{"containerName": "job", "reason": reason, "status": "STOPPED"}],
        "executionStoppedAt": 1_795_312_156.127, "pullStartedAt": 1_795_312_141.422,
        "pullStoppedAt": 1_795_312_156.102, "status": "STOPPED",
    });
    agent.submit(region, task, ended).await;
    let row = task_row(region, task).await;
    assert_eq!(row["stopCode"], json!("TaskFailedToStart"));
    assert_eq!(
        (&row["stoppedReason"], &row["containers"][0]["reason"]),
        (&json!(reason), &json!(reason))
    );
    assert_eq!(row["pullStartedAt"], json!(1_795_312_141.422));
}

/// An agent whose instance was deregistered learns it where its session would begin.
async fn the_end_of_an_instance(region: &Region, mut agent: Agent) {
    let what = json!({"containerInstance": agent.arn});
    region.ok(&region.root, "DeregisterContainerInstance", what).await;
    agent.is_hung_up_on().await;
    for conversation in ["acs", "tcs"] {
        let Refused { status, body } = agent.open(region, conversation).await.expect_err("refused");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(status, 400);
        assert!(body["InactiveInstanceException"].is_string(), "{body}");
    }
}
