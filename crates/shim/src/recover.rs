//! What remains of a task whose shim is gone: telling the truth about it, and removing it.

use std::io;
use std::path::{Path, PathBuf};

use crate::cgroup::{Group, Hierarchies};
use crate::hold::{Hold, settle};
use crate::protocol::Exit;
use crate::runtime::External;
use crate::spec::{RuntimeKind, TaskSpec};
use crate::state::StateFolder;

/// What a dead shim left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The task's specification; `None` if whoever made the folder ended before any shim was
    /// started.
    pub task: Option<TaskSpec>,
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
/// A shim that is being started is waited for, and killed if it comes to nothing. As long as the
/// answer is kept, no other can be started in the folder.
///
/// # Errors
///
/// [`RecoverError::Alive`] if a shim listens there.
pub fn recover(dir: &Path) -> Result<Recovery, RecoverError> {
    let failed = |what: &'static str| move |error: io::Error| RecoverError::Failed(what, error);
    let hold = settle(dir).map_err(failed("take the task's folder"))?;
    let Some(hold) = hold else { return Err(RecoverError::Alive(dir.to_owned())) };
    let folder = StateFolder::new(dir);
    let task = match folder.task() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other.map_err(failed("read the task's specification"))?),
    };
    let group = task.as_ref().map(|it| Group::new(&Hierarchies::detect()?, &it.cgroup));
    let group = group.transpose().map_err(failed("find the control groups"))?;
    group.as_ref().map_or(Ok(()), Group::kill).map_err(failed("kill what is left"))?;
    let runs = folder.last_runs().map_err(failed("read the exit files"))?;
    let containers = runs.into_iter().map(|(run, exit)| RecoveredContainer {
        name: run.container,
        outcome: exit.map_or(Outcome::Lost, Outcome::Exited),
    });
    let recovered = Recovered { containers: containers.collect(), task };
    Ok(Recovery { recovered, folder, group, hold })
}

/// A recovery that has killed everything and can still be read again from the folder.
#[derive(Debug)]
pub struct Recovery {
    /// What was found.
    pub recovered: Recovered,
    folder: StateFolder,
    group: Option<Group>,
    /// Keeps others from starting a shim in the folder.
    hold: Hold,
}

impl Recovery {
    /// Removes control groups, writable layers and the task's folder.
    ///
    /// # Errors
    ///
    /// If something cannot be removed; [`recover`] may then be called again.
    pub fn finish(self) -> Result<Recovered, RecoverError> {
        let failed = |what: &'static str| move |error: io::Error| RecoverError::Failed(what, error);
        if let Some(task) = &self.recovered.task {
            if let RuntimeKind::External { program } = &task.runtime {
                let runtime = External::new(program, &task.id, self.folder.path());
                self.recovered.containers.iter().for_each(|it| runtime.forget_by_name(&it.name));
            }
            self.group
                .as_ref()
                .map_or(Ok(()), Group::remove)
                .map_err(failed("remove the control groups"))?;
            match std::fs::remove_dir_all(&task.scratch) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(RecoverError::Failed("remove the writable layers", error));
                }
                _ => {}
            }
        }
        self.folder.remove().map_err(failed("remove the task's folder"))?;
        drop(self.hold);
        Ok(self.recovered)
    }
}
