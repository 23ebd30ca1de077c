//! The shim against the kernel of this machine. Needs root and the static busybox of Debian's
//! `busybox-static`; says so and does nothing without.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests are tests, though the lints cannot see it"
)]

mod fixture;
mod hostile;
mod isolation;
mod lifecycle;
mod limits;
mod mounts;
mod recovery;
mod sharing;
mod terminal;
