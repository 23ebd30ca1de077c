//! The hub against a region whose answers come when the test says so.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::protocol::Role;
use types::{AccountId, Region as RegionName};

use super::*;

fn instance() -> InstanceId {
    InstanceId::new(9)
}

/// What the hub wants from the region; it waits until this is answered or dropped.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Connected,
    Lost,
    Told,
}

struct Waiting {
    call: Call,
    done: oneshot::Sender<()>,
}

/// A region with a clock that stands, which knows no instance.
struct Script {
    home: Home,
    now: AtomicI64,
    calls: mpsc::UnboundedSender<Waiting>,
}

impl Script {
    async fn call(&self, call: Call) {
        let (done, wait) = oneshot::channel();
        drop(self.calls.send(Waiting { call, done }));
        drop(wait.await);
    }
}

impl Region for Script {
    fn home(&self) -> &Home {
        &self.home
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    fn random(&self) -> u128 {
        7
    }

    fn told(&self, _: InstanceId) -> Later<'_, Option<Told>> {
        Box::pin(async {
            self.call(Call::Told).await;
            None
        })
    }

    fn connected(&self, _: InstanceId) -> Later<'_, ()> {
        Box::pin(self.call(Call::Connected))
    }

    fn lost(&self, _: InstanceId) -> Later<'_, ()> {
        Box::pin(self.call(Call::Lost))
    }

    fn health(&self, _: InstanceId, _: TaskId, _: Vec<(String, state::Health)>) -> Later<'_, ()> {
        Box::pin(async {})
    }

    fn used(&self, _: InstanceId, _: Vec<TaskUse>) -> Later<'_, ()> {
        Box::pin(async {})
    }
}

struct Bench {
    hub: Arc<Hub>,
    script: Arc<Script>,
    calls: mpsc::UnboundedReceiver<Waiting>,
}

impl Bench {
    /// A hub that believes these instances connected and looks for the silent.
    fn new(connected: &[InstanceId]) -> Self {
        let (send, calls) = mpsc::unbounded_channel();
        let home = Home {
            region: RegionName::parse("us-east-1").expect("a region"),
            account: AccountId::parse("123456789012").expect("an account"),
        };
        let script = Arc::new(Script { home, now: AtomicI64::new(0), calls: send });
        let hub = Hub::new(script.clone(), connected.iter().copied(), None);
        tokio::spawn(hub.clone().watch());
        Self { hub, script, calls }
    }

    fn clock_shows(&self, milliseconds: i64) {
        self.script.now.store(milliseconds, Ordering::Relaxed);
    }

    /// An agent calls; its end of the line, and the hub's conversation.
    async fn agent_calls(&self) -> (DuplexStream, tokio::task::JoinHandle<()>) {
        let (agent, region) = duplex(1024);
        let hub = self.hub.clone();
        let socket = WebSocketStream::from_raw_socket(region, Role::Server, None).await;
        (agent, tokio::spawn(async move { hub.serve(socket, instance()).await }))
    }

    async fn expects(&mut self, call: Call) -> Waiting {
        // Of the paused clock: over as soon as nothing else happens.
        let found = tokio::time::timeout(Duration::from_mins(10), self.calls.recv()).await;
        let found = found.expect("the hub calls").expect("the hub is there");
        assert_eq!(found.call, call);
        found
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_instance_is_told_as_lost_once() {
    let mut bench = Bench::new(&[instance()]);
    bench.clock_shows(15_000);
    let lost = bench.expects(Call::Lost).await;
    drop(lost.done);
    bench.clock_shows(60_000);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert!(bench.calls.try_recv().is_err(), "nothing more is said");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_calls_while_it_is_marked_as_lost_does_not_stay_lost() {
    let mut bench = Bench::new(&[instance()]);
    bench.clock_shows(15_000);
    let lost = bench.expects(Call::Lost).await;
    let (_agent, _conversation) = bench.agent_calls().await;
    let connected = bench.expects(Call::Connected).await;
    drop(connected.done);
    // The conversation goes on; what marks the instance as lost comes after what said it is there.
    let told = bench.expects(Call::Told).await;
    drop(lost.done);
    let back = bench.expects(Call::Connected).await;
    drop((told.done, back.done));
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_call_is_being_noted_is_not_taken_for_lost() {
    let mut bench = Bench::new(&[instance()]);
    bench.clock_shows(14_000);
    let (_agent, _conversation) = bench.agent_calls().await;
    let connected = bench.expects(Call::Connected).await;
    bench.clock_shows(20_000);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(bench.calls.try_recv().is_err(), "six seconds of silence are not enough");
    drop(connected.done);
    let told = bench.expects(Call::Told).await;
    drop(told.done);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_ends_when_its_instance_is_gone() {
    let mut bench = Bench::new(&[]);
    let (_agent, conversation) = bench.agent_calls().await;
    drop(bench.expects(Call::Connected).await.done);
    drop(bench.expects(Call::Told).await.done);
    conversation.await.expect("it ends");
    assert!(lock(&bench.hub.sessions).is_empty());
}
