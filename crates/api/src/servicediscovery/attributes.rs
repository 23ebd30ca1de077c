//! What instances say of themselves.
//!
//! Source: AWS Cloud Map API Reference, `RegisterInstance`, `Attributes`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use plan::names::services::{ALIAS, CNAME, IPV4, IPV6, PORT};
use plan::names::{canonical, load_balancer};
use state::{DiscoveryHealth, DiscoveryRouting, DiscoveryService, DnsRecordKind, State};

use super::{Error, dns};

/// The EC2 instance whose address is meant.
const EC2_INSTANCE: &str = "AWS_EC2_INSTANCE_ID";
/// What an instance's health is at first.
const INITIAL_HEALTH: &str = "AWS_INIT_HEALTH_STATUS";
/// Attributes that are not AWS's, and characters of all keys and values of them.
const CUSTOM_MAX: usize = 30;
const CUSTOM_LENGTH_MAX: usize = 5_000;
/// Where an instance says which address its host ports are at.
const ADDRESS_ATTRIBUTE: &str = "landfall.address";

type Attributes = BTreeMap<String, String>;

/// An attribute, and whether a text can be its value.
type Form = (&'static str, fn(&str) -> bool);

/// Checks what a client says of an instance of that service.
///
/// # Errors
///
/// [`Error::InvalidInput`]: a value that is not of its form, or that the service's records lack.
pub(super) fn check(service: &DiscoveryService, attributes: &Attributes) -> Result<(), Error> {
    check_forms(attributes)?;
    check_size(attributes)?;
    if attributes.contains_key(ALIAS) {
        return check_alias(service, attributes);
    }
    if attributes.contains_key(EC2_INSTANCE) && service.dns.is_some() {
        return Err(Error::input(format!("{EC2_INSTANCE} is for services without DNS records.")));
    }
    if attributes.contains_key(INITIAL_HEALTH) && !service.custom_health {
        return Err(Error::input(format!(
            "{INITIAL_HEALTH} is for services with a HealthCheckCustomConfig."
        )));
    }
    let needs = |kind, attribute| match dns::has(service, kind) {
        true if !attributes.contains_key(attribute) => Err(Error::input(format!(
            "The service has records of type {}: {attribute} must be specified.",
            kind.as_str()
        ))),
        _ => Ok(()),
    };
    needs(DnsRecordKind::A, IPV4)?;
    needs(DnsRecordKind::Aaaa, IPV6)?;
    needs(DnsRecordKind::Cname, CNAME)?;
    needs(DnsRecordKind::Srv, PORT)?;
    let has_address = [IPV4, IPV6].iter().any(|it| attributes.contains_key(*it));
    if dns::has(service, DnsRecordKind::Srv) && !has_address {
        return Err(Error::input(format!(
            "The service has records of type SRV: {IPV4}, {IPV6} or both must be specified."
        )));
    }
    Ok(())
}

/// Whether AWS's attributes are what they should be, whatever the service.
fn check_forms(attributes: &Attributes) -> Result<(), Error> {
    let forms: [Form; 5] = [
        (IPV4, |it| it.parse::<Ipv4Addr>().is_ok()),
        (IPV6, |it| it.parse::<Ipv6Addr>().is_ok()),
        (PORT, |it| it.parse::<u16>().is_ok()),
        (CNAME, |it| canonical(it).is_ok()),
        (INITIAL_HEALTH, |it| ["HEALTHY", "UNHEALTHY"].contains(&it)),
    ];
    for (attribute, fits) in forms {
        if let Some(value) = attributes.get(attribute).filter(|it| !fits(it)) {
            return Err(Error::input(format!("'{value}' is not a value of {attribute}.")));
        }
    }
    Ok(())
}

fn check_size(attributes: &Attributes) -> Result<(), Error> {
    let custom = || attributes.iter().filter(|it| !it.0.starts_with("AWS_"));
    let length: usize = custom().map(|(key, value)| key.len() + value.len()).sum();
    if custom().count() > CUSTOM_MAX || length > CUSTOM_LENGTH_MAX {
        return Err(Error::input(format!(
            "An instance can have at most {CUSTOM_MAX} custom attributes, of {CUSTOM_LENGTH_MAX} \
             characters together."
        )));
    }
    Ok(())
}

/// A load balancer stands for itself: it has no address, port or health of its own here.
fn check_alias(service: &DiscoveryService, attributes: &Attributes) -> Result<(), Error> {
    let is_address = dns::has(service, DnsRecordKind::A) || dns::has(service, DnsRecordKind::Aaaa);
    let is_weighted =
        service.dns.as_ref().is_some_and(|it| it.routing == DiscoveryRouting::Weighted);
    if !is_address || !is_weighted {
        return Err(Error::input(format!(
            "{ALIAS} is for services with records of type A or AAAA and the routing policy \
             WEIGHTED."
        )));
    }
    if service.custom_health {
        return Err(Error::input(format!("{ALIAS} is for services without health checks.")));
    }
    let others = [IPV4, IPV6, PORT, CNAME, EC2_INSTANCE, INITIAL_HEALTH];
    match others.iter().find(|it| attributes.contains_key(**it)) {
        Some(other) => Err(Error::input(format!("{other} cannot be specified beside {ALIAS}."))),
        None => Ok(()),
    }
}

/// Adds what follows from the attributes: the address of an EC2 instance.
///
/// # Errors
///
/// [`Error::InvalidInput`]: an instance or a load balancer that is not there, or other attributes
/// beside the instance.
pub(super) fn complete(state: &State, mut attributes: Attributes) -> Result<Attributes, Error> {
    if let Some(alias) = attributes.get(ALIAS) {
        let name = canonical(alias).ok();
        if name.and_then(|it| load_balancer(state, &it)).is_none() {
            return Err(Error::input(format!("There is no load balancer '{alias}'.")));
        }
    }
    let Some(id) = attributes.get(EC2_INSTANCE) else { return Ok(attributes) };
    if attributes.contains_key(IPV4) {
        return Err(Error::input(format!("{IPV4} cannot be specified beside {EC2_INSTANCE}.")));
    }
    let found = state.indexes().ec2_instance(id).and_then(|it| state.container_instance(it));
    let address = found.and_then(|it| it.attributes.get(ADDRESS_ATTRIBUTE).cloned().flatten());
    match address.filter(|it| it.parse::<IpAddr>().is_ok_and(|it| it.is_ipv4())) {
        Some(address) => {
            attributes.insert(IPV4.to_owned(), address);
            Ok(attributes)
        }
        None => Err(Error::input(format!("There is no EC2 instance '{id}' with an address."))),
    }
}

/// The health that an instance has once it is registered: what it says, or what it had.
pub(super) fn health(
    service: &DiscoveryService,
    attributes: &Attributes,
    before: Option<DiscoveryHealth>,
) -> Option<DiscoveryHealth> {
    if !service.custom_health {
        return None;
    }
    match (attributes.get(INITIAL_HEALTH).map(String::as_str), before) {
        (Some("UNHEALTHY"), _) => Some(DiscoveryHealth::Unhealthy),
        (None, Some(before)) => Some(before),
        (_, _) => Some(DiscoveryHealth::Healthy),
    }
}
