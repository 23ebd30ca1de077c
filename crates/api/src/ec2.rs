//! Amazon EC2, as far as tasks lean on it: the region, its zones and its default network.
//!
//! A region has one VPC, one subnet in each zone and one security group, made at its first start
//! (see [`crate::region`]).

mod error;
mod filter;
mod groups;
mod interfaces;
mod regions;
mod routes;
mod subnets;
mod vpcs;

pub use error::Error;

use shapes::ec2 as op;

use crate::Registry;

/// The EC2 operations that we answer.
pub fn registry() -> Registry {
    Registry::default()
        .read::<op::DescribeAccountAttributes, Error>(vpcs::describe_account_attributes)
        .read::<op::DescribeAvailabilityZones, Error>(regions::describe_availability_zones)
        .read::<op::DescribeNetworkInterfaces, Error>(interfaces::describe_network_interfaces)
        .read::<op::DescribeRegions, Error>(regions::describe_regions)
        .read::<op::DescribeRouteTables, Error>(routes::describe_route_tables)
        .read::<op::DescribeSecurityGroups, Error>(groups::describe_security_groups)
        .read::<op::DescribeSubnets, Error>(subnets::describe_subnets)
        .read::<op::DescribeVpcAttribute, Error>(vpcs::describe_vpc_attribute)
        .read::<op::DescribeVpcs, Error>(vpcs::describe_vpcs)
}

#[cfg(test)]
mod tests;
