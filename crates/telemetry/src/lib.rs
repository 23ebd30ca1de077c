//! What flows out of containers: logs, and the queries over them.
//!
//! Metrics and logs are data, not control state: they have stores of their own and never go through
//! the journal.

pub mod logs;
