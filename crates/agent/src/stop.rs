//! What an instance leaves on its machine, taken away without a control plane or an agent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use network::Host;
use shim::{Client, ClientError, Command};

use crate::api::chain;
use crate::error::AgentError;

/// Where the control groups of all hierarchies are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

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
/// agent must have ended. Blocks; fine if there is nothing.
///
/// The agent's memory stays: started again, it tells the region that its tasks are gone.
///
/// # Errors
///
/// The first thing that could not be taken away, after all others were tried.
pub fn stop_everything(places: &Places) -> Result<(), AgentError> {
    let mut first = Ok(());
    let mut note = |done: Result<(), AgentError>| {
        if first.is_ok() {
            first = done;
        }
    };
    let tasks = places.run.join("tasks");
    for folder in fs::read_dir(&tasks).into_iter().flatten().flatten() {
        note(stop_task(&folder.path()));
    }
    note(Host::destroy(&places.network).map_err(AgentError::Network));
    remove_groups(&places.cgroup);
    let gone = match fs::remove_dir_all(&places.run) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(AgentError::file("remove", &places.run)),
    };
    note(gone);
    first
}

/// Ends a shim with all it holds, whether it lives or not.
pub(crate) fn stop_task(folder: &Path) -> Result<(), AgentError> {
    match Client::connect(folder) {
        // What it answers does not matter: if something is left, recovery removes it or says so.
        Ok(mut client) => drop(client.call(Command::Shutdown)),
        Err(ClientError::NoShim(_)) => {}
        Err(error) => tracing::warn!(error = chain(&error), "a shim does not answer"),
    }
    if !folder.exists() {
        return Ok(());
    }
    let left = |problem: shim::RecoverError| AgentError::Left {
        what: folder.display().to_string(),
        problem: chain(&problem),
    };
    shim::recover(folder).and_then(shim::Recovery::finish).map(drop).map_err(left)
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
