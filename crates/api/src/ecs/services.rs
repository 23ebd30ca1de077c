//! Services: made, changed, deleted and described; their deployments and revisions.
//!
//! Everything here writes rows; tasks are made and stopped by the scheduler, which is woken by
//! them.

mod bounds;
mod connect;
mod create;
mod delete;
mod deployments;
mod describe;
mod list;
mod load_balancers;
mod namespaces;
mod protection;
mod records;
mod refusals;
mod registries;
mod rollout;
mod spec;
mod update;
mod view;

pub(crate) use create::create_service;
pub(crate) use delete::delete_service;
pub(crate) use deployments::{list_service_deployments, stop_service_deployment};
pub(crate) use describe::describe_services;
pub(crate) use list::list_services;
pub(crate) use namespaces::list_services_by_namespace;
pub(crate) use protection::{get_task_protection, update_task_protection};
pub(crate) use records::{describe_service_deployments, describe_service_revisions};
pub(crate) use update::update_service;

#[cfg(test)]
mod tests;
