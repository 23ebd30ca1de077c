//! The names of load balancers.
//!
//! Source: AWS General Reference, "Elastic Load Balancing endpoints and quotas".

use std::net::IpAddr;

use state::{LoadBalancer, LoadBalancerKind, Node, State};

use super::Record;
use crate::classic;

/// How long the addresses of a load balancer may be kept. Source: ELB User Guide, "How Elastic Load
/// Balancing works".
const TTL: u32 = 60;

/// What AWS's console puts before the name of a load balancer in alias records.
const DUALSTACK: &str = "dualstack.";

/// The zones that names of load balancers are in, by region: of application and of network load
/// balancers. Other regions show the first ones.
const ZONES: [(&str, &str, &str); 7] = [
    ("us-east-1", "Z35SXDOTRQ7X7K", "Z26RNL4JYFTOTI"),
    ("us-east-2", "Z3AADJGX6KTTL2", "ZLMOA37VPKANP"),
    ("us-west-1", "Z368ELLRRE2KJ0", "Z24FKFUX50B4VW"),
    ("us-west-2", "Z1H1FL5HABSF5", "Z18D5FSROUN65G"),
    ("eu-central-1", "Z215JYRZR1TBD5", "Z3F0SRJ5LGBH90"),
    ("eu-west-1", "Z32O12XQLNTSW2", "Z2IFOLAFXWLO4F"),
    ("ap-northeast-1", "Z14GRHDCWA56QT", "Z31USIVHYNEOWT"),
];

/// The id of the zone that names of a region's load balancers of that kind are in.
pub fn zone_of_load_balancers(region: &str, kind: LoadBalancerKind) -> &'static str {
    let known = ZONES.iter().find(|it| it.0 == region).or(ZONES.first());
    known.map_or("", |it| match kind {
        LoadBalancerKind::Application => it.1,
        LoadBalancerKind::Network => it.2,
    })
}

/// Whether a zone is one of those that names of load balancers are in.
pub fn is_of_load_balancers(zone: &str) -> bool {
    ZONES.iter().any(|it| it.1 == zone || it.2 == zone)
}

/// The load balancer of that name, which has a dot at its end. O(load balancers).
pub fn load_balancer<'a>(state: &'a State, name: &str) -> Option<&'a LoadBalancer> {
    let name = name.strip_prefix(DUALSTACK).unwrap_or(name);
    let name = name.strip_suffix('.')?;
    let all = state.load_balancers().values().map(AsRef::as_ref);
    all.into_iter().find(|it| it.dns_name.eq_ignore_ascii_case(name))
}

/// The nodes of the load balancer of that name, whichever kind it is of. O(load balancers).
pub(super) fn nodes<'a>(state: &'a State, name: &str) -> Option<&'a [Node]> {
    let of_classic = || {
        let name = name.strip_prefix(DUALSTACK).unwrap_or(name);
        classic::named(state, name).map(|it| it.nodes.as_slice())
    };
    load_balancer(state, name).map(|it| it.nodes.as_slice()).or_else(of_classic)
}

/// The addresses of nodes, of the family that is asked for.
pub(super) fn addresses(nodes: &[Node], name: &str, kind: &str) -> Vec<Record> {
    let fits = |it: &&IpAddr| if it.is_ipv4() { kind == "A" } else { kind == "AAAA" };
    let record = |it: &IpAddr| Record {
        name: name.to_owned(),
        kind: kind.to_owned(),
        ttl: TTL,
        value: it.to_string(),
    };
    nodes.iter().map(|it| &it.address).filter(fits).map(record).collect()
}
