//! What an instance leaves on its machine, taken away without a control plane or an agent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use network::Host;
use shim::{Client, ClientError, Command, Process, RecoverError, Signal};

use crate::api::chain;
use crate::error::AgentError;

/// Where the control groups of all hierarchies are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";
/// How long what comes again is taken away again, and how often it is looked for.
const SWEEP_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often one shim is asked to end before others have their turn.
const TRIES: u32 = 3;
/// How long an agent may take to end by itself, and once it is killed.
const ASK_WITHIN: Duration = Duration::from_secs(10);
const KILL_WITHIN: Duration = Duration::from_secs(10);

/// Where an instance keeps what it leaves.
#[derive(Debug, Clone)]
pub struct Places {
    /// [`crate::Config::run`].
    pub run: PathBuf,
    /// The folder of its network's [`network::Setup`].
    pub network: PathBuf,
    /// [`crate::Config::cgroup`].
    pub cgroup: String,
}

/// Kills all tasks of an instance and takes its network, control groups and run folder away. Its
/// agent must have ended (see [`end_agents`]). Blocks; fine if there is nothing.
///
/// What that agent was starting in its last moment may still be coming to life: it is looked for
/// until two looks have found nothing.
///
/// The agent's memory stays: started again, it tells the region that its tasks are gone.
///
/// # Errors
///
/// The first thing that could not be taken away, after all others were tried.
pub fn stop_everything(places: &Places) -> Result<(), AgentError> {
    let stopped = sweep(places);
    let network = Host::destroy(&places.network).map_err(AgentError::Network);
    remove_groups(&places.cgroup);
    let gone = match fs::remove_dir_all(&places.run) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(AgentError::file("remove", &places.run)),
    };
    stopped.and(network).and(gone)
}

/// Stops tasks until nothing of them is found twice.
fn sweep(places: &Places) -> Result<(), AgentError> {
    let deadline = Instant::now() + SWEEP_WITHIN;
    let (mut result, mut quiet) = (Ok(()), 0);
    while quiet < 2 {
        let left = Left::look(places);
        if left.is_empty() {
            quiet += 1;
            result = Ok(());
        } else {
            if Instant::now() > deadline {
                return result.and_then(|()| Err(left.error()));
            }
            quiet = 0;
            result = left.take_away();
        }
        sleep(LOOK_EVERY);
    }
    result
}

/// What is there of tasks.
#[derive(Default)]
struct Left {
    folders: Vec<PathBuf>,
    groups: Vec<String>,
    /// Shims whose folders are gone.
    lost: Vec<Process>,
}

impl Left {
    fn look(places: &Places) -> Self {
        let tasks = places.run.join("tasks");
        let folders = fs::read_dir(&tasks).into_iter().flatten().flatten().map(|it| it.path());
        let folders: Vec<_> = folders.collect();
        let below = shim::shims_below(&places.run).into_iter();
        let lost = below.filter(|(dir, _)| !folders.contains(dir)).map(|(_, shim)| shim).collect();
        // A group above may be that of other agents too: tasks are known by their names.
        let groups = shim::control_groups_in(&places.cgroup).unwrap_or_default();
        let groups = groups.into_iter().filter(|it| is_task(it));
        let groups = groups.map(|it| format!("{}/{it}", places.cgroup)).collect();
        Self { folders, groups, lost }
    }

    fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.groups.is_empty() && self.lost.is_empty()
    }

    fn take_away(&self) -> Result<(), AgentError> {
        let mut result = Ok(());
        for folder in &self.folders {
            result = result.and(stop_task(folder));
        }
        for lost in &self.lost {
            lost.signal(Signal::KILL);
        }
        for group in &self.groups {
            let cleared = shim::clear_control_group(group);
            result = result.and(cleared.map_err(AgentError::file("clear", CGROUPS)));
        }
        result
    }

    /// What to say if this stays.
    fn error(&self) -> AgentError {
        let folders = self.folders.iter().map(|it| it.display().to_string());
        let what = folders.chain(self.groups.iter().cloned()).next();
        let what = what.unwrap_or_else(|| format!("{} shims", self.lost.len()));
        AgentError::Left { what, problem: "something of it comes again and again".into() }
    }
}

/// Whether this is how tasks are named: 32 hexadecimal digits.
fn is_task(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|it| it.is_ascii_hexdigit())
}

/// Ends a shim with all it holds, whether it lives, dies or is being born.
pub(crate) fn stop_task(folder: &Path) -> Result<(), AgentError> {
    let left = |problem: &RecoverError| AgentError::Left {
        what: folder.display().to_string(),
        problem: chain(problem),
    };
    let mut result = Ok(());
    for _ in 0..TRIES {
        if !folder.exists() {
            return Ok(());
        }
        match Client::connect(folder) {
            // What it answers does not matter: recovery removes what is left, or says so.
            Ok(mut client) => drop(client.call(Command::Shutdown)),
            Err(ClientError::NoShim(_)) => {}
            Err(error) => tracing::warn!(error = chain(&error), "a shim does not answer"),
        }
        if let Err(error) = shim::recover(folder).and_then(shim::Recovery::finish)
            && folder.exists()
        {
            result = Err(left(&error));
            continue;
        }
        // Removed here, or by the shim itself, which is about to end.
        return Ok(());
    }
    result
}

/// Ends the agents whose run folders are this one or below it, by force if they do not end when
/// asked to. Blocks; fine if there are none.
///
/// # Errors
///
/// If one is killed and does not end.
pub fn end_agents(folder: &Path) -> Result<(), AgentError> {
    for (limit, signal) in [(ASK_WITHIN, Signal::TERM), (KILL_WITHIN, Signal::KILL)] {
        let deadline = Instant::now() + limit;
        loop {
            let agents = agents_below(folder);
            let Some(first) = agents.first() else { return Ok(()) };
            if Instant::now() > deadline {
                break;
            }
            for agent in &agents {
                agent.signal(signal);
            }
            first.ends_within(LOOK_EVERY);
        }
    }
    let problem = "an agent does not end".into();
    Err(AgentError::Left { what: folder.display().to_string(), problem })
}

fn agents_below(folder: &Path) -> Vec<Process> {
    let agents = shim::find_processes(|words| {
        let (role, flags) = words.split_first()?;
        let spaced = flags.windows(2).filter_map(|it| match it {
            [flag, value] if flag == "--run" => Some(value.as_str()),
            _ => None,
        });
        let joined = flags.iter().filter_map(|it| it.strip_prefix("--run="));
        let ours = spaced.chain(joined).any(|it| Path::new(it).starts_with(folder));
        (role == "agent" && ours).then_some(())
    });
    agents.into_iter().map(|((), agent)| agent).collect()
}

/// Removes the control group of an instance and those above it, as far as nothing is in them.
fn remove_groups(group: &str) {
    let own = Path::new(group.trim_start_matches('/'));
    let hierarchies = fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|it| it.path());
    for root in hierarchies.chain([PathBuf::from(CGROUPS)]) {
        for group in own.ancestors().filter(|it| !it.as_os_str().is_empty()) {
            // Others may live there; the kernel removes no group that is in use.
            if fs::remove_dir(root.join(group)).is_err() {
                break;
            }
        }
    }
}
