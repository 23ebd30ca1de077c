//! The region and its zones.
//!
//! Source: Amazon EC2 API Reference, `DescribeRegions`, `DescribeAvailabilityZones`.

use shapes::ec2 as shape;
use state::{Context, State};

use super::error::rehearse;
use super::{Error, filter};

/// Regions and zones that need nobody's consent.
const NOT_REQUIRED: &str = "opt-in-not-required";

/// `DescribeRegions`: this one.
///
/// # Errors
///
/// [`Error::InvalidParameterValue`] for other regions and unknown filters.
pub(super) fn describe_regions(
    state: &State,
    ask: shape::DescribeRegionsRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeRegionsResult, Error> {
    rehearse(ask.dry_run)?;
    let region = state.home().region.to_string();
    let endpoint = format!("ec2.{region}.amazonaws.com");
    for name in filter::named(ask.region_names.as_deref()).unwrap_or_default() {
        if *name != region {
            return Err(Error::InvalidParameterValue(format!("Invalid region names: [{name}]")));
        }
    }
    let field = |name: &str| {
        Some(vec![match name {
            "endpoint" => endpoint.clone(),
            "region-name" => region.clone(),
            "opt-in-status" => NOT_REQUIRED.to_owned(),
            _ => return None,
        }])
    };
    let mut regions = Vec::new();
    if filter::passes(ask.filters.as_deref(), &field)? {
        regions.push(shape::Region {
            endpoint: Some(endpoint.clone()),
            region_name: Some(region.clone()),
            opt_in_status: Some(NOT_REQUIRED.to_owned()),
            geography: None,
        });
    }
    Ok(shape::DescribeRegionsResult { regions: Some(regions) })
}

/// `DescribeAvailabilityZones`: those that have a subnet, by name.
///
/// # Errors
///
/// [`Error::InvalidParameterValue`] for unknown zones and filters.
pub(super) fn describe_availability_zones(
    state: &State,
    ask: shape::DescribeAvailabilityZonesRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeAvailabilityZonesResult, Error> {
    rehearse(ask.dry_run)?;
    let region = state.home().region.as_str();
    let subnets = state.region().get(&()).map_or(&[][..], |it| it.subnets.as_slice());
    let zones: Vec<(&str, String)> =
        subnets.iter().map(|it| (it.zone.as_str(), zone_id(region, it.zone.as_str()))).collect();
    let names = filter::named(ask.zone_names.as_deref());
    let ids = filter::named(ask.zone_ids.as_deref());
    for name in names.unwrap_or_default() {
        if zones.iter().all(|(known, _)| known != name) {
            return Err(Error::InvalidParameterValue(format!(
                "Invalid availability zone: [{name}]"
            )));
        }
    }
    for id in ids.unwrap_or_default() {
        if zones.iter().all(|(_, known)| known != id) {
            return Err(Error::InvalidParameterValue(format!(
                "Invalid availability zone-id: [{id}]"
            )));
        }
    }
    let mut found = Vec::new();
    for (name, id) in zones {
        let meant = names.is_none_or(|it| it.iter().any(|it| it == name))
            && ids.is_none_or(|it| it.contains(&id));
        let field = |filter: &str| field(region, name, &id, filter);
        if meant && filter::passes(ask.filters.as_deref(), &field)? {
            found.push(view(region, name, &id));
        }
    }
    Ok(shape::DescribeAvailabilityZonesResult { availability_zones: Some(found) })
}

/// AWS's short name of a zone, such as `use1-az1` for `us-east-1a`.
pub(super) fn zone_id(region: &str, zone: &str) -> String {
    let mut parts = region.split('-');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        short.push_str(match part {
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            digits if digits.bytes().all(|it| it.is_ascii_digit()) => digits,
            word => word.get(..1).unwrap_or_default(),
        });
    }
    let letter = zone.strip_prefix(region).unwrap_or(zone);
    match letter.as_bytes() {
        [letter @ b'a'..=b'z'] => format!("{short}-az{}", letter - b'a' + 1),
        _ => format!("{short}-{letter}"),
    }
}

fn field(region: &str, zone: &str, id: &str, name: &str) -> Option<Vec<String>> {
    let value = match name {
        "region-name" | "group-name" => region,
        "zone-name" => zone,
        "zone-id" => id,
        "state" => "available",
        "opt-in-status" => NOT_REQUIRED,
        "zone-type" => "availability-zone",
        _ => return None,
    };
    Some(vec![value.to_owned()])
}

fn view(region: &str, zone: &str, id: &str) -> shape::AvailabilityZone {
    shape::AvailabilityZone {
        zone_name: Some(zone.to_owned()),
        zone_id: Some(id.to_owned()),
        zone_type: Some("availability-zone".to_owned()),
        region_name: Some(region.to_owned()),
        group_name: Some(region.to_owned()),
        network_border_group: Some(region.to_owned()),
        opt_in_status: Some(NOT_REQUIRED.into()),
        state: Some("available".into()),
        messages: Some(vec![]),
        ..Default::default()
    }
}
