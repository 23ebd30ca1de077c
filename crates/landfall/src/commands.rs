//! The short way for people: commands that ask a region, or look at its folder and machine.
//!
//! Data goes to standard output, plain and aligned; progress and advice go to standard error.

pub(crate) mod audit;
pub(crate) mod availability;
pub(crate) mod balancers;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod fault;
pub(crate) mod image;
pub(crate) mod journal;
pub(crate) mod logs;
mod moment;
mod output;
pub(crate) mod plan;
pub(crate) mod ps;
pub(crate) mod run;
mod table;
mod tasks;
pub(crate) mod token;
pub(crate) mod top;
pub(crate) mod why;

use anyhow::Context as _;

pub(crate) use output::say;

/// Runs what a command does over the network to its end.
fn wait_for(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the network's thread")?;
    runtime.block_on(work)
}
