//! The hosted zones that belong to namespaces. Route 53 shows them and does not let them be changed.

use plan::names;
use state::{Answer, Change, Context, Draft, HostedZone, RecordSet, State};

use super::Error;
use crate::route53;

/// How long the SOA record of a namespace may be kept where nothing is said about it, in seconds.
/// Source: API Reference, `SOA`.
const SOA_TTL: u32 = 15;

/// What a hosted zone is made of.
pub(super) struct Plan<'a> {
    /// As the client gave it.
    pub(super) name: &'a str,
    /// The VPCs of a private zone.
    pub(super) vpcs: Vec<String>,
    /// Seconds of the SOA record.
    pub(super) soa_ttl: Option<u32>,
    /// ARN of the namespace.
    pub(super) owner: &'a str,
    /// The operation that makes it.
    pub(super) operation: &'a str,
}

/// Makes the zone of a namespace and answers its id.
///
/// # Errors
///
/// [`Error::InvalidInput`] for a name that is none or has a zone already,
/// [`Error::ResourceLimitExceeded`] where there are enough zones.
pub(super) fn make(
    draft: &mut Draft<'_>,
    plan: Plan<'_>,
    context: &mut Context<'_>,
) -> Result<String, Error> {
    let state = draft.state();
    let Ok(name) = names::canonical(plan.name) else {
        return Err(Error::input(format!("'{}' is not a valid DNS name.", plan.name)));
    };
    // Differs: AWS lets public zones share a name, and makes the operation fail for private ones.
    if state.indexes().discovery().zone_named(&name).is_some() {
        return Err(Error::input(format!("A hosted zone with the name {name} exists already.")));
    }
    if route53::is_full(state) {
        return Err(Error::ResourceLimitExceeded(
            "There are as many hosted zones as an account can have.".to_owned(),
        ));
    }
    let zone = HostedZone {
        id: route53::new_zone_id(context),
        name,
        caller_reference: plan.operation.to_owned(),
        comment: Some(format!("Created by AWS Cloud Map for namespace with ARN {}", plan.owner)),
        vpcs: plan.vpcs,
        tags: Vec::new(),
        created_at: context.now,
    };
    let id = zone.id.clone();
    route53::found(draft, zone);
    set_soa_ttl(draft, &id, plan.soa_ttl.unwrap_or(SOA_TTL));
    Ok(id)
}

/// Takes the zone of a namespace away, with what it holds.
pub(super) fn take_away(draft: &mut Draft<'_>, id: &str) {
    let Some(zone) = draft.state().hosted_zones().get(id).cloned() else { return };
    let sets: Vec<_> =
        names::sets_at(draft.state(), &zone, &zone.name).map(|it| it.key.clone()).collect();
    for key in sets {
        draft.change(Change::RecordSet(key, None));
    }
    draft.change(Change::HostedZone(zone.id.clone(), None));
}

/// How long the SOA record of a zone may be kept.
pub(super) fn soa_ttl(state: &State, id: &str) -> Option<u32> {
    match soa(state, id)?.answer {
        Answer::Values { ttl, .. } => Some(ttl),
        Answer::Alias { .. } => None,
    }
}

/// Changes how long the SOA record of a zone may be kept.
pub(super) fn set_soa_ttl(draft: &mut Draft<'_>, id: &str, after: u32) {
    let Some(mut set) = soa(draft.state(), id).cloned() else { return };
    if let Answer::Values { ttl, .. } = &mut set.answer {
        *ttl = after;
    }
    draft.change(Change::from(set));
}

fn soa<'a>(state: &'a State, id: &str) -> Option<&'a RecordSet> {
    let zone = state.hosted_zones().get(id)?;
    names::sets_at(state, zone, &zone.name).find(|it| it.key.kind == "SOA")
}
