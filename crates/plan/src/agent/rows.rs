//! Which row holds what, and how a memory is put together again from its rows.

use std::collections::BTreeMap;

use shapes::acs;

use super::Core;
use super::admission::Demand;
use super::attachments::{Attaching, Attachment};
use super::effect::{Action, Effect, Flush, Output, Row, Step};
use super::parse;
use super::reasons;
use super::record::{Credentials, Role, Sequence, TaskRecord};
use super::settings::Settings;
use super::spec::TaskArn;
use super::task::Task;
use crate::lifecycle::Desired;

pub(super) const SEQUENCE: &str = "sequence";

/// A row that cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// No row of this agent has such a name.
    #[error("unknown row {0}")]
    Key(String),
    /// Its bytes are not what the name promises.
    #[error("row {0} does not read")]
    Value(String),
}

pub(super) fn record_key(task: &TaskArn) -> String {
    format!("task/{task}")
}

pub(super) fn spec_key(task: &TaskArn) -> String {
    format!("spec/{task}")
}

pub(super) fn credentials_key(task: &TaskArn, role: Role) -> String {
    let role = match role {
        Role::Application => "application",
        Role::Execution => "execution",
    };
    format!("credentials/{role}/{task}")
}

pub(super) fn attachment_key(attachment: &str) -> String {
    format!("attachment/{attachment}")
}

pub(super) fn put<T: minicbor::Encode<()>>(key: String, value: &T) -> Row {
    let value = minicbor::to_vec(value).expect("memory takes any bytes");
    Row { key, value: Some(value) }
}

/// The payload's own words about a task are what is kept, but for the secrets in them.
pub(super) fn put_spec(task: &TaskArn, spec: &acs::Task) -> Row {
    let without = |it: &Option<acs::IAMRoleCredentials>| {
        it.as_ref().map(|it| acs::IAMRoleCredentials {
            credentials_id: it.credentials_id.clone(),
            ..acs::IAMRoleCredentials::default()
        })
    };
    let spec = acs::Task {
        role_credentials: without(&spec.role_credentials),
        execution_role_credentials: without(&spec.execution_role_credentials),
        ..spec.clone()
    };
    Row { key: spec_key(task), value: Some(shapes::stored::to_vec(&spec)) }
}

/// Everything that rows can hold, sorted.
#[derive(Debug, Default)]
struct Memory {
    sequence: Sequence,
    specs: BTreeMap<TaskArn, acs::Task>,
    records: BTreeMap<TaskArn, TaskRecord>,
    credentials: BTreeMap<(TaskArn, Role), Credentials>,
    attachments: BTreeMap<String, Attachment>,
}

impl Memory {
    fn read(&mut self, key: &str, value: &[u8]) -> Result<(), RowError> {
        let unknown = || RowError::Key(key.to_owned());
        let damaged = || RowError::Value(key.to_owned());
        let task = |tail: &str| TaskArn::parse(tail).ok_or_else(unknown);
        if key == SEQUENCE {
            self.sequence = minicbor::decode(value).map_err(|_| damaged())?;
        } else if let Some(tail) = key.strip_prefix("task/") {
            self.records.insert(task(tail)?, minicbor::decode(value).map_err(|_| damaged())?);
        } else if let Some(tail) = key.strip_prefix("spec/") {
            let spec = shapes::stored::from_slice(value).map_err(|_| damaged())?;
            self.specs.insert(task(tail)?, spec);
        } else if let Some(tail) = key.strip_prefix("credentials/application/") {
            let value = minicbor::decode(value).map_err(|_| damaged())?;
            self.credentials.insert((task(tail)?, Role::Application), value);
        } else if let Some(tail) = key.strip_prefix("credentials/execution/") {
            let value = minicbor::decode(value).map_err(|_| damaged())?;
            self.credentials.insert((task(tail)?, Role::Execution), value);
        } else if let Some(arn) = key.strip_prefix("attachment/") {
            let value = minicbor::decode(value).map_err(|_| damaged())?;
            self.attachments.insert(arn.to_owned(), value);
        } else {
            return Err(unknown());
        }
        Ok(())
    }
}

/// Puts a memory together from its rows, in any order.
pub(super) fn restore<'a>(
    settings: Settings,
    rows: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Core, RowError> {
    let mut memory = Memory::default();
    for (key, value) in rows {
        memory.read(key, value)?;
    }
    let mut core = Core::new(settings);
    core.follow(memory.sequence);
    core.credentials = memory.credentials;
    let begun = |(arn, it)| (arn, (it, Attaching::default()));
    core.attachments = memory.attachments.into_iter().map(begun).collect();
    for (arn, record) in memory.records {
        let spec = memory.specs.get(&arn);
        let task = revive(arn, record, spec);
        core.adopt(task);
    }
    Ok(core)
}

