//! The agent's rules as transcripts: what happens on the left, what the agent does on the right.

mod bench;
mod lifecycle;
mod messages;
mod reports;

use bench::{check, container, task};
