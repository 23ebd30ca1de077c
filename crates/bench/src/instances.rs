//! Container instances that run nothing: they register, hold their session, acknowledge what they
//! are told, and say that every task runs.

use core::time::Duration;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Target};

/// Registrations at once.
const AT_ONCE: usize = 32;
const ZONES: [&str; 3] = ["a", "b", "c"];

/// Which instances.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Flags {
    #[arg(long)]
    cluster: String,
    #[arg(long, default_value_t = 100)]
    count: u32,
    /// CPU units of each.
    #[arg(long, default_value_t = 1_000_000)]
    cpu: u32,
    /// MiB of memory of each.
    #[arg(long, default_value_t = 1_000_000)]
    memory: u32,
    /// Say that tasks run. Without it they stay PENDING.
    #[arg(long)]
    report: bool,
}

/// Counts what happened, for the result.
#[derive(Default)]
struct Counts {
    sessions: AtomicU64,
    payloads: AtomicU64,
    tasks: AtomicU64,
    lost: AtomicU64,
}

pub(crate) async fn run(target: Target, flags: Flags) -> anyhow::Result<Value> {
    let counts = Arc::new(Counts::default());
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    let (close, closed) = watch::channel(false);
    let instances: Vec<_> = (0..flags.count)
        .map(|number| {
            let one = Instance {
                target: target.clone(),
                flags: flags.clone(),
                number,
                counts: counts.clone(),
                closed: closed.clone(),
            };
            tokio::spawn(one.live(seats.clone()))
        })
        .collect();
    while counts.sessions.load(Ordering::Relaxed) < u64::from(flags.count) {
        if let Some(ended) = instances.iter().find(|it| it.is_finished()) {
            let number = instances.iter().position(|it| core::ptr::eq(it, ended));
            bail!("instance {number:?} ended before all had their session");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The one who started us waits for this line.
    writeln!(std::io::stdout(), "ready")?;
    std::io::stdout().flush()?;
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    close.send_replace(true);
    for instance in instances {
        if let Err(error) = instance.await? {
            eprintln!("load: {error:#}");
            counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
    let said = |it: &AtomicU64| it.load(Ordering::Relaxed);
    Ok(json!({
        "sessions": said(&counts.sessions),
        "payloads": said(&counts.payloads),
        "tasks": said(&counts.tasks),
        "lost": said(&counts.lost),
    }))
}

/// One instance.
struct Instance {
    target: Target,
    flags: Flags,
    number: u32,
    counts: Arc<Counts>,
    closed: watch::Receiver<bool>,
}

impl Instance {
    async fn live(mut self, seats: Arc<Semaphore>) -> anyhow::Result<()> {
        let seat = seats.acquire().await?;
        let mut client = Client::new(self.target.clone());
        let arn = self.register(&mut client).await.context("cannot register")?;
        let mut socket = self.connect(&arn).await.context("cannot open a session")?;
        let mut said = Vec::new();
        // The first words come when the region counts the instance as connected.
        match socket.next().await {
            Some(Ok(Message::Text(text))) => said.push(text),
            other => bail!("the session began with {other:?}"),
        }
        self.counts.sessions.fetch_add(1, Ordering::Relaxed);
        drop(seat);
        loop {
            for text in said.drain(..) {
                self.answer(&mut socket, &mut client, &text).await?;
            }
            tokio::select! {
                frame = socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => said.push(text),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                    None => bail!("the region has closed the session"),
                },
                _ = self.closed.wait_for(|it| *it) => return Ok(()),
            }
        }
    }

    async fn register(&self, client: &mut Client) -> anyhow::Result<String> {
        let zone = ZONES.get(self.number as usize % ZONES.len()).unwrap_or(&"a");
        let document = json!({
            "instanceId": format!("i-{:017x}", u64::from(self.number) + 0x1000),
            "availabilityZone": format!("us-east-1{zone}"),
            "instanceType": "load.large",
        });
        let ports = json!(["22"]);
        let ask = json!({
            "cluster": self.flags.cluster,
            "instanceIdentityDocument": document.to_string(),
            "versionInfo": {"agentVersion": "1.105.1"},
            "totalResources": [
                {"name": "CPU", "type": "INTEGER", "integerValue": self.flags.cpu},
                {"name": "MEMORY", "type": "INTEGER", "integerValue": self.flags.memory},
                {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ports},
                {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
            ],
        });
        let answer = client.ask("RegisterContainerInstance", &ask.to_string()).await?.json()?;
        let arn = answer.pointer("/containerInstance/containerInstanceArn");
        Ok(arn.and_then(Value::as_str).context("no ARN")?.to_owned())
    }

    async fn connect(&self, arn: &str) -> anyhow::Result<WebSocketStream<TcpStream>> {
        let encoded = arn.replace(':', "%3A").replace('/', "%2F");
        let query = format!("containerInstanceArn={encoded}&sendCredentials=true&seqNum=1");
        let headers = self.target.signed("GET", "/acs/ws", &query, None, b"")?;
        let uri = format!("ws://{}/acs/ws?{query}", self.target.address);
        let mut request = Request::get(uri)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "bG9hZCBsb2FkIGxvYWQgbA==");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let stream = TcpStream::connect(&*self.target.address).await?;
        let (socket, _) = tokio_tungstenite::client_async(request.body(())?, stream).await?;
        Ok(socket)
    }

    /// Acknowledges a message; says that told tasks run, if asked for.
    async fn answer(
        &self,
        socket: &mut WebSocketStream<TcpStream>,
        client: &mut Client,
        text: &str,
    ) -> anyhow::Result<()> {
        let frame: Value = serde_json::from_str(text)?;
        let kind = frame.get("type").and_then(Value::as_str).unwrap_or_default();
        let message = frame.get("message").cloned().unwrap_or_default();
        let id = message.get("messageId").cloned().unwrap_or_default();
        let reply = match kind {
            "PayloadMessage" => {
                self.counts.payloads.fetch_add(1, Ordering::Relaxed);
                "AckRequest"
            }
            "HeartbeatMessage" => "HeartbeatAckRequest",
            _ => return Ok(()),
        };
        let frame = json!({"type": reply, "message": {"messageId": id}});
        socket.send(Message::text(frame.to_string())).await?;
        let tasks = message.get("tasks").and_then(Value::as_array).into_iter().flatten();
        for task in tasks.filter_map(|it| it.get("arn").and_then(Value::as_str)) {
            self.counts.tasks.fetch_add(1, Ordering::Relaxed);
            if self.flags.report {
                let ask = json!({"cluster": self.flags.cluster, "task": task, "status": "RUNNING"});
                client.ask("SubmitTaskStateChange", &ask.to_string()).await?.json()?;
            }
        }
        Ok(())
    }
}
