//! Keeps tasks of services in Cloud Map for as long as they run: a running task is registered with
//! the services that its revision names, and is found no more once it leaves or is over.

use plan::discovery::{self, Entry};
use state::{Change, Context, DiscoveryService, Draft, Service, State, Status, Task};
use types::TaskId;

use crate::{Outcome, Reconciler, Subject};

/// What one entry changes: the instance, and the revision of its service.
const CHANGES_OF_ENTRY: usize = 2;

pub(crate) struct ServiceDiscovery;

impl Reconciler for ServiceDiscovery {
    fn name(&self) -> &'static str {
        "service-discovery"
    }

    /// Tasks of services with registries, and everything registered that bears the id of a task.
    fn subjects(&self, state: &State) -> Vec<Subject> {
        let services = state.services().values().filter(|it| has_registries(state, it));
        let indexes = state.indexes();
        let running = services.flat_map(|it| {
            indexes.tasks_of_service(&it.key, state::Desired::Running).iter().copied()
        });
        let registered = state.discovery_instances().keys();
        let registered = registered.filter_map(|it| TaskId::parse(&it.id).ok());
        running.chain(registered).map(Subject::Task).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::Task(id, Some(task)) if matters(task) => Some(Subject::Task(*id)),
            // Tasks without an address of their own are found at the instance's.
            Change::ContainerInstance(id, Some(_)) => Some(Subject::Instance(*id)),
            // Somebody has changed what is this loop's to say.
            Change::DiscoveryInstance(key, _) => TaskId::parse(&key.id).ok().map(Subject::Task),
            _ => None,
        }
    }

    fn review(&self, draft: &mut Draft<'_>, subject: &Subject, _: &mut Context<'_>) -> Outcome {
        let tasks: Vec<TaskId> = match subject {
            Subject::Task(id) => vec![*id],
            Subject::Instance(id) => draft.state().indexes().held_on(*id).iter().copied().collect(),
            _ => return Outcome::Settled,
        };
        for id in tasks {
            let Some(task) = draft.state().task(id).cloned() else { continue };
            for entry in discovery::entries(draft.state(), &task) {
                if draft.room() < CHANGES_OF_ENTRY {
                    return Outcome::Again;
                }
                settle(draft, entry);
            }
        }
        Outcome::Settled
    }
}

/// Whether a task of a service has begun to run: before that it is registered nowhere.
fn matters(task: &Task) -> bool {
    task.service.is_some() && task.last >= Status::Running
}

fn has_registries(state: &State, service: &Service) -> bool {
    service.deployments.iter().any(|it| {
        let key = state::ServiceRevisionKey { service: service.key.clone(), id: it.revision };
        state.service_revisions().get(&key).is_some_and(|it| !it.registries.is_empty())
    })
}

fn settle(draft: &mut Draft<'_>, entry: Entry) {
    let state = draft.state();
    if state.discovery_instances().get(&entry.key).map(AsRef::as_ref) == entry.wanted.as_ref() {
        return;
    }
    let Some(service) = state.discovery_services().get(&entry.key.service).cloned() else { return };
    match entry.wanted {
        Some(wanted) => draft.change(Change::from(wanted)),
        None => draft.change(Change::DiscoveryInstance(entry.key, None)),
    }
    let revision = service.revision + 1;
    draft.change(Change::from(DiscoveryService { revision, ..service.as_ref().clone() }));
}
