//! Hosted zones: made, described and deleted.

use core::ops::Bound;
use std::sync::Arc;

use plan::names;
use shapes::route53 as shape;
use state::{Change, Context, Draft, HostedZone, RecordSetKey, State};

use super::{Error, change_id, record_sets, view};
use crate::servicediscovery;

/// Hosted zones of an account. Source: Route 53 Developer Guide, "Quotas on hosted zones".
pub(super) const ZONES_MAX: usize = 500;
/// How many items a list gives at most, and without being asked. Source: API Reference,
/// `ListHostedZones`.
const ITEMS_MAX: usize = 100;
/// Types that every zone has at its own name.
const REQUIRED: [&str; 2] = ["NS", "SOA"];

/// `CreateHostedZone`: with the NS and SOA sets that every zone has.
///
/// # Errors
///
/// [`Error::HostedZoneAlreadyExists`] for a caller reference that came before,
/// [`Error::InvalidDomainName`], [`Error::InvalidVpcId`], [`Error::TooManyHostedZones`].
pub(super) fn create_hosted_zone(
    draft: &mut Draft<'_>,
    ask: shape::CreateHostedZoneRequest,
    context: &mut Context<'_>,
) -> Result<shape::CreateHostedZoneResponse, Error> {
    let state = draft.state();
    let given = ask.name.unwrap_or_default();
    let name = names::canonical(&given).map_err(|_| Error::InvalidDomainName(given))?;
    let caller_reference = ask.caller_reference.unwrap_or_default();
    if state.hosted_zones().values().any(|it| it.caller_reference == caller_reference) {
        return Err(Error::HostedZoneAlreadyExists);
    }
    if super::is_full(state) {
        return Err(Error::TooManyHostedZones);
    }
    if let Some(id) = ask.delegation_set_id {
        return Err(Error::NoSuchDelegationSet(id));
    }
    let config = ask.hosted_zone_config.unwrap_or_default();
    let vpcs = vpcs(state, ask.vpc, config.private_zone)?;
    let zone = HostedZone {
        id: new_id(context),
        name,
        caller_reference,
        comment: config.comment,
        vpcs,
        tags: Vec::new(),
        created_at: context.now,
    };
    super::found(draft, zone.clone());
    let state = draft.state();
    Ok(shape::CreateHostedZoneResponse {
        change_info: Some(change_id::made(context, None)),
        delegation_set: view::delegation_set(&zone),
        hosted_zone: Some(view::hosted_zone(state, &zone)),
        location: Some(format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{}", zone.id)),
        vpc: view::vpcs(state, &zone).into_iter().next(),
    })
}

fn vpcs(
    state: &State,
    asked: Option<shape::VPC>,
    is_private: Option<bool>,
) -> Result<Vec<String>, Error> {
    let Some(vpc) = asked else {
        if is_private == Some(true) {
            return Err(Error::input(
                "When you're creating a private hosted zone (when you specify true for \
                 PrivateZone), you must also specify values for VPCId and VPCRegion.",
            ));
        }
        return Ok(Vec::new());
    };
    let id = vpc.vpc_id.unwrap_or_default();
    if state.region().get(&()).is_none_or(|it| it.vpc != id) {
        return Err(Error::InvalidVpcId(id));
    }
    Ok(vec![id])
}

/// Twenty letters and digits, as AWS makes them.
pub(super) fn new_id(context: &mut Context<'_>) -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let digit = |_| {
        let place = usize::try_from(context.dice.below(36)).unwrap_or_default();
        char::from(*DIGITS.get(place).unwrap_or(&b'0'))
    };
    let digits: String = (0..19).map(digit).collect();
    format!("Z0{digits}")
}

/// A zone by its id, with or without what the API puts before it.
pub(super) fn find<'a>(state: &'a State, id: Option<&str>) -> Result<&'a Arc<HostedZone>, Error> {
    let asked = id.unwrap_or_default();
    let id = asked.strip_prefix("/hostedzone/").unwrap_or(asked);
    state.hosted_zones().get(id).ok_or_else(|| Error::NoSuchHostedZone(id.to_owned()))
}

/// Refuses to change what belongs to another service.
///
/// # Errors
///
/// [`Error::AccessDenied`].
pub(super) fn check_own(state: &State, zone: &HostedZone) -> Result<(), Error> {
    match owner(state, zone) {
        Some(owner) => Err(Error::AccessDenied(zone.id.clone(), owner)),
        None => Ok(()),
    }
}

/// The ARN of the namespace that a zone belongs to.
pub(super) fn owner(state: &State, zone: &HostedZone) -> Option<String> {
    let id = state.indexes().discovery().namespace_of_zone(&zone.id)?;
    Some(servicediscovery::namespace_arn(state, id))
}

