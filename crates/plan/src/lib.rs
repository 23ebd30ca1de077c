//! Every decision of the house, as pure functions from values to values with their reasons.

pub mod tasks;
