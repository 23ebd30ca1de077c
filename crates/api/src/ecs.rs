//! Amazon ECS: clusters, task definitions, tasks, container instances.

mod account_settings;
mod attributes;
mod clusters;
mod error;
mod find;
mod page;
mod services;
mod tagging;
mod tags;
mod view;

pub(crate) use clusters::first as first_cluster;
pub use error::Error;

use shapes::ecs as op;

use crate::Registry;

/// The ECS operations that we answer.
pub fn registry() -> Registry {
    Registry::default()
        .write::<op::CreateCluster, Error>(clusters::create_cluster)
        .write::<op::DeleteCluster, Error>(clusters::delete_cluster)
        .read::<op::DescribeClusters, Error>(clusters::describe_clusters)
        .read::<op::ListClusters, Error>(clusters::list_clusters)
        .write::<op::PutClusterCapacityProviders, Error>(clusters::put_cluster_capacity_providers)
        .write::<op::UpdateCluster, Error>(clusters::update_cluster)
        .write::<op::UpdateClusterSettings, Error>(clusters::update_cluster_settings)
        .write::<op::PutAccountSetting, Error>(account_settings::put_account_setting)
        .write::<op::PutAccountSettingDefault, Error>(account_settings::put_account_setting_default)
        .write::<op::DeleteAccountSetting, Error>(account_settings::delete_account_setting)
        .read::<op::ListAccountSettings, Error>(account_settings::list_account_settings)
        .write::<op::TagResource, Error>(tagging::tag_resource)
        .write::<op::UntagResource, Error>(tagging::untag_resource)
        .read::<op::ListTagsForResource, Error>(tagging::list_tags_for_resource)
        .write::<op::PutAttributes, Error>(attributes::put_attributes)
        .write::<op::DeleteAttributes, Error>(attributes::delete_attributes)
        .read::<op::ListAttributes, Error>(attributes::list_attributes)
        .read::<op::ListServices, Error>(services::list_services)
        .read::<op::DescribeServices, Error>(services::describe_services)
}
