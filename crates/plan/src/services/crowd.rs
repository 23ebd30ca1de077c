//! Tasks that a decision only counts, so that a look at a service does not cost all of them.

use core::time::Duration;

use state::{Rollout, Scheduling, Service, ServiceRevisionKey, ServiceStatus, Stage, State};
use types::Zone;

use super::snapshot::terms_of;
use super::standing::Standing;
use crate::connect;

/// So many tasks of one zone that stand alike: of the PRIMARY deployment, where they may stay, not
/// protected, not ill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crowd {
    /// Their zone.
    pub zone: Zone,
    /// How they stand.
    pub standing: Standing,
    /// How many.
    pub count: u32,
}

/// The crowds of a service that has nothing to decide about their tasks one by one: it has one
/// deployment, which cannot be rolled back, and not more tasks than it should, and none of them can be
/// on an instance that drains.
/// `None` for every other service. Costs its crowds and the tasks that are in none.
pub(super) fn crowds(
    state: &State,
    service: &Service,
    observed_for: Duration,
) -> Option<Vec<Crowd>> {
    let indexes = state.indexes();
    let [primary] = service.deployments.as_slice() else { return None };
    // A step that goes back makes another deployment PRIMARY: then none of these tasks is of it.
    let may_go_back = primary.rollout == Rollout::InProgress
        && service.completed_revision.is_some_and(|it| it != primary.revision);
    let is_plain = service.status == ServiceStatus::Active
        && service.scheduling == Scheduling::Replica
        && !may_go_back
        && !indexes.has_draining(&service.key.cluster)
        && connect::of_service(state, &service.key).next().is_none();
    if !is_plain {
        return None;
    }
    let terms = terms_of(state, service, primary.revision, observed_for);
    let key = ServiceRevisionKey { service: service.key.clone(), id: primary.revision };
    let has_targets = state.service_revisions().get(&key).is_some_and(|it| !it.targets.is_empty());
    let mut crowds = Vec::new();
    for (crowd, count) in indexes.crowds(&service.key) {
        if crowd.deployment != primary.id || crowd.revision != primary.revision {
            return None;
        }
        let waits = has_targets || (crowd.stage == Stage::Unchecked && !terms.checks.is_empty());
        let standing = match crowd.stage {
            Stage::Starting => Standing::Starting,
            Stage::Unchecked | Stage::Healthy if waits => Standing::Unproven,
            Stage::Unchecked | Stage::Healthy => Standing::Healthy,
        };
        crowds.push(Crowd { zone: crowd.zone.clone(), standing, count });
    }
    let apart = indexes.apart(&service.key).iter().filter_map(|it| state.task(*it));
    let active = apart.filter(|it| state::is_living(it)).count();
    let all = crowds.iter().map(|it| it.count as usize).sum::<usize>() + active;
    (all <= service.desired as usize).then_some(crowds)
}
