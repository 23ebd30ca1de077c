//! AWS Cloud Map: namespaces, the services in them, and the instances that clients find by name.
//!
//! `plan::names` answers questions about names out of the same records. Everything that was
//! answered is in force: an operation has succeeded when its id is given out.
//! Source: AWS Cloud Map API Reference, version 2017-03-14.

mod attributes;
mod discover;
mod dns;
mod error;
mod filter;
mod find;
mod health;
mod instances;
mod namespace_changes;
mod namespaces;
mod operations;
mod registration;
mod service_attributes;
mod services;
mod tags;
mod view;
mod zone;

pub use error::Error;
pub(crate) use find::{namespace_arn, service_arn};
pub(crate) use namespaces::http_namespace;

use shapes::servicediscovery as op;

use crate::Registry;

/// The operations of Cloud Map that we answer.
pub fn registry() -> Registry {
    namespace_operations().and(service_operations()).and(instance_operations())
}

fn namespace_operations() -> Registry {
    Registry::default()
        .write::<op::CreateHttpNamespace, Error>(namespaces::create_http_namespace)
        .write::<op::CreatePrivateDnsNamespace, Error>(namespaces::create_private_dns_namespace)
        .write::<op::CreatePublicDnsNamespace, Error>(namespaces::create_public_dns_namespace)
        .write::<op::DeleteNamespace, Error>(namespaces::delete_namespace)
        .read::<op::GetNamespace, Error>(namespaces::get_namespace)
        .read::<op::ListNamespaces, Error>(namespaces::list_namespaces)
        .write::<op::UpdateHttpNamespace, Error>(namespace_changes::update_http_namespace)
        .write::<op::UpdatePrivateDnsNamespace, Error>(
            namespace_changes::update_private_dns_namespace,
        )
        .write::<op::UpdatePublicDnsNamespace, Error>(
            namespace_changes::update_public_dns_namespace,
        )
        .read::<op::GetOperation, Error>(operations::get_operation)
        .read::<op::ListOperations, Error>(operations::list_operations)
        .read::<op::ListTagsForResource, Error>(tags::list_tags_for_resource)
        .write::<op::TagResource, Error>(tags::tag_resource)
        .write::<op::UntagResource, Error>(tags::untag_resource)
}

fn service_operations() -> Registry {
    Registry::default()
        .write::<op::CreateService, Error>(services::create_service)
        .write::<op::DeleteService, Error>(services::delete_service)
        .write::<op::DeleteServiceAttributes, Error>(service_attributes::delete_service_attributes)
        .read::<op::GetService, Error>(services::get_service)
        .read::<op::GetServiceAttributes, Error>(service_attributes::get_service_attributes)
        .read::<op::ListServices, Error>(services::list_services)
        .write::<op::UpdateService, Error>(services::update_service)
        .write::<op::UpdateServiceAttributes, Error>(service_attributes::update_service_attributes)
}

fn instance_operations() -> Registry {
    Registry::default()
        .write::<op::DeregisterInstance, Error>(registration::deregister_instance)
        .read::<op::DiscoverInstances, Error>(discover::discover_instances)
        .read::<op::DiscoverInstancesRevision, Error>(discover::discover_instances_revision)
        .read::<op::GetInstance, Error>(instances::get_instance)
        .read::<op::GetInstancesHealthStatus, Error>(health::get_instances_health_status)
        .read::<op::ListInstances, Error>(instances::list_instances)
        .write::<op::RegisterInstance, Error>(registration::register_instance)
        .write::<op::UpdateInstanceCustomHealthStatus, Error>(
            health::update_instance_custom_health_status,
        )
}

#[cfg(test)]
mod tests;
