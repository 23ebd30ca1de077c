//! Amazon ECS: clusters, task definitions, tasks, container instances.

mod clusters;
mod error;
mod find;
mod page;
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
}
