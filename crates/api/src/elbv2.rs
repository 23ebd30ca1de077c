//! Elastic Load Balancing, version 2: application and network load balancers.
//!
//! Everything is found by its ARN, and ARNs of parts continue those of what they are parts of: the
//! listeners of a load balancer and the rules of a listener are neighbours in their tables.
//! Source: Elastic Load Balancing API Reference, version 2015-12-01; handbook 7.

mod actions;
mod attributes;
mod certificates;
mod conditions;
mod error;
mod find;
mod health_checks;
mod limits;
mod listeners;
mod load_balancers;
mod policies;
mod rules;
mod tags;
mod target_groups;
mod target_health;
mod targets;
mod view;

pub use error::Error;

use shapes::elbv2 as op;

use crate::Registry;

/// The operations of Elastic Load Balancing that we answer.
pub fn registry() -> Registry {
    Registry::default()
        .write::<op::AddListenerCertificates, Error>(certificates::add_listener_certificates)
        .write::<op::AddTags, Error>(tags::add_tags)
        .write::<op::CreateListener, Error>(listeners::create_listener)
        .write::<op::CreateLoadBalancer, Error>(load_balancers::create_load_balancer)
        .write::<op::CreateRule, Error>(rules::create_rule)
        .write::<op::CreateTargetGroup, Error>(target_groups::create_target_group)
        .write::<op::DeleteListener, Error>(listeners::delete_listener)
        .write::<op::DeleteLoadBalancer, Error>(load_balancers::delete_load_balancer)
        .write::<op::DeleteRule, Error>(rules::delete_rule)
        .write::<op::DeleteTargetGroup, Error>(target_groups::delete_target_group)
        .write::<op::DeregisterTargets, Error>(targets::deregister_targets)
        .read::<op::DescribeAccountLimits, Error>(limits::describe_account_limits)
        .read::<op::DescribeCapacityReservation, Error>(limits::describe_capacity_reservation)
        .read::<op::DescribeListenerAttributes, Error>(attributes::describe_listener_attributes)
        .read::<op::DescribeListenerCertificates, Error>(
            certificates::describe_listener_certificates,
        )
        .read::<op::DescribeListeners, Error>(listeners::describe_listeners)
        .read::<op::DescribeLoadBalancerAttributes, Error>(
            attributes::describe_load_balancer_attributes,
        )
        .read::<op::DescribeLoadBalancers, Error>(load_balancers::describe_load_balancers)
        .read::<op::DescribeRules, Error>(rules::describe_rules)
        .read::<op::DescribeSSLPolicies, Error>(policies::describe_ssl_policies)
        .read::<op::DescribeTags, Error>(tags::describe_tags)
        .read::<op::DescribeTargetGroupAttributes, Error>(
            attributes::describe_target_group_attributes,
        )
        .read::<op::DescribeTargetGroups, Error>(target_groups::describe_target_groups)
        .read::<op::DescribeTargetHealth, Error>(target_health::describe_target_health)
        .write::<op::ModifyListener, Error>(listeners::modify_listener)
        .write::<op::ModifyListenerAttributes, Error>(attributes::modify_listener_attributes)
        .write::<op::ModifyLoadBalancerAttributes, Error>(
            attributes::modify_load_balancer_attributes,
        )
        .write::<op::ModifyRule, Error>(rules::modify_rule)
        .write::<op::ModifyTargetGroup, Error>(target_groups::modify_target_group)
        .write::<op::ModifyTargetGroupAttributes, Error>(attributes::modify_target_group_attributes)
        .write::<op::RegisterTargets, Error>(targets::register_targets)
        .write::<op::RemoveListenerCertificates, Error>(certificates::remove_listener_certificates)
        .write::<op::RemoveTags, Error>(tags::remove_tags)
        .write::<op::SetIpAddressType, Error>(load_balancers::set_ip_address_type)
        .write::<op::SetRulePriorities, Error>(rules::set_rule_priorities)
        .write::<op::SetSecurityGroups, Error>(load_balancers::set_security_groups)
        .write::<op::SetSubnets, Error>(load_balancers::set_subnets)
}

#[cfg(test)]
mod tests;
