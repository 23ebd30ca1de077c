//! AWS protocols: bytes and shapes, signatures, faults.
//!
//! One reader and one writer for each protocol, driven by the schemas of `shapes`; a new service
//! is no code here. Nothing here waits or reads a clock: it turns bytes into values and back.
//!
//! ```text
//! request::route → sigv4::Verifier::verify → Route::decode → … → Route::success | Route::failure
//! ```

pub mod client;
mod fault;
mod form;
mod query;
pub mod request;
mod response;
mod rest;
pub mod sigv4;
mod xml;

pub use fault::Fault;
pub use request::{Incoming, Refusal, Route, route};
