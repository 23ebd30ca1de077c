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

use crate::Registry;

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
