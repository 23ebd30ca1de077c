//! Everything the control plane believes, as one value.
//!
//! [`State`] holds typed tables of records and the indexes that decisions need. It changes only
//! through [`Change`]s, which any state accepts, and tells nobody: checking and deciding happen
//! before, in `plan` and `api`. A [`Draft`] is the state under one input, undone when the input is
//! refused.

pub mod capacity;
mod change;
mod context;
mod draft;
mod index;
mod record;
mod stored;
mod tables;

pub use capacity::{Capacity, is_living, ports_held};
pub use change::Change;
pub use context::{Caller, Context, Dice};
pub use draft::{CHANGES_MAX, Draft, Replay};
pub use index::{Aged, Counts, Crowd, Discovery, Indexes, Stage};
pub use record::*;
pub use stored::{StoredRow, decode, encode};
pub use tables::{State, Table};
