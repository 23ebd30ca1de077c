//! HTTP/2: clients that speak it, and targets that want it.

mod exchange;
mod fields;
mod gather;
mod http1_target;
mod http2_target;
pub(crate) mod server;
pub(crate) mod target;
