//! The journal against disks that fail, crash and forget, and against the real one.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test that fails may panic")]

mod crash;
mod errors;
mod fencing;
mod format;
mod histories;
mod memory;
mod pipeline;
mod planted;
mod real;
mod schema;
mod space;
mod support;
mod tools;
