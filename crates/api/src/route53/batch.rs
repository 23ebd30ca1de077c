//! Changes of record sets: a batch takes effect as a whole or not at all.

use std::collections::BTreeSet;

use plan::names;
use shapes::route53 as shape;
use state::{Answer, Change, Context, Draft, HostedZone, RecordSet, State};

use super::{Error, change_id, record_data, record_sets, zones};

/// Changes and records of one batch, and record sets of one zone. Source: Route 53 Developer Guide,
/// "Quotas".
const CHANGES_MAX: usize = 1_000;
const SETS_MAX: usize = 10_000;

/// `ChangeResourceRecordSets`.
///
/// # Errors
///
/// [`Error::NoSuchHostedZone`]; [`Error::AccessDenied`] for a zone of a namespace of Cloud Map;
/// [`Error::InvalidChangeBatch`] with everything that is wrong; [`Error::InvalidInput`] for a set that
/// is none.
pub(super) fn change_resource_record_sets(
    draft: &mut Draft<'_>,
    ask: shape::ChangeResourceRecordSetsRequest,
    context: &mut Context<'_>,
) -> Result<shape::ChangeResourceRecordSetsResponse, Error> {
    let zone = zones::find(draft.state(), ask.hosted_zone_id.as_deref())?.clone();
    zones::check_own(draft.state(), &zone)?;
    let batch = ask.change_batch.unwrap_or_default();
    let changes = batch.changes.unwrap_or_default();
    if changes.len() > CHANGES_MAX || records(&changes) > CHANGES_MAX {
        return Err(Error::InvalidChangeBatch(vec![format!(
            "Number of records limit of {CHANGES_MAX} exceeded."
        )]));
    }
    let mut problems = Vec::new();
    let mut touched = BTreeSet::new();
    for change in changes {
        let action = Action::parse(change.action.as_ref())?;
        let set = parse(&zone, action, change.resource_record_set.unwrap_or_default())?;
        match set.and_then(|set| apply(draft, action, set)) {
            Ok(name) => {
                touched.insert(name);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        let state = draft.state();
        problems.extend(touched.iter().filter_map(|name| conflict(state, &zone, name)));
        problems.extend(missing(state, &zone));
        if record_sets::of_zone(state, &zone).count() > SETS_MAX {
            problems.push(format!("Number of records limit of {SETS_MAX} exceeded."));
        }
    }
    if !problems.is_empty() {
        return Err(Error::InvalidChangeBatch(problems));
    }
    let change_info = Some(change_id::made(context, batch.comment));
    Ok(shape::ChangeResourceRecordSetsResponse { change_info })
}

/// How many records a batch has; those of an UPSERT count twice.
///
/// Source: Route 53 Developer Guide, "Quotas on `ChangeResourceRecordSets` requests".
fn records(changes: &[shape::Change]) -> usize {
    let count = |it: &shape::Change| {
        let records = it.resource_record_set.as_ref().and_then(|it| it.resource_records.as_ref());
        let weight =
            if it.action.as_ref().is_some_and(|it| it.as_str() == "UPSERT") { 2 } else { 1 };
        weight * records.map_or(0, Vec::len)
    };
    changes.iter().map(count).sum()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Upsert,
    Delete,
}

impl Action {
    fn parse(asked: Option<&shape::ChangeAction>) -> Result<Self, Error> {
        match asked.map_or("", |it| it.as_str()) {
            "CREATE" => Ok(Self::Create),
            "UPSERT" => Ok(Self::Upsert),
            "DELETE" => Ok(Self::Delete),
            other => Err(Error::input(format!("Invalid action: '{other}'"))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Upsert => "UPSERT",
            Self::Delete => "DELETE",
        }
    }
}

/// Reads a set: an error is one of the whole request, the text inside one of this change.
fn parse(
    zone: &HostedZone,
    action: Action,
    asked: shape::ResourceRecordSet,
) -> Result<Result<RecordSet, String>, Error> {
    check_simple(&asked)?;
    let kind = asked.r#type.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default();
    let given = asked.name.unwrap_or_default();
    if !record_data::is_type(&kind) {
        return Err(Error::input(format!("Invalid resource record type: '{kind}'")));
    }
    let records = asked.resource_records.filter(|it| !it.is_empty());
    let answer = match (asked.ttl, records, asked.alias_target) {
        (Some(ttl), Some(records), None) => Answer::Values {
            ttl: u32::try_from(ttl).unwrap_or_default(),
            values: records.into_iter().filter_map(|it| it.value).collect(),
        },
        (None, None, Some(target)) => {
            let name = target.dns_name.unwrap_or_default();
            Answer::Alias {
                name: names::canonical(&name).map_err(|_| Error::InvalidDomainName(name))?,
                zone: target.hosted_zone_id.unwrap_or_default(),
                // Kept and shown; with simple routing, the only one there is, Route 53 answers
                // with the record however its target is. Source: Route 53 Developer Guide, "Values
                // specific for simple alias records".
                evaluate_health: target.evaluate_target_health.unwrap_or_default(),
            }
        }
        (ttl, records, alias) => {
            let found = match (ttl.is_some() || records.is_some(), alias.is_some()) {
                (true, true) => "more than one",
                _ => "none",
            };
            return Err(Error::input(format!(
                "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and \
                 ResourceRecords], or TrafficPolicyInstanceId], but found {found} in Change with \
                 [Action={}, Name={given}, Type={kind}, SetIdentifier=null]",
                action.name()
            )));
        }
    };
    let Ok(name) = names::canonical(&given) else {
        return Ok(Err(format!(
            "FATAL problem: DomainLabelInvalid (Domain label is not valid) encountered with \
             '{given}'"
        )));
    };
    let key = record_sets::key(zone, &name, &kind);
    if names::reversed(&name).strip_prefix(&names::reversed(&zone.name)).is_none() {
        let (name, zone) = (names::shown(&name), &zone.name);
        return Ok(Err(format!("RRSet with DNS name {name} is not permitted in zone {zone}")));
    }
    Ok(record_data::check(&kind, &answer).map(|()| RecordSet { key, name, answer }))
}

/// Refuses what is not simple routing.
fn check_simple(asked: &shape::ResourceRecordSet) -> Result<(), Error> {
    let is_routed = asked.set_identifier.is_some()
        || asked.weight.is_some()
        || asked.region.is_some()
        || asked.failover.is_some()
        || asked.geo_location.is_some()
        || asked.geo_proximity_location.is_some()
        || asked.cidr_routing_config.is_some()
        || asked.multi_value_answer.is_some();
    if is_routed {
        return Err(Error::input(
            "Routing policies other than simple routing are not supported by \
                                 this region yet.",
        ));
    }
    if let Some(id) = &asked.health_check_id {
        return Err(Error::NoSuchHealthCheck(id.clone()));
    }
    if asked.traffic_policy_instance_id.is_some() {
        return Err(Error::input("Traffic policies are not supported by this region yet."));
    }
    Ok(())
}

/// Makes one change; answers the name that it touched.
fn apply(draft: &mut Draft<'_>, action: Action, set: RecordSet) -> Result<String, String> {
    let state = draft.state();
    let standing = state.record_sets().get(&set.key);
    let shown = format!("[name='{}', type='{}']", names::shown(&set.name), set.key.kind);
    let name = set.name.clone();
    match (action, standing) {
        (Action::Create, Some(_)) => {
            return Err(format!(
                "Tried to create resource record set {shown} but it already exists"
            ));
        }
        (Action::Delete, None) => {
            return Err(format!(
                "Tried to delete resource record set {shown} but it was not found"
            ));
        }
        (Action::Delete, Some(standing)) if !is_same(&standing.answer, &set.answer) => {
            return Err(format!(
                "Tried to delete resource record set {shown} but the values provided do not match \
                 the current values"
            ));
        }
        (Action::Delete, Some(_)) => draft.change(Change::RecordSet(set.key, None)),
        (Action::Create | Action::Upsert, _) => {
            check_alias(state, &set)?;
            draft.change(Change::from(set));
        }
    }
    Ok(name)
}

/// Values have no order.
fn is_same(one: &Answer, other: &Answer) -> bool {
    match (one, other) {
        (Answer::Values { ttl, values }, Answer::Values { ttl: other_ttl, values: others }) => {
            let set = |it: &[String]| it.iter().cloned().collect::<BTreeSet<_>>();
            ttl == other_ttl && set(values) == set(others)
        }
        _ => one == other,
    }
}

/// Whether an alias names something that is there: a set of the zone that it names, or a load
/// balancer.
fn check_alias(state: &State, set: &RecordSet) -> Result<(), String> {
    let Answer::Alias { name, zone, .. } = &set.answer else { return Ok(()) };
    let tried = format!(
        "Tried to create an alias that targets {}, type {} in zone {zone}",
        names::shown(name),
        set.key.kind
    );
    if names::is_of_load_balancers(zone) {
        return match names::load_balancer(state, name) {
            Some(_) => Ok(()),
            None => Err(format!("{tried}, but that target was not found")),
        };
    }
    let Some(zone) = state.hosted_zones().get(zone) else {
        return Err(format!("{tried}, but that target was not found"));
    };
    if zone.id != set.key.zone {
        return Err(format!(
            "{tried}, but the alias target must be in the same hosted zone as the alias"
        ));
    }
    if !names::reversed(name).starts_with(&names::reversed(&zone.name)) {
        return Err(format!(
            "{tried}, but the alias target name does not lie within the target zone"
        ));
    }
    let found = state.record_sets().contains_key(&record_sets::key(zone, name, &set.key.kind));
    if found { Ok(()) } else { Err(format!("{tried}, but that target was not found")) }
}

/// A CNAME has its name for itself, and is not for the zone's own name.
fn conflict(state: &State, zone: &HostedZone, name: &str) -> Option<String> {
    let kinds: Vec<&str> =
        names::sets_at(state, zone, name).map(|it| it.key.kind.as_str()).collect();
    if !kinds.contains(&"CNAME") {
        return None;
    }
    let (shown, zone_name) = (names::shown(name), &zone.name);
    if name == zone.name {
        return Some(format!(
            "RRSet of type CNAME with DNS name {shown} is not permitted at apex in zone {zone_name}"
        ));
    }
    let other = kinds.iter().find(|it| **it != "CNAME")?;
    Some(format!(
        "RRSet of type CNAME with DNS name {shown} is not permitted because a conflicting RRSet of \
         type {other} with the same DNS name already exists in zone {zone_name}"
    ))
}

/// What every zone has must stay.
fn missing(state: &State, zone: &HostedZone) -> Vec<String> {
    let has = |kind| state.record_sets().contains_key(&record_sets::key(zone, &zone.name, kind));
    let mut problems = Vec::new();
    if !has("SOA") {
        problems.push("A HostedZone must contain exactly one SOA record.".to_owned());
    }
    if !has("NS") {
        problems
            .push("A HostedZone must contain at least one NS record for the zone itself.".into());
    }
    problems
}
