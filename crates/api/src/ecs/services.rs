//! Services: made, changed, deleted and described; their deployments and revisions.
//!
//! Everything here writes rows; tasks are made and stopped by the scheduler, which is woken by
//! them.

mod bounds;
mod create;
mod delete;
mod describe;
mod list;
mod load_balancers;
mod refusals;
mod registries;
mod rollout;
mod spec;
mod update;
mod view;

pub(crate) use create::create_service;
pub(crate) use delete::delete_service;
pub(crate) use describe::describe_services;
pub(crate) use list::list_services;
pub(crate) use update::update_service;

#[cfg(test)]
mod tests;
