//! The agent's rules as transcripts: what happens on the left, what the agent does on the right.

mod bench;
mod lifecycle;
mod messages;
mod reports;
mod specs;
mod walk;
mod words;

use bench::{check, container, task};
