//! Runs of the simulator: promises hold, planted bugs are found, equal seeds are equal.

mod planted;
mod seeds;
mod stories;
