//! Records of names as the API shows them.

use plan::names;
use shapes::route53 as shape;
use state::{Answer, HostedZone, RecordSet, State};

use super::{record_sets, zones};

/// A zone.
pub(super) fn hosted_zone(state: &State, zone: &HostedZone) -> shape::HostedZone {
    let HostedZone { id, name, caller_reference, comment, vpcs, tags: _, created_at: _ } = zone;
    shape::HostedZone {
        id: Some(format!("/hostedzone/{id}")),
        name: Some(names::shown(name)),
        caller_reference: Some(caller_reference.clone()),
        config: Some(shape::HostedZoneConfig {
            comment: comment.clone(),
            private_zone: Some(!vpcs.is_empty()),
        }),
        resource_record_set_count: i64::try_from(record_sets::of_zone(state, zone).count()).ok(),
        linked_service: zones::owner(state, zone).map(|owner| shape::LinkedService {
            service_principal: Some("servicediscovery.amazonaws.com".to_owned()),
            description: Some(owner),
        }),
        ..Default::default()
    }
}

/// The VPCs that a private zone is for.
pub(super) fn vpcs(state: &State, zone: &HostedZone) -> Vec<shape::VPC> {
    let region = state.home().region.as_str();
    let vpc =
        |id: &String| shape::VPC { vpc_id: Some(id.clone()), vpc_region: Some(region.into()) };
    zone.vpcs.iter().map(vpc).collect()
}

/// The name servers of a public zone.
pub(super) fn delegation_set(zone: &HostedZone) -> Option<shape::DelegationSet> {
    let name = |it: String| it.trim_end_matches('.').to_owned();
    let name_servers = record_sets::name_servers(zone).map(name).into();
    zone.vpcs
        .is_empty()
        .then(|| shape::DelegationSet { name_servers: Some(name_servers), ..Default::default() })
}

/// A record set.
pub(super) fn record_set(set: &RecordSet) -> shape::ResourceRecordSet {
    let shown = shape::ResourceRecordSet {
        name: Some(names::shown(&set.name)),
        r#type: Some(set.key.kind.as_str().into()),
        ..Default::default()
    };
    match &set.answer {
        Answer::Values { ttl, values } => {
            let record = |it: &String| shape::ResourceRecord { value: Some(it.clone()) };
            shape::ResourceRecordSet {
                ttl: Some(i64::from(*ttl)),
                resource_records: Some(values.iter().map(record).collect()),
                ..shown
            }
        }
        Answer::Alias { name, zone, evaluate_health } => shape::ResourceRecordSet {
            alias_target: Some(shape::AliasTarget {
                dns_name: Some(names::shown(name)),
                hosted_zone_id: Some(zone.clone()),
                evaluate_target_health: Some(*evaluate_health),
            }),
            ..shown
        },
    }
}
