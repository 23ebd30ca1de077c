//! What no agent should send: it is told why, nothing changes, and the region goes on.

use core::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::agent::{Agent, Socket, next, send};
use crate::region::Region;

/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_mins(1);
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
/// An operation code that the websocket protocol reserves.
const RESERVED: u8 = 0x83;

/// A region with an instance that runs one task, which has a health check.
struct Scene {
    region: Region,
    agent: Agent,
    task: String,
}

impl Scene {
    async fn set() -> Self {
        let region = Region::start().await;
        let mut agent = Agent::register(&region).await;
        agent.connect(&region).await;
        // From here on it counts as connected.
        agent.hear("TaskManifestMessage").await;
        let definition = json!({"family": "job", "containerDefinitions": [{
            "name": "job", "image": "busybox:1", "memory": 64,
            "healthCheck": {"command": ["CMD-SHELL", "true"]},
        }]});
        region.ok(&region.root, "RegisterTaskDefinition", definition).await;
        let made = region.ok(&region.root, "RunTask", json!({"taskDefinition": "job"})).await;
        let task = made["tasks"][0]["taskArn"].as_str().expect("an ARN").to_owned();
        let payload = agent.hear("PayloadMessage").await;
        agent.acknowledge(&payload).await;
        let container = json!({"containerName": "job", "status": "RUNNING"});
        let running = json!({"status": "RUNNING", "containers": [container]});
        agent.submit(&region, &task, running).await;
        Self { region, agent, task }
    }

    /// All that an agent could change.
    async fn look(&self) -> Value {
        let key = &self.region.root;
        let what = json!({"containerInstances": [self.agent.arn]});
        let instances = self.region.ok(key, "DescribeContainerInstances", what).await;
        let what = json!({"tasks": [self.task]});
        json!([instances, self.region.ok(key, "DescribeTasks", what).await])
    }

    async fn open(&self, which: &str) -> Socket {
        self.agent.open(&self.region, which).await.expect("opens")
    }

    /// Closes the instance's own session, so that one that the test opens is the only one.
    async fn open_only(&mut self, which: &str) -> Socket {
        if which == "acs" {
            self.agent.hang_up();
        }
        let mut socket = self.open(which).await;
        heard_all(&mut socket).await;
        socket
    }
}

/// Sends what is not even text and waits for the answer: everything before it has been heard.
async fn heard_all(socket: &mut Socket) {
    socket.send(Message::binary(vec![0; 10])).await.expect("is sent");
    loop {
        let refusal = next(socket, "BadRequestException").await.expect("the session goes on");
        if refusal["message"] == json!("a frame is not text") {
            return;
        }
    }
}

/// A frame as bytes, masked with zeros, of which only so many are there.
fn frame(kind: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 0x80 | 127];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

