//! Which tasks a look at a service goes through one by one and which it only counts, so that it does
//! not cost all of them.

use core::time::Duration;
use std::collections::BTreeMap;

use state::{Scheduling, Service, ServiceStatus, Stage, State};
use types::{TaskId, Timestamp, Zone};

use super::snapshot::terms_of;
use super::standing::{Standing, Terms, standing};
use super::step::STOPS_MAX;
use super::targets_health;

/// So many of a crowd that some may have to be stopped of: one more than a step stops, so that it is
/// seen whether there is more to do.
const OFFERED: usize = STOPS_MAX + 1;

/// So many tasks that stand alike and are not looked at one by one. None of them is protected, ill or
/// over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crowd {
    /// The deployment that they are of.
    pub deployment: u64,
    /// Their zone.
    pub zone: Zone,
    /// Whether their instances drain.
    pub is_draining: bool,
    /// How they stand.
    pub standing: Standing,
    /// How many.
    pub count: u32,
}

/// The tasks of a service for one look.
pub(super) struct Muster {
    /// Those that are looked at.
    pub(super) each: Vec<TaskId>,
    /// The others.
    pub(super) crowds: Vec<Crowd>,
}

impl Muster {
    /// Looks at every task. O(tasks).
    pub(super) fn each(state: &State, service: &Service) -> Self {
        let each = state.indexes().open_tasks(&service.key).iter().copied().collect();
        Self { each, crowds: Vec::new() }
    }

    /// Looks at what a step may have something to do with. Of tasks that stand alike and of which some
    /// may be stopped these are the first, as steps stop the oldest first, and at most so many. Costs
    /// the crowds, and the tasks that are looked at.
    ///
    /// All are looked at where they are not counted but placed (daemons), and of a deployment that
    /// has too many those that may stay: which goes depends on where the others are.
    pub(super) fn of(
        state: &State,
        service: &Service,
        observed_for: Duration,
        now: Timestamp,
    ) -> Self {
        if service.scheduling == Scheduling::Daemon {
            return Self::each(state, service);
        }
        let indexes = state.indexes();
        let apart = indexes.apart(&service.key);
        let staying = staying(state, service);
        let mut muster = Self { each: apart.iter().copied().collect(), crowds: Vec::new() };
        let mut terms: BTreeMap<u64, Terms> = BTreeMap::new();
        for (crowd, tasks) in indexes.crowds(&service.key) {
            let first = tasks.first().and_then(|it| state.task(it.1));
            let Some(first) = first else { continue };
            let terms = terms
                .entry(crowd.revision)
                .or_insert_with(|| terms_of(state, service, crowd.revision, observed_for));
            // As the first stands, so do the others; but for targets that no balancer finds healthy
            // which is there.
            let standing = standing(first, terms, &targets_health(state, first), now).0;
            let is_alike = crowd.targets == 0 || standing == Standing::Healthy;
            let looked_at = match choice(service, crowd, &staying) {
                Choice::None if is_alike => 0,
                Choice::Oldest if is_alike => OFFERED,
                _ => tasks.len(),
            };
            muster.each.extend(tasks.iter().take(looked_at).map(|it| it.1));
            let count = tasks.len().saturating_sub(looked_at);
            if count > 0 {
                muster.crowds.push(Crowd {
                    deployment: crowd.deployment,
                    zone: crowd.zone.clone(),
                    is_draining: crowd.is_draining,
                    standing,
                    count: u32::try_from(count).unwrap_or(u32::MAX),
                });
            }
        }
        muster
    }
}

/// How many tasks of each deployment are where they may stay.
fn staying(state: &State, service: &Service) -> BTreeMap<u64, usize> {
    let indexes = state.indexes();
    let crowds = indexes.crowds(&service.key);
    let staying = crowds.filter(|it| it.0.stage != Stage::Leaving && !it.0.is_draining);
    let mut all: BTreeMap<u64, usize> = BTreeMap::new();
    for (crowd, tasks) in staying {
        *all.entry(crowd.deployment).or_default() += tasks.len();
    }
    let apart = indexes.apart(&service.key).iter().filter_map(|it| state.task(*it));
    for task in apart.filter(|it| state::is_living(it)) {
        let deployment = task.service.as_ref().map_or(0, |it| it.deployment);
        *all.entry(deployment).or_default() += 1;
    }
    all
}

/// Which tasks of a crowd a step may stop.
enum Choice {
    None,
    Oldest,
    All,
}

fn choice(service: &Service, crowd: &state::Crowd, staying: &BTreeMap<u64, usize>) -> Choice {
    if crowd.stage == Stage::Leaving {
        return Choice::None;
    }
    let is_active = service.status == ServiceStatus::Active;
    let Some(primary) = service.deployments.first().filter(|_| is_active) else {
        return Choice::Oldest;
    };
    // A step that goes back makes another deployment PRIMARY.
    let may_go_back = service.completed_revision.is_some_and(|it| it != primary.revision);
    let is_primary = crowd.deployment == primary.id;
    let may_stay = !crowd.is_draining && (is_primary || may_go_back);
    let are_too_many =
        staying.get(&crowd.deployment).is_some_and(|it| *it > service.desired as usize);
    match (may_stay, may_go_back) {
        (true, _) if are_too_many => Choice::All,
        (true, false) => Choice::None,
        _ => Choice::Oldest,
    }
}
