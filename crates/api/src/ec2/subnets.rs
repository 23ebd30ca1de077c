//! The subnets of the default VPC: one in each zone.
//!
//! Source: Amazon EC2 API Reference, `DescribeSubnets`.

use shapes::ec2 as shape;
use state::{Context, RegionRow, State, Subnet};

use super::error::{PAGE, rehearse};
use super::regions::zone_id;
use super::vpcs::cidr;
use super::{Error, filter};
use crate::page::Page;

/// Addresses of every subnet that nothing can have. Source: VPC User Guide, "Subnet sizing".
const RESERVED: u32 = 5;

/// `DescribeSubnets`: in the order of the zones.
///
/// # Errors
///
/// [`Error::SubnetNotFound`]; [`Error::InvalidParameterValue`] for unknown filters and bad pages.
pub(super) fn describe_subnets(
    state: &State,
    ask: shape::DescribeSubnetsRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeSubnetsResult, Error> {
    rehearse(ask.dry_run)?;
    let page = Page::parse("DescribeSubnets", ask.next_token.as_deref(), ask.max_results, PAGE)?;
    let wanted = filter::named(ask.subnet_ids.as_deref());
    let region = state.region().get(&());
    let all = region.map_or(&[][..], |it| it.subnets.as_slice());
    for id in wanted.unwrap_or_default() {
        if all.iter().all(|it| it.id != *id) {
            return Err(Error::SubnetNotFound(id.clone()));
        }
    }
    let mut subnets = Vec::new();
    for (region, subnet) in all.iter().filter_map(|it| Some((region?, it))) {
        let named = wanted.is_none_or(|ids| ids.contains(&subnet.id));
        let field = |name: &str| field(state, region, subnet, name);
        if named && filter::passes(ask.filters.as_deref(), &field)? {
            subnets.push(view(state, region, subnet));
        }
    }
    let zone = |it: &shape::Subnet| it.availability_zone.clone().unwrap_or_default();
    let rest = subnets.into_iter().filter(|it| page.after().is_none_or(|after| &*zone(it) > after));
    let (subnets, next_token) = page.cut(rest, zone);
    Ok(shape::DescribeSubnetsResult { subnets: Some(subnets), next_token })
}

fn field(state: &State, region: &RegionRow, subnet: &Subnet, name: &str) -> Option<Vec<String>> {
    Some(vec![match name {
        "subnet-id" => subnet.id.clone(),
        "subnet-arn" => arn(state, subnet),
        "vpc-id" => region.vpc.clone(),
        "availability-zone" | "availabilityZone" => subnet.zone.to_string(),
        "availability-zone-id" | "availabilityZoneId" => {
            zone_id(state.home().region.as_str(), subnet.zone.as_str())
        }
        "cidr-block" | "cidr" | "cidrBlock" => cidr(subnet.base, subnet.prefix),
        "default-for-az" | "defaultForAz" => "true".to_owned(),
        "map-public-ip-on-launch" => "false".to_owned(),
        "owner-id" => state.home().account.to_string(),
        "state" => "available".to_owned(),
        "available-ip-address-count" => free(state, subnet).to_string(),
        _ => return None,
    }])
}

fn arn(state: &State, subnet: &Subnet) -> String {
    let home = state.home();
    format!("arn:aws:ec2:{}:{}:subnet/{}", home.region, home.account, subnet.id)
}

/// How many addresses nothing has yet.
fn free(state: &State, subnet: &Subnet) -> u32 {
    let size = 1_u32 << (u32::BITS - u32::from(subnet.prefix));
    let inside = |it: &u32| it - subnet.base < size;
    let held = state.indexes().addresses_from(subnet.base).take_while(inside).count();
    size.saturating_sub(RESERVED).saturating_sub(u32::try_from(held).unwrap_or(u32::MAX))
}

fn view(state: &State, region: &RegionRow, subnet: &Subnet) -> shape::Subnet {
    let home = state.home();
    shape::Subnet {
        subnet_id: Some(subnet.id.clone()),
        subnet_arn: Some(arn(state, subnet)),
        vpc_id: Some(region.vpc.clone()),
        availability_zone: Some(subnet.zone.to_string()),
        availability_zone_id: Some(zone_id(home.region.as_str(), subnet.zone.as_str())),
        available_ip_address_count: i32::try_from(free(state, subnet)).ok(),
        cidr_block: Some(cidr(subnet.base, subnet.prefix)),
        default_for_az: Some(true),
        map_public_ip_on_launch: Some(false),
        assign_ipv6_address_on_creation: Some(false),
        ipv6_cidr_block_association_set: Some(vec![]),
        ipv6_native: Some(false),
        enable_dns64: Some(false),
        map_customer_owned_ip_on_launch: Some(false),
        private_dns_name_options_on_launch: Some(shape::PrivateDnsNameOptionsOnLaunch {
            hostname_type: Some("ip-name".into()),
            enable_resource_name_dns_a_record: Some(false),
            enable_resource_name_dns_aaaa_record: Some(false),
        }),
        owner_id: Some(home.account.to_string()),
        state: Some("available".into()),
        tags: Some(vec![]),
        ..Default::default()
    }
}
