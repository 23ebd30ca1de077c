//! What remains of a task whose shim is gone: telling the truth about it, and removing it.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::cgroup::{Group, Hierarchies};
use crate::protocol::Exit;
use crate::runtime::External;
use crate::spec::{RuntimeKind, TaskSpec};
use crate::state::StateFolder;

/// What a dead shim left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The task's specification.
    pub task: TaskSpec,
    /// Every container that was started, by name. Others never ran.
    pub containers: Vec<RecoveredContainer>,
}

/// What is known of one container of a dead shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredContainer {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a container of a dead shim ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As the shim saw and wrote down.
    Exited(Exit),
    /// Nobody saw it: it was running, or ended unseen, and was killed by the recovery. Its exit
    /// code is not known and is never zero.
    Lost,
}

/// Why recovery is not possible.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The shim lives: connect to it.
    #[error("the shim of {0} lives")]
    Alive(PathBuf),
    /// Reading or removing what it left failed; may be tried again.
    #[error("cannot {0}")]
    Failed(&'static str, #[source] io::Error),
}

/// Kills what a dead shim left running, removes its mounts, control groups and folders, and
/// tells how its containers ended. Afterwards the task's folder is gone: note the result first
/// if it must survive a crash, then call [`Recovery::finish`].
///
/// # Errors
///
/// [`RecoverError::Alive`] if the shim lives after all.
pub fn recover(dir: &Path) -> Result<Recovery, RecoverError> {
    let folder = StateFolder::new(dir);
    let failed = |what: &'static str| move |error: io::Error| RecoverError::Failed(what, error);
    if is_alive(&folder).map_err(failed("look at the shim's lock"))? {
        return Err(RecoverError::Alive(dir.to_owned()));
    }
    let task = folder.task().map_err(failed("read the task's specification"))?;
    let hierarchies = Hierarchies::detect().map_err(failed("find the control groups"))?;
    let group = Group::new(&hierarchies, &task.cgroup).map_err(failed("name the control group"))?;
    group.kill().map_err(failed("kill what is left"))?;
    let runs = folder.last_runs().map_err(failed("read the exit files"))?;
    let containers = runs.into_iter().map(|(run, exit)| RecoveredContainer {
        name: run.container,
        outcome: exit.map_or(Outcome::Lost, Outcome::Exited),
    });
    let recovered = Recovered { containers: containers.collect(), task };
    Ok(Recovery { recovered, folder, group })
}

/// A recovery that has killed everything and can still be read again from the folder.
#[derive(Debug)]
pub struct Recovery {
    /// What was found.
    pub recovered: Recovered,
    folder: StateFolder,
    group: Group,
}

impl Recovery {
    /// Removes control groups, writable layers and the task's folder.
    ///
    /// # Errors
    ///
    /// If something cannot be removed; [`recover`] may then be called again.
    pub fn finish(self) -> Result<Recovered, RecoverError> {
        let failed = |what: &'static str| move |error: io::Error| RecoverError::Failed(what, error);
        if let RuntimeKind::External { program } = &self.recovered.task.runtime {
            let task = &self.recovered.task;
            let runtime = External::new(program, &task.id, self.folder.path());
            self.recovered.containers.iter().for_each(|it| runtime.forget_by_name(&it.name));
        }
        self.group.remove().map_err(failed("remove the control groups"))?;
        match std::fs::remove_dir_all(&self.recovered.task.scratch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(RecoverError::Failed("remove the writable layers", error));
            }
            _ => {}
        }
        self.folder.remove().map_err(failed("remove the task's folder"))?;
        Ok(self.recovered)
    }
}

/// Whether a shim holds the folder's lock.
fn is_alive(folder: &StateFolder) -> io::Result<bool> {
    let file = match OpenOptions::new().write(true).open(folder.lock()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    Ok(fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
}
