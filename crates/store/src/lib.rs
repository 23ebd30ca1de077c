//! Keeps what the region knows: the journal, which makes every change durable.
//!
//! [`journal`] is the trait with its three verbs and the journals behind it: one in a folder, one
//! in memory. What a row means is not known here; to this crate a row is two byte strings.

mod core;
pub mod journal;
mod pipeline;
mod writer;

pub use self::core::{Core, Transaction};
pub use pipeline::{Begun, Load, Pipeline};
pub use writer::{
    Desk, Hearer, Job, Overloaded, Release, SYNCS_AT_ONCE, Surroundings, Threads, Writer,
};
