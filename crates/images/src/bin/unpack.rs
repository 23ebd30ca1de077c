//! The unpack helper as a program of its own; only this crate's tests run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    images::unpack_main(std::env::args_os().skip(1))
}
