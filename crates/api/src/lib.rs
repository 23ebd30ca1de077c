//! What clients can ask of a region, and what becomes of it: the operations of every service.
//!
//! An operation is an ordinary function from the state and a typed request to a typed answer or a
//! refusal. It exists because its service's [`Registry`] lists it; decoding, audit and faults come
//! with that line. Nothing here waits, looks at a clock or talks to anyone.

mod audit;
mod fault;
#[cfg(test)]
mod fixture;
mod page;
mod registry;
mod reports;
mod token;

pub mod acm;
pub mod cloudwatch;
pub mod ec2;
pub mod ecs;
pub mod elb;
pub mod elbv2;
pub mod landfall;
pub mod region;
pub mod route53;
pub mod servicediscovery;
pub mod sts;

pub use audit::next_audit;
pub use fault::Fault;
pub use registry::{
    Answer, Entry, Fill, Invalid, Read, ReadEntry, ReadFn, Registry, Write, WriteEntry, WriteFn,
};
pub use reports::{
    Checked, Rest, balancer_called, balancer_gone, health as report_health, report_balancer,
};

/// Every operation that this region answers.
pub fn registry() -> Registry {
    Registry::default()
        .and(acm::registry())
        .and(cloudwatch::registry())
        .and(ec2::registry())
        .and(ecs::registry())
        .and(elb::registry())
        .and(elbv2::registry())
        .and(landfall::registry())
        .and(route53::registry())
        .and(servicediscovery::registry())
        .and(sts::registry())
}
