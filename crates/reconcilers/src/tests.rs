//! Promises kept, on made-up time: what is looked at, when, and what comes of it.

mod credentials;
mod definitions;
mod fixture;
mod instances;
mod queue;
mod stopped_tasks;
mod tokens;
