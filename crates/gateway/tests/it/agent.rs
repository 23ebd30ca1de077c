//! The genuine agent's end: what it sends, word by word.

use core::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use serde_json::{Value, json};
use state::AccessKey;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::region::{Region, signed};

/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) type Socket = WebSocketStream<TcpStream>;

pub(crate) struct Agent {
    pub(crate) arn: String,
    pub(crate) key: AccessKey,
    acs: Option<Socket>,
    connections: u32,
}

/// A session that was refused before it began.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Agent {
    /// Registers, and asks where its sessions take place.
    pub(crate) async fn register(region: &Region) -> Self {
        let key = region.agent.clone();
        let document = json!({
            "availabilityZone": "us-east-1a", "instanceId": "i-0123456789abcdef0",
            "instanceType": "stub.large", "pendingTime": "2026-01-01T00:00:00Z",
        });
        let number = |name: &str, value: u32| {
            json!({
                "integerValue": value, "name": name, "type": "INTEGER",
            })
        };
        let set = |name: &str, values: &[&str]| {
            json!({
                "name": name, "stringSetValue": values, "type": "STRINGSET",
            })
        };
        let ask = json!({
            "attributes": [
                {"name": "ecs.capability.container-health-check"},
                {"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"},
                {"name": "com.amazonaws.ecs.capability.docker-remote-api.1.24"},
                {"name": "com.amazonaws.ecs.capability.docker-remote-api.1.29"},
                {"name": "ecs.os-family", "value": "LINUX"},
            ],
            "clientToken": "dedc61eb-0767-4084-aaf5-b2ca39b2468b",
            "cluster": "default",
            "instanceIdentityDocument": document.to_string(),
            "instanceIdentityDocumentSignature": "unread",
            "totalResources": [
                number("CPU", 2048), number("MEMORY", 24105),
                set("PORTS", &["22", "2375", "2376", "51678", "51679"]), set("PORTS_UDP", &[]),
            ],
        });
        let made = region.ok(&key, "RegisterContainerInstance", ask).await;
        let arn = made["containerInstance"]["containerInstanceArn"].as_str().expect("an ARN");
        let ask = json!({"cluster": "default", "containerInstance": arn, "zoneId": ""});
        let told = region.ok(&key, "DiscoverPollEndpoint", ask).await;
        for (name, path) in [("endpoint", "acs"), ("telemetryEndpoint", "tcs")] {
            assert_eq!(told[name], json!(format!("http://{}/{path}/", region.address)));
        }
        Self { arn: arn.to_owned(), key, acs: None, connections: 0 }
    }

    pub(crate) fn query(&self, conversation: &str) -> String {
        let arn = self.arn.replace(':', "%3A").replace('/', "%2F");
        let versions = "agentHash=a8b3e7d3&agentVersion=1.105.1";
        match conversation {
            "acs" => format!(
                "{versions}&clusterArn=default&containerInstanceArn={arn}\
                 &dockerVersion=DockerVersion%3A%2020.10.24%2Bdfsg1&protocolVersion=2\
                 &sendCredentials=true&seqNum={}",
                self.connections
            ),
            _ => format!(
                "{versions}&cluster=default&containerInstance={arn}\
                 &dockerVersion=20.10.24%2Bdfsg1"
            ),
        }
    }

    /// Opens a session.
    pub(crate) async fn open(&self, region: &Region, which: &str) -> Result<Socket, Refused> {
        self.open_with(region, which, &self.query(which)).await
    }

    /// Opens a session with another query string. Only `host` and `x-amz-date` are signed.
    pub(crate) async fn open_with(
        &self,
        region: &Region,
        which: &str,
        query: &str,
    ) -> Result<Socket, Refused> {
        let path = format!("/{which}/ws");
        let headers = signed(&self.key, ("GET", &path, query), region.host(), &[]);
        let proof = headers["authorization"].to_str().expect("plain");
        assert!(proof.contains("SignedHeaders=host;x-amz-date,"), "{proof}");
        let mut request = Request::builder()
            .uri(format!("ws://{}{path}?{query}", region.address))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .header("user-agent", "Go-http-client/1.1")
            .body(())
            .expect("a request");
        request.headers_mut().extend(headers);
        let stream = TcpStream::connect(&region.address).await.expect("connects");
        let opening = tokio_tungstenite::client_async(request, stream);
        match timeout(PATIENCE, opening).await.expect("is answered") {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                let body = String::from_utf8(body).expect("text");
                Err(Refused { status: answer.status().as_u16(), body })
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens the session that assignments come by, in place of the one before.
    pub(crate) async fn connect(&mut self, region: &Region) {
        self.connections += 1;
        self.acs = None;
        self.acs = Some(self.open(region, "acs").await.expect("opens"));
    }

    fn socket(&mut self) -> &mut Socket {
        self.acs.as_mut().expect("a session")
    }

    /// Waits for a message of that kind; answers signs of life meanwhile, unless it waits for one.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        next(self.socket(), kind).await.expect("the session goes on")
    }

    pub(crate) async fn say(&mut self, kind: &str, message: &Value) {
        send(self.socket(), json!({"type": kind, "message": message}).to_string()).await;
    }

    pub(crate) async fn acknowledge(&mut self, message: &Value) {
        let ack = json!({
            "cluster": message["clusterArn"], "containerInstance": self.arn,
            "messageId": message["messageId"],
        });
        self.say("AckRequest", &ack).await;
    }

    /// Reports on a task; the reason is always there and empty.
    pub(crate) async fn submit(&self, region: &Region, task: &str, mut report: Value) {
        report["cluster"] = json!("default");
        report["task"] = json!(task);
        report["reason"] = json!("");
        let answer = region.ok(&self.key, "SubmitTaskStateChange", report).await;
        assert_eq!(answer["acknowledgment"], json!("OK"));
    }

    /// Drops the session without a word.
    pub(crate) fn hang_up(&mut self) {
        self.acs = None;
    }

    /// Waits until the other end closes the session.
    pub(crate) async fn is_hung_up_on(&mut self) {
        assert_eq!(next(self.socket(), "nothing more").await, None);
    }
}

pub(crate) async fn send(socket: &mut Socket, text: String) {
    socket.send(Message::text(text)).await.expect("is sent");
}

/// The next message of that kind; `None` if the session ends before it comes.
pub(crate) async fn next(socket: &mut Socket, kind: &str) -> Option<Value> {
    loop {
        let frame = timeout(PATIENCE, socket.next()).await;
        let text = match frame.unwrap_or_else(|_| panic!("no {kind} came")) {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => continue,
        };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        if frame["type"] == json!(kind) {
            return Some(frame["message"].clone());
        }
        if frame["type"] == json!("HeartbeatMessage") {
            let ack = json!({"messageId": frame["message"]["messageId"]});
            send(socket, json!({"type": "HeartbeatAckRequest", "message": ack}).to_string()).await;
        }
    }
}
