//! What all parts of an agent share: its doors, its names and its folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, Mac as _};
use images::{Puller, Store};
use network::Host;
use plan::agent::{Core, Happened, Input, TaskArn};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, mpsc, watch};
use types::ContainerName;

use crate::api::Api;
use crate::config::Config;
use crate::line::Line;

/// How much may wait for the core. It handles some ten thousand a second.
pub(crate) const INBOX_MAX: usize = 1024;

/// Something for the core.
pub(crate) enum Letter {
    /// Something happened.
    Input(Box<Input>),
    /// Somebody wants to know something; it answers itself.
    Ask(Box<dyn FnOnce(&Core) + Send>),
}

/// Where letters go.
#[derive(Clone)]
pub(crate) struct Inbox(pub(crate) mpsc::Sender<Letter>);

impl Inbox {
    /// Tells the core. If it is gone, so is the agent.
    pub(crate) async fn tell(&self, input: Input) {
        drop(self.0.send(Letter::Input(Box::new(input))).await);
    }

    /// Tells the core what became of a task.
    pub(crate) async fn happened(&self, task: &TaskArn, happened: Happened) {
        self.tell(Input::Task { task: task.clone(), happened }).await;
    }

    /// Asks the core; `None` if it is gone.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Core) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let ask = Letter::Ask(Box::new(move |core| drop(answer.send(question(core)))));
        self.0.send(ask).await.ok()?;
        answered.await.ok()
    }
}

/// What all parts share.
pub(crate) struct Machine {
    pub(crate) config: Config,
    pub(crate) api: Api,
    pub(crate) store: Store,
    pub(crate) puller: Puller,
    pub(crate) host: Arc<Host>,
    pub(crate) inbox: Inbox,
    /// Makes names that nobody can guess and that are the same after a restart.
    pub(crate) secret: [u8; 32],
    /// ARN of the container instance.
    pub(crate) instance: String,
    /// The machine's own name, `i-…`.
    pub(crate) instance_id: String,
    /// The built-in image, once it is made.
    pub(crate) built_in: OnceCell<()>,
    /// The shims of tasks that have one.
    pub(crate) lines: Mutex<BTreeMap<TaskArn, Arc<Line>>>,
    /// Whether the region has taken the instance in since this agent started.
    pub(crate) registered: watch::Sender<bool>,
}

impl Machine {
    /// The shim of a task, if it is connected.
    pub(crate) fn line(&self, task: &TaskArn) -> Option<Arc<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(task).cloned()
    }

    /// Notes the shim of a task, or that it has none.
    pub(crate) fn note_line(&self, task: &TaskArn, line: Option<Arc<Line>>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match line {
            Some(line) => lines.insert(task.clone(), line),
            None => lines.remove(task),
        };
    }

    /// Waits until the region has taken the instance in.
    pub(crate) async fn registered(&self) {
        drop(self.registered.subscribe().wait_for(|it| *it).await);
    }

    /// Where the shim of a task keeps its state.
    pub(crate) fn shim_folder(&self, task: &TaskArn) -> PathBuf {
        self.config.run.join("tasks").join(task.id())
    }

    /// Where what must survive a restart of the machine lies.
    pub(crate) fn task_folder(&self, task: &TaskArn) -> PathBuf {
        task_folder(&self.config.data, task.id())
    }

    /// The log of a container.
    pub(crate) fn log(&self, task: &TaskArn, container: &ContainerName) -> PathBuf {
        self.task_folder(task).join("logs").join(format!("{container}.json"))
    }

    /// Under which name a task holds its images.
    pub(crate) fn holder(&self, task: &TaskArn) -> String {
        format!("{}.{}", self.instance_id, task.id())
    }

    /// The id under which a container asks for its metadata: 32 hexadecimal digits.
    pub(crate) fn metadata_id(&self, task: &TaskArn, container: &ContainerName) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.secret).expect("keys may have any length");
        mac.update(task.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(container.as_str().as_bytes());
        let mut id = hex::encode(mac.finalize().into_bytes());
        id.truncate(32);
        id
    }
}

/// Where what must survive a restart of the machine lies, of the task with this id.
pub(crate) fn task_folder(data: &Path, id: &str) -> PathBuf {
    data.join("tasks").join(id)
}

/// The id of a container with its runtime: 64 hexadecimal digits, as Docker's are.
pub(crate) fn runtime_id(task: &TaskArn, container: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(task.as_str());
    hash.update([0]);
    hash.update(container);
    hex::encode(hash.finalize())
}

/// The first part of [`runtime_id`], by which people and host names know a container.
pub(crate) fn short_id(task: &TaskArn, container: &str) -> String {
    let mut id = runtime_id(task, container);
    id.truncate(12);
    id
}

/// Runs what blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}
