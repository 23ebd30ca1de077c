//! Which records instances of a service have.

use plan::names;
use shapes::servicediscovery as shape;
use state::{
    DiscoveryRouting, DiscoveryService, DnsRecord, DnsRecordKind, DnsRecords, Namespace, State,
};

use super::Error;
use super::namespaces::seconds;

use DnsRecordKind::{A, Aaaa, Cname, Srv};

/// The types that a service may have together. Source: API Reference, `DnsRecord`.
const COMBINATIONS: [&[DnsRecordKind]; 5] = [&[A], &[Aaaa], &[A, Aaaa], &[Srv], &[Cname]];

/// Reads the records of a service; none asked for is none.
///
/// # Errors
///
/// Types that do not go together, or not with the routing policy.
pub(super) fn parse(
    records: Option<Vec<shape::DnsRecord>>,
    routing: Option<&shape::RoutingPolicy>,
) -> Result<Option<DnsRecords>, Error> {
    let mut parsed = Vec::new();
    for it in records.unwrap_or_default() {
        let kind = match it.r#type.as_ref().map_or("", |it| it.as_str()) {
            "A" => A,
            "AAAA" => Aaaa,
            "CNAME" => Cname,
            _ => Srv,
        };
        parsed.push(DnsRecord { kind, ttl: it.ttl.map(seconds).unwrap_or_default() });
    }
    if parsed.is_empty() {
        return Ok(None);
    }
    let mut kinds: Vec<DnsRecordKind> = parsed.iter().map(|it| it.kind).collect();
    kinds.sort();
    if !COMBINATIONS.contains(&kinds.as_slice()) {
        return Err(Error::input(
            "DNS records can have the types A, AAAA, A and AAAA, SRV, or CNAME, each once.",
        ));
    }
    let routing = match routing {
        Some(shape::RoutingPolicy::Weighted) => DiscoveryRouting::Weighted,
        _ => DiscoveryRouting::Multivalue,
    };
    if kinds == [Cname] && routing != DiscoveryRouting::Weighted {
        return Err(Error::input(
            "A service with records of type CNAME must have the routing policy WEIGHTED.",
        ));
    }
    Ok(Some(DnsRecords { routing, records: parsed }))
}

/// Whether a service has records of that type.
pub(super) fn has(service: &DiscoveryService, kind: DnsRecordKind) -> bool {
    service.dns.iter().flat_map(|it| &it.records).any(|it| it.kind == kind)
}

/// Whether a service that is to have records can: its name must be one, and nobody's.
///
/// # Errors
///
/// [`Error::InvalidInput`] for a name that is none.
pub(super) fn check_name(namespace: &Namespace, name: &str) -> Result<(), Error> {
    match names::canonical(&format!("{name}.{}", namespace.name)) {
        Ok(_) if name != "." => Ok(()),
        _ => Err(Error::input(format!("'{name}' is not the name of a service with DNS records."))),
    }
}

/// The service that has the name already, in whatever case.
pub(super) fn standing<'a>(
    state: &'a State,
    namespace: &Namespace,
    name: &str,
) -> Option<&'a DiscoveryService> {
    let path = names::reversed(&name.to_ascii_lowercase());
    let mut at = state.indexes().discovery().names_from(&namespace.id, &path);
    let (_, id) = at.next().filter(|it| *it.0 == path)?;
    state.discovery_services().get(id).map(AsRef::as_ref)
}
