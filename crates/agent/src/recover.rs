//! After a start of the agent: what is really there of a task, told to the core.

use std::fs;

use plan::agent::{Core, Exit, Found, FoundContainer, FoundState, Input};
use shim::{ContainerState, Outcome, RecoverError};
use types::{ContainerName, Timestamp};

use crate::clock;
use crate::machine::blocking;
use crate::worker::{Worker, ended, running};

/// How often a shim that lives and does not answer is tried again.
const LOOKS: u32 = 3;

/// Looks what is there of the task and tells the core.
pub(crate) async fn task(worker: &mut Worker) {
    let containers = look(worker).await;
    ship(worker).await;
    let found = Found { network: None, containers };
    let task = worker.task.clone();
    worker.machine.inbox.tell(Input::Recovered { task, found }).await;
}

async fn look(worker: &mut Worker) -> Vec<FoundContainer> {
    for _ in 0..LOOKS {
        if let Ok(line) = worker.connect().await {
            let all = line.status.containers.iter();
            return all.filter_map(|it| living(worker, it)).collect();
        }
        match dead(worker).await {
            Ok(containers) => return containers,
            // The agent before this one was starting it; it has come to life.
            Err(RecoverError::Alive(_)) => {}
            Err(error) => {
                let error = crate::api::chain(&error);
                tracing::error!(task = %worker.task, error, "what a dead shim left cannot be read");
                return Vec::new();
            }
        }
    }
    tracing::error!(task = %worker.task, "the task's shim lives and does not answer");
    Vec::new()
}

/// Goes on shipping what the task's containers have written, also of one that has ended.
async fn ship(worker: &mut Worker) {
    let task = worker.task.clone();
    let question = move |core: &Core| core.task(&task).and_then(|it| it.spec().cloned());
    let Some(Some(spec)) = worker.machine.inbox.ask(question).await else { return };
    for container in &spec.containers {
        worker.ship(&spec, &container.name);
    }
    if worker.line.is_none() {
        worker.finish_logs();
    }
}

/// A container of a shim that lives.
fn living(worker: &Worker, it: &shim::ContainerStatus) -> Option<FoundContainer> {
    let began = began(worker, &it.name);
    let state = match &it.state {
        ContainerState::Created => FoundState::Created,
        ContainerState::Running { pid, at } => {
            FoundState::Running(running(&worker.task, &it.name, Some(*pid), *at))
        }
        ContainerState::Exited(exit) => {
            let ran = running(&worker.task, &it.name, None, began.unwrap_or(exit.at));
            FoundState::Exited(ran, ended(exit))
        }
    };
    let container = ContainerName::parse(&it.name).ok()?;
    Some(FoundContainer { container, run: it.runs.saturating_sub(1), state })
}

/// The containers of a shim that is dead, as far as it wrote down; nothing if it left nothing.
async fn dead(worker: &Worker) -> Result<Vec<FoundContainer>, RecoverError> {
    let folder = worker.machine.shim_folder(&worker.task);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let recovery = blocking(move || shim::recover(&folder)).await?;
    let container = |it: &shim::RecoveredContainer| {
        let began = began(worker, &it.name);
        let (run, exit) = match it.outcome {
            Outcome::Exited(exit) => (exit.run.saturating_sub(1), ended(&exit)),
            Outcome::Lost => {
                let lost =
                    Exit { code: None, signal: None, out_of_memory: false, at: clock::now() };
                (last_run(worker, &it.name), lost)
            }
        };
        let ran = running(&worker.task, &it.name, None, began.unwrap_or(exit.at));
        let container = ContainerName::parse(&it.name).ok()?;
        Some(FoundContainer { container, run, state: FoundState::Exited(ran, exit) })
    };
    Ok(recovery.recovered.containers.iter().filter_map(container).collect())
}

/// When the last run of a container began: the shim notes each start in a file.
fn began(worker: &Worker, container: &str) -> Option<Timestamp> {
    let folder = worker.machine.shim_folder(&worker.task);
    let about = fs::metadata(folder.join(format!("run.{container}"))).ok()?;
    about.modified().ok().map(clock::of)
}

/// Which run of a container a dead shim noted last; the first is 0.
fn last_run(worker: &Worker, container: &str) -> u32 {
    let folder = worker.machine.shim_folder(&worker.task);
    let read = || -> Option<u64> {
        let bytes = fs::read(folder.join(format!("run.{container}"))).ok()?;
        serde_json::from_slice::<serde_json::Value>(&bytes).ok()?.get("run")?.as_u64()
    };
    let run = read().and_then(|it| u32::try_from(it).ok()).unwrap_or(1);
    run.saturating_sub(1)
}
