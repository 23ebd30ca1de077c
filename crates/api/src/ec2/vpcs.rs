//! The default VPC, its attributes, and those of the account.
//!
//! Source: Amazon EC2 API Reference.

use core::net::Ipv4Addr;

use shapes::ec2 as shape;
use state::{Context, RegionRow, State};

use super::error::{PAGE, rehearse};
use super::{Error, filter};
use crate::page::Page;

/// Attributes of every account beside its default VPC, with the values of a new account.
const ACCOUNT: [(&str, &str); 5] = [
    ("supported-platforms", "VPC"),
    ("max-instances", "20"),
    ("vpc-max-security-groups-per-interface", "5"),
    ("max-elastic-ips", "5"),
    ("vpc-max-elastic-ips", "5"),
];

/// `DescribeVpcs`: the one VPC, if the request means it.
///
/// # Errors
///
/// [`Error::VpcNotFound`]; [`Error::InvalidParameterValue`] for unknown filters.
pub(super) fn describe_vpcs(
    state: &State,
    ask: shape::DescribeVpcsRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeVpcsResult, Error> {
    rehearse(ask.dry_run)?;
    let page = Page::parse("DescribeVpcs", ask.next_token.as_deref(), ask.max_results, PAGE)?;
    let region = state.region().get(&());
    for id in filter::named(ask.vpc_ids.as_deref()).unwrap_or_default() {
        if region.is_none_or(|it| it.vpc != *id) {
            return Err(Error::VpcNotFound(id.clone()));
        }
    }
    let mut vpcs = Vec::new();
    if let Some(region) = region
        && filter::passes(ask.filters.as_deref(), &|name| field(state, region, name))?
        && page.after().is_none()
    {
        vpcs.push(view(state, region));
    }
    Ok(shape::DescribeVpcsResult { vpcs: Some(vpcs), next_token: None })
}

/// `DescribeVpcAttribute`: names are resolved inside, and instances have some.
///
/// # Errors
///
/// [`Error::VpcNotFound`]; [`Error::InvalidParameterValue`] for an unknown attribute.
pub(super) fn describe_vpc_attribute(
    state: &State,
    ask: shape::DescribeVpcAttributeRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeVpcAttributeResult, Error> {
    rehearse(ask.dry_run)?;
    let id = ask.vpc_id.unwrap_or_default();
    if state.region().get(&()).is_none_or(|it| it.vpc != id) {
        return Err(Error::VpcNotFound(id));
    }
    let value = |value| Some(shape::AttributeBooleanValue { value: Some(value) });
    let mut answer = shape::DescribeVpcAttributeResult { vpc_id: Some(id), ..Default::default() };
    match ask.attribute.as_ref().map_or("", |it| it.as_str()) {
        "enableDnsSupport" => answer.enable_dns_support = value(true),
        "enableDnsHostnames" => answer.enable_dns_hostnames = value(true),
        "enableNetworkAddressUsageMetrics" => {
            answer.enable_network_address_usage_metrics = value(false);
        }
        other => {
            return Err(Error::InvalidParameterValue(format!(
                "Value ({other}) for parameter attribute is invalid."
            )));
        }
    }
    Ok(answer)
}

/// `DescribeAccountAttributes`: all, or those named.
///
/// # Errors
///
/// [`Error::InvalidParameterValue`] for an unknown name.
pub(super) fn describe_account_attributes(
    state: &State,
    ask: shape::DescribeAccountAttributesRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeAccountAttributesResult, Error> {
    rehearse(ask.dry_run)?;
    let vpc = state.region().get(&()).map_or("none", |it| it.vpc.as_str());
    let all: Vec<_> = ACCOUNT.into_iter().chain([("default-vpc", vpc)]).collect();
    let wanted = ask.attribute_names.unwrap_or_default();
    for name in &wanted {
        if all.iter().all(|(known, _)| *known != name.as_str()) {
            return Err(Error::InvalidParameterValue(format!(
                "Value ({name}) for parameter attributeName is invalid."
            )));
        }
    }
    let meant = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it.as_str() == name);
    let attribute = |(name, value): (&str, &str)| shape::AccountAttribute {
        attribute_name: Some(name.to_owned()),
        attribute_values: Some(vec![shape::AccountAttributeValue {
            attribute_value: Some(value.to_owned()),
        }]),
    };
    let attributes = all.into_iter().filter(|(name, _)| meant(name)).map(attribute);
    Ok(shape::DescribeAccountAttributesResult { account_attributes: Some(attributes.collect()) })
}

/// A network in the usual notation.
pub(super) fn cidr(base: u32, prefix: u8) -> String {
    format!("{}/{prefix}", Ipv4Addr::from_bits(base))
}

fn field(state: &State, region: &RegionRow, name: &str) -> Option<Vec<String>> {
    let block = || cidr(region.vpc_base, region.vpc_prefix);
    Some(vec![match name {
        "vpc-id" => region.vpc.clone(),
        "cidr" | "cidr-block-association.cidr-block" => block(),
        "cidr-block-association.state" => "associated".to_owned(),
        "is-default" | "isDefault" => "true".to_owned(),
        "owner-id" => state.home().account.to_string(),
        "state" => "available".to_owned(),
        "dhcp-options-id" => "default".to_owned(),
        _ => return None,
    }])
}

fn view(state: &State, region: &RegionRow) -> shape::Vpc {
    let block = cidr(region.vpc_base, region.vpc_prefix);
    let association = shape::VpcCidrBlockAssociation {
        association_id: Some(region.vpc.replacen("vpc-", "vpc-cidr-assoc-", 1)),
        cidr_block: Some(block.clone()),
        cidr_block_state: Some(shape::VpcCidrBlockState {
            state: Some("associated".into()),
            status_message: None,
        }),
    };
    shape::Vpc {
        vpc_id: Some(region.vpc.clone()),
        cidr_block: Some(block),
        cidr_block_association_set: Some(vec![association]),
        dhcp_options_id: Some("default".to_owned()),
        instance_tenancy: Some("default".into()),
        is_default: Some(true),
        owner_id: Some(state.home().account.to_string()),
        state: Some("available".into()),
        tags: Some(vec![]),
        ..Default::default()
    }
}
