//! The server over real sockets.

mod fixture;
mod questions;
