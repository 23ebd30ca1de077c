//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Flags, Parser, Subcommand, ValueEnum};

/// Amazon ECS that you own: a whole region on machines you control.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, about, propagate_version = true)]
pub(crate) struct Args {
    /// Say more about what happens.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole region on this machine: control plane and container instances.
    Up(UpFlags),
    /// Run the control plane alone.
    Server(ServerFlags),
    /// Print the exports that point AWS tools at the region: eval "$(landfall env)".
    Env(Place),
}

/// Where a region keeps what it knows.
#[derive(Debug, Clone, Flags)]
pub(crate) struct Place {
    /// Folder of the region. Default: landfall, in the user's data home.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Clone, Flags)]
pub(crate) struct ServerFlags {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Address of the region's API.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4566")]
    pub(crate) listen: SocketAddr,
    /// Name of the region.
    #[arg(long, default_value = "us-east-1")]
    pub(crate) region: String,
    /// The account that owns everything in the region.
    #[arg(long, default_value = "123456789012")]
    pub(crate) account: String,
    /// Letters of its availability zones, or their full names.
    #[arg(long, value_delimiter = ',', default_value = "a,b,c")]
    pub(crate) zones: Vec<String>,
    /// Whether requests must be signed with a key of the region.
    #[arg(long, value_enum, default_value_t = Auth::On)]
    pub(crate) auth: Auth,
    /// Serve requests signed for this region's name only.
    #[arg(long)]
    pub(crate) only_region: bool,
    /// Seconds of silence after which an instance counts as disconnected.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub(crate) lost_after: u64,
    /// Seconds after which the tasks of a disconnected instance are given up; 0 is never.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) give_up_after: u64,
    /// For benches: a sync of the journal takes exactly this long and makes nothing durable.
    #[arg(long, value_name = "MILLISECONDS", hide = true)]
    pub(crate) disk_delay_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    /// Signatures are verified.
    On,
    /// Any signature is accepted; on loopback only.
    Off,
}

#[derive(Debug, Clone, Flags)]
pub(crate) struct UpFlags {
    #[command(flatten)]
    pub(crate) server: ServerFlags,
    /// How many container instances to run.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) instances: u32,
}
