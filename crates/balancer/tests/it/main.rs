//! A balancer with real sockets: clients on one side, a small origin on the other.

mod hostile;
mod http1;
mod http2;
mod lab;
mod operation;
mod origin;
mod routing;
mod timeouts;
