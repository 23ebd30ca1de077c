//! The codecs against every operation of every vendored model.
//!
//! Schemas are read from the models themselves, so that services whose shapes are not compiled
//! are proven too.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy's allowance for tests does not reach the functions that tests call"
)]

mod botocore;
mod dynamic;
mod model;
mod mutations;
mod round_trip;
mod sample;
mod signatures;
