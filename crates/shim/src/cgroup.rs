//! Control groups: where they are mounted, and one group through all hierarchies.
//!
//! Version 1 has a hierarchy for each controller, version 2 one for all; a hybrid machine has
//! the controllers in version 1 and an empty version 2 tree beside them, which is still good
//! for killing a whole group at once.

mod counters;
mod devices;
mod freeze;
mod limits;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

pub(crate) use devices::{DeviceAccess, DeviceKind, DeviceRule, default_rules};
pub use freeze::{freeze_control_group, thaw_control_group};

use crate::spec::Limits;
use crate::{sys, wait};

/// How a machine mounts its control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Version 1 only.
    Legacy,
    /// Controllers in version 1, and a version 2 tree without them.
    Hybrid,
    /// Version 2 only.
    Unified,
}

/// Controllers that limits and counters need.
const CONTROLLERS: [&str; 6] = ["cpu", "cpuacct", "memory", "pids", "blkio", "devices"];

/// Those of version 2 without which there are no limits.
const VITAL: [&str; 3] = ["cpu", "memory", "pids"];

/// The hierarchies of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies {
    /// How they are mounted.
    pub version: Version,
    /// Version 1: mount point and the controllers there.
    v1: Vec<(PathBuf, Vec<String>)>,
    /// Version 1: mount points of controllers that we leave alone and runtimes may use.
    others: Vec<PathBuf>,
    /// Version 1 without a controller, used by systemd to tell services apart.
    systemd: Option<PathBuf>,
    /// Version 2.
    v2: Option<PathBuf>,
}

impl Hierarchies {
    /// Finds what is mounted.
    ///
    /// # Errors
    ///
    /// If the mount table cannot be read, or there are no control groups at all.
    pub fn detect() -> io::Result<Self> {
        Self::parse(&fs::read_to_string("/proc/self/mountinfo")?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no control groups are mounted"))
    }

    /// Which of the controllers we use this machine lacks; for a check before anything runs.
    pub fn missing(&self) -> Vec<&'static str> {
        match (&self.version, &self.v2) {
            (Version::Unified, Some(root)) => {
                let have = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
                let have: Vec<&str> = have.split_whitespace().collect();
                VITAL.into_iter().filter(|it| !have.contains(it)).collect()
            }
            _ => CONTROLLERS.into_iter().filter(|it| self.controller(it).is_none()).collect(),
        }
    }

    /// Version 2 in a container with a tree of its own: processes in that tree's root keep it from
    /// handing controllers to the groups below. The machine's own root is exempt from that rule.
    pub fn held_back(&self) -> bool {
        let (Version::Unified, Some(root)) = (self.version, &self.v2) else { return false };
        let words = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
        let handed = words("cgroup.subtree_control");
        let all = VITAL.iter().all(|it| handed.split_whitespace().any(|have| have == *it));
        root.join("cgroup.type").exists() && !all && !words("cgroup.procs").trim().is_empty()
    }

    fn parse(mountinfo: &str) -> Option<Self> {
        let mut found =
            Self { version: Version::Legacy, v1: vec![], others: vec![], systemd: None, v2: None };
        for line in mountinfo.lines() {
            let (fields, rest) = line.split_once(" - ")?;
            let mut rest = rest.split(' ');
            let kind = rest.next()?;
            let options = rest.nth(1).unwrap_or_default();
            let point = PathBuf::from(fields.split(' ').nth(4)?);
            match kind {
                "cgroup2" => found.v2 = found.v2.or(Some(point)),
                "cgroup" => found.add_legacy(point, options),
                _ => {}
            }
        }
        found.version = match (found.v1.is_empty(), &found.v2) {
            (true, Some(_)) => Version::Unified,
            (false, Some(_)) => Version::Hybrid,
            (false, None) => Version::Legacy,
            (true, None) => return None,
        };
        Some(found)
    }

    fn add_legacy(&mut self, point: PathBuf, options: &str) {
        if options.split(',').any(|it| it == "name=systemd") {
            self.systemd.get_or_insert(point);
            return;
        }
        let ours = options.split(',').filter(|it| CONTROLLERS.contains(it));
        let ours: Vec<String> = ours.map(str::to_owned).collect();
        let known = |it: &String| self.v1.iter().any(|(_, have)| have.contains(it));
        if !ours.is_empty() && !ours.iter().any(known) {
            self.v1.push((point, ours));
        } else if ours.is_empty() {
            self.others.push(point);
        }
    }

    /// Mount point of a version 1 controller.
    fn controller(&self, name: &str) -> Option<&Path> {
        let has = |(_, have): &&(PathBuf, Vec<String>)| have.iter().any(|it| it == name);
        self.v1.iter().find(has).map(|(point, _)| point.as_path())
    }
}

