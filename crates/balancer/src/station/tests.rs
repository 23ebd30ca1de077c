//! What a balancer says of targets that drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use plan::routing::{Group, Target};
use state::{Draining, HealthCheck, IpAddressType, ProtocolVersion, TargetProtocol, TargetType};
use types::Timestamp;

use super::*;

/// A station that serves one group, whose only target drains and is asked for nothing.
async fn station(folder: PathBuf) -> Station {
    let call = Call {
        authority: "127.0.0.1:1".into(),
        name: "one".into(),
        signer: Arc::new(|_, _, _| HeaderMap::new()),
    };
    let config = StationConfig {
        call,
        buckets: folder.join("buckets"),
        folder,
        threads: 1,
        addresses: Vec::new(),
        nodes: Nodes::Elsewhere,
        clock: Arc::new(|| Timestamp(0)),
    };
    let mut station = Station::start(config).expect("starts").1;
    let generation = Generation { epoch: 1, version: 1 };
    station
        .take(RoutingTable { generation, groups: vec![group()], ..RoutingTable::default() })
        .await;
    station
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
