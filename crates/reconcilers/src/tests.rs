//! Promises kept, on made-up time: what is looked at, when, and what comes of it.

mod balancers;
mod certificates;
mod classic;
mod clusters;
mod connect;
mod credentials;
mod definitions;
mod draining;
mod fixture;
mod instances;
mod left_parts;
mod past;
mod queue;
mod service_discovery;
mod services;
mod stopped_tasks;
mod target_registration;
mod tokens;
