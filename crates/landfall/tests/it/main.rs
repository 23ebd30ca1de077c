//! The commands for people against a real control plane on loopback.

mod commands;
mod region;
