//! The main route table of the default VPC: what is inside is reached directly.
//!
//! Source: Amazon EC2 API Reference, `DescribeRouteTables`.

use shapes::ec2 as shape;
use state::{Context, RegionRow, State};

use super::error::{PAGE, rehearse};
use super::vpcs::cidr;
use super::{Error, filter};
use crate::page::Page;

/// `DescribeRouteTables`: the one table, if the request means it.
///
/// # Errors
///
/// [`Error::RouteTableNotFound`]; [`Error::InvalidParameterValue`] for unknown filters.
pub(super) fn describe_route_tables(
    state: &State,
    ask: shape::DescribeRouteTablesRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeRouteTablesResult, Error> {
    rehearse(ask.dry_run)?;
    let page =
        Page::parse("DescribeRouteTables", ask.next_token.as_deref(), ask.max_results, PAGE)?;
    let region = state.region().get(&());
    for wanted in filter::named(ask.route_table_ids.as_deref()).unwrap_or_default() {
        if region.is_none_or(|it| id(it) != *wanted) {
            return Err(Error::RouteTableNotFound(wanted.clone()));
        }
    }
    let mut tables = Vec::new();
    if let Some(region) = region
        && filter::passes(ask.filters.as_deref(), &|name| field(state, region, name))?
        && page.after().is_none()
    {
        tables.push(view(state, region));
    }
    Ok(shape::DescribeRouteTablesResult { route_tables: Some(tables), next_token: None })
}

fn id(region: &RegionRow) -> String {
    region.vpc.replacen("vpc-", "rtb-", 1)
}

fn association(region: &RegionRow) -> String {
    region.vpc.replacen("vpc-", "rtbassoc-", 1)
}

fn field(state: &State, region: &RegionRow, name: &str) -> Option<Vec<String>> {
    Some(vec![match name {
        "route-table-id" | "association.route-table-id" => id(region),
        "association.route-table-association-id" => association(region),
        "association.main" => "true".to_owned(),
        "association.subnet-id" | "association.gateway-id" => return Some(Vec::new()),
        "vpc-id" => region.vpc.clone(),
        "owner-id" => state.home().account.to_string(),
        "route.destination-cidr-block" => cidr(region.vpc_base, region.vpc_prefix),
        "route.gateway-id" => "local".to_owned(),
        "route.origin" => "CreateRouteTable".to_owned(),
        "route.state" => "active".to_owned(),
        _ => return None,
    }])
}

fn view(state: &State, region: &RegionRow) -> shape::RouteTable {
    let association = shape::RouteTableAssociation {
        main: Some(true),
        route_table_association_id: Some(association(region)),
        route_table_id: Some(id(region)),
        association_state: Some(shape::RouteTableAssociationState {
            state: Some("associated".into()),
            status_message: None,
        }),
        ..Default::default()
    };
    let local = shape::Route {
        destination_cidr_block: Some(cidr(region.vpc_base, region.vpc_prefix)),
        gateway_id: Some("local".to_owned()),
        origin: Some("CreateRouteTable".into()),
        state: Some("active".into()),
        ..Default::default()
    };
    shape::RouteTable {
        route_table_id: Some(id(region)),
        vpc_id: Some(region.vpc.clone()),
        owner_id: Some(state.home().account.to_string()),
        associations: Some(vec![association]),
        routes: Some(vec![local]),
        propagating_vgws: Some(vec![]),
        tags: Some(vec![]),
    }
}
