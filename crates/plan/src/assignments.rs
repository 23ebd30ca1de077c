//! Who is told what: the whole of what one container instance should hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use state::{AccessKey, ContainerInstance, Desired, State, Status, Task, TaskDefinition};
use types::{InstanceId, TaskId};

/// Everything one instance needs to know, as of one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignments {
    /// The instance.
    pub instance: Arc<ContainerInstance>,
    /// How often what it should hold has changed.
    pub version: u64,
    /// Its tasks that may still hold something there.
    pub tasks: BTreeMap<TaskId, Assigned>,
}

/// One task of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigned {
    /// The task.
    pub task: Arc<Task>,
    /// What it runs; `None` once nobody may start it any more.
    pub definition: Option<Arc<TaskDefinition>>,
    /// Its newest credentials, if it acts in a role.
    pub key: Option<Arc<AccessKey>>,
}

impl Assigned {
    /// Whether the instance should run it: also while it leaves its target groups, for it goes on
    /// with what it has.
    pub fn should_run(&self) -> bool {
        match self.task.desired {
            Desired::Running => !self.task.is_over(),
            Desired::Stopped => self.task.last == Status::Deactivating,
        }
    }

    /// What its agent is told to bring it to.
    pub fn desired(&self) -> Desired {
        if self.should_run() { Desired::Running } else { Desired::Stopped }
    }
}

/// What an instance should hold; `None` if there is no such instance. O(its tasks).
///
/// Nothing of what its agent has forgotten: told of such a task, it would start it once more.
pub fn of(state: &State, instance: InstanceId) -> Option<Assignments> {
    let row = state.container_instance(instance)?.clone();
    let held = Some(state.indexes().held_on(instance)).filter(|_| row.forgot_at.is_none());
    let tasks = held
        .into_iter()
        .flatten()
        .filter_map(|id| state.task(*id))
        .map(|task| (task.id, assigned(state, task)))
        .collect();
    let version = state.assignments().get(&instance).map_or(0, |it| it.version);
    Some(Assignments { instance: row, version, tasks })
}

fn assigned(state: &State, task: &Arc<Task>) -> Assigned {
    let keys = state.indexes().keys_of(task.id);
    Assigned {
        task: task.clone(),
        definition: state.task_definition(&task.revision).cloned(),
        key: keys
            .filter_map(|id| state.access_keys().get(id))
            .max_by_key(|it| (it.expires_at, it.id.clone()))
            .cloned(),
    }
}
