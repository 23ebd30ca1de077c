//! What a service keeps of its past: records of deployments, and the revisions that they are about.

use core::time::Duration;
use std::collections::BTreeSet;

use state::{ServiceDeployment, ServiceDeploymentKey, ServiceKey, ServiceRevisionKey, State};
use types::Timestamp;

/// So many of the newest records stay, however old they are.
const KEPT_LEAST: usize = 10;
/// So many stay at most, however new they are.
const KEPT_MOST: usize = 100;
/// Between those two a record stays for so long. Source: ECS Developer Guide, "View service history
/// using Amazon ECS service deployments".
const KEPT_FOR: Duration = Duration::from_hours(90 * 24);

/// What a service has to keep no longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outdated {
    /// Records of deployments, the oldest first.
    pub deployments: Vec<ServiceDeploymentKey>,
    /// Revisions that nothing names any more once those are gone.
    pub revisions: Vec<ServiceRevisionKey>,
    /// When more will be due by itself.
    pub again_at: Option<Timestamp>,
}

/// What a service has to keep no longer. Everything stays that a task, a deployment that has tasks,
/// the last completed deployment or a kept record names. O(what it has kept, and the crowds of its
/// tasks).
pub fn outdated(state: &State, service: &ServiceKey, now: Timestamp) -> Outdated {
    let mut outdated = Outdated::default();
    let Some(row) = state.services().get(service) else { return outdated };
    let key = |id| ServiceDeploymentKey { service: service.clone(), id };
    let records = state.service_deployments().range(key(0)..=key(u64::MAX)).map(|it| it.1);
    let mut records: Vec<&ServiceDeployment> = records.map(AsRef::as_ref).collect();
    let mut current: BTreeSet<u64> =
        row.deployments.iter().map(|it| it.service_deployment).collect();
    current.insert(row.service_deployment);
    records.sort_by_key(|it| {
        (!current.contains(&it.key.id), core::cmp::Reverse(it.created_at), it.key.id)
    });
    let mut needed: BTreeSet<u64> = row.deployments.iter().map(|it| it.revision).collect();
    needed.extend(row.completed_revision);
    for (rank, record) in records.into_iter().enumerate() {
        let due_at = record.finished_at.unwrap_or(record.created_at).after(KEPT_FOR);
        let is_kept = current.contains(&record.key.id)
            || rank < KEPT_LEAST
            || (rank < KEPT_MOST && due_at > now);
        if !is_kept {
            outdated.deployments.push(record.key.clone());
            continue;
        }
        needed.extend(record.sources.iter().copied().chain([record.target]));
        needed.extend(record.rollback.as_ref().map(|it| it.revision));
        if rank >= KEPT_LEAST && due_at > now {
            outdated.again_at = [outdated.again_at, Some(due_at)].into_iter().flatten().min();
        }
    }
    outdated.deployments.reverse();
    let key = |id| ServiceRevisionKey { service: service.clone(), id };
    let revisions = state.service_revisions().range(key(0)..=key(u64::MAX)).map(|it| it.0);
    let unnamed: Vec<_> = revisions.filter(|it| !needed.contains(&it.id)).cloned().collect();
    if !unnamed.is_empty() {
        let of_tasks = revisions_of_tasks(state, service);
        outdated.revisions = unnamed.into_iter().filter(|it| !of_tasks.contains(&it.id)).collect();
    }
    outdated
}

