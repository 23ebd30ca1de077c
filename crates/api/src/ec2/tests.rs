use shapes::ec2 as shape;

use super::*;
use crate::fixture::{self, Fixture};

fn filter(name: &str, value: &str) -> Vec<shape::Filter> {
    let values = Some(vec![value.to_owned()]);
    vec![shape::Filter { name: Some(name.into()), values }]
}

fn zones_of_subnets(region: &Fixture, ask: shape::DescribeSubnetsRequest) -> Result<String, Error> {
    let subnets = region.read(subnets::describe_subnets, ask)?.subnets.expect("subnets");
    let zone = |it: shape::Subnet| {
        format!("{} {}", it.availability_zone.expect("a zone"), it.cidr_block.expect("a block"))
    };
    Ok(subnets.into_iter().map(zone).collect::<Vec<_>>().join(", "))
}

#[test]
fn there_is_one_subnet_a_zone() {
    let region = fixture::region();
    let all = shape::DescribeSubnetsRequest::default();
    assert_eq!(
        zones_of_subnets(&region, all.clone()).as_deref(),
        Ok("us-east-1a 172.31.16.0/20, us-east-1b 172.31.32.0/20, us-east-1c 172.31.48.0/20")
    );
    let row = region.state.region().get(&()).expect("founded").clone();
    let by_id = shape::DescribeSubnetsRequest {
        subnet_ids: Some(vec![row.subnets[1].id.clone()]),
        ..all.clone()
    };
    assert_eq!(zones_of_subnets(&region, by_id).as_deref(), Ok("us-east-1b 172.31.32.0/20"));
    let by_filter = |name: &str, value: &str| shape::DescribeSubnetsRequest {
        filters: Some(filter(name, value)),
        ..all.clone()
    };
    let of = |name: &str, value: &str| zones_of_subnets(&region, by_filter(name, value));
    assert_eq!(of("vpc-id", &row.vpc), zones_of_subnets(&region, all.clone()));
    assert_eq!(of("availability-zone", "*c").as_deref(), Ok("us-east-1c 172.31.48.0/20"));
    assert_eq!(of("availability-zone-id", "use1-az3").as_deref(), Ok("us-east-1c 172.31.48.0/20"));
    assert_eq!(of("tag:Name", "x").as_deref(), Ok(""));
    assert!(of("moon", "x").is_err());
}

#[test]
fn what_does_not_exist_is_refused_by_its_own_code() {
    let region = fixture::region();
    let id = || Some(vec!["moon".to_owned()]);
    let code = |error: Error| crate::Fault::from(error).code;
    let subnets = shape::DescribeSubnetsRequest { subnet_ids: id(), ..Default::default() };
    let subnets = region.read(subnets::describe_subnets, subnets).expect_err("refused");
    assert_eq!(code(subnets), "InvalidSubnetID.NotFound");
    let vpcs = shape::DescribeVpcsRequest { vpc_ids: id(), ..Default::default() };
    let vpcs = region.read(vpcs::describe_vpcs, vpcs).expect_err("refused");
    assert_eq!(code(vpcs), "InvalidVpcID.NotFound");
    let groups = shape::DescribeSecurityGroupsRequest { group_ids: id(), ..Default::default() };
    let groups = region.read(groups::describe_security_groups, groups).expect_err("refused");
    assert_eq!(code(groups), "InvalidGroup.NotFound");
    let rehearsal = shape::DescribeVpcsRequest { dry_run: Some(true), ..Default::default() };
    let rehearsal = region.read(vpcs::describe_vpcs, rehearsal).expect_err("refused");
    assert_eq!(crate::Fault::from(rehearsal).status, 412);
}

#[test]
fn the_default_vpc_has_one_group_and_resolves_names() {
    let region = fixture::region();
    let row = region.state.region().get(&()).expect("founded");
    let vpcs = shape::DescribeVpcsRequest {
        filters: Some(filter("is-default", "true")),
        ..Default::default()
    };
    let vpc = region.read(vpcs::describe_vpcs, vpcs).expect("describes").vpcs.expect("VPCs");
    assert_eq!(vpc[0].vpc_id.as_ref(), Some(&row.vpc));
    assert_eq!(vpc[0].cidr_block.as_deref(), Some("172.31.0.0/16"));
    let groups = shape::DescribeSecurityGroupsRequest {
        filters: Some(filter("vpc-id", &row.vpc)),
        ..Default::default()
    };
    let groups = region.read(groups::describe_security_groups, groups).expect("describes");
    let groups = groups.security_groups.expect("groups");
    assert_eq!(groups[0].group_id.as_ref(), Some(&row.security_group));
    let attribute = |name: &str| {
        let ask = shape::DescribeVpcAttributeRequest {
            attribute: Some(name.into()),
            vpc_id: Some(row.vpc.clone()),
            dry_run: None,
        };
        region.read(vpcs::describe_vpc_attribute, ask)
    };
    let hostnames = attribute("enableDnsHostnames").expect("describes").enable_dns_hostnames;
    assert_eq!(hostnames.and_then(|it| it.value), Some(true));
    assert!(attribute("moon").is_err());
    let ask = shape::DescribeAccountAttributesRequest {
        attribute_names: Some(vec!["default-vpc".into()]),
        dry_run: None,
    };
    let answer = region.read(vpcs::describe_account_attributes, ask).expect("describes");
    let values = answer.account_attributes.expect("attributes").remove(0).attribute_values;
    assert_eq!(values.expect("values")[0].attribute_value.as_ref(), Some(&row.vpc));
}

#[test]
fn zones_have_names_and_ids() {
    let region = fixture::region();
    let ask = shape::DescribeAvailabilityZonesRequest::default();
    let answer = region.read(regions::describe_availability_zones, ask).expect("describes");
    let zones = answer.availability_zones.expect("zones").into_iter();
    let ids: Vec<_> = zones.map(|it| it.zone_id.expect("an id")).collect();
    assert_eq!(ids, ["use1-az1", "use1-az2", "use1-az3"]);
    assert_eq!(regions::zone_id("ap-southeast-2", "ap-southeast-2b"), "apse2-az2");
    let ask = shape::DescribeAvailabilityZonesRequest {
        zone_names: Some(vec!["moon".into()]),
        ..Default::default()
    };
    assert!(region.read(regions::describe_availability_zones, ask).is_err());
    let ask = shape::DescribeRegionsRequest::default();
    let answer = region.read(regions::describe_regions, ask).expect("describes");
    assert_eq!(answer.regions.expect("regions")[0].region_name.as_deref(), Some("us-east-1"));
}