fn whole(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    assert!(length < 126, "a short payload");
    [&[kind, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

async fn write(socket: &mut Socket, bytes: &[u8]) {
    socket.get_mut().write_all(bytes).await.expect("is sent");
}

/// Waits for the region's good-bye; its code and reason.
async fn good_bye(socket: &mut Socket) -> (u16, String) {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("the region hangs up") {
            Some(Ok(Message::Close(Some(frame)))) => {
                return (frame.code.into(), frame.reason.to_string());
            }
            Some(Ok(Message::Close(None))) => return (1005, String::new()),
            Some(Ok(_)) => {}
            other => panic!("no good-bye: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_is_answered_with_the_reason() {
    let mut scene = Scene::set().await;
    for (which, block) in [("acs", ""), ("tcs", "Authorization: AWS4\r\n\r\n")] {
        let mut socket = scene.open_only(which).await;
        let before = scene.look().await;
        let kind = if which == "acs" { "AckRequest" } else { "PublishHealthRequest" };
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let frames = [
            String::new(),
            "{".into(),
            "[]".into(),
            "null".into(),
            "{}".into(),
            json!({"type": 1, "message": {}}).to_string(),
            json!({"type": kind}).to_string(),
            json!({"type": kind, "message": []}).to_string(),
            json!({"type": kind, "message": "text"}).to_string(),
            format!(r#"{{"type":"{kind}","message":{deep}}}"#),
            "x".repeat(1024 * 1024),
        ];
        for text in frames {
            send(&mut socket, format!("{block}{text}")).await;
            let refusal = next(&mut socket, "BadRequestException").await;
            let refusal = refusal.unwrap_or_else(|| panic!("{which} ends at {text:.50}"));
            let reason = refusal["message"].as_str().expect("a reason");
            assert!(reason.contains("frame") && reason.len() < 1000, "{text:.50}: {reason}");
        }
        heard_all(&mut socket).await;
        assert_eq!(scene.look().await, before);
    }
    scene.region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_without_sense_change_nothing() {
    let mut scene = Scene::set().await;
    let before = scene.look().await;
    let mut acs = scene.open_only("acs").await;
    let huge = "x".repeat(500_000);
    let candidates = json!([{"taskArn": scene.task}, {"taskArn": huge}, {}]);
    for (kind, message) in [
        ("AckRequest", json!({})),
        ("AckRequest", json!({"messageId": "nobody's"})),
        ("AckRequest", json!({"messageId": "nobody's"})),
        (
            "AckRequest",
            json!({"cluster": "other", "containerInstance": "arn:x", "messageId": huge}),
        ),
        ("HeartbeatAckRequest", json!({})),
        ("TaskStopVerificationMessage", json!({"messageId": "old", "stopCandidates": candidates})),
        (
            "IAMRoleCredentialsAckRequest",
            json!({"messageId": 1.to_string(), "credentialsId": huge}),
        ),
        ("NackRequest", json!({"messageId": "x", "reason": "y"})),
        ("Novelty", json!({"a": [1, {}]})),
        (&huge, json!({})),
    ] {
        send(&mut acs, json!({"type": kind, "message": message}).to_string()).await;
    }
    heard_all(&mut acs).await;

    let mut tcs = scene.open("tcs").await;
    let unwell = |task: &str, container: &str, status: &str| {
        let one = json!({"containerName": container, "healthStatus": status});
        json!({"tasks": [{"taskArn": task, "containers": [one]}]})
    };
    let sets = |sum: f64, count: i32| {
        let set = json!({"min": 0.0, "max": 1.0, "sum": sum, "sampleCount": count});
        let one = json!({"cpuStatsSet": set, "memoryStatsSet": set});
        json!({"taskMetrics": [{"taskArn": scene.task, "containerMetrics": [one]}]})
    };
    for (kind, message) in [
        ("PublishHealthRequest", json!({})),
        ("PublishHealthRequest", json!({"tasks": [{}, {"taskArn": huge}, {"containers": [{}]}]})),
        ("PublishHealthRequest", unwell(&scene.task, "nobody", "UNHEALTHY")),
        ("PublishHealthRequest", unwell("arn:aws:ecs", "job", "UNHEALTHY")),
        ("PublishHealthRequest", unwell(&"f".repeat(32), "job", "UNHEALTHY")),
        ("PublishMetricsRequest", json!({})),
        ("PublishMetricsRequest", sets(-1.0, 1)),
        ("PublishMetricsRequest", sets(f64::MAX, 0)),
        ("PublishMetricsRequest", sets(1.0, -3)),
        ("PublishInstanceStatusRequest", json!({"statuses": "many"})),
        ("StartTelemetrySessionRequest", json!({})),
        ("Novelty", json!({})),
    ] {
        send(&mut tcs, json!({"type": kind, "message": message}).to_string()).await;
    }
    heard_all(&mut tcs).await;
    assert_eq!(scene.look().await, before);
    scene.region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_websocket_ends_it_with_the_reason() {
    let mut scene = Scene::set().await;
    for which in ["acs", "tcs"] {
        for (bytes, code, reason) in [
            (frame(TEXT, 3 << 20, b"{"), 1009, "a frame is larger than 2 MiB"),
            (frame(TEXT, u64::MAX >> 1, b""), 1009, "a frame is larger than 2 MiB"),
            (whole(TEXT, &[0xff, 0xfe]), 1007, "a text frame is not UTF-8"),
            (whole(RESERVED, b"{}"), 1002, "this is not the websocket protocol"),
        ] {
            let mut socket = scene.open_only(which).await;
            write(&mut socket, &bytes).await;
            assert_eq!(good_bye(&mut socket).await, (code, reason.to_owned()), "{which}");
        }
    }
    scene.agent.connect(&scene.region).await;
    scene.agent.hear("TaskManifestMessage").await;
    scene.region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_a_good_bye_is_not_heard() {
    let scene = Scene::set().await;
    let before = scene.look().await;
    let mut socket = scene.open("tcs").await;
    let unwell = json!({"containerName": "job", "healthStatus": "UNHEALTHY"});
    let tasks = json!([{"taskArn": scene.task, "containers": [unwell]}]);
    let text = json!({"type": "PublishHealthRequest", "message": {"tasks": tasks}}).to_string();
    let length = u64::try_from(text.len()).expect("a short text");
    let close = whole(CLOSE, &1000_u16.to_be_bytes());
    let late = [close, frame(TEXT, length, text.as_bytes())].concat();
    write(&mut socket, &late).await;
    assert_eq!(good_bye(&mut socket).await.0, 1000);
    assert!(!matches!(timeout(PATIENCE, socket.next()).await.expect("ends"), Some(Ok(_))));
    assert_eq!(scene.look().await, before);
    scene.region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_sessions_of_one_instance_the_first_is_told_that_it_is_replaced() {
    let mut scene = Scene::set().await;
    let mut first = scene.open_only("acs").await;
    let mut second = scene.open("acs").await;
    let (code, reason) = good_bye(&mut first).await;
    assert_eq!((code, reason.as_str()), (1008, "another session of this instance has begun"));
    next(&mut second, "TaskManifestMessage").await.expect("a session of its own");
    let what = json!({"containerInstance": scene.agent.arn, "force": true});
    scene.region.ok(&scene.region.root, "DeregisterContainerInstance", what).await;
    let (code, reason) = good_bye(&mut second).await;
    assert_eq!((code, reason.as_str()), (1000, "this container instance was deregistered"));
    scene.region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_for_what_is_not_there_is_refused() {
    let scene = Scene::set().await;
    let (arn, agent) = (&scene.agent.arn, &scene.agent);
    let nobody = "InactiveInstanceException";
    for (which, instance, cluster) in
        [("acs", "containerInstanceArn", "clusterArn"), ("tcs", "containerInstance", "cluster")]
    {
        let of = |value: &str| format!("{instance}={value}&{cluster}=default");
        for (query, kind) in [
            (String::new(), nobody),
            ("&&=&%&a=%zz%ff".into(), nobody),
            (format!("{cluster}=default"), nobody),
            (of(""), nobody),
            (of(".."), nobody),
            (of("%00%ff%2F..%2F.."), nobody),
            (of(&"0".repeat(32)), nobody),
            (of(&"f".repeat(30_000)), nobody),
            (of("arn"), nobody),
            (of("arn:aws:ecs"), nobody),
            (of(&scene.task), nobody),
            (of(&arn.replace("/default/", "/other/")), nobody),
            (of(&arn.replace("123456789012", "210987654321")), nobody),
            (of(&arn.replace("us-east-1", "eu-west-1")), nobody),
            (format!("{instance}={arn}&{cluster}=other"), "InvalidClusterException"),
            (format!("{instance}={arn}&{cluster}=arn:aws:ecs:x"), "InvalidClusterException"),
        ] {
            let query = query.replace(':', "%3A").replace('/', "%2F");
            let refused = agent.open_with(&scene.region, which, &query).await.expect_err("refused");
            let body: Value = serde_json::from_str(&refused.body).expect("JSON");
            assert_eq!(refused.status, 400, "{query:.90}: {body}");
            assert!(body[kind].is_string(), "{which} {query:.90}: {body}");
        }
        let home = "arn:aws:ecs:us-east-1:123456789012:cluster/default";
        let by_arn = format!("{instance}={arn}&{cluster}={home}");
        let by_arn = by_arn.replace(':', "%3A").replace('/', "%2F");
        agent.open_with(&scene.region, which, &by_arn).await.expect("opens");
    }
    scene.region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_a_number() {
    let region = Region::start().await;
    let long = "x".repeat(8000);
    for (request, status) in [
        ("GET /_landfall/ready", 200),
        ("GET /_landfall/nobody", 400),
        ("GET /_landfall/balancer", 400),
        ("GET /acs/ws", 400),
        ("POST /tcs/ws", 400),
        ("GET /", 400),
        ("GET /nonsense/../..", 400),
        (&format!("GET /{long}"), 400),
        ("PUT /v1", 400),
        ("OPTIONS /", 400),
        ("POST /", 400),
        ("BREW /pot", 400),
    ] {
        let lines = "host: x\r\nconnection: close\r\ncontent-length: 0";
        let answer = region.raw(&format!("{request} HTTP/1.1\r\n{lines}\r\n\r\n")).await;
        let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains("\r\nx-amzn-requestid: "), "{request:.60}: {head}");
        let line = head.lines().next().unwrap_or_default();
        let got: u16 = line.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        assert_eq!(got / 100, status / 100, "{request:.60}: {head}");
    }
    let body = "x".repeat(4 * 1024 * 1024 + 1);
    let lines = format!("host: x\r\nconnection: close\r\ncontent-length: {}", body.len());
    let answer = region.raw(&format!("POST / HTTP/1.1\r\n{lines}\r\n\r\n{body}")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\r\nx-amzn-requestid: "), "{answer}");
    region.stop().await;
}
