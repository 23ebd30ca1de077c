//! Tasks: launching, stopping, looking.

mod describe;
pub(super) mod launch;
mod list;
mod run;
mod start;
mod stop;
pub(crate) mod view;

pub(crate) use describe::describe_tasks;
pub(crate) use list::list_tasks;
pub(crate) use run::run_task;
pub(crate) use start::start_task;
pub(crate) use stop::stop_task;

#[cfg(test)]
mod tests;
