//! Which instances a region on one machine has, and where everything of them lies.

use core::time::Duration;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Instant;

use agent::Places;
use anyhow::{Context as _, bail};
use network::{Tag, Vpc};
use shim::{Pid, Process};

use crate::args::UpFlags;
use crate::balancer;
use crate::home::Folder;
use crate::server::{self, Server};
use crate::share::{Asked, Share};

/// The first addresses of a subnet are its gateway's and the machine's.
const FIRST_ADDRESS: u32 = 10;
/// Name of the file that holds the region's process id.
const PROCESS: &str = "up.pid";
/// How long somebody who only looks whether the region runs may keep it from starting.
const LOOK_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);
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
        Ok(Self { tag, path: Path::new("/run/landfall").join(tag_text(folder.path())) })
    }

    /// Takes the region for this process, until the answer is dropped or the process ends in
    /// whatever way: the kernel lets the lock go.
    ///
    /// # Errors
    ///
    /// If another process runs the region.
    pub(crate) fn take(&self) -> anyhow::Result<File> {
        let path = self.path.join(PROCESS);
        let wrong = || format!("cannot write {}", path.display());
        fs::create_dir_all(&self.path).with_context(wrong)?;
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.with_context(wrong)?;
        let deadline = Instant::now() + LOOK_WITHIN;
        while let Err(error) = file.try_lock() {
            match error {
                TryLockError::Error(error) => return Err(error).with_context(wrong),
                // Somebody may just be looking whether the region runs.
                TryLockError::WouldBlock if Instant::now() < deadline => sleep(LOOK_EVERY),
                TryLockError::WouldBlock => bail!(
                    "the region in this folder runs already{}",
                    number(&path).map_or(String::new(), |it| format!(" (process {it})"))
                ),
            }
        }
        file.set_len(0).with_context(wrong)?;
        write!(file, "{}", std::process::id()).with_context(wrong)?;
        Ok(file)
    }

    /// The process that runs the region, if one does.
    pub(crate) fn process(&self) -> Runs {
        let path = self.path.join(PROCESS);
        let held = || {
            let file = File::open(&path).ok()?;
            matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then_some(())
        };
        if held().is_none() {
            return Runs::Nobody;
        }
        let process = number(&path).and_then(Pid::from_raw).and_then(Process::open);
        // Opened while the lock was held, and held still: the number cannot be another's.
        match (process, held()) {
            (_, None) => Runs::Nobody,
            (Some(process), Some(())) => Runs::Process(process),
            (None, Some(())) => Runs::Starting,
        }
    }

    /// The names of the instances that have left something here.
    fn instances(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let folders = entries.filter(|it| it.path().is_dir());
        let mut names: BTreeSet<String> =
            folders.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
        names.extend(shim::control_groups_in(&self.groups()).unwrap_or_default());
        for (dir, _) in shim::shims_below(&self.path) {
            let below = dir.strip_prefix(&self.path).ok();
            let name = below.and_then(|it| it.iter().next());
            names.extend(name.map(|it| it.to_string_lossy().into_owned()));
        }
        names
    }

    /// Where an instance leaves what it leaves.
    fn places(&self, instance: &str) -> Places {
        let run = self.path.join(instance);
        let cgroup = format!("{}/{instance}", self.groups());
        Places { network: run.join("net"), run, cgroup }
    }

    /// The control group above those of all instances.
    fn groups(&self) -> String {
        let tag = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("landfall/{tag}")
    }

    /// Whether anything of the region is left on the machine.
    pub(crate) fn is_empty(&self) -> bool {
        self.instances().is_empty() && self.balancers().is_empty()
    }

    /// The balancers that serve.
    pub(crate) fn balancers(&self) -> Vec<Process> {
        let tag = self.path.file_name().unwrap_or_default().to_string_lossy();
        balancer::of_region(&tag)
    }

    /// Takes away everything that the instances have left, running containers too. Agents that a
    /// killed `up` has left end first.
    ///
    /// # Errors
    ///
    /// The first thing that could not be taken away, after all others were tried.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        let mut result = agent::end_agents(&self.path).context("an agent of the region runs");
        for name in self.instances() {
            let places = self.places(&name);
            // What stands still cannot be asked to end; what cannot be thawed is killed all the same.
            drop(super::ward::release(&places));
            let stopped = agent::stop_everything(&places)
                .with_context(|| format!("cannot take away what instance {name} has left"));
            result = result.and(stopped);
        }
        result.and(crate::names::take_away(&self.path))?;
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

