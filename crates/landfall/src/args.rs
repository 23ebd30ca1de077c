//! What can be said on the command line.

use core::str::FromStr;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Flags, Parser, Subcommand, ValueEnum};

use crate::balancer::BalancerFlags;
use crate::commands::audit::AuditFlags;
use crate::commands::availability::ReportFlags;
use crate::commands::deploy::DeployFlags;
use crate::commands::doctor::DoctorFlags;
use crate::commands::fault::FaultFlags;
use crate::commands::image::ImageFlags;
use crate::commands::journal::JournalFlags;
use crate::commands::logs::LogsFlags;
use crate::commands::plan::PlanFlags;
use crate::commands::ps::PsFlags;
use crate::commands::run::RunFlags;
use crate::commands::token::TokenFlags;
use crate::commands::top::TopFlags;
use crate::commands::why::WhyFlags;
use crate::names::HostsChoice;

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
    /// Run a container instance: it joins a cluster of a region and runs tasks.
    Agent(AgentFlags),
    Balancer(BalancerFlags),
    /// Stop every task and leave nothing of the region running or mounted.
    #[command(after_help = "\
Examples:
  landfall down                       the usual region; what it knows is kept
  landfall down --data /srv/landfall  a region with a folder of its own")]
    Down(Place),
    /// Print the exports that point AWS tools at the region: eval "$(landfall env)".
    #[command(after_help = "\
Examples:
  eval \"$(landfall env)\"                       for this shell
  eval \"$(landfall env --data /srv/landfall)\"  of a region with a folder of its own
  aws ecs list-clusters                         what AWS tools then reach")]
    Env(Place),
    Run(RunFlags),
    Deploy(DeployFlags),
    Plan(PlanFlags),
    Ps(PsFlags),
    Top(TopFlags),
    Logs(LogsFlags),
    Why(WhyFlags),
    Audit(AuditFlags),
    Report(ReportFlags),
    Fault(FaultFlags),
    Image(ImageFlags),
    Token(TokenFlags),
    Journal(JournalFlags),
    Doctor(DoctorFlags),
}

