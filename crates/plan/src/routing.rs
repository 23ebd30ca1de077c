//! Where a request goes: what balancers are told, and the decisions they take from it.
//!
//! A [`RoutingTable`] is what a balancer is told, whole. [`Compiled`] is the same made ready: each
//! listener's rules stand in an index, so that a request asks only the rules that can be meant.
//! [`Port::route`] says what becomes of a request; `balancing` chooses among a group's targets.

pub mod attributes;
mod compiled;
mod condition;
mod head;
mod index;
mod pattern;
mod redirect;
mod serving;
pub mod session;
mod table;
mod told;

pub use compiled::{Balanced, Compiled, Port, ReadyGroup, Route, Step};
pub use condition::is_expression;
pub use head::{Head, Headers};
pub use pattern::{Case, Pattern};
pub use serving::{Publisher, Reception, Stay, stay};
pub use table::{
    Certificate, Generation, Group, Listener, LoadBalancer, PortRule, RoutingTable, Target,
};
pub use told::{is_told, listeners_start, parts, rules_start, seal, told};

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod shares;
#[cfg(test)]
mod tests;
