//! A balancer with real sockets: clients on one side, a small origin on the other.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "tests may fail so")]

mod classic;
mod frames;
mod hostile;
mod http1;
mod http2;
mod http2_cases;
mod lab;
mod operation;
mod origin;
mod routing;
mod streams;
mod targets;
mod timeouts;
mod tls;
