//! What container health checks say.

use std::sync::Arc;

use state::{Change, Container, Draft, Health, Task};
use types::{InstanceId, TaskId};

/// The health of one container, as its agent sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its name.
    pub container: String,
    /// What its check says.
    pub health: Health,
}

/// Takes in what an instance's checks say of a task. Changes the task only where something has
/// changed; of another instance's task it has nothing to say.
pub fn health(draft: &mut Draft<'_>, by: InstanceId, task: TaskId, checked: &[Checked]) {
    let own = |it: &&Arc<Task>| it.instance == by && !it.is_over();
    let Some(row) = draft.state().task(task).filter(own).cloned() else { return };
    let seen = |it: &Container| {
        let found = checked.iter().find(|checked| checked.container == it.name.as_str());
        Container { health: found.map_or(it.health, |found| found.health), ..it.clone() }
    };
    let containers: Vec<_> = row.containers.iter().map(seen).collect();
    if containers != row.containers {
        let version = row.version + 1;
        draft.change(Change::from(Task { containers, version, ..row.as_ref().clone() }));
    }
}
