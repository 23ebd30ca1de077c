//! Load for benches: clients that sign every request, and container instances that run nothing.
//!
//! A tool beside the house: it knows the control plane by its HTTP door alone. Results are one JSON
//! object on standard output.

mod client;
mod instances;
mod run_task;
mod tally;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args as Flags, Parser, Subcommand};
use client::{Client, Target};

#[derive(Debug, Parser)]
#[command(name = "load", about)]
struct Args {
    #[command(flatten)]
    target: TargetFlags,
    #[command(subcommand)]
    command: Command,
}

/// Which region, and with whose key. As `landfall env` exports them.
#[derive(Debug, Flags)]
struct TargetFlags {
    #[arg(long)]
    endpoint: String,
    #[arg(long, default_value = "us-east-1")]
    region: String,
    #[arg(long)]
    access_key_id: String,
    #[arg(long)]
    secret_access_key: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Register container instances that say that every task runs, until standard input ends.
    Instances(instances::Flags),
    /// Launch tasks with a fresh client token each.
    RunTask(run_task::Flags),
    /// Ask for one operation of ECS.
    Ask(AskFlags),
}

#[derive(Debug, Flags)]
struct AskFlags {
    #[arg(long)]
    operation: String,
    /// The input, as JSON.
    #[arg(long)]
    body: String,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(result) => {
            drop(writeln!(std::io::stdout(), "{result}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<serde_json::Value> {
    let flags = args.target;
    let target = Target::parse(
        &flags.endpoint,
        &flags.region,
        &flags.access_key_id,
        &flags.secret_access_key,
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match args.command {
        Command::Instances(flags) => runtime.block_on(instances::run(target, flags)),
        Command::RunTask(flags) => runtime.block_on(run_task::run(target, flags)),
        Command::Ask(flags) => runtime.block_on(async {
            Client::new(target).ask(&flags.operation, &flags.body).await?.json()
        }),
    }
}
