//! Where a request goes: what balancers are told, and the decisions they take from it.

mod table;

pub use table::{
    Certificate, Generation, Group, Listener, LoadBalancer, PortRule, RoutingTable, Target,
};
