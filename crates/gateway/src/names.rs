//! The region's names, as far as they are durable, for whoever answers questions about them.

use std::sync::{PoisonError, RwLock};

use names::Names;
use names::hosts::{self, Entry};
use plan::names::{Answers, is_about_names, resolve};
use state::{Change, State};
use tokio::sync::watch;

/// The durable part of the state that names are made of. Questions do not wait for the writer, and
/// hear nothing that a power cut could take back.
pub struct RegionNames {
    known: RwLock<State>,
    turn: watch::Sender<u64>,
}

impl RegionNames {
    /// The names of a state that is all durable.
    pub fn of(state: &State) -> Self {
        let mut known = State::new(state.home().clone());
        for change in state.rows().filter(is_about_names) {
            known.apply(change);
        }
        Self { known: RwLock::new(known), turn: watch::Sender::new(0) }
    }

    /// Takes in durable changes.
    pub fn hear(&self, changes: &[Change]) {
        let mut relevant = changes.iter().filter(|it| is_about_names(it)).peekable();
        if relevant.peek().is_none() {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut told = false;
        for change in relevant {
            told |= is_told_by_file(change);
            known.apply(change.clone());
        }
        drop(known);
        if told {
            self.turn.send_modify(|it| *it += 1);
        }
    }

    /// What the machine's hosts file can tell of them. O(names).
    pub fn entries(&self) -> Vec<Entry> {
        hosts::entries(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes whenever what [`RegionNames::entries`] says may have changed.
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turn.subscribe()
    }
}

impl Names for RegionNames {
    fn resolve(&self, name: &str, kind: &str, chance: u64) -> Answers {
        resolve(&self.known.read().unwrap_or_else(PoisonError::into_inner), name, kind, chance)
    }
}

/// Instances of services come and go too often for a file that the whole machine reads, and names of
/// Service Connect are for tasks.
fn is_told_by_file(change: &Change) -> bool {
    matches!(
        change,
        Change::LoadBalancer(..)
            | Change::ClassicLoadBalancer(..)
            | Change::HostedZone(..)
            | Change::RecordSet(..)
            | Change::Namespace(..)
    )
}

#[cfg(test)]
mod tests {
    use plan::names::Outcome;
    use state::{
        ConnectEndpoint, IpAddressType, LoadBalancer, LoadBalancerKind, Node, Scheme, ServiceKey,
        Traffic,
    };
    use types::{AccountId, ClusterName, Home, Region, ServiceName, Timestamp, Zone};

    use super::*;

    const NAME: &str = "Web-1.us-east-1.elb.amazonaws.com";

    fn load_balancer(address: &str) -> LoadBalancer {
        LoadBalancer {
            arn: "arn:web".into(),
            name: "web".into(),
            kind: LoadBalancerKind::Application,
            scheme: Scheme::Internal,
            dns_name: NAME.into(),
            nodes: vec![Node {
                zone: Zone::parse("us-east-1a").expect("a zone"),
                subnet: "subnet-1".into(),
                address: address.parse().expect("an address"),
            }],
            security_groups: Vec::new(),
            ip_address_type: IpAddressType::Ipv4,
            attributes: std::collections::BTreeMap::new(),
            tags: Vec::new(),
            created_at: Timestamp(0),
        }
    }

    fn empty() -> State {
        State::new(Home {
            region: Region::parse("us-east-1").expect("a region"),
            account: AccountId::parse("123456789012").expect("an account"),
        })
    }

    fn values(names: &RegionNames) -> Vec<String> {
        let answers = names.resolve(NAME, "A", 0);
        answers.records.into_iter().map(|it| it.value).collect()
    }

    #[test]
    fn endpoints_are_known_by_name_and_not_told_to_the_machine() {
        let node = load_balancer("172.31.31.9").nodes.remove(0);
        let endpoint = ConnectEndpoint {
            arn: "arn:endpoint".into(),
            service: ServiceKey {
                cluster: ClusterName::parse("default").expect("valid"),
                name: ServiceName::parse("web").expect("valid"),
            },
            port_name: "http".into(),
            namespace: "ns-1".into(),
            discovery_name: "http".into(),
            dns_name: "web".into(),
            port: 80,
            traffic: Traffic::Requests,
            node,
            idle: None,
        };
        let names = RegionNames::of(&empty());
        let outcome = || names.resolve("web.ns-1.service-connect.internal", "A", 0).outcome;
        names.hear(&[endpoint.into()]);
        assert_eq!(outcome(), Outcome::Found);
        assert_eq!(names.entries(), []);
        names.hear(&[Change::ConnectEndpoint("arn:endpoint".into(), None)]);
        assert_eq!(outcome(), Outcome::NoSuchName);
    }

    #[test]
    fn names_come_change_and_go_with_their_load_balancers() {
        let mut state = empty();
        state.apply(Change::from(load_balancer("172.31.15.1")));
        let names = RegionNames::of(&state);
        let turns = names.turns();
        assert_eq!(values(&names), ["172.31.15.1"]);

        names.hear(&[Change::from(load_balancer("172.31.15.2"))]);
        assert!(turns.has_changed().expect("still there"));
        assert_eq!(values(&names), ["172.31.15.2"]);
        let entry = (NAME.to_lowercase(), "172.31.15.2".parse().expect("an address"));
        assert_eq!(names.entries(), [entry]);

        names.hear(&[Change::LoadBalancer("arn:web".into(), None)]);
        assert_eq!(
            names.resolve(NAME, "A", 0).outcome,
            Outcome::Elsewhere(format!("{}.", NAME.to_lowercase()))
        );
        assert_eq!(names.entries(), []);
    }

    #[test]
    fn what_is_not_about_names_wakes_nobody() {
        let names = RegionNames::of(&empty());
        let turns = names.turns();
        names.hear(&[Change::Audit(1, None)]);
        assert!(!turns.has_changed().expect("still there"));
    }
}
