//! The network on a real kernel: namespaces, bridges, rules and packets.
//!
//! Each test runs on a "machine" of its own, a network namespace, so tests neither meet nor touch
//! the real machine's network. They need root and are skipped with a message without it.

mod bridge_mode;
mod clients;
mod crash;
mod endpoint;
mod isolation;
mod lab;
mod machine;
mod restart;
mod teardown;
mod vpc_mode;