/// Removes a control group with those below it from all hierarchies; nothing may run in it.
/// For what is above tasks, which belongs to whoever chose the path.
///
/// # Errors
///
/// If something runs there, or the path is not a plain one.
pub fn remove_control_group(path: &str) -> io::Result<()> {
    Group::new(&Hierarchies::detect()?, path)?.remove()
}

/// Kills everything in a control group and below it, then removes it from all hierarchies.
///
/// # Errors
///
/// If something survives, or the path is not a plain one.
pub fn clear_control_group(path: &str) -> io::Result<()> {
    let group = Group::new(&Hierarchies::detect()?, path)?;
    group.kill()?;
    group.remove()
}

/// Names of the control groups directly inside one, in any hierarchy.
///
/// # Errors
///
/// If there are no control groups, or the path is not a plain one.
pub fn control_groups_in(path: &str) -> io::Result<BTreeSet<String>> {
    let group = Group::new(&Hierarchies::detect()?, path)?;
    let inside = group.everywhere().into_iter().flat_map(|it| children(&it));
    Ok(inside.filter_map(|it| Some(it.file_name()?.to_str()?.to_owned())).collect())
}

/// One control group, in all hierarchies at once.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    hierarchies: Hierarchies,
    path: String,
}

impl Group {
    /// The group at `path` below the hierarchies' roots. `..` and empty names are refused.
    pub(crate) fn new(hierarchies: &Hierarchies, path: &str) -> io::Result<Self> {
        let path = path.trim_matches('/');
        if path.is_empty() || path.split('/').any(|it| matches!(it, "" | "." | "..")) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "control group path"));
        }
        Ok(Self { hierarchies: hierarchies.clone(), path: path.to_owned() })
    }

    /// A group inside this one.
    pub(crate) fn child(&self, name: &str) -> io::Result<Self> {
        Self::new(&self.hierarchies, &format!("{}/{name}", self.path))
    }

    /// Path below the hierarchies' roots.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Makes the group where it is missing.
    pub(crate) fn create(&self) -> io::Result<()> {
        for folder in self.folders() {
            fs::create_dir_all(&folder)?;
        }
        if self.hierarchies.version == Version::Unified {
            self.delegate_controllers();
        }
        Ok(())
    }

    /// Version 2: lets every ancestor hand its controllers down. What a kernel lacks is left
    /// out; a limit that needs it fails when it is written.
    fn delegate_controllers(&self) {
        let Some(root) = &self.hierarchies.v2 else { return };
        let mut folder = root.clone();
        for name in self.path.split('/') {
            for controller in ["cpu", "memory", "pids", "io"] {
                let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
            }
            folder.push(name);
        }
    }

    /// Sets the limits that are asked for.
    pub(crate) fn apply(&self, limits: &Limits) -> io::Result<()> {
        match self.hierarchies.version {
            Version::Unified => limits::apply_unified(&self.unified()?, limits),
            _ => limits::apply_legacy(|it| self.legacy(it), limits),
        }
    }

    /// Allows the listed device accesses and no other.
    pub(crate) fn allow_devices(&self, rules: &[DeviceRule]) -> io::Result<()> {
        match self.hierarchies.version {
            Version::Unified => devices::attach(&self.unified()?, rules),
            _ => devices::write(&self.legacy("devices")?, rules),
        }
    }

    /// Moves a process in, in every version 1 hierarchy; see [`Self::descriptor`] for version 2.
    ///
    /// The first write waits for the kernel to notice that nobody forks or exits (some ten
    /// milliseconds), the others then take microseconds: so do it for all at once.
    pub(crate) fn attach(&self, pid: i32) -> io::Result<()> {
        for (point, _) in &self.hierarchies.v1 {
            fs::write(point.join(&self.path).join("cgroup.procs"), pid.to_string())?;
        }
        Ok(())
    }

    /// Moves the calling process in, in every hierarchy.
    pub(crate) fn enter(&self) -> io::Result<()> {
        for folder in self.folders() {
            fs::write(folder.join("cgroup.procs"), "0")?;
        }
        Ok(())
    }

    /// Makes the version 2 folder alone, for a process that is to be in no controller.
    pub(crate) fn create_unified(&self) -> io::Result<()> {
        match &self.hierarchies.v2 {
            Some(v2) => fs::create_dir_all(v2.join(&self.path)),
            None => Ok(()),
        }
    }

    /// Takes back [`Self::create_unified`], as far as nobody else uses what it made.
    pub(crate) fn abandon(&self) {
        let Some(v2) = &self.hierarchies.v2 else { return };
        let made = v2.join(&self.path);
        let _ =
            made.parent().map(|above| fs::remove_dir(&made).and_then(|()| fs::remove_dir(above)));
    }

    /// Moves the calling process where systemd no longer counts it to the service that started
    /// it: a shim outlives that. Costs nothing where there is no such service.
    pub(crate) fn leave_service(&self) -> io::Result<()> {
        let member = fs::read_to_string("/proc/self/cgroup")?;
        let service = member.lines().find_map(|it| it.split_once(":name=systemd:"));
        match (&self.hierarchies.systemd, service) {
            (Some(point), Some((_, path))) if path != "/" => {
                fs::create_dir_all(point.join(&self.path))?;
                fs::write(point.join(&self.path).join("cgroup.procs"), "0")
            }
            _ => Ok(()),
        }
    }

    /// Moves the calling process out of the group, so that the group can be removed.
    pub(crate) fn leave(&self) -> io::Result<()> {
        let member = fs::read_to_string("/proc/self/cgroup")?;
        let roots =
            [("0::/", &self.hierarchies.v2), (":name=systemd:/", &self.hierarchies.systemd)];
        for (mark, root) in roots {
            let inside = format!("{mark}{}", self.path);
            if let (Some(root), true) = (root, member.lines().any(|it| it.contains(&inside))) {
                fs::write(root.join("cgroup.procs"), "0")?;
            }
        }
        Ok(())
    }

    /// The version 2 folder, for starting a process inside it at no cost.
    pub(crate) fn descriptor(&self) -> io::Result<Option<OwnedFd>> {
        let Some(v2) = &self.hierarchies.v2 else { return Ok(None) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Some(rustix::fs::open(v2.join(&self.path), flags, Mode::empty())?))
    }

    /// The version 1 folders with the name each has below `/sys/fs/cgroup`; empty on version 2.
    pub(crate) fn legacy_folders(&self) -> Vec<(String, PathBuf)> {
        let one = |(point, _): &(PathBuf, Vec<String>)| {
            let name = point.file_name()?.to_str()?.to_owned();
            Some((name, point.join(&self.path)))
        };
        self.hierarchies.v1.iter().filter_map(one).collect()
    }

    /// Kills every process in the group and below, until none is left.
    pub(crate) fn kill(&self) -> io::Result<()> {
        for attempt in 0..KILL_ATTEMPTS {
            if let Some(v2) = &self.hierarchies.v2 {
                let _ = fs::write(v2.join(&self.path).join("cgroup.kill"), "1");
            }
            let left = self.processes();
            if left.is_empty() {
                return Ok(());
            }
            for pid in left {
                let _ = sys::kill(pid, libc::SIGKILL);
            }
            wait::pause(attempt);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "processes survive being killed"))
    }

    /// Processes in the group and below that are not dead already.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mut found = Vec::new();
        for folder in self.folders() {
            collect_processes(&folder, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|pid| !wait::is_dead(*pid));
        found
    }

    /// Removes the group and those below it. Nothing may run in them any more.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.everywhere().iter().try_for_each(|it| remove_tree(it))
    }

    /// Its folders also where we leave it alone, but systemd or a runtime may not.
    fn everywhere(&self) -> Vec<PathBuf> {
        let others = self.hierarchies.systemd.iter().chain(&self.hierarchies.others);
        let others = others.map(|it| it.join(&self.path));
        self.folders().into_iter().chain(others).collect()
    }

    fn folders(&self) -> Vec<PathBuf> {
        let v1 = self.hierarchies.v1.iter().map(|(point, _)| point);
        v1.chain(&self.hierarchies.v2).map(|point| point.join(&self.path)).collect()
    }

    fn legacy(&self, controller: &str) -> io::Result<PathBuf> {
        let point = self.hierarchies.controller(controller).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("no control group '{controller}'"))
        })?;
        Ok(point.join(&self.path))
    }

    fn unified(&self) -> io::Result<PathBuf> {
        let root = self.hierarchies.v2.as_ref();
        root.map(|it| it.join(&self.path)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// How often killing and removing is tried; with [`wait::pause`] about two seconds.
const KILL_ATTEMPTS: u32 = 60;

fn collect_processes(folder: &Path, found: &mut Vec<i32>) {
    let listed = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    found.extend(listed.lines().filter_map(|it| it.parse::<i32>().ok()).filter(|it| *it > 0));
    for child in children(folder) {
        collect_processes(&child, found);
    }
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    for child in children(folder) {
        remove_tree(&child)?;
    }
    for attempt in 0..KILL_ATTEMPTS {
        match fs::remove_dir(folder) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                wait::pause(attempt);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other,
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "control group stays busy"))
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    let folders = entries.flatten().filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|it| it.path()).collect()
}

#[cfg(test)]
mod tests;
