//! Services: what their tasks stand for, and what is to be started and stopped (handbook 5).

mod launching;
mod retire;

pub use launching::{fresh_id, launch, started_by};
pub use retire::{let_go, retire};
