//! The one security group of the default VPC. It lets everything through, and says so.
//!
//! Source: Amazon EC2 API Reference, `DescribeSecurityGroups`.

use shapes::ec2 as shape;
use state::{Context, RegionRow, State};

use super::error::{PAGE, rehearse};
use super::{Error, filter};
use crate::page::Page;

/// Name of a VPC's own group.
const NAME: &str = "default";

/// What it says about itself.
const DESCRIPTION: &str = "default VPC security group";

/// `DescribeSecurityGroups`: the one group, if the request means it.
///
/// # Errors
///
/// [`Error::GroupNotFound`]; [`Error::InvalidParameterValue`] for unknown filters.
pub(super) fn describe_security_groups(
    state: &State,
    ask: shape::DescribeSecurityGroupsRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeSecurityGroupsResult, Error> {
    rehearse(ask.dry_run)?;
    let page =
        Page::parse("DescribeSecurityGroups", ask.next_token.as_deref(), ask.max_results, PAGE)?;
    let region = state.region().get(&());
    for id in filter::named(ask.group_ids.as_deref()).unwrap_or_default() {
        if region.is_none_or(|it| it.security_group != *id) {
            return Err(Error::GroupNotFound(id.clone()));
        }
    }
    for name in filter::named(ask.group_names.as_deref()).unwrap_or_default() {
        if region.is_none() || name != NAME {
            return Err(Error::GroupNotFound(name.clone()));
        }
    }
    let mut groups = Vec::new();
    if let Some(region) = region
        && filter::passes(ask.filters.as_deref(), &|name| field(state, region, name))?
        && page.after().is_none()
    {
        groups.push(view(state, region));
    }
    Ok(shape::DescribeSecurityGroupsResult { security_groups: Some(groups), next_token: None })
}

fn field(state: &State, region: &RegionRow, name: &str) -> Option<Vec<String>> {
    Some(vec![match name {
        "group-id" => region.security_group.clone(),
        "group-name" => NAME.to_owned(),
        "description" => DESCRIPTION.to_owned(),
        "vpc-id" => region.vpc.clone(),
        "owner-id" => state.home().account.to_string(),
        "ip-permission.protocol" | "egress.ip-permission.protocol" => "-1".to_owned(),
        "ip-permission.cidr" | "egress.ip-permission.cidr" => "0.0.0.0/0".to_owned(),
        _ => return None,
    }])
}

fn view(state: &State, region: &RegionRow) -> shape::SecurityGroup {
    let home = state.home();
    let everything = || {
        let everywhere =
            shape::IpRange { cidr_ip: Some("0.0.0.0/0".to_owned()), description: None };
        Some(vec![shape::IpPermission {
            ip_protocol: Some("-1".to_owned()),
            ip_ranges: Some(vec![everywhere]),
            ipv6_ranges: Some(vec![]),
            prefix_list_ids: Some(vec![]),
            user_id_group_pairs: Some(vec![]),
            ..Default::default()
        }])
    };
    let id = &region.security_group;
    shape::SecurityGroup {
        group_id: Some(id.clone()),
        group_name: Some(NAME.to_owned()),
        description: Some(DESCRIPTION.to_owned()),
        vpc_id: Some(region.vpc.clone()),
        owner_id: Some(home.account.to_string()),
        security_group_arn: Some(format!(
            "arn:aws:ec2:{}:{}:security-group/{id}",
            home.region, home.account
        )),
        ip_permissions: everything(),
        ip_permissions_egress: everything(),
        tags: Some(vec![]),
    }
}