/// `DeleteHostedZone`: one that holds nothing but what every zone has.
///
/// # Errors
///
/// [`Error::NoSuchHostedZone`], [`Error::HostedZoneNotEmpty`], [`Error::AccessDenied`].
pub(super) fn delete_hosted_zone(
    draft: &mut Draft<'_>,
    ask: shape::DeleteHostedZoneRequest,
    context: &mut Context<'_>,
) -> Result<shape::DeleteHostedZoneResponse, Error> {
    let state = draft.state();
    let zone = find(state, ask.id.as_deref())?.clone();
    check_own(state, &zone)?;
    let is_required = |it: &RecordSetKey| {
        it.reversed == names::reversed(&zone.name) && REQUIRED.contains(&it.kind.as_str())
    };
    let sets: Vec<RecordSetKey> = record_sets::of_zone(state, &zone)
        .take(REQUIRED.len() + 1)
        .map(|it| it.key.clone())
        .collect();
    if !sets.iter().all(is_required) {
        return Err(Error::HostedZoneNotEmpty);
    }
    for key in sets {
        draft.change(Change::RecordSet(key, None));
    }
    draft.change(Change::HostedZone(zone.id.clone(), None));
    let change_info = Some(change_id::made(context, None));
    Ok(shape::DeleteHostedZoneResponse { change_info })
}

/// `GetHostedZone`.
///
/// # Errors
///
/// [`Error::NoSuchHostedZone`].
pub(super) fn get_hosted_zone(
    state: &State,
    ask: shape::GetHostedZoneRequest,
    _: &Context<'_>,
) -> Result<shape::GetHostedZoneResponse, Error> {
    let zone = find(state, ask.id.as_deref())?;
    let vpcs = view::vpcs(state, zone);
    Ok(shape::GetHostedZoneResponse {
        delegation_set: view::delegation_set(zone),
        hosted_zone: Some(view::hosted_zone(state, zone)),
        vpcs: (!vpcs.is_empty()).then_some(vpcs),
    })
}

/// `ListHostedZones`: in order of their ids.
///
/// # Errors
///
/// [`Error::InvalidInput`] for a size that is none, [`Error::NoSuchDelegationSet`].
pub(super) fn list_hosted_zones(
    state: &State,
    ask: shape::ListHostedZonesRequest,
    _: &Context<'_>,
) -> Result<shape::ListHostedZonesResponse, Error> {
    if let Some(id) = ask.delegation_set_id.filter(|it| !it.is_empty()) {
        return Err(Error::NoSuchDelegationSet(id));
    }
    let only_private =
        ask.hosted_zone_type.as_ref().is_some_and(|it| it.as_str() == "PrivateHostedZone");
    let size = size(ask.max_items.as_deref(), ITEMS_MAX)?;
    // The marker is the first zone of the next page.
    let marker = ask.marker.unwrap_or_default();
    let start = (Bound::Included(marker.clone()), Bound::Unbounded);
    let zones = state.hosted_zones().range(start).map(|it| it.1);
    let zones = zones.filter(|it| !only_private || !it.vpcs.is_empty());
    let (page, next) = cut(zones, size);
    Ok(shape::ListHostedZonesResponse {
        hosted_zones: Some(page.into_iter().map(|it| view::hosted_zone(state, it)).collect()),
        is_truncated: Some(next.is_some()),
        marker: Some(marker),
        max_items: Some(size.to_string()),
        next_marker: next.map(|it| it.id.clone()),
    })
}

/// `ListHostedZonesByName`: in order of their names, labels from the right.
///
/// # Errors
///
/// [`Error::InvalidInput`], [`Error::InvalidDomainName`].
pub(super) fn list_hosted_zones_by_name(
    state: &State,
    ask: shape::ListHostedZonesByNameRequest,
    _: &Context<'_>,
) -> Result<shape::ListHostedZonesByNameResponse, Error> {
    let size = size(ask.max_items.as_deref(), ITEMS_MAX)?;
    let place = |it: &HostedZone| (names::reversed(&it.name), it.id.clone());
    let start = match (&ask.dns_name, &ask.hosted_zone_id) {
        (None, None) => (String::new(), String::new()),
        (None, Some(_)) => {
            return Err(Error::input(
                "A DNS name must be specified if a hosted zone ID is specified",
            ));
        }
        (Some(name), id) => {
            let name =
                names::canonical(name).map_err(|_| Error::InvalidDomainName(name.clone()))?;
            (names::reversed(&name), id.clone().unwrap_or_default())
        }
    };
    let mut zones: Vec<&Arc<HostedZone>> =
        state.hosted_zones().values().filter(|it| place(it) >= start).collect();
    zones.sort_by_key(|it| place(it));
    let (page, next) = cut(zones.into_iter(), size);
    Ok(shape::ListHostedZonesByNameResponse {
        dns_name: ask.dns_name,
        hosted_zone_id: ask.hosted_zone_id,
        hosted_zones: Some(page.into_iter().map(|it| view::hosted_zone(state, it)).collect()),
        is_truncated: Some(next.is_some()),
        max_items: Some(size.to_string()),
        next_dns_name: next.map(|it| names::shown(&it.name)),
        next_hosted_zone_id: next.map(|it| it.id.clone()),
    })
}

/// How many items a page has: a number in a text.
pub(super) fn size(asked: Option<&str>, most: usize) -> Result<usize, Error> {
    let Some(asked) = asked else { return Ok(most) };
    match asked.parse::<usize>() {
        Ok(it) if it > 0 => Ok(it.min(most)),
        _ => Err(Error::input(format!("Invalid MaxItems: '{asked}' is not a positive number"))),
    }
}

/// One page, and the first item of the next one.
pub(super) fn cut<T: Copy>(mut items: impl Iterator<Item = T>, size: usize) -> (Vec<T>, Option<T>) {
    let page = items.by_ref().take(size).collect();
    (page, items.next())
}
