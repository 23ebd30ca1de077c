//! Agents' conversations with the whole control plane, at its door.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test that fails may panic")]

mod agent;
mod genuine_agent;
mod malformed;
mod region;
