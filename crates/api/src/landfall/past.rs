//! What is over: tasks and rows of the audit trail as they go into the history, and as they are
//! told of from there.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use shapes::{json, landfall as shape};
use state::{Audit, Change, State, Table as _, Task};
use types::{ClusterName, Timestamp, short_name};

use super::tasks::Ids;
use crate::ecs::tasks::view;

/// What entries of the history are found by. Numbers are written into files and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    /// Name of a task's cluster.
    Cluster = 2,
    /// Family of its task definition.
    Family = 3,
    /// Its `startedBy`.
    StartedBy = 4,
    /// Last part of the ARN of something that a request made or changed.
    Resource = 5,
    /// Client token of a request.
    Token = 6,
    /// Operation of a request.
    Operation = 7,
}

/// Something on its way into the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is told apart by.
    pub identity: u128,
    /// When it was over.
    pub at: Timestamp,
    /// What it is found by.
    pub keys: Vec<(Field, String)>,
    /// What there is to tell.
    pub body: Vec<u8>,
}

/// A task as the history keeps it: fields carry numbers that are never reused.
#[derive(Debug, Encode, Decode)]
struct Written {
    /// The row of the state, in stored form.
    #[n(0)]
    row: ByteVec,
    /// What DescribeTasks said of it last, with its tags.
    #[n(1)]
    document: String,
}

/// A task of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct PastTask {
    /// As its row was.
    pub task: Task,
    /// As DescribeTasks described it last, in JSON.
    pub document: String,
}

/// What is asked of the history of tasks.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Tasks whose ids begin so.
    pub ids: Option<Ids>,
    /// Tasks of this cluster, which may be gone itself.
    pub cluster: Option<ClusterName>,
    /// Tasks of this family.
    pub family: Option<String>,
    /// Tasks started by somebody.
    pub started_by: Option<String>,
}

/// Writes a task down. Describes it as the state still knows it.
pub fn task_record(state: &State, task: &Task) -> Record {
    let described = view::task(state, task, view::Tags::Shown);
    let document = String::from_utf8_lossy(&json::encode(&described)).into_owned();
    let written = Written { row: stored(task.clone()).into(), document };
    let mut keys = vec![
        (Field::Cluster, task.cluster.to_string()),
        (Field::Family, task.revision.family.to_string()),
    ];
    keys.extend(task.started_by.iter().map(|it| (Field::StartedBy, it.clone())));
    Record {
        identity: task.id.bits(),
        at: task.stopped_at.unwrap_or(task.created_at),
        keys,
        body: minicbor::to_vec(written).expect("writing to memory does not fail"),
    }
}

/// Writes a row of the audit trail down.
pub fn audit_record(audit: &Audit) -> Record {
    let mut keys = vec![(Field::Operation, audit.operation.clone())];
    keys.extend(audit.token.iter().map(|it| (Field::Token, it.clone())));
    keys.extend(audit.resources.iter().map(|it| (Field::Resource, last_part(it).to_owned())));
    Record {
        identity: u128::from(audit.number) << 64,
        at: audit.at,
        keys,
        body: stored(audit.clone()),
    }
}

fn stored(record: impl Into<Change>) -> Vec<u8> {
    state::encode(&record.into()).value.unwrap_or_default()
}

/// Reads what [`task_record`] wrote; `None` if it is something else.
pub fn read_task(body: &[u8]) -> Option<PastTask> {
    let Written { row, document } = minicbor::decode(body).ok()?;
    match state::decode(Task::NUMBER, &row).ok()? {
        Change::Task(_, Some(task)) => Some(PastTask { task: task.as_ref().clone(), document }),
        _ => None,
    }
}

/// Reads what [`audit_record`] wrote; `None` if it is something else.
pub fn read_audit(body: &[u8]) -> Option<Audit> {
    match state::decode(Audit::NUMBER, body).ok()? {
        Change::Audit(_, Some(audit)) => Some(audit.as_ref().clone()),
        _ => None,
    }
}

/// What follows the last `/` of an ARN.
pub(super) fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

impl TaskFilter {
    /// What a request asks for.
    ///
    /// # Errors
    ///
    /// [`super::Error::InvalidParameter`] for names that nothing can have.
    pub fn parse(ask: &shape::ListTaskHistoryRequest) -> Result<Self, super::Error> {
        let some = |it: &Option<String>| it.clone().filter(|it| !it.is_empty());
        Ok(Self {
            ids: some(&ask.task).map(|it| Ids::parse(&it)).transpose()?,
            cluster: some(&ask.cluster).map(|it| cluster(&it)).transpose()?,
            family: some(&ask.family),
            started_by: some(&ask.started_by),
        })
    }

    /// Whether a task is asked for.
    pub fn accepts(&self, task: &Task) -> bool {
        self.ids.as_ref().is_none_or(|it| it.contains(task.id))
            && self.cluster.as_ref().is_none_or(|it| *it == task.cluster)
            && self.family.as_ref().is_none_or(|it| it == task.revision.family.as_str())
            && (self.started_by.is_none() || self.started_by == task.started_by)
    }

    /// The field that narrows most.
    pub fn key(&self) -> Option<(Field, String)> {
        let own = |field, it: &Option<String>| it.clone().map(|it| (field, it));
        own(Field::StartedBy, &self.started_by)
            .or_else(|| own(Field::Family, &self.family))
            .or_else(|| Some((Field::Cluster, self.cluster.as_ref()?.to_string())))
    }
}

/// A cluster's name, from itself or its ARN; the cluster may be forgotten.
pub(super) fn cluster(text: &str) -> Result<ClusterName, super::Error> {
    let name = short_name(text, "cluster").unwrap_or(text);
    ClusterName::parse(name)
        .map_err(|_| super::Error::InvalidParameter(format!("{text} names no cluster.")))
}

impl PastTask {
    /// As an item of a list.
    pub fn view(self, state: &State) -> shape::PastTask {
        shape::PastTask {
            task_arn: Some(state.home().task(&self.task.cluster, self.task.id)),
            stopped_at: self.task.stopped_at.map(|it| shapes::Timestamp(it.0)),
            audit_event: i64::try_from(self.task.audit).ok(),
            document: Some(self.document),
        }
    }
}
