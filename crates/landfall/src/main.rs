//! Landfall: one binary that runs a whole region. This is its roof: flags, wiring, start and stop.

mod agent;
mod args;
mod balancer;
mod client;
mod clock;
mod commands;
mod demo;
mod down;
mod env;
mod heirloom;
mod home;
mod names;
mod retention;
mod server;
mod share;
mod up;

use std::path::Path;
use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser as _;

fn main() -> ExitCode {
    if let Some(code) = inner_program() {
        return code;
    }
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

/// The programs that this one is executed again for. They come first, because each must be small and
/// two of them alone in their process.
fn inner_program() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    match words.next()?.to_str()? {
        "shim" => {
            let dir = words.next().filter(|it| it == "--dir").and_then(|_| words.next())?;
            Some(shim::main(Path::new(&dir)))
        }
        "unpack" => Some(images::unpack_main(words)),
        "demo" => Some(demo::run(words)),
        _ => None,
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(flags) => up::run(&flags),
        Command::Server(flags) => server::run(&flags),
        Command::Agent(flags) => agent::run(&flags),
        Command::Balancer(flags) => balancer::run(&flags),
        Command::Down(place) => down::run(&place),
        Command::Env(place) => env::run(&place),
        Command::Run(flags) => commands::run::run(&flags),
        Command::Deploy(flags) => commands::deploy::run(&flags),
        Command::Plan(flags) => commands::plan::run(&flags),
        Command::Top(flags) => commands::top::run(&flags),
        Command::Ps(flags) => commands::ps::run(&flags),
        Command::Logs(flags) => commands::logs::run(&flags),
        Command::Why(flags) => commands::why::run(&flags),
        Command::Audit(flags) => commands::audit::run(&flags),
        Command::Report(flags) => commands::availability::run(&flags),
        Command::Fault(flags) => commands::fault::run(&flags),
        Command::Image(flags) => commands::image::run(&flags),
        Command::Token(flags) => commands::token::run(&flags),
        Command::Journal(flags) => commands::journal::run(&flags),
        Command::Doctor(flags) => commands::doctor::run(&flags),
    }
}

/// One line for each thing that happened, for operators. `LANDFALL_LOG` says which.
fn log_to_stderr(verbose: bool) {
    let usual = if verbose { "debug,hyper=info" } else { "info" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("LANDFALL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).compact().init();
}
