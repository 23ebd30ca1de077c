//! Elastic Load Balancing, version 1: Classic Load Balancers.
//!
//! A load balancer is found by its name and holds its listeners and policies; instances are rows of
//! their own. The same endpoint and signing name as those of version 2: requests are told apart by
//! their `Version`. Source: Elastic Load Balancing API Reference, version 2012-06-01; handbook 7.8.

mod attributes;
mod error;
mod find;
mod health_check;
mod instances;
mod limits;
mod listeners;
mod load_balancers;
mod places;
mod policies;
mod policy_types;
mod tags;
mod view;

pub use error::Error;
pub(crate) use find::arn;

use shapes::elb as op;

use crate::Registry;

/// The operations of Elastic Load Balancing, version 1, that we answer.
pub fn registry() -> Registry {
    Registry::default()
        .write::<op::AddTags, Error>(tags::add_tags)
        .write::<op::ApplySecurityGroupsToLoadBalancer, Error>(
            places::apply_security_groups_to_load_balancer,
        )
        .write::<op::AttachLoadBalancerToSubnets, Error>(places::attach_load_balancer_to_subnets)
        .write::<op::ConfigureHealthCheck, Error>(health_check::configure_health_check)
        .write::<op::CreateAppCookieStickinessPolicy, Error>(
            policies::create_app_cookie_stickiness_policy,
        )
        .write::<op::CreateLBCookieStickinessPolicy, Error>(
            policies::create_lb_cookie_stickiness_policy,
        )
        .write::<op::CreateLoadBalancer, Error>(load_balancers::create_load_balancer)
        .write::<op::CreateLoadBalancerListeners, Error>(listeners::create_load_balancer_listeners)
        .write::<op::CreateLoadBalancerPolicy, Error>(policies::create_load_balancer_policy)
        .write::<op::DeleteLoadBalancer, Error>(load_balancers::delete_load_balancer)
        .write::<op::DeleteLoadBalancerListeners, Error>(listeners::delete_load_balancer_listeners)
        .write::<op::DeleteLoadBalancerPolicy, Error>(policies::delete_load_balancer_policy)
        .write::<op::DeregisterInstancesFromLoadBalancer, Error>(
            instances::deregister_instances_from_load_balancer,
        )
        .read::<op::DescribeAccountLimits, Error>(limits::describe_account_limits)
        .read::<op::DescribeInstanceHealth, Error>(instances::describe_instance_health)
        .read::<op::DescribeLoadBalancerAttributes, Error>(
            attributes::describe_load_balancer_attributes,
        )
        .read::<op::DescribeLoadBalancerPolicies, Error>(
            policy_types::describe_load_balancer_policies,
        )
        .read::<op::DescribeLoadBalancerPolicyTypes, Error>(
            policy_types::describe_load_balancer_policy_types,
        )
        .read::<op::DescribeLoadBalancers, Error>(load_balancers::describe_load_balancers)
        .read::<op::DescribeTags, Error>(tags::describe_tags)
        .write::<op::DetachLoadBalancerFromSubnets, Error>(
            places::detach_load_balancer_from_subnets,
        )
        .write::<op::DisableAvailabilityZonesForLoadBalancer, Error>(
            places::disable_availability_zones_for_load_balancer,
        )
        .write::<op::EnableAvailabilityZonesForLoadBalancer, Error>(
            places::enable_availability_zones_for_load_balancer,
        )
        .write::<op::ModifyLoadBalancerAttributes, Error>(
            attributes::modify_load_balancer_attributes,
        )
        .write::<op::RegisterInstancesWithLoadBalancer, Error>(
            instances::register_instances_with_load_balancer,
        )
        .write::<op::RemoveTags, Error>(tags::remove_tags)
        .write::<op::SetLoadBalancerListenerSSLCertificate, Error>(
            listeners::set_load_balancer_listener_ssl_certificate,
        )
        .write::<op::SetLoadBalancerPoliciesForBackendServer, Error>(
            policies::set_load_balancer_policies_for_backend_server,
        )
        .write::<op::SetLoadBalancerPoliciesOfListener, Error>(
            policies::set_load_balancer_policies_of_listener,
        )
}

#[cfg(test)]
mod tests;
