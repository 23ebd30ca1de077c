//! A whole control plane in this process, on a port of its own and a journal in memory.

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use api::region::{RegionPlan, first_start};
use gateway::{Clock, Door, Keys, LiveRegion, ReconcilerDesk, Trust, serve};
use http::{HeaderMap, HeaderName, HeaderValue};
use link::{Balancers, Hub};
use plan::credentials;
use reconcilers::{Policy, Queue};
use serde_json::Value;
use state::{AccessKey, Caller, Change, Dice, Purpose};
use store::journal::Journal as _;
use store::journal::memory::{MemoryJournal, MemoryRegion};
use store::{Core, SYNCS_AT_ONCE, Surroundings, Threads, Transaction, Writer};
use telemetry::history::RealFiles;
use telemetry::logs::LogStore;
use telemetry::metrics::MetricStore;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use types::{AccountId, ClusterName, Home, Region as RegionName, Timestamp, Zone};
use wire::Incoming;
use wire::sigv4::{Signing, sign};

pub(crate) struct Region {
    pub(crate) address: String,
    pub(crate) agent: AccessKey,
    pub(crate) root: AccessKey,
    close: watch::Sender<bool>,
    serving: JoinHandle<()>,
    threads: Threads,
    _folder: TempDir,
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_millis()).expect("before the end of time"))
}

fn home() -> Home {
    Home {
        region: RegionName::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    }
}

/// Founds the region: one zone, a key for people and one for agents.
fn found(core: &mut Core) -> AccessKey {
    let plan = RegionPlan {
        zones: vec![Zone::parse("us-east-1a").expect("valid")],
        vpc_base: 0xac1f_0000,
        vpc_prefix: 16,
    };
    core.advance(now());
    core.write(Caller::region(), 0, |draft, context| {
        first_start(draft, context, &plan).expect("starts");
        let cluster = ClusterName::parse("default").expect("valid");
        let key = credentials::long_lived(Purpose::Agent(cluster), context.now, context.dice);
        draft.change(Change::from(key.clone()));
        key
    })
}

impl Region {
    pub(crate) async fn start() -> Self {
        let mut journal = MemoryJournal::open(&MemoryRegion::new());
        let (mut core, epoch) = Core::open(home(), Dice::of(1), &mut journal).expect("opens");
        let agent = found(&mut core);
        let mut keys = core.state().access_keys().values();
        let root = keys.find(|it| it.purpose == Purpose::Root).expect("a key").as_ref().clone();
        let batches: Vec<_> = core.take().iter().map(Transaction::batch).collect();
        journal.commit(epoch, &batches).expect("commits");

        let keys = Arc::new(Keys::of(core.state()));
        let hearer: Arc<OnceLock<Arc<Hub>>> = Arc::default();
        let (heard_keys, heard_hub) = (keys.clone(), hearer.clone());
        let surroundings = Surroundings {
            now: Box::new(now),
            durable: Box::new(move |transactions: &[Transaction]| {
                for transaction in transactions {
                    heard_keys.hear(&transaction.changes);
                    if let Some(hub) = heard_hub.get() {
                        hub.changed(&transaction.changes);
                    }
                }
            }),
            syncs_at_once: SYNCS_AT_ONCE,
            fatal: Box::new(|error| panic!("{error}")),
        };
        let queue = Queue::new(reconcilers::registry(&Policy::default()), core.state(), now());
        let desk = Box::new(ReconcilerDesk(queue));
        let (writer, threads) = Writer::start(core, epoch, Box::new(journal), desk, surroundings);
        let clock: Clock = Arc::new(now);
        let folder = TempDir::new().expect("a folder");
        let files = RealFiles::open(folder.path().join("metrics")).expect("a folder");
        let metrics = Arc::new(MetricStore::open(Arc::new(files)).expect("opens"));
        let live = LiveRegion::new(home(), writer.clone(), metrics.clone(), clock.clone());
        let live = Arc::new(live);
        let balancers = Balancers::new(live.clone(), 1, []);
        let hub = Hub::new(live, [], None);
        drop(hearer.set(hub.clone()));

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let door = Arc::new(Door {
            home: home(),
            registry: api::registry(),
            writer,
            keys,
            trust: Trust::Signed,
            only_region: None,
            verifier: wire::sigv4::Verifier::default(),
            history: None,
            logs: Arc::new(LogStore::open(folder.path().join("logs")).expect("opens")),
            metrics,
            hub,
            balancers,
            clock,
            address: address.clone(),
        });
        let (close, closed) = watch::channel(false);
        let serving = tokio::spawn(serve(door, listener, closed));
        Self { address, agent, root, close, serving, threads, _folder: folder }
    }

    /// One call of the ECS API; the status and the body of the answer.
    pub(crate) async fn call(&self, key: &AccessKey, operation: &str, body: Value) -> (u16, Value) {
        let body = body.to_string();
        let mut headers = self.host();
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        let words = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
        for (name, value) in words {
            headers.insert(name, HeaderValue::from_str(value).expect("plain"));
        }
        let signed = signed(key, ("POST", "/", ""), headers, body.as_bytes());
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}\r\n", value.to_str().expect("plain"))
        };
        let lines: String = signed.iter().map(line).collect();
        let length = body.len();
        let text = format!(
            "POST / HTTP/1.1\r\nconnection: close\r\n{lines}content-length: {length}\r\n\r\n{body}"
        );
        let answer = self.raw(&text).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).expect("JSON"))
    }

    /// Sends exactly this; everything that comes back until the connection ends.
    pub(crate) async fn raw(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.expect("connects");
        stream.write_all(text.as_bytes()).await.expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("is answered");
        answer
    }

    /// A call that must succeed.
    pub(crate) async fn ok(&self, key: &AccessKey, operation: &str, body: Value) -> Value {
        let (status, answer) = self.call(key, operation, body).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    pub(crate) fn host(&self) -> HeaderMap {
        let host = HeaderValue::from_str(&self.address).expect("plain");
        HeaderMap::from_iter([(http::header::HOST, host)])
    }

    pub(crate) async fn stop(self) {
        self.close.send_replace(true);
        self.serving.abort();
        drop(self.serving.await);
        tokio::task::spawn_blocking(|| self.threads.end()).await.expect("ends");
    }
}

/// The headers with a signature over them, for method, path and query.
pub(crate) fn signed(
    key: &AccessKey,
    (method, path, query): (&str, &str, &str),
    mut headers: HeaderMap,
    body: &[u8],
) -> HeaderMap {
    let with = Signing {
        access_key_id: &key.id,
        secret: &key.secret,
        session_token: None,
        region: "us-east-1",
        service: "ecs",
        now: now(),
    };
    let added = sign(&Incoming { method, path, query, headers: &headers, body }, &with);
    headers.extend(added);
    headers
}
