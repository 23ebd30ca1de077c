//! Windows of what the targets of a group have answered.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr};

use plan::routing::RoutingTable;
use state::{HealthCheck, IpAddressType, ProtocolVersion, TargetProtocol, TargetType};
use types::Timestamp;

use super::*;

/// A group of HTTP with three healthy targets, and these attributes.
fn group(attributes: &[(&str, &str)]) -> Arc<Group> {
    let target = |port| plan::routing::Target {
        id: "127.0.0.1".into(),
        port,
        address: Some(IpAddr::from(Ipv4Addr::LOCALHOST)),
        zone: None,
        registered_at: Timestamp(0),
        draining: None,
    };
    let told = plan::routing::Group {
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
        attributes: attributes.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        targets: (1..=3).map(target).collect(),
        checked_in: None,
    };
    let table = RoutingTable { groups: vec![told], ..RoutingTable::default() };
    let compiled = Compiled::new(table, None);
    let nothing = (&Compiled::default(), [].as_slice());
    let groups = Targets::default().settle(&compiled, nothing, Instant::now());
    let group = groups.into_iter().next().expect("one");
    (0..3).for_each(|number| group.set_health(number, true));
    group
}

/// So many requests to each target, of which so many fail; then the window is over.
fn play(group: &Group, requests: usize, failed: [usize; 3]) -> bool {
    for (target, failed) in group.targets.iter().zip(failed) {
        (0..requests).for_each(|_| target.entered());
        (0..failed).for_each(|_| target.failed());
        (0..requests).for_each(|_| target.left());
    }
    group.end_window()
}

fn shares(group: &Group) -> [u32; 3] {
    [0, 1, 2].map(|it| group.share(it))
}

const MITIGATED: [(&str, &str); 2] = [
    ("load_balancing.algorithm.type", "weighted_random"),
    ("load_balancing.algorithm.anomaly_mitigation", "on"),
];

#[test]
fn a_target_that_fails_more_than_the_others_gets_less_until_it_is_well() {
    let group = group(&MITIGATED);
    let changes = group.health_changes();
    assert!(!play(&group, 100, [0, 0, 0]), "nothing to tell");
    assert_eq!(group.health_changes(), changes, "nobody has to look again");
    assert!(play(&group, 100, [0, 50, 0]));
    assert_eq!(shares(&group), [SHARE_FULL, SHARE_FULL / 2, SHARE_FULL]);
    assert_eq!(group.targets[1].anomaly(), Some(Anomaly::Mitigated));
    assert!(group.health_changes() > changes, "threads look again");
    assert!(play(&group, 100, [0, 0, 0]));
    assert_eq!(shares(&group), [SHARE_FULL; 3]);
    assert_eq!(group.targets[1].anomaly(), None);
}

#[test]
fn where_it_is_not_asked_for_it_is_only_told_of() {
    let group = group(&[]);
    assert!(play(&group, 100, [0, 50, 0]));
    assert_eq!(group.targets[1].anomaly(), Some(Anomaly::Detected));
    assert_eq!(shares(&group), [SHARE_FULL; 3]);
}

#[test]
fn each_window_counts_for_itself_and_what_is_under_way_stays_counted() {
    let group = group(&MITIGATED);
    play(&group, 100, [0, 50, 0]);
    let target = &group.targets[0];
    target.entered();
    assert_eq!(target.in_flight(), 1);
    // What failed before the window is not held against the target again.
    play(&group, 100, [0, 0, 0]);
    assert_eq!(group.targets[1].anomaly(), None);
    target.left();
    assert_eq!(target.in_flight(), 0);
}
