//! A task's folder: what is in it, and how it is written so that a crash leaves no half truths.
//!
//! ```text
//! task.json           the task's specification
//! shim.pid            the shim's process, for operators
//! sock                where the shim listens
//! shim.log            what the shim has to say to operators
//! run.<container>     which start of the container is under way or done
//! exit.<container>    how that start ended; durable before anybody is told
//! ```
//!
//! The folder itself is locked by whoever has it; see [`crate::hold`].

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::Exit;
use crate::spec::TaskSpec;

/// Longest container name that is used as it is in names of files.
const NAME_LIMIT: usize = 200;

/// End of the names of files that are not complete. No container's name holds a dot.
const DRAFT: &str = ".new";

/// A task's folder.
#[derive(Debug, Clone)]
pub(crate) struct StateFolder(PathBuf);

/// Which start of a container is under way or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The container.
    pub(crate) container: String,
    /// One for the first.
    pub(crate) run: u32,
}

impl StateFolder {
    /// The folder at a path.
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Notes which process the shim is.
    pub(crate) fn write_process(&self) -> io::Result<()> {
        fs::write(self.0.join("shim.pid"), std::process::id().to_string())
    }

    /// What the shim has to say to operators.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("shim.log")
    }

    /// Reads the task's specification.
    pub(crate) fn task(&self) -> io::Result<TaskSpec> {
        read(&self.0.join("task.json"))
    }

    /// Writes the task's specification.
    pub(crate) fn write_task(&self, task: &TaskSpec) -> io::Result<()> {
        self.write("task.json", task, Lasts::BeyondTheShim)
    }

    /// Notes that a container is being started. What an earlier start left is no longer true.
    pub(crate) fn write_run(&self, container: &str, run: u32) -> io::Result<()> {
        let record = Run { container: container.to_owned(), run };
        self.write(&format!("run.{}", file_name(container)), &record, Lasts::BeyondTheShim)
    }

    /// Takes back that a container was started.
    pub(crate) fn forget_run(&self, container: &str) -> io::Result<()> {
        for kind in ["run", "exit"] {
            match fs::remove_file(self.0.join(format!("{kind}.{}", file_name(container)))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes how a container ended; durable when this returns.
    pub(crate) fn write_exit(&self, container: &str, exit: &Exit) -> io::Result<()> {
        let record = ExitRecord { container: container.to_owned(), exit: *exit };
        self.write(&format!("exit.{}", file_name(container)), &record, Lasts::BeyondTheMachine)
    }

    /// Every container that was started, and how its last start ended if that is known.
    pub(crate) fn last_runs(&self) -> io::Result<Vec<(Run, Option<Exit>)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?.file_name();
            let name = entry.to_str().and_then(|it| it.strip_prefix("run."));
            let Some(name) = name.filter(|it| !it.ends_with(DRAFT)) else { continue };
            let run: Run = read(&self.0.join(format!("run.{name}")))?;
            let record: Option<ExitRecord> = read(&self.0.join(format!("exit.{name}"))).ok();
            let exit = record.map(|it| it.exit).filter(|it| it.run == run.run);
            found.push((run, exit));
        }
        found.sort_by(|one, other| one.0.container.cmp(&other.0.container));
        Ok(found)
    }

    /// Removes everything.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Writes a file that is whole or not there, whatever becomes of this process.
    fn write<T: Serialize>(&self, name: &str, value: &T, lasts: Lasts) -> io::Result<()> {
        let (draft, path) = (self.0.join(format!("{name}{DRAFT}")), self.0.join(name));
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        if lasts == Lasts::BeyondTheMachine {
            file.sync_all()?;
        }
        fs::rename(draft, path)?;
        if lasts == Lasts::BeyondTheMachine {
            File::open(&self.0)?.sync_all()?;
        }
        Ok(())
    }
}

/// What a written file survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasts {
    /// The end of this process. Enough for what is of no use once the machine has stopped, and
    /// with it all containers.
    BeyondTheShim,
    /// The end of the machine.
    BeyondTheMachine,
}

/// An exit file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ExitRecord {
    container: String,
    #[serde(flatten)]
    exit: Exit,
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// A container's name as part of a file's name. The longest names, with what is put before
/// and behind, would not fit: their end is replaced by a number made of the whole.
pub(crate) fn file_name(container: &str) -> String {
    if container.len() <= NAME_LIMIT {
        return container.to_owned();
    }
    // FNV-1a: names are the user's own, so that two of a task meeting would harm nobody else.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let hash = container.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let start: String = container.chars().take(NAME_LIMIT - 20).collect();
    format!("{start}-{hash:016x}")
}
