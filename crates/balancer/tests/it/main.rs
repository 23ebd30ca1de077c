//! A balancer with real sockets: clients on one side, a small origin on the other.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "tests may fail so")]

mod hostile;
mod http1;
mod http2;
mod lab;
mod operation;
mod origin;
mod routing;
mod timeouts;