/// A task as it was. What an earlier version of the agent understood and this one does not is
/// reported stopped.
fn revive(arn: TaskArn, record: TaskRecord, spec: Option<&acs::Task>) -> Task {
    let Some(spec) = spec else {
        if record.containers.is_empty() {
            return Task::of(arn, None, record);
        }
        return refuse(arn, record, "UnrecognizedTask: what it shall be is lost".into());
    };
    match parse::task(spec) {
        Ok(spec) if spec.containers.len() == record.containers.len() => {
            Task::of(arn, Some(std::sync::Arc::new(spec)), record)
        }
        Ok(_) => refuse(arn, record, "UnrecognizedTask: its containers changed".into()),
        Err(error) => refuse(arn, record, format!("UnrecognizedTask: {}", reasons::chain(&error))),
    }
}

fn refuse(arn: TaskArn, record: TaskRecord, reason: String) -> Task {
    let record = TaskRecord {
        desired: Desired::Stopped,
        reason: Some(reasons::cut(&reason)),
        containers: Vec::new(),
        ..record
    };
    Task::of(arn, None, record)
}

impl Core {
    /// Follows on from before, unless that was as another container instance.
    fn follow(&mut self, before: Sequence) {
        if before.container_instance == self.sequence.container_instance {
            self.sequence = before;
        } else {
            self.sequence.next_order = before.next_order;
        }
    }

    /// Takes over a task from before: it holds its part of the instance, and waits to be found.
    fn adopt(&mut self, mut task: Task) {
        let arn = task.arn.clone();
        if let Some(spec) = &task.spec {
            if task.record.admitted && !task.record.released {
                self.admission.take(arn.clone(), Demand::of(spec));
            } else if task.record.desired == Desired::Running {
                self.admission.wait(task.record.order, arn.clone());
            }
        }
        task.volatile.recovering = task.record.admitted && !task.record.released;
        self.kept.insert(arn.clone(), bytes(&task.record));
        self.touched.insert(arn.clone());
        self.tasks.insert(arn, task);
    }

    /// Gives out a task's row if it is not as it was last given out.
    pub(super) fn keep(&mut self, task: &Task, output: &mut Output) {
        let bytes = bytes(&task.record);
        if self.kept.get(&task.arn) == Some(&bytes) {
            return;
        }
        output.rows.push(Row { key: record_key(&task.arn), value: Some(bytes.clone()) });
        self.kept.insert(task.arn.clone(), bytes);
        if task.is_stopped() {
            self.forget_credentials(&task.arn, output);
        }
    }

    /// Forgets a task.
    pub(super) fn remove(&mut self, task: &Task, output: &mut Output) {
        let arn = &task.arn;
        self.kept.remove(arn);
        self.reporting.remove(arn);
        self.forget_credentials(arn, output);
        output.rows.push(Row { key: record_key(arn), value: None });
        if task.spec.is_some() {
            output.rows.push(Row { key: spec_key(arn), value: None });
        }
        let (task, spec) = (arn.clone(), task.spec.clone());
        output.effects.push(Effect::Step(Step { task, spec, action: Action::Remove }));
        output.flush = Flush::BeforeEffects;
    }

    /// Gives out the row that says how far the control plane has been followed.
    pub(super) fn keep_sequence(&self, output: &mut Output) {
        output.rows.push(put(SEQUENCE.into(), &self.sequence));
        output.flush = Flush::BeforeEffects;
    }
}

fn bytes(record: &TaskRecord) -> Vec<u8> {
    minicbor::to_vec(record).expect("memory takes any bytes")
}

#[cfg(test)]
impl Core {
    /// Whether another core remembers the same; what is under way does not count.
    pub(super) fn same_memory(&self, other: &Self) -> Result<(), String> {
        let tasks = |it: &Self| -> Vec<_> {
            it.tasks
                .values()
                .map(|it| (it.arn.clone(), it.record.clone(), it.spec.clone()))
                .collect()
        };
        let (ours, theirs) = (tasks(self), tasks(other));
        if ours != theirs {
            let differs = ours.iter().zip(&theirs).find(|(a, b)| a != b);
            return Err(format!("remembered otherwise: {differs:?}"));
        }
        if self.sequence != other.sequence {
            return Err(format!("{:?} is remembered as {:?}", self.sequence, other.sequence));
        }
        if self.credentials != other.credentials {
            return Err("credentials are remembered otherwise".into());
        }
        if self.admission != other.admission {
            return Err(format!("{:?} is remembered as {:?}", self.admission, other.admission));
        }
        Ok(())
    }
}
