//! Amazon Route 53: hosted zones and what the names in them stand for.
//!
//! `plan::names` answers questions about names out of the same records. Public and private zones are
//! answered alike, because everybody who asks a region is inside.
//! Source: Amazon Route 53 API Reference, version 2013-04-01.

mod batch;
mod change_id;
mod error;
mod record_data;
mod record_sets;
mod tags;
mod view;
mod zones;

pub use error::Error;

use shapes::route53 as op;
use state::{Change, Context, Draft, HostedZone, State};

use crate::Registry;

/// Puts a new zone there, with the sets that every zone has.
pub(crate) fn found(draft: &mut Draft<'_>, zone: HostedZone) {
    for set in record_sets::of_new_zone(&zone) {
        draft.change(Change::from(set));
    }
    draft.change(Change::from(zone));
}

/// The id of a new zone.
pub(crate) fn new_zone_id(context: &mut Context<'_>) -> String {
    zones::new_id(context)
}

/// Whether there are as many zones as an account can have.
pub(crate) fn is_full(state: &State) -> bool {
    state.hosted_zones().len() >= zones::ZONES_MAX
}

/// The operations of Route 53 that we answer.
pub fn registry() -> Registry {
    Registry::default()
        .write::<op::ChangeResourceRecordSets, Error>(batch::change_resource_record_sets)
        .write::<op::ChangeTagsForResource, Error>(tags::change_tags_for_resource)
        .write::<op::CreateHostedZone, Error>(zones::create_hosted_zone)
        .write::<op::DeleteHostedZone, Error>(zones::delete_hosted_zone)
        .read::<op::GetChange, Error>(change_id::get_change)
        .read::<op::GetHostedZone, Error>(zones::get_hosted_zone)
        .read::<op::ListHostedZones, Error>(zones::list_hosted_zones)
        .read::<op::ListHostedZonesByName, Error>(zones::list_hosted_zones_by_name)
        .read::<op::ListResourceRecordSets, Error>(record_sets::list_resource_record_sets)
        .read::<op::ListTagsForResource, Error>(tags::list_tags_for_resource)
}

#[cfg(test)]
mod tests;
