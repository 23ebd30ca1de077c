//! How many targets of each group are healthy, for each load balancer that names it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use state::{Anomaly, TargetHealth, TargetKey};
use types::Zone;

use crate::counters::Subject;
use crate::metrics::{Anomalies, Hosts, classic_name};
use crate::snapshot::Snapshot;
use crate::targets::{Group, Target};

/// What is known of a target by its checks.
type Health<'a> = dyn Fn(&TargetKey) -> TargetHealth + 'a;

/// Those of all subjects.
pub(crate) fn hosts<'a>(
    snapshot: &Snapshot,
    subjects: impl Iterator<Item = &'a Subject>,
    health: &Health<'_>,
) -> Vec<Hosts> {
    let groups: BTreeMap<&str, _> =
        snapshot.groups.iter().map(|it| (it.ready.told.arn.as_str(), it)).collect();
    let mut all: Vec<Hosts> = Vec::new();
    for subject in subjects {
        let group = subject.group.as_deref().and_then(|it| groups.get(it));
        let Some(group) = group else { continue };
        if classic_name(&subject.load_balancer).is_none() {
            let anomalies = group.ready.told.version.map(|_| anomalies(group));
            let targets = group.targets.iter();
            all.push(Hosts { anomalies, ..count(subject, None, targets, health) });
        } else if all.last().is_none_or(|it| it.subject.load_balancer != subject.load_balancer) {
            // All its listeners have the same instances.
            all.extend(of_classic(snapshot, subject, group, health));
        }
    }
    all
}

/// Of a Classic Load Balancer: those of each zone; of all of them together where it crosses zones,
/// else of each zone once more.
fn of_classic(
    snapshot: &Snapshot,
    subject: &Subject,
    group: &Group,
    health: &Health<'_>,
) -> Vec<Hosts> {
    let mut balancers = snapshot.compiled.load_balancers.iter();
    let balanced = balancers.find(|it| it.told.arn == subject.load_balancer);
    let crosses = balanced.is_some_and(|it| it.attributes.cross_zone);
    let told = &group.ready.told.targets;
    let zones: BTreeSet<&Zone> = told.iter().filter_map(|it| it.zone.as_ref()).collect();
    let within = |zone: &Zone, called: Option<Zone>| {
        let here = told.iter().zip(&group.targets).filter(|it| it.0.zone.as_ref() == Some(zone));
        count(subject, called, here.map(|it| it.1), health)
    };
    let mut all: Vec<Hosts> = zones.iter().map(|it| within(it, Some((*it).clone()))).collect();
    if crosses {
        all.push(count(subject, None, group.targets.iter(), health));
    } else {
        all.extend(zones.iter().map(|it| within(it, None)));
    }
    all
}

fn count<'a>(
    subject: &Subject,
    zone: Option<Zone>,
    targets: impl Iterator<Item = &'a Arc<Target>>,
    health: &Health<'_>,
) -> Hosts {
    let (mut healthy, mut unhealthy) = (0, 0);
    for target in targets {
        match health(&target.key) {
            TargetHealth::Healthy => healthy += 1,
            TargetHealth::WrongCode(_) | TargetHealth::Timeout | TargetHealth::Failed => {
                unhealthy += 1;
            }
            TargetHealth::Initial => {}
        }
    }
    Hosts { subject: subject.clone(), zone, healthy, unhealthy, anomalies: None }
}

fn anomalies(group: &Group) -> Anomalies {
    let mut anomalies = Anomalies::default();
    for anomaly in group.targets.iter().filter_map(|it| it.anomaly()) {
        anomalies.anomalous += u32::from(anomaly != Anomaly::Recovering);
        anomalies.mitigated += u32::from(anomaly != Anomaly::Detected);
    }
    anomalies
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::collections::BTreeMap;

    use plan::routing::{self, LoadBalancer, RoutingTable};
    use state::{HealthCheck, IpAddressType, LoadBalancerKind, TargetProtocol, TargetType};
    use types::Timestamp;

    use super::*;
    use crate::targets::Targets;

    const GROUP: &str = "classic/web/80";

    fn instance(port: u16, zone: &str) -> routing::Target {
        routing::Target {
            id: format!("i-{port}"),
            port,
            address: None,
            zone: Some(Zone::parse(zone).expect("a zone")),
            registered_at: Timestamp(0),
            draining: None,
        }
    }

    fn group() -> routing::Group {
        let zones = ["us-east-1a", "us-east-1b", "us-east-1b"];
        routing::Group {
            arn: GROUP.into(),
            target_type: TargetType::Instance,
            protocol: TargetProtocol::Tcp,
            version: None,
            ip_address_type: IpAddressType::Ipv4,
            health_check: HealthCheck {
                enabled: true,
                protocol: TargetProtocol::Tcp,
                port: None,
                path: None,
                interval: Duration::from_secs(30),
                timeout: Duration::from_secs(5),
                healthy_threshold: 3,
                unhealthy_threshold: 3,
                matcher: None,
            },
            attributes: BTreeMap::new(),
            targets: (1..).zip(zones).map(|(port, zone)| instance(port, zone)).collect(),
            checked_in: None,
        }
    }

    /// Of three instances the first is ill and the second healthy; of the third nothing is known yet.
    fn told(crosses: &str) -> Vec<String> {
        let set = ("load_balancing.cross_zone.enabled".to_owned(), crosses.to_owned());
        let load_balancer = LoadBalancer {
            arn: "classic/web".into(),
            kind: LoadBalancerKind::Application,
            nodes: Vec::new(),
            attributes: BTreeMap::from([set]),
            listeners: Vec::new(),
        };
        let table = RoutingTable {
            load_balancers: vec![load_balancer],
            groups: vec![group()],
            ..RoutingTable::default()
        };
        let snapshot = Snapshot::new(table, &Snapshot::default(), &Targets::default(), &[]);
        let subject = Subject { load_balancer: "classic/web".into(), group: Some(GROUP.into()) };
        let found = hosts(&snapshot, [&subject, &subject].into_iter(), &|it| match it.port {
            1 => TargetHealth::Failed,
            2 => TargetHealth::Healthy,
            _ => TargetHealth::Initial,
        });
        let zone = |it: &Hosts| it.zone.as_ref().map_or_else(|| "-".into(), Zone::to_string);
        found.iter().map(|it| format!("{} {}/{}", zone(it), it.healthy, it.unhealthy)).collect()
    }

    #[test]
    fn instances_of_a_classic_load_balancer_are_told_of_once_and_by_zone() {
        assert_eq!(told("true"), ["us-east-1a 0/1", "us-east-1b 1/0", "- 1/1"]);
        assert_eq!(told("false"), ["us-east-1a 0/1", "us-east-1b 1/0", "- 0/1", "- 1/0"]);
    }
}
