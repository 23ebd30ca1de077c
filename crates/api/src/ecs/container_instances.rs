//! Container instances: registration, states, looking.

mod describe;
mod identity;
mod list;
mod register;
mod states;
pub(crate) mod view;

pub(crate) use describe::describe_container_instances;
pub(crate) use list::list_container_instances;
pub(crate) use register::{may_speak_for, register_container_instance};
pub(crate) use states::{deregister_container_instance, update_container_instances_state};

#[cfg(test)]
mod tests;