/// Revisions of tasks that are not over. O(crowds, and tasks that are in none).
fn revisions_of_tasks(state: &State, service: &ServiceKey) -> BTreeSet<u64> {
    let indexes = state.indexes();
    let apart = indexes.apart(service).iter().filter_map(|it| state.task(*it));
    let apart =
        apart.filter(|it| !it.is_over()).filter_map(|it| Some(it.service.as_ref()?.revision));
    indexes.crowds(service).map(|it| it.0.revision).chain(apart).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use state::{Change, Revision, Rollback, ServiceDeploymentStatus as Status, ServiceRevision};
    use types::Family;

    use super::*;
    use crate::placement::fixture as places;
    use crate::services::{fixture, tests as pictures};

    const DAY: i64 = 24 * 3600 * 1000;
    const NOW: Timestamp = Timestamp(1_000 * DAY);

    /// A service whose only deployment is of revision 1, and so many records: the first was made so
    /// many days ago, each later one a day after the one before. Record and revision have one number.
    fn service(count: u64, days_ago: i64) -> State {
        let mut state = places::region();
        let mut row = pictures::service(1, 100, 200);
        row.deployments.retain(|it| it.id == 1);
        row.completed_revision = Some(1);
        row.service_deployment = count;
        let of = row.key.clone();
        state.apply(Change::from(row));
        for id in 1..=count {
            let at = Timestamp(NOW.0 - (days_ago + 1 - i64::try_from(id).expect("small")) * DAY);
            record(&mut state, &of, id, at);
        }
        state
    }

    fn record(state: &mut State, of: &ServiceKey, id: u64, at: Timestamp) {
        state.apply(Change::from(ServiceRevision {
            key: ServiceRevisionKey { service: of.clone(), id },
            definition: Revision { family: Family::parse("web").expect("valid"), number: 1 },
            spec: Vec::new(),
            targets: Vec::new(),
            registries: Vec::new(),
            digests: BTreeMap::new(),
            created_at: at,
            unresolved_at: None,
        }));
        state.apply(Change::from(ServiceDeployment {
            key: ServiceDeploymentKey { service: of.clone(), id },
            status: Status::Successful,
            status_reason: None,
            sources: Vec::new(),
            target: id,
            rollback: None,
            failures: 0,
            created_at: at,
            started_at: None,
            updated_at: at,
            finished_at: None,
            stopped_at: None,
            watch: None,
        }));
    }

    fn key(state: &State) -> ServiceKey {
        state.services().keys().next().expect("one").clone()
    }

    /// Numbers of records and of revisions that go.
    fn gone(state: &State) -> (Vec<u64>, Vec<u64>) {
        let it = outdated(state, &key(state), NOW);
        let records = it.deployments.iter().map(|it| it.id).collect();
        (records, it.revisions.iter().map(|it| it.id).collect())
    }

    #[test]
    fn the_newest_ten_stay_and_older_ones_for_ninety_days() {
        assert_eq!(gone(&service(10, 500)), (vec![], vec![]));
        // The record of what runs counts among the ten.
        assert_eq!(gone(&service(13, 500)), (vec![2, 3, 4], vec![2, 3, 4]));
        let of_late = service(20, 92);
        assert_eq!(gone(&of_late), (vec![2, 3], vec![2, 3]));
        let next = outdated(&of_late, &key(&of_late), NOW).again_at;
        assert_eq!(next, Some(Timestamp(NOW.0 + DAY)));
    }

    #[test]
    fn a_hundred_stay_at_most() {
        let state = service(0, 0);
        let (mut state, of) = (state.clone(), key(&state));
        for id in 1..=103 {
            record(
                &mut state,
                &of,
                id,
                Timestamp(NOW.0 - 1_000 + i64::try_from(id).expect("small")),
            );
        }
        assert_eq!(gone(&state), (vec![2, 3, 4], vec![2, 3, 4]));
    }

    #[test]
    fn what_a_task_or_a_kept_record_names_stays() {
        let mut state = service(13, 500);
        let of = key(&state);
        let instance = places::instance(1, "a", 1024, 1024);
        let plain = places::task(7, &instance, &places::request(1, 1));
        let mut task = fixture::task(&plain, state::NetworkMode::Bridge, &[]);
        task.service.as_mut().expect("of a service").revision = 2;
        state.apply(Change::from(instance));
        state.apply(Change::from(task));
        assert_eq!(gone(&state), (vec![2, 3, 4], vec![3, 4]), "a task is of revision 2");
        let newest = ServiceDeploymentKey { service: of, id: 13 };
        let row = state.service_deployments()[&newest].as_ref().clone();
        let rollback = Rollback { reason: String::new(), started_at: NOW, revision: 3 };
        state.apply(Change::from(ServiceDeployment { rollback: Some(rollback), ..row }));
        assert_eq!(gone(&state), (vec![2, 3, 4], vec![4]));
    }
}
