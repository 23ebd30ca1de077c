//! Names of the region's own, for everybody on its machines: a DNS server, and the machine's hosts
//! file.
//!
//! The server answers for load balancers and hosted zones, and asks the machine's resolvers about
//! everything else. What names stand for is decided by `plan::names`; here are packets and files.

mod answer;
mod clients;
mod desk;
mod forward;
pub mod hosts;
mod query;
mod server;
mod value;

pub use clients::{BadRange, Clients, Range};
pub use desk::{Desk, Names};
pub use forward::Resolvers;
pub use server::{BindError, Server};
