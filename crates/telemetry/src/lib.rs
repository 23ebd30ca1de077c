//! What flows out of containers and what is over: logs, the history, and the queries over them.
//!
//! Metrics, logs and the past are data, not control state: they have stores of their own and never
//! go through the journal.

pub mod history;
pub mod logs;
pub mod metrics;
