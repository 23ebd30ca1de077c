//! Names of services of Cloud Map: each stands for the instances that are registered with it.
//!
//! A service is at `service.namespace`; where it has SRV records, an instance is also at
//! `instance.service.namespace`. Source: AWS Cloud Map API Reference, `DnsRecord` and `DnsConfig`.

use state::{
    DiscoveryInstance, DiscoveryInstanceKey, DiscoveryRouting, DiscoveryService, DnsRecordKind,
    DnsRecords, HostedZone, State,
};

use super::{Outcome, Record, Step, canonical, load_balancers, reversed};

/// Instances in one answer. Source: API Reference, `DnsConfig`, "Multivalue answer routing policy".
const INSTANCES_MAX: usize = 8;

/// What registration says about an instance. Source: API Reference, `RegisterInstance`.
pub const IPV4: &str = "AWS_INSTANCE_IPV4";
/// As [`IPV4`].
pub const IPV6: &str = "AWS_INSTANCE_IPV6";
/// The port that SRV records tell.
pub const PORT: &str = "AWS_INSTANCE_PORT";
/// The name that CNAME records tell.
pub const CNAME: &str = "AWS_INSTANCE_CNAME";
/// The load balancer whose addresses the service has.
pub const ALIAS: &str = "AWS_ALIAS_DNS_NAME";

/// What a name below the zone of a namespace says. `chance` chooses among instances.
///
/// O(labels + instances in the answer), each a look-up; for a name that is none itself also the
/// services below it.
pub(super) fn step(
    state: &State,
    (zone, namespace): (&HostedZone, &str),
    (name, kind): (&str, &str),
    chance: u64,
) -> Step {
    let nothing = |outcome| Step::Nothing(outcome, super::authority(state, zone));
    let path = reversed(name);
    let Some(path) = path.strip_prefix(&reversed(&zone.name)) else {
        return nothing(Outcome::NoSuchName);
    };
    if let Some((service, dns)) = service(state, namespace, path) {
        let instances = chosen(state, service, dns.routing, chance);
        if !instances.is_empty() {
            let asked = Asked { state, name, kind };
            return of_service(&asked, dns, &instances).unwrap_or_else(|| nothing(Outcome::NoData));
        }
    }
    if let Some((instance, ttl)) = host(state, namespace, path) {
        let record = address(instance, kind).map(|value| record(name, kind, ttl, value));
        return record.map_or_else(|| nothing(Outcome::NoData), |it| Step::Says(vec![it]));
    }
    let index = state.indexes().discovery();
    let mut below = index.names_from(namespace, path).take_while(|it| it.0.starts_with(path));
    let exists = below.any(|(_, service)| !index.registered(service).is_empty());
    nothing(if exists { Outcome::NoData } else { Outcome::NoSuchName })
}

/// The service with records whose name has these labels, from the right, and its records.
fn service<'a>(
    state: &'a State,
    namespace: &str,
    path: &str,
) -> Option<(&'a DiscoveryService, &'a DnsRecords)> {
    let (found, id) = state.indexes().discovery().names_from(namespace, path).next()?;
    let service = state.discovery_services().get(id).filter(|_| found == path)?;
    Some((service, service.dns.as_ref()?))
}

/// The instances that an answer tells of: healthy ones, or any if none is.
fn chosen<'a>(
    state: &'a State,
    service: &DiscoveryService,
    routing: DiscoveryRouting,
    chance: u64,
) -> Vec<&'a DiscoveryInstance> {
    let index = state.indexes().discovery();
    let ids = match index.healthy(&service.id) {
        [] => index.registered(&service.id),
        healthy => healthy,
    };
    let count = match routing {
        DiscoveryRouting::Multivalue => INSTANCES_MAX,
        DiscoveryRouting::Weighted => 1,
    };
    let first = usize::try_from(chance % (ids.len().max(1) as u64)).unwrap_or_default();
    let turned = ids.iter().cycle().skip(first).take(count.min(ids.len()));
    turned.filter_map(|id| instance(state, &service.id, id)).collect()
}

fn instance<'a>(state: &'a State, service: &str, id: &str) -> Option<&'a DiscoveryInstance> {
    let key = DiscoveryInstanceKey { service: service.to_owned(), id: id.to_owned() };
    state.discovery_instances().get(&key).map(AsRef::as_ref)
}

/// A question about a name that is a service's.
struct Asked<'a> {
    state: &'a State,
    name: &'a str,
    kind: &'a str,
}

/// What the instances say; nothing if the service has no records of that type.
fn of_service(
    asked: &Asked<'_>,
    dns: &DnsRecords,
    instances: &[&DiscoveryInstance],
) -> Option<Step> {
    let fits = |kind: &str| dns.records.iter().find(|it| it.kind.as_str() == kind);
    let Some(wanted) = fits(asked.kind) else {
        let cname = fits("CNAME")?;
        let target = instances.iter().find_map(|it| it.attributes.get(CNAME))?;
        return Some(Step::Leads(record(asked.name, "CNAME", cname.ttl, target.clone())));
    };
    let mut records = Vec::new();
    for it in instances {
        if let Some(alias) = it.attributes.get(ALIAS) {
            let other = canonical(alias).ok();
            let found = other.as_deref().and_then(|it| load_balancers::nodes(asked.state, it));
            let addresses = found.map(|it| load_balancers::addresses(it, asked.name, asked.kind));
            records.extend(addresses.into_iter().flatten());
            continue;
        }
        let value = match wanted.kind {
            DnsRecordKind::A | DnsRecordKind::Aaaa => address(it, asked.kind),
            DnsRecordKind::Cname => it.attributes.get(CNAME).cloned(),
            DnsRecordKind::Srv => it
                .attributes
                .get(PORT)
                .map(|port| format!("1 1 {port} {}.{}", it.key.id, asked.name)),
        };
        records.extend(value.map(|value| record(asked.name, asked.kind, wanted.ttl, value)));
    }
    (!records.is_empty()).then_some(Step::Says(records))
}

/// The instance that a name stands for, and how long its addresses may be kept. Both the id and
/// the name of the service may have several labels.
fn host<'a>(state: &'a State, namespace: &str, path: &str) -> Option<(&'a DiscoveryInstance, u32)> {
    let mut ends = path.match_indices('.').map(|(dot, _)| dot + 1);
    ends.find_map(|end| {
        let (service_path, id_path) = path.split_at_checked(end)?;
        if id_path.is_empty() {
            return None;
        }
        let (service, dns) = service(state, namespace, service_path)?;
        let srv = dns.records.iter().find(|it| it.kind == DnsRecordKind::Srv)?;
        let id = reversed(id_path);
        let id = id.trim_end_matches('.');
        let spelled = state.indexes().discovery().spelling(&service.id, id);
        let found = instance(state, &service.id, spelled.map_or(id, String::as_str))?;
        Some((found, srv.ttl))
    })
}

/// The address of an instance, of the family that is asked for.
fn address(instance: &DiscoveryInstance, kind: &str) -> Option<String> {
    let attribute = match kind {
        "A" => IPV4,
        "AAAA" => IPV6,
        _ => return None,
    };
    instance.attributes.get(attribute).cloned()
}

fn record(name: &str, kind: &str, ttl: u32, value: String) -> Record {
    Record { name: name.to_owned(), kind: kind.to_owned(), ttl, value }
}

#[cfg(test)]
mod tests;
