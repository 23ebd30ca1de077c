//! Sessions against a region whose table the test sets, on made-up time.

use std::net::Ipv4Addr;
use std::sync::Mutex;

use futures_util::{SinkExt as _, StreamExt as _};
use state::{LoadBalancerKind, TargetHealth};
use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;

/// What the region was told, in order.
#[derive(Debug, Clone, PartialEq)]
enum Note {
    Called(String),
    Gone(String, Silence),
    Report(String, Report),
}

#[derive(Default)]
struct Script {
    table: Mutex<RoutingTable>,
    notes: Mutex<Vec<Note>>,
    /// While somebody holds it, no call becomes durable.
    slow: tokio::sync::Mutex<()>,
    /// So many notes are not taken in.
    refusals: AtomicU64,
}

impl Script {
    fn note(&self, note: Note) -> Taken {
        let less = |it: u64| it.checked_sub(1);
        if self.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Taken::NotNow;
        }
        lock(&self.notes).push(note);
        Taken::Durably
    }
}

impl BalancerRegion for Script {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn table(&self) -> Later<'_, Option<RoutingTable>> {
        Box::pin(async { Some(lock(&self.table).clone()) })
    }

    fn called(&self, name: String) -> Later<'_, Taken> {
        Box::pin(async {
            let _durable = self.slow.lock().await;
            self.note(Note::Called(name))
        })
    }

    fn gone(&self, name: String, how: Silence) -> Later<'_, Taken> {
        Box::pin(async move { self.note(Note::Gone(name, how)) })
    }

    fn report(&self, name: String, report: Arc<Report>) -> Later<'_, Taken> {
        Box::pin(async move { self.note(Note::Report(name, report.as_ref().clone())) })
    }

    fn counted(&self, _: String, _: Vec<Series>) -> Later<'_, ()> {
        Box::pin(async {})
    }
}

struct Bench {
    script: Arc<Script>,
    balancers: Arc<Balancers>,
}

type Socket = WebSocketStream<DuplexStream>;

impl Bench {
    fn new(connected: &[&str]) -> Self {
        let script = Arc::new(Script::default());
        let names: Vec<String> = connected.iter().map(|it| (*it).to_owned()).collect();
        let balancers = Balancers::new(script.clone(), 7, names);
        tokio::spawn(balancers.clone().work());
        Self { script, balancers }
    }

    async fn call(&self, name: &str) -> (Socket, tokio::task::JoinHandle<()>) {
        let (near, far) = duplex(64 * 1024);
        let (balancers, name) = (self.balancers.clone(), name.to_owned());
        let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        let serving = tokio::spawn(async move { balancers.serve(far, name).await });
        (WebSocketStream::from_raw_socket(near, Role::Client, None).await, serving)
    }

    fn set_table(&self, load_balancer: &str) {
        lock(&self.script.table).load_balancers = vec![plan::routing::LoadBalancer {
            arn: load_balancer.into(),
            kind: LoadBalancerKind::Application,
            nodes: Vec::new(),
            attributes: BTreeMap::new(),
            listeners: Vec::new(),
        }];
        self.balancers.changed(&[Change::LoadBalancer(load_balancer.into(), None)]);
    }

    fn notes(&self) -> Vec<Note> {
        lock(&self.script.notes).clone()
    }
}

async fn hear(socket: &mut Socket) -> ToBalancer {
    loop {
        if let Message::Binary(bytes) = socket.next().await.expect("open").expect("a frame") {
            return minicbor::decode(&bytes).expect("a message");
        }
    }
}

async fn hear_table(socket: &mut Socket) -> RoutingTable {
    match hear(socket).await {
        ToBalancer::Told(table) => table,
        other @ ToBalancer::Reserve { .. } => panic!("{other:?}"),
    }
}

async fn say(socket: &mut Socket, message: &FromBalancer) {
    let bytes = minicbor::to_vec(message).expect("encodes");
    socket.send(Message::binary(bytes)).await.expect("open");
}