/// Where a region keeps what it knows.
#[derive(Debug, Clone, Flags)]
pub(crate) struct Place {
    /// Folder of the region. Default: landfall, in the user's data home.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Clone, Flags)]
#[command(after_help = "\
Examples:
  landfall server                         for this machine alone, at 127.0.0.1:4566
  landfall server --listen 10.0.0.1:4566  for agents and tools on other machines
  landfall server --history 30            forgets what is over after 30 days

Ctrl-C ends it in good order; containers run on. Machines join with `landfall token create` and
`landfall agent`.")]
pub(crate) struct ServerFlags {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Address of the region's API.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4566")]
    pub(crate) listen: SocketAddr,
    /// Address at which the region's names are answered by DNS; `up` answers at its network's gateway
    /// too.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) dns: Option<SocketAddr>,
    /// Range of addresses that may ask about names, beside this machine and the VPC.
    #[arg(long = "dns-client", value_name = "RANGE")]
    pub(crate) dns_clients: Vec<::names::Range>,
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
    /// Seconds of silence after which an instance counts as disconnected. Agents give a sign of
    /// life three times as often, at least every 5 seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) lost_after: u64,
    /// Seconds after which the tasks of a disconnected instance are given up; 0 is never.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) give_up_after: u64,
    /// How long stopped tasks and the audit trail are told of after their hour in memory: `forever`,
    /// or a number of days. 0 keeps no history.
    #[arg(long, value_name = "forever|DAYS", default_value = "forever")]
    pub(crate) history: Keep,
    /// Seconds for which a stopped task stays describable by DescribeTasks, and a request in memory.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) task_retention: u64,
    /// For benches: a sync of the journal takes exactly this long and makes nothing durable.
    #[arg(long, value_name = "MILLISECONDS", hide = true)]
    pub(crate) disk_delay_ms: Option<u64>,
    /// For benches: how many syncs of the journal may be under way at once.
    #[arg(long, value_name = "COUNT", hide = true)]
    pub(crate) syncs_at_once: Option<usize>,
}

/// How long the history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Not at all.
    Nothing,
    /// For so many days.
    Days(u32),
    /// For ever.
    Forever,
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "forever" => Ok(Self::Forever),
            "0" => Ok(Self::Nothing),
            days => {
                days.parse().map(Self::Days).map_err(|_| "`forever` or a number of days".into())
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    /// Signatures are verified.
    On,
    /// Any signature is accepted; on loopback only.
    Off,
}

/// What an agent needs to know; `up` fills it in for the instances that it runs. Credentials come
/// in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or are exchanged for `--token`.
#[derive(Debug, Clone, Flags)]
#[command(after_help = "\
Examples:
  landfall agent --endpoint http://10.0.0.1:4566 --token TOKEN       joins, once
  landfall agent --endpoint http://10.0.0.1:4566                     comes back as who it was
  landfall agent --endpoint http://10.0.0.1:4566 --attribute disk=ssd --memory 4096

TOKEN is what `landfall token create` prints in the region. Ctrl-C ends the agent; containers of
running tasks go on.")]
pub(crate) struct AgentFlags {
    /// Cluster to join.
    #[arg(long, default_value = "default")]
    pub(crate) cluster: String,
    /// URL of the region's API.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: String,
    /// Name of the region that requests are signed for.
    #[arg(long, default_value = "us-east-1")]
    pub(crate) region: String,
    /// A token that `landfall token create` printed, for a machine without credentials.
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// Folder for what must survive a restart.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/landfall/agent")]
    pub(crate) data: PathBuf,
    /// Folder for sockets and task directories, emptied by a restart of the machine.
    #[arg(long, value_name = "DIR", default_value = "/run/landfall/agent")]
    pub(crate) run: PathBuf,
    /// Folder of images, which several agents may share. Default: images, in the data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// Availability zone of this machine, such as us-east-1a.
    #[arg(long)]
    pub(crate) zone: Option<String>,
    /// Instance id of this machine, i-…; made up and kept if not given.
    #[arg(long, value_name = "ID")]
    pub(crate) instance_id: Option<String>,
    /// Attributes of the instance, NAME=VALUE.
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    pub(crate) attributes: Vec<String>,
    /// CPU units for tasks. Default: 1,024 for each processor.
    #[arg(long, value_name = "UNITS")]
    pub(crate) cpu: Option<u32>,
    /// Memory for tasks in MiB. Default: what the machine has.
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u32>,
    /// Live in a namespace of its own on this machine's region network.
    #[arg(long, hide = true, requires = "address")]
    pub(crate) region_tag: Option<String>,
    /// Address of the instance in that network.
    #[arg(long, hide = true)]
    pub(crate) address: Option<std::net::Ipv4Addr>,
    /// End when standard input ends: with the process that started this one, however that ends.
    #[arg(long, hide = true)]
    pub(crate) tied: bool,
    /// Name server for tasks with a network of their own: the region's. Default: this machine's.
    #[arg(long, value_name = "ADDR")]
    pub(crate) dns: Option<std::net::IpAddr>,
    /// Parent of the control groups of this agent's tasks.
    #[arg(long, default_value = "landfall")]
    pub(crate) cgroup: String,
    /// Id of a GPU for tasks.
    #[arg(long = "gpu", value_name = "ID")]
    pub(crate) gpus: Vec<String>,
    /// A registry that may be reached without TLS.
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    pub(crate) insecure_registries: Vec<String>,
    /// Run containers by this OCI runtime, such as /usr/sbin/runc, instead of our own.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) runtime: Option<PathBuf>,
}

#[derive(Debug, Clone, Flags)]
#[command(after_help = "\
Examples:
  landfall up                                     a region with three container instances
  landfall up --instances 1 --instance-memory 512 a small one
  landfall up --data /tmp/try --listen 127.0.0.1:4600   a second one beside the first

Ctrl-C stops it and containers of running tasks go on; `landfall down` stops them too.")]
pub(crate) struct UpFlags {
    #[command(flatten)]
    pub(crate) server: ServerFlags,
    /// How many container instances to run.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) instances: u32,
    /// Hosts file that gets a block with the region's names while it runs; `off` is none.
    #[arg(long, value_name = "PATH|off", default_value = "/etc/hosts")]
    pub(crate) hosts_file: HostsChoice,
    /// How many balancers carry the traffic of load balancers.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(0..=64))]
    pub(crate) balancers: u16,
    /// Address of this machine at which every load balancer is served, beside its own.
    #[arg(long = "balancer-address", value_name = "ADDRESS")]
    pub(crate) balancer_addresses: Vec<std::net::IpAddr>,
    /// CPU units of each instance. Default: all that the machine has, 1,024 for each processor;
    /// tasks that want more at once than there is share it by weight.
    #[arg(long, value_name = "UNITS")]
    pub(crate) instance_cpu: Option<u32>,
    /// Memory of each instance in MiB. Default: an equal part of what the machine has, less a
    /// sixteenth, at least 256 MiB, for the system.
    #[arg(long, value_name = "MIB")]
    pub(crate) instance_memory: Option<u32>,
    /// Run containers by this OCI runtime, such as /usr/sbin/runc, instead of our own.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) runtime: Option<PathBuf>,
}
