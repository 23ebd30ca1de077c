//! What balancers are told, made from the state.

use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use state::{Action, Change, NetworkMode, Purpose, State, Table};

use super::Generation;
use super::table::{Certificate, Group, Listener, LoadBalancer, PortRule, RoutingTable, Target};
use crate::{classic, connect};

/// The whole of what every balancer of the region is told. O(all that load balancers are).
pub fn told(state: &State, generation: Generation, seal: Vec<u8>) -> RoutingTable {
    let endpoints = || state.connect_endpoints().values().map(AsRef::as_ref);
    let load_balancers = state.load_balancers().values().map(|it| load_balancer(state, it));
    let classic = || state.classic_load_balancers().values();
    // No ARN is more than what Classic Load Balancers are called.
    let load_balancers = load_balancers.chain(classic().map(|it| classic::load_balancer(it)));
    let load_balancers: Vec<LoadBalancer> =
        endpoints().map(connect::load_balancer).chain(load_balancers).collect();
    let listeners = || load_balancers.iter().flat_map(|it| &it.listeners);
    let named: BTreeSet<&str> = listeners().flat_map(|it| &it.rules).flat_map(groups_of).collect();
    let groups = named.into_iter().filter_map(|arn| state.target_groups().get(arn));
    // ARNs of endpoints are less than those of target groups.
    let of_endpoints = endpoints().map(|it| group(state, &connect::group(it, NetworkMode::Awsvpc)));
    let of_classic = classic().flat_map(|it| classic::groups(state, it));
    let groups = groups.map(|it| group(state, it));
    let groups = of_endpoints.chain(groups).chain(of_classic).collect();
    let shown: BTreeSet<&String> = listeners().flat_map(|it| &it.certificates).collect();
    let certificates =
        shown.into_iter().filter_map(|it| state.certificates().get(it)).map(certificate).collect();
    RoutingTable { generation, load_balancers, groups, certificates, seal }
}

/// Whether what balancers are told may be made of it.
pub fn is_told(change: &Change) -> bool {
    matches!(
        change,
        Change::LoadBalancer(..)
            | Change::Listener(..)
            | Change::Rule(..)
            | Change::TargetGroup(..)
            | Change::Target(..)
            | Change::Certificate(..)
            | Change::ConnectEndpoint(..)
            | Change::ClassicLoadBalancer(..)
            | Change::ClassicInstance(..)
    )
}

/// The key by which a region's balancers seal cookies: made of the secret of the first key that
/// balancers were given, so that it is as durable. Empty if there is no such key.
pub fn seal(state: &State) -> Vec<u8> {
    let keys = state.access_keys().values().filter(|it| it.purpose == Purpose::Balancer);
    let Some(first) = keys.min_by_key(|it| (it.created_at, it.id.clone())) else {
        return Vec::new();
    };
    Sha256::digest(format!("landfall cookies {}", first.secret)).to_vec()
}

/// Records whose ARN begins so, in order. ARNs of parts continue those of what they are parts of.
pub fn parts<R: Table>(
    table: &BTreeMap<String, Arc<R>>,
    start: String,
) -> impl Iterator<Item = &Arc<R>> {
    let from = (Bound::Excluded(start.clone()), Bound::Unbounded);
    table.range::<String, _>(from).take_while(move |it| it.0.starts_with(&start)).map(|it| it.1)
}

/// How the ARNs of a load balancer's listeners begin.
pub fn listeners_start(load_balancer: &str) -> String {
    format!("{}/", load_balancer.replacen(":loadbalancer/", ":listener/", 1))
}

/// How the ARNs of a listener's rules begin.
pub fn rules_start(listener: &str) -> String {
    format!("{}/", listener.replacen(":listener/", ":listener-rule/", 1))
}

fn load_balancer(state: &State, it: &state::LoadBalancer) -> LoadBalancer {
    let listeners =
        parts(state.listeners(), listeners_start(&it.arn)).map(|it| listener(state, it)).collect();
    LoadBalancer {
        arn: it.arn.clone(),
        kind: it.kind,
        nodes: it.nodes.iter().map(|node| (node.zone.clone(), node.address)).collect(),
        attributes: it.attributes.clone(),
        listeners,
    }
}

fn listener(state: &State, it: &state::Listener) -> Listener {
    let rule = |it: &Arc<state::Rule>| PortRule {
        arn: it.arn.clone(),
        priority: it.priority,
        conditions: it.conditions.clone(),
        action: it.action.clone(),
        transforms: it.transforms.clone(),
    };
    let mut rules: Vec<PortRule> = parts(state.rules(), rules_start(&it.arn)).map(rule).collect();
    // The default rule comes last.
    rules.sort_by_key(|it| it.priority.unwrap_or(u32::MAX));
    Listener {
        arn: it.arn.clone(),
        protocol: it.protocol,
        port: it.port,
        certificates: it.certificates.clone(),
        ssl_policy: it.ssl_policy.clone(),
        alpn_policy: it.alpn_policy.clone(),
        attributes: it.attributes.clone(),
        rules,
    }
}

fn groups_of(rule: &PortRule) -> impl Iterator<Item = &str> {
    let groups = match &rule.action {
        Action::Forward { groups, .. } => groups.as_slice(),
        Action::Redirect(_) | Action::Fixed { .. } => &[],
    };
    groups.iter().map(|it| it.group.as_str())
}

fn group(state: &State, it: &state::TargetGroup) -> Group {
    let first = state::TargetKey { group: it.arn.clone(), id: String::new(), port: 0 };
    let targets = state.targets().range(first..).take_while(|(key, _)| key.group == it.arn);
    let target = |(_, it): (&state::TargetKey, &Arc<state::Target>)| Target {
        id: it.key.id.clone(),
        port: it.key.port,
        address: it.address,
        zone: it.zone.clone(),
        registered_at: it.registered_at,
        draining: it.draining,
    };
    Group {
        arn: it.arn.clone(),
        target_type: it.target_type,
        protocol: it.protocol,
        version: it.version,
        ip_address_type: it.ip_address_type,
        health_check: it.health_check.clone(),
        attributes: it.attributes.clone(),
        targets: targets.map(target).collect(),
        checked_in: None,
    }
}

fn certificate(it: &Arc<state::Certificate>) -> Certificate {
    let chain = match &it.chain {
        Some(rest) => format!("{}\n{rest}", it.body.trim_end()),
        None => it.body.clone(),
    };
    Certificate { arn: it.arn.clone(), names: it.names.clone(), chain, key: it.key.clone() }
}
