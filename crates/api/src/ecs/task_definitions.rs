//! Task definitions: registered, described, listed, deregistered, deleted.
//!
//! Source: Amazon ECS API Reference; handbook 3.

mod asked;
mod capabilities;
mod compatibilities;
mod constraints;
mod describe;
mod environment;
mod fargate;
mod linux;
mod list;
mod logging;
mod names;
mod network;
mod ordering;
mod ports;
mod register;
mod resources;
mod retire;
mod sizes;
#[cfg(test)]
mod tests;
mod view;
mod volumes;

pub(super) use describe::describe_task_definition;
pub(super) use list::{list_task_definition_families, list_task_definitions};
pub(crate) use register::register_task_definition;
pub(super) use retire::{delete_task_definitions, deregister_task_definition};

use shapes::ecs as shape;
use state::Demand;

use self::asked::Asked;
use super::Error;

/// What one task of a definition takes, such as overrides have made it: they keep the rules that
/// registration has for sizes.
///
/// # Errors
///
/// [`Error::Client`] if the sizes are none.
pub(super) fn demand(ask: &shape::RegisterTaskDefinitionRequest) -> Result<Demand, Error> {
    let asked = Asked::read(ask)?;
    resources::check(&asked)?;
    resources::demand(&asked)
}
