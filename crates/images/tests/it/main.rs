//! The image store against the real disk, the real unpack helper and real registries.

#![allow(clippy::indexing_slicing, reason = "a test that reaches too far fails")]

mod crash;
mod fixture;
mod hostile;
mod import;
mod pull;
mod real;
mod registry;
mod store;
mod tarball;
mod unpack;
