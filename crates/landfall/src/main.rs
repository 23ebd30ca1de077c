//! Landfall: one binary that runs a whole region. This is its roof: flags, wiring, start and stop.

mod args;
mod env;
mod home;
mod server;
mod up;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser as _;

fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr(args.verbose);
    match run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("landfall: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(flags) => up::run(&flags),
        Command::Server(flags) => server::run(&flags),
        Command::Env(place) => env::run(&place),
    }
}

/// One line for each thing that happened, for operators. `LANDFALL_LOG` says which.
fn log_to_stderr(verbose: bool) {
    let usual = if verbose { "debug,hyper=info" } else { "info" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("LANDFALL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).compact().init();
}