/// Whether a region runs.
#[derive(Debug)]
pub(crate) enum Runs {
    /// It does not.
    Nobody,
    /// In this process.
    Process(Process),
    /// In one that has not said yet which it is.
    Starting,
}

/// The number of a process in a file.
fn number(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
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
    /// Where it leaves what it leaves.
    pub(super) places: Places,
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
        let dns = server.name_server;
        let given = Given { flags, folder, runtime, endpoint: &endpoint, share, dns };
        let arguments = given.arguments(&name, zone.as_str(), address);
        all.push(Instance { places: runtime.places(&name), arguments, name });
    }
    Ok(all)
}

/// What each instance has: an equal part of the machine's memory and all of its CPU, or what the
/// flags say.
pub(crate) fn share(flags: &UpFlags) -> anyhow::Result<Share> {
    let asked = Asked { cpu: flags.instance_cpu, memory: flags.instance_memory };
    Share::of_machine()?.part(flags.instances, asked)
}

/// One balancer that `up` runs.
#[derive(Debug, Clone)]
pub(crate) struct LocalBalancer {
    /// Such as `balancer-1`.
    pub(crate) name: String,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
}

/// The balancers of a region.
pub(crate) fn balancers(flags: &UpFlags, folder: &Folder, server: &Server) -> Vec<LocalBalancer> {
    let one = |number: u16| {
        let name = number.to_string();
        let data = folder.path().join("balancers").join(&name);
        let addresses = flags.balancer_addresses.iter().map(|it| ("--address", it.to_string()));
        let arguments = [
            ("--endpoint", server.endpoint.clone()),
            ("--region", flags.server.region.clone()),
            ("--name", name.clone()),
            ("--data", data.to_string_lossy().into_owned()),
            ("--buckets", folder.buckets().to_string_lossy().into_owned()),
            ("--region-tag", tag_text(folder.path())),
        ];
        let arguments = arguments.into_iter().chain(addresses);
        let arguments = arguments.flat_map(|(flag, value)| [flag.to_owned(), value]);
        let arguments = arguments.chain(["--heir".to_owned()]).collect();
        LocalBalancer { name: format!("balancer-{name}"), arguments }
    };
    (1..=flags.balancers).map(one).collect()
}

struct Given<'a> {
    flags: &'a UpFlags,
    folder: &'a Folder,
    runtime: &'a Runtime,
    endpoint: &'a str,
    share: Share,
    dns: Option<Ipv4Addr>,
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
        .chain(crate::names::argument(self.dns))
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(folder: &tempfile::TempDir) -> Runtime {
        Runtime { tag: Tag::parse("abc1234").expect("a tag"), path: folder.path().to_owned() }
    }

    #[test]
    fn a_region_runs_as_long_as_its_process_whatever_that_is_called() {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = runtime(&folder);
        assert!(matches!(runtime.process(), Runs::Nobody));
        let held = runtime.take().expect("nobody has it");
        assert!(matches!(runtime.process(), Runs::Process(_)), "this process, named as it is");
        let refused = runtime.take().expect_err("taken").to_string();
        assert!(refused.ends_with(&format!("(process {})", std::process::id())), "{refused}");
        drop(held);
        assert!(matches!(runtime.process(), Runs::Nobody));
        runtime.take().expect("free again");
    }

    #[test]
    fn the_number_of_a_process_that_has_ended_means_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        // A living process with `landfall` among its words, which does not run the region.
        let mut other = std::process::Command::new("sleep");
        let mut other = std::os::unix::process::CommandExt::arg0(&mut other, "landfall")
            .arg("1000")
            .spawn()
            .expect("starts");
        fs::write(folder.path().join(PROCESS), other.id().to_string()).expect("writes");
        let found = runtime(&folder).process();
        other.kill().expect("is there");
        other.wait().expect("ends");
        assert!(matches!(found, Runs::Nobody), "{found:?}");
    }

    #[test]
    fn a_region_that_has_not_said_its_number_yet_is_no_region_that_has_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = File::create(folder.path().join(PROCESS)).expect("makes");
        file.lock().expect("nobody has it");
        assert!(matches!(runtime(&folder).process(), Runs::Starting));
    }
}
