//! What is told of targets that do worse than the others of their group.

use std::collections::BTreeMap;

use state::{Balancer, Change, Seen, TargetProtocol};
use types::Timestamp;

use super::*;
use crate::fixture::{Fixture, region, target_group};

const GROUP: &str =
    "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/g/0123456789abcdef";

/// A region with a group of one target, of which these balancers find this; the name of one that is
/// gone begins with `-`.
fn with(protocol: TargetProtocol, found: &[(&str, Option<Anomaly>)]) -> Fixture {
    let group = target_group(GROUP, protocol);
    let seen =
        |anomaly| Seen { health: TargetHealth::Healthy, since: Timestamp(0), busy: true, anomaly };
    let target = Target {
        key: TargetKey { group: GROUP.into(), id: "172.31.0.9".into(), port: 80 },
        address: None,
        zone: None,
        registered_at: Timestamp(0),
        draining: None,
        seen: found.iter().map(|(name, anomaly)| ((*name).into(), seen(*anomaly))).collect(),
        service: None,
    };
    let mut region = region();
    region.step(|draft, _| {
        draft.change(Change::from(group));
        draft.change(Change::from(target));
        for (name, _) in found {
            draft.change(Change::from(Balancer {
                name: (*name).into(),
                created_at: Timestamp(0),
                connected: !name.starts_with('-'),
                connected_at: Timestamp(0),
                addresses: Vec::new(),
                refused: BTreeMap::new(),
            }));
        }
    });
    region
}

/// What is told where that is asked for: result, and whether mitigation is in effect.
fn told(region: &Fixture, include: Option<&str>) -> Option<(String, String)> {
    let ask = shape::DescribeTargetHealthInput {
        target_group_arn: Some(GROUP.into()),
        include: include.map(|it| vec![it.into()]),
        ..Default::default()
    };
    let answer = region.read(describe_target_health, ask).expect("is there");
    let one = answer.target_health_descriptions?.into_iter().next()?;
    let it = one.anomaly_detection?;
    Some((it.result?.as_str().to_owned(), it.mitigation_in_effect?.as_str().to_owned()))
}

#[track_caller]
fn check(found: &[(&str, Option<Anomaly>)], result: &str, mitigation: &str) {
    let region = with(TargetProtocol::Http, found);
    let expected = Some((result.to_owned(), mitigation.to_owned()));
    assert_eq!(told(&region, Some("AnomalyDetection")), expected);
    assert_eq!(told(&region, Some("All")), expected);
}

#[test]
fn a_target_is_anomalous_if_any_balancer_that_is_there_finds_it_so() {
    check(&[("a", None)], "normal", "no");
    check(&[("a", None), ("b", Some(Anomaly::Detected))], "anomalous", "no");
    check(&[("a", None), ("b", Some(Anomaly::Mitigated))], "anomalous", "yes");
    check(&[("a", Some(Anomaly::Recovering))], "normal", "yes");
    check(&[("-gone", Some(Anomaly::Mitigated)), ("a", None)], "normal", "no");
}

#[test]
fn nothing_is_told_where_it_is_not_asked_for_or_nothing_is_compared() {
    let found = [("a", Some(Anomaly::Detected))];
    assert_eq!(told(&with(TargetProtocol::Http, &found), None), None);
    assert_eq!(told(&with(TargetProtocol::Tcp, &found), Some("All")), None);
}
