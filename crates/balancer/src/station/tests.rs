//! When clients are taken in, and what a balancer says of targets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use plan::routing::{Group, Listener, LoadBalancer, PortRule, Target};
use state::{
    Action, Draining, HealthCheck, IpAddressType, ListenerProtocol, LoadBalancerKind,
    ProtocolVersion, TargetProtocol, TargetType,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use types::Timestamp;

use super::*;

fn config(folder: PathBuf) -> StationConfig {
    let call = Call {
        authority: "127.0.0.1:1".into(),
        name: "one".into(),
        signer: Arc::new(|_, _, _| HeaderMap::new()),
    };
    StationConfig {
        call,
        buckets: folder.join("buckets"),
        folder,
        threads: 1,
        addresses: Vec::new(),
        nodes: Nodes::Elsewhere,
        clock: Arc::new(|| Timestamp(0)),
        inheritance: Inheritance::none(),
    }
}

/// A station that serves one group, whose only target drains and is asked for nothing.
async fn station(folder: PathBuf) -> Station {
    let mut station = Station::start(config(folder)).expect("starts").1;
    station.take(told(1)).await;
    station
}

fn told(version: u64) -> RoutingTable {
    let generation = Generation { epoch: 1, version };
    RoutingTable { generation, groups: vec![group()], ..RoutingTable::default() }
}

fn group() -> Group {
    let target = Target {
        id: "127.0.0.1".into(),
        port: 1,
        address: Some(Ipv4Addr::LOCALHOST.into()),
        zone: None,
        registered_at: Timestamp(0),
        draining: Some(Draining { since: Timestamp(0), until: Timestamp(60_000) }),
    };
    Group {
        arn: "group".into(),
        target_type: TargetType::Ip,
        protocol: TargetProtocol::Http,
        version: Some(ProtocolVersion::Http1),
        ip_address_type: IpAddressType::Ipv4,
        health_check: HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Http,
            port: None,
            path: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: None,
        },
        attributes: BTreeMap::new(),
        targets: vec![target],
        checked_in: None,
    }
}

/// What it says next of whether its target is busy.
fn says_busy(station: &mut Station) -> bool {
    let (out, mut said) = mpsc::channel(1);
    station.say(&out);
    let Ok(FromBalancer::Report(report)) = said.try_recv() else { panic!("nothing is said") };
    report.targets.iter().any(|it| it.is_busy)
}

#[tokio::test]
async fn targets_that_drain_count_as_busy_while_those_whose_place_it_took_finish() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut station = station(folder.path().into()).await;
    let finish = Arc::new(AtomicBool::new(true));
    let finishing = Arc::clone(&finish);
    station.others_finish = Box::new(move || finishing.load(Ordering::Relaxed));
    assert!(says_busy(&mut station), "nobody else tells what those have under way");
    finish.store(false, Ordering::Relaxed);
    assert!(!says_busy(&mut station), "they have ended");
}

#[tokio::test]
async fn clients_are_taken_in_once_the_control_plane_has_told_its_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut station = station(folder.path().into()).await;
    let (out, _said) = mpsc::channel(1);
    station.hear(Heard::Opened, &out).await;
    assert!(!station.gate.is_open(), "what has left since is not known yet");
    station.hear(Heard::Said(ToBalancer::Told(told(2))), &out).await;
    assert!(station.gate.is_open());
}

#[tokio::test]
async fn without_a_control_plane_clients_are_taken_in_by_what_was_kept_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut station = station(folder.path().into()).await;
    let (out, _said) = mpsc::channel(1);
    // Those whose place it takes heard it after this one had looked.
    keep::write(folder.path(), &told(7)).expect("writes");
    station.hear(Heard::Unopened, &out).await;
    assert!(station.gate.is_open());
    assert_eq!(station.balancer.generation(), told(7).generation);
}

/// A listener that answers with 204, whoever asks for what.
fn fixed() -> LoadBalancer {
    let action = Action::Fixed { status: 204, content_type: None, body: String::new() };
    let rule = PortRule {
        arn: "rule".into(),
        priority: None,
        conditions: Vec::new(),
        action,
        transforms: Vec::new(),
    };
    let listener = Listener {
        arn: "listener".into(),
        protocol: ListenerProtocol::Http,
        port: 80,
        certificates: Vec::new(),
        ssl_policy: None,
        alpn_policy: None,
        attributes: BTreeMap::new(),
        rules: vec![rule],
    };
    LoadBalancer {
        arn: "load-balancer".into(),
        kind: LoadBalancerKind::Application,
        nodes: Vec::new(),
        attributes: BTreeMap::new(),
        listeners: vec![listener],
    }
}

/// The answer of whoever listens there, however long that takes.
async fn ask(at: SocketAddr) -> String {
    let mut client = loop {
        match TcpStream::connect(at).await {
            Ok(client) => break client,
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    };
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .expect("open");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("open");
    answer
}

#[tokio::test(start_paused = true)]
async fn clients_are_taken_in_though_the_control_plane_hangs() {
    let folder = tempfile::tempdir().expect("a folder");
    let hangs = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = IpAddr::from([127, high | 0x80, low, 250]);
    let mut config = config(folder.path().into());
    config.call.authority = hangs.local_addr().expect("bound").to_string();
    config.addresses = vec![address];
    let table = RoutingTable { load_balancers: vec![fixed()], ..told(1) };
    keep::write(folder.path(), &table).expect("writes");
    let (tell, stop) = watch::channel(false);
    let client = async {
        let answer = ask(SocketAddr::new(address, 80)).await;
        tell.send_replace(true);
        answer
    };
    let (ran, answer) = tokio::join!(run(config, || Box::new(|| false), stop), client);
    ran.expect("runs");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

#[tokio::test]
async fn how_targets_were_is_known_to_the_next_balancer_until_it_has_looked_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = TargetKey { group: "group".into(), id: "127.0.0.1".into(), port: 1 };
    let target = TargetReport::new("group", &group().targets[0], TargetHealth::Healthy, 0);
    let report = Report { targets: vec![target], ..Report::default() };
    remembered::keep(folder.path(), &report).expect("writes");
    let mut station = station(folder.path().into()).await;
    assert_eq!(station.health(&key), TargetHealth::Healthy);
    assert_eq!(station.remembered.or(&key, TargetHealth::Failed), TargetHealth::Failed);
    // Those of a listener of a Classic Load Balancer are checked in its group of all.
    let listener = Group {
        arn: "group/80".into(),
        checked_in: Some("group".into()),
        targets: vec![Target { port: 80, ..group().targets[0].clone() }],
        ..group()
    };
    let mut table = told(2);
    table.groups.push(listener);
    station.take(table).await;
    let checked = TargetKey { group: "group/80".into(), id: "127.0.0.1".into(), port: 80 };
    assert_eq!(station.health(&checked), TargetHealth::Healthy);
    let mut table = told(3);
    table.groups[0].targets[0].registered_at = Timestamp(1);
    station.take(table).await;
    assert_eq!(station.health(&key), TargetHealth::Initial, "it was registered anew");
}
