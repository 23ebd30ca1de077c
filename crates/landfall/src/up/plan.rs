//! Which instances a region on one machine has, and where everything of them lies.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use agent::Places;
use anyhow::{Context as _, bail};
use network::{Tag, Vpc};

use rustix::process::Pid;

use crate::args::UpFlags;
use crate::home::Folder;
use crate::server::{self, Server};
use crate::share::{Asked, Share};

/// The first addresses of a subnet are its gateway's and the machine's.
const FIRST_ADDRESS: u32 = 10;
/// Name of the file that holds the region's process id.
const PROCESS: &str = "up.pid";
/// Instances of one zone; tasks have the addresses above.
const INSTANCES_MAX: u32 = 200;

/// What a region leaves in memory of the machine, by a name made of its folder.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub(crate) tag: Tag,
    pub(crate) path: PathBuf,
}

impl Runtime {
    /// The run folder of the region in this folder.
    pub(crate) fn of(folder: &Folder) -> anyhow::Result<Self> {
        let tag = tag(folder.path())?;
        let path = Path::new("/run/landfall").join(tag_text(folder.path()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { tag, path })
    }

    /// Notes which process runs the region.
    pub(crate) fn note_process(&self) -> anyhow::Result<()> {
        let path = self.path.join(PROCESS);
        fs::write(&path, std::process::id().to_string())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The process that runs the region, if it lives.
    pub(crate) fn process(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.path.join(PROCESS)).ok()?;
        let process = Pid::from_raw(text.trim().parse().ok()?)?;
        let arguments = format!("/proc/{}/cmdline", process.as_raw_nonzero());
        // Its number may belong to somebody else by now.
        let ours = fs::read(arguments).ok()?.windows(8).any(|it| it == b"landfall");
        ours.then_some(process)
    }

    /// The names of the instances that have left something here.
    fn instances(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let folders = entries.filter(|it| it.path().is_dir());
        folders.map(|it| it.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Whether anything of the region is left on the machine.
    pub(crate) fn is_empty(&self) -> bool {
        self.instances().is_empty()
    }

    /// Takes away everything that the instances have left, running containers too.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        let tag = self.path.file_name().unwrap_or_default().to_string_lossy();
        for name in self.instances() {
            let run = self.path.join(&name);
            let cgroup = format!("landfall/{tag}/{name}");
            agent::stop_everything(&Places { network: run.join("net"), run, cgroup })
                .with_context(|| format!("cannot take away what instance {name} has left"))?;
        }
        match fs::remove_dir_all(&self.path) {
            // `up` and `down` both tidy when they end together.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.with_context(|| format!("cannot remove {}", self.path.display()))?,
        }
        // The folder of all regions goes with the last of them.
        drop(fs::remove_dir("/run/landfall"));
        Ok(())
    }
}

/// A short name for the region in that folder, the same every time.
pub(crate) fn tag(folder: &Path) -> anyhow::Result<Tag> {
    Tag::parse(&tag_text(folder)).context("a tag of letters and digits is one")
}

fn tag_text(folder: &Path) -> String {
    // FNV-1a: two regions on one machine that collide are refused by their journals' ports anyway.
    let hash = folder
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}").chars().take(7).collect()
}

/// One container instance that `up` runs.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// Such as `a1`: zone and number.
    pub(crate) name: String,
    /// The arguments of its agent.
    pub(crate) arguments: Vec<String>,
}

/// The instances of a region, dealt out over its zones.
pub(crate) fn instances(
    flags: &UpFlags,
    folder: &Folder,
    runtime: &Runtime,
    vpc: Vpc,
    server: &Server,
) -> anyhow::Result<Vec<Instance>> {
    let zones = server::zones(&flags.server)?;
    let zone_count = u32::try_from(zones.len()).unwrap_or(1).max(1);
    if flags.instances > INSTANCES_MAX * zone_count {
        bail!("--instances {}: at most {INSTANCES_MAX} in each zone", flags.instances);
    }
    let endpoint = super::agent_endpoint(vpc, server.address);
    let share = share(flags)?;
    let mut all = Vec::new();
    for index in 0..flags.instances {
        let (place, number) = (index % zone_count, index / zone_count);
        let zone = zones.get(usize::try_from(place)?).context("there is such a zone")?;
        let address = server.instance_address(zone, FIRST_ADDRESS + number)?;
        let letter = zone.as_str().chars().last().unwrap_or('a');
        let name = format!("{letter}{}", number + 1);
        let given = Given { flags, folder, runtime, endpoint: &endpoint, share };
        all.push(Instance { arguments: given.arguments(&name, zone.as_str(), address), name });
    }
    Ok(all)
}

/// What each instance has: an equal part of the machine, or what the flags say.
pub(crate) fn share(flags: &UpFlags) -> anyhow::Result<Share> {
    let asked = Asked { cpu: flags.instance_cpu, memory: flags.instance_memory };
    Share::of_machine()?.part(flags.instances, asked)
}

struct Given<'a> {
    flags: &'a UpFlags,
    folder: &'a Folder,
    runtime: &'a Runtime,
    endpoint: &'a str,
    share: Share,
}

impl Given<'_> {
    fn arguments(&self, name: &str, zone: &str, address: Ipv4Addr) -> Vec<String> {
        let data = self.folder.path().join("instances").join(name);
        let tag = tag_text(self.folder.path());
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let runtime = self.flags.runtime.as_ref().map(|it| ("--runtime", text(it.clone())));
        [
            ("--cluster", "default".to_owned()),
            ("--endpoint", self.endpoint.to_owned()),
            ("--region", self.flags.server.region.clone()),
            ("--data", text(data)),
            ("--run", text(self.runtime.path.join(name))),
            ("--images", text(self.folder.images())),
            ("--zone", zone.to_owned()),
            ("--address", address.to_string()),
            ("--region-tag", tag.clone()),
            ("--cgroup", format!("landfall/{tag}/{name}")),
            ("--cpu", self.share.cpu.0.to_string()),
            ("--memory", self.share.memory.0.to_string()),
            ("--attribute", format!("landfall.address={address}")),
            ("--attribute", format!("landfall.name={name}")),
        ]
        .into_iter()
        .chain(runtime)
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect()
    }
}
