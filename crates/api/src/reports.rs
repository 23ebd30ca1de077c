//! What agents saw: every report is a write like any other, and moves things forward only.

mod balancer;
mod endpoint;
mod health;
mod task;

pub use balancer::{
    Rest, called as balancer_called, gone as balancer_gone, report as report_balancer,
};
pub use health::{Checked, health};

pub(crate) use endpoint::discover_poll_endpoint;
pub(crate) use task::{
    submit_attachment_state_changes, submit_container_state_change, submit_task_state_change,
};

#[cfg(test)]
mod tests;
