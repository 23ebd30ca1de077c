//! Amazon ECS: clusters, task definitions, tasks, container instances.

mod account_settings;
mod attributes;
mod clusters;
pub(crate) mod container_instances;
mod error;
pub(crate) mod find;
pub(crate) mod services;
mod tagging;
mod tags;
pub(crate) mod task_definitions;
pub(crate) mod tasks;
pub(crate) mod view;

pub(crate) use clusters::first as first_cluster;
pub use error::Error;

use shapes::ecs as op;

use crate::{Registry, page, reports};

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
        .write::<op::CreateService, Error>(services::create_service)
        .write::<op::UpdateService, Error>(services::update_service)
        .write::<op::DeleteService, Error>(services::delete_service)
        .read::<op::ListServices, Error>(services::list_services)
        .read::<op::DescribeServices, Error>(services::describe_services)
        .read::<op::ListServicesByNamespace, Error>(services::list_services_by_namespace)
        .read::<op::ListServiceDeployments, Error>(services::list_service_deployments)
        .read::<op::DescribeServiceDeployments, Error>(services::describe_service_deployments)
        .read::<op::DescribeServiceRevisions, Error>(services::describe_service_revisions)
        .write::<op::StopServiceDeployment, Error>(services::stop_service_deployment)
        .write::<op::UpdateTaskProtection, Error>(services::update_task_protection)
        .read::<op::GetTaskProtection, Error>(services::get_task_protection)
        .write::<op::RunTask, Error>(tasks::run_task)
        .write::<op::StartTask, Error>(tasks::start_task)
        .write::<op::StopTask, Error>(tasks::stop_task)
        .read::<op::DescribeTasks, Error>(tasks::describe_tasks)
        .read::<op::ListTasks, Error>(tasks::list_tasks)
        .write::<op::RegisterContainerInstance, Error>(
            container_instances::register_container_instance,
        )
        .write::<op::DeregisterContainerInstance, Error>(
            container_instances::deregister_container_instance,
        )
        .write::<op::UpdateContainerInstancesState, Error>(
            container_instances::update_container_instances_state,
        )
        .read::<op::DescribeContainerInstances, Error>(
            container_instances::describe_container_instances,
        )
        .read::<op::ListContainerInstances, Error>(container_instances::list_container_instances)
        .read::<op::DiscoverPollEndpoint, Error>(reports::discover_poll_endpoint)
        .report::<op::SubmitTaskStateChange, Error>(reports::submit_task_state_change)
        .report::<op::SubmitContainerStateChange, Error>(reports::submit_container_state_change)
        .report::<op::SubmitAttachmentStateChanges, Error>(reports::submit_attachment_state_changes)
        .write::<op::RegisterTaskDefinition, Error>(task_definitions::register_task_definition)
        .write::<op::DeregisterTaskDefinition, Error>(task_definitions::deregister_task_definition)
        .write::<op::DeleteTaskDefinitions, Error>(task_definitions::delete_task_definitions)
        .read::<op::DescribeTaskDefinition, Error>(task_definitions::describe_task_definition)
        .read::<op::ListTaskDefinitions, Error>(task_definitions::list_task_definitions)
        .read::<op::ListTaskDefinitionFamilies, Error>(
            task_definitions::list_task_definition_families,
        )
}