#[tokio::test(start_paused = true)]
async fn a_table_is_told_every_second_and_has_a_new_generation_only_when_it_says_something_new() {
    let bench = Bench::new(&[]);
    let (mut socket, _serving) = bench.call("b").await;
    let first = hear_table(&mut socket).await;
    assert_eq!(first.generation, Generation { epoch: 7, version: 1 });
    for _ in 0..3 {
        assert_eq!(hear_table(&mut socket).await, first);
    }
    // Said to have changed, but nothing has.
    bench.balancers.changed(&[Change::LoadBalancer("x".into(), None)]);
    assert_eq!(hear_table(&mut socket).await, first);
    bench.set_table("lb");
    let mut second = hear_table(&mut socket).await;
    while second.generation == first.generation {
        second = hear_table(&mut socket).await;
    }
    assert_eq!(second.generation, Generation { epoch: 7, version: 2 });
    assert_eq!(second.load_balancers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_changes_at_once_are_one_table() {
    let bench = Bench::new(&[]);
    let (mut socket, _serving) = bench.call("b").await;
    let first = hear_table(&mut socket).await.generation.version;
    for number in 0..1_000 {
        bench.set_table(&format!("lb{number}"));
    }
    let mut last = hear_table(&mut socket).await;
    while last.load_balancers.is_empty() {
        last = hear_table(&mut socket).await;
    }
    assert_eq!(last.generation.version, first + 1);
    assert_eq!(last.load_balancers[0].arn, "lb999");
}

#[tokio::test(start_paused = true)]
async fn a_report_is_taken_in_once_however_often_it_is_repeated() {
    let bench = Bench::new(&[]);
    let (mut socket, serving) = bench.call("b").await;
    let report = Report {
        targets: vec![plan::routing::session::TargetReport {
            group: "g".into(),
            id: "i".into(),
            port: 80,
            registered_at: Timestamp(1),
            health: TargetHealth::Healthy,
            is_busy: true,
            anomaly: None,
        }],
        ..Report::default()
    };
    for _ in 0..3 {
        say(&mut socket, &FromBalancer::Report(report.clone())).await;
        // What is said every second tells that what came before has been heard.
        hear_table(&mut socket).await;
        hear_table(&mut socket).await;
    }
    drop(socket);
    serving.await.expect("ends");
    let b = || "b".to_owned();
    let expected = [Note::Called(b()), Note::Report(b(), report), Note::Gone(b(), Silence::HungUp)];
    assert_eq!(bench.notes(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_an_overloaded_region_does_not_take_in_it_is_told_again() {
    let bench = Bench::new(&[]);
    bench.script.refusals.store(2, Ordering::Relaxed);
    let (mut socket, serving) = bench.call("b").await;
    hear_table(&mut socket).await;
    bench.script.refusals.store(1, Ordering::Relaxed);
    for _ in 0..2 {
        say(&mut socket, &FromBalancer::Report(Report::default())).await;
        hear_table(&mut socket).await;
        hear_table(&mut socket).await;
    }
    bench.script.refusals.store(3, Ordering::Relaxed);
    drop(socket);
    serving.await.expect("ends");
    let b = || "b".to_owned();
    let report = Note::Report(b(), Report::default());
    assert_eq!(bench.notes(), [Note::Called(b()), report, Note::Gone(b(), Silence::HungUp)]);
}

#[tokio::test(start_paused = true)]
async fn a_second_balancer_of_the_same_name_takes_the_place_of_the_first() {
    let bench = Bench::new(&[]);
    let (mut first, serving) = bench.call("b").await;
    hear_table(&mut first).await;
    let (mut second, _second) = bench.call("b").await;
    serving.await.expect("the first one's conversation ends");
    hear_table(&mut second).await;
    let called = Note::Called("b".into());
    assert_eq!(bench.notes(), [called.clone(), called], "nobody was gone in between");
}

#[tokio::test(start_paused = true)]
async fn a_balancer_that_leaves_while_its_successor_is_being_noted_is_not_gone() {
    let bench = Bench::new(&[]);
    let (mut first, leaving) = bench.call("b").await;
    hear_table(&mut first).await;
    let durable = bench.script.slow.lock().await;
    let (mut second, _second) = bench.call("b").await;
    tokio::task::yield_now().await;
    drop(first);
    leaving.await.expect("its conversation ends");
    drop(durable);
    hear_table(&mut second).await;
    let called = Note::Called("b".into());
    assert_eq!(bench.notes(), [called.clone(), called]);
}

#[tokio::test(start_paused = true)]
async fn a_balancer_that_never_calls_or_falls_silent_is_gone() {
    let bench = Bench::new(&["old"]);
    let (_socket, serving) = bench.call("mute").await;
    serving.await.expect("given up");
    let gone = |name: &str, how| Note::Gone(name.into(), how);
    tokio::time::sleep(SILENCE).await;
    let mut notes = bench.notes();
    notes.retain(|it| matches!(it, Note::Gone(..)));
    notes.sort_by_key(|it| format!("{it:?}"));
    assert_eq!(notes, [gone("mute", Silence::HungUp), gone("old", Silence::NeverCalled)]);
}

#[tokio::test(start_paused = true)]
async fn one_balancer_that_cannot_open_a_port_is_enough_to_refuse_it() {
    let bench = Bench::new(&[]);
    let (mut able, _able) = bench.call("able").await;
    let (mut unable, _unable) = bench.call("unable").await;
    hear_table(&mut able).await;
    hear_table(&mut unable).await;
    let balancers = bench.balancers.clone();
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    let asking =
        tokio::spawn(async move { balancers.reserve(&[address], 80, &[Protocol::Tcp]).await });
    for (socket, refused) in [(&mut able, None), (&mut unable, Some("in use".to_owned()))] {
        loop {
            if let ToBalancer::Reserve { question, port: 80, .. } = hear(socket).await {
                say(socket, &FromBalancer::Reserved { question, refused }).await;
                break;
            }
        }
    }
    let refused = asking.await.expect("answers").expect_err("refused");
    assert_eq!(refused.to_string(), "balancer unable: in use");
}

#[tokio::test(start_paused = true)]
async fn balancers_that_do_not_answer_do_not_object() {
    let bench = Bench::new(&[]);
    let (mut socket, _serving) = bench.call("b").await;
    hear_table(&mut socket).await;
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    assert_eq!(bench.balancers.reserve(&[address], 80, &[Protocol::Tcp]).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_is_durable_is_served_once_every_balancer_says_so() {
    let bench = Bench::new(&[]);
    let (mut socket, _serving) = bench.call("b").await;
    hear_table(&mut socket).await;
    bench.set_table("lb");
    let began = Instant::now();
    let balancers = bench.balancers.clone();
    let waiting = tokio::spawn(async move { balancers.served().await });
    let mut table = hear_table(&mut socket).await;
    while table.load_balancers.is_empty() {
        table = hear_table(&mut socket).await;
    }
    assert!(!waiting.is_finished(), "it has been told, and has not said anything yet");
    let report = Report { applied: table.generation, ..Report::default() };
    say(&mut socket, &FromBalancer::Report(report)).await;
    waiting.await.expect("returns");
    assert!(began.elapsed() < SERVE_WITHIN, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_balancer_that_says_nothing_is_not_waited_for_and_neither_is_none() {
    let bench = Bench::new(&[]);
    let began = Instant::now();
    bench.balancers.served().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    let (mut socket, _serving) = bench.call("b").await;
    hear_table(&mut socket).await;
    bench.balancers.served().await;
    assert!(began.elapsed() >= SERVE_WITHIN);
}
