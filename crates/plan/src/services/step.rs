//! What a service needs next: which tasks are started and stopped, what becomes of its deployments,
//! and what it says (handbook 5).

use state::{
    Remark, RemarkKind, Scheduling, Service, ServiceDeployment, ServiceDeploymentStatus,
    ServiceStatus,
};
use types::{InstanceId, TaskId, Timestamp, Zone};

use super::bounds::{Bounds, bounds};
use super::crowd::Crowd;
use super::pace;
use super::snapshot::{Member, Snapshot};
use super::standing::Standing;
use super::{daemon, replica, rollout};

/// Tasks that one step stops; what is left follows at once.
pub(super) const STOPS_MAX: usize = 20;
/// Tasks that one step notes as healthy for the first time.
const PROVEN_MAX: usize = 15;

/// Whether there is a place for another task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Not known, or there is.
    Open,
    /// There was none a moment ago.
    None,
}

/// What a step needs to know besides the service.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When.
    pub now: Timestamp,
    /// An unused identifier, for a deployment that may have to be made.
    pub fresh: u64,
    /// Whether tasks can be placed.
    pub room: Room,
}

/// Why a task is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A newer deployment takes its place.
    Deployment(u64),
    /// There are more than are desired.
    Scaling,
    /// It is not well.
    Unhealthy(String),
    /// Its instance drains.
    Draining,
    /// Another zone has too few.
    Rebalancing,
    /// The instance is none for this daemon any more.
    NotEligible,
    /// The service was deleted.
    Deleted,
}

/// A task to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopping {
    /// Which.
    pub task: TaskId,
    /// Whether it runs.
    pub is_running: bool,
    /// Its zone.
    pub zone: Zone,
    /// Why.
    pub why: Why,
}

/// Tasks to be started, of the PRIMARY deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Starting {
    /// So many, wherever they fit.
    Anywhere(u32),
    /// One in the first of these zones that takes it, to rebalance.
    InFirstOf(Vec<Zone>),
    /// One on each of these instances.
    On(Vec<InstanceId>),
}

/// What a service needs next.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Ends of tasks that are taken into account with this step.
    pub settle: Vec<TaskId>,
    /// Tasks that count as healthy for the first time.
    pub prove: Vec<TaskId>,
    /// Tasks to be stopped.
    pub stop: Vec<Stopping>,
    /// Tasks to be started.
    pub start: Option<Starting>,
    /// The row as it is afterwards.
    pub service: Service,
    /// The rollout as it is afterwards.
    pub rollout: Option<ServiceDeployment>,
    /// What the service says, in order, without its name.
    pub events: Vec<String>,
    /// When something is due by itself.
    pub again_at: Option<Timestamp>,
    /// Whether there is more to do at once.
    pub has_more: bool,
}

/// What a service needs next. Equal snapshots and moments give equal steps; a snapshot of what a step
/// has led to, with nothing else changed, gives an empty one in the end.
pub fn step(snapshot: &Snapshot, moment: Moment) -> Step {
    let mut plan = Plan::new(snapshot, moment);
    rollout::settle(&mut plan);
    match plan.service.status {
        ServiceStatus::Inactive => {}
        ServiceStatus::Draining => leave(&mut plan),
        ServiceStatus::Active => {
            rollout::begin(&mut plan);
            rollout::monitor(&mut plan);
            rollout::prove(&mut plan);
            match plan.service.scheduling {
                Scheduling::Replica => replica::plan(&mut plan),
                Scheduling::Daemon => daemon::plan(&mut plan),
            }
            rollout::forget_replaced(&mut plan);
        }
    }
    plan.into_step()
}

/// A deleted service: everything goes, whatever the bounds.
fn leave(plan: &mut Plan<'_>) {
    let active: Vec<_> = plan.active().collect();
    for member in active {
        plan.stop(member, Why::Deleted);
    }
    if plan.present() == 0 {
        plan.service.status = ServiceStatus::Inactive;
        plan.service.deployments.clear();
    }
    if let Some(it) = &mut plan.rollout
        && matches!(
            it.status,
            ServiceDeploymentStatus::Pending
                | ServiceDeploymentStatus::InProgress
                | ServiceDeploymentStatus::StopRequested
                | ServiceDeploymentStatus::RollbackRequested
                | ServiceDeploymentStatus::RollbackInProgress
        )
    {
        it.status = ServiceDeploymentStatus::Stopped;
        it.status_reason = Some("The service was deleted.".into());
        it.stopped_at = Some(plan.now);
        it.finished_at = Some(plan.now);
        it.updated_at = plan.now;
    }
}

/// A step in the making.
pub(super) struct Plan<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Timestamp,
    pub(super) fresh: u64,
    pub(super) room: Room,
    pub(super) service: Service,
    pub(super) rollout: Option<ServiceDeployment>,
    pub(super) step: Step,
    /// Healthy tasks that may still be stopped.
    spare: u32,
}

impl<'a> Plan<'a> {
    fn new(snapshot: &'a Snapshot, moment: Moment) -> Self {
        let mut plan = Self {
            snapshot,
            now: moment.now,
            fresh: moment.fresh,
            room: moment.room,
            service: snapshot.service.clone(),
            rollout: snapshot.rollout.clone(),
            step: Step {
                settle: Vec::new(),
                prove: Vec::new(),
                stop: Vec::new(),
                start: None,
                service: snapshot.service.clone(),
                rollout: None,
                events: Vec::new(),
                again_at: snapshot.until,
                has_more: snapshot.has_more,
            },
            spare: u32::MAX,
        };
        if plan.service.status == ServiceStatus::Active {
            let healthy = plan.count(|it| it.standing == Standing::Healthy)
                + plan.crowded(|it| it.standing == Standing::Healthy);
            plan.spare = healthy.saturating_sub(plan.bounds().lower);
        }
        plan
    }

    fn into_step(mut self) -> Step {
        self.step.service = self.service;
        self.step.rollout = self.rollout;
        self.step
    }

    /// How many tasks there should be.
    pub(super) fn desired(&self) -> u32 {
        match self.service.scheduling {
            Scheduling::Replica => self.service.desired,
            Scheduling::Daemon => {
                u32::try_from(self.snapshot.scene.places.len()).unwrap_or(u32::MAX)
            }
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        let it = &self.service;
        bounds(self.desired(), it.minimum_percent, it.maximum_percent)
    }

    /// Identifier of the PRIMARY deployment.
    pub(super) fn primary(&self) -> u64 {
        self.service.deployments.first().map_or(0, |it| it.id)
    }

    /// Tasks that the service counts on and that this step has not stopped.
    pub(super) fn active(&self) -> impl Iterator<Item = &'a Member> {
        let stopped: Vec<TaskId> = self.step.stop.iter().map(|it| it.task).collect();
        let members = self.snapshot.members.iter();
        members.filter(move |it| it.standing.is_active() && !stopped.contains(&it.id))
    }

    pub(super) fn count(&self, which: impl Fn(&Member) -> bool) -> u32 {
        u32::try_from(self.active().filter(|it| which(it)).count()).unwrap_or(u32::MAX)
    }

    /// Tasks of such crowds.
    pub(super) fn crowded(&self, which: impl Fn(&Crowd) -> bool) -> u32 {
        self.snapshot.crowds.iter().filter(|it| which(it)).map(|it| it.count).sum()
    }

    /// Tasks that are not over, leaving ones too.
    pub(super) fn present(&self) -> u32 {
        let there = self.snapshot.members.iter().filter(|it| it.standing != Standing::Over);
        u32::try_from(there.count()).unwrap_or(u32::MAX) + self.crowded(|_| true)
    }

    /// Tasks on their way out, those of this step among them.
    pub(super) fn leaving(&self) -> u32 {
        let leaving = self.snapshot.members.iter().filter(|it| it.standing == Standing::Leaving);
        u32::try_from(leaving.count() + self.step.stop.len()).unwrap_or(u32::MAX)
            + self.crowded(|it| it.standing == Standing::Leaving)
    }

    /// Whether a crowd is of the PRIMARY deployment and stands where it may stay.
    pub(super) fn is_current_crowd(&self, crowd: &Crowd) -> bool {
        crowd.deployment == self.primary() && !crowd.is_draining && crowd.standing.is_active()
    }

    /// Whether it is of the PRIMARY deployment and stands where it may stay.
    pub(super) fn is_current(&self, member: &Member) -> bool {
        member.deployment == self.primary() && !member.is_draining
    }

    /// Whether stopping this one would leave too few healthy tasks.
    pub(super) fn is_needed(&self, member: &Member) -> bool {
        member.standing == Standing::Healthy && self.spare == 0
    }

    /// Stops a task if the bounds, its protection and the size of a step allow it.
    ///
    /// Protection is from scaling in and deployments; it keeps no task that is not well, and none
    /// of a service that was deleted.
    pub(super) fn stop(&mut self, member: &Member, why: Why) -> bool {
        let overrides = matches!(why, Why::Unhealthy(_) | Why::Deleted | Why::NotEligible);
        if self.is_needed(member) || (member.is_protected && !overrides) {
            return false;
        }
        if self.step.stop.len() >= STOPS_MAX {
            self.step.has_more = true;
            return false;
        }
        if member.standing == Standing::Healthy {
            self.spare = self.spare.saturating_sub(1);
        }
        self.step.stop.push(Stopping {
            task: member.id,
            is_running: member.standing != Standing::Starting,
            zone: member.zone.clone(),
            why,
        });
        true
    }

    /// Stops a task that is not well; it counts as a failure of its deployment.
    pub(super) fn stop_unhealthy(&mut self, member: &Member) -> bool {
        let Standing::Unhealthy(reason) = &member.standing else { return false };
        let stopped = self.stop(member, Why::Unhealthy(reason.clone()));
        if stopped && member.deployment == self.primary() {
            rollout::count_failure(self);
        }
        stopped
    }

    /// How many of so many tasks may be launched now; when not all, that is said.
    pub(super) fn allowed(&mut self, want: u32) -> u32 {
        let Some(primary) = self.service.deployments.first() else { return 0 };
        if want == 0 {
            return 0;
        }
        let allowed = pace::allowance(primary, self.now);
        let next = pace::next_launch(primary, self.now);
        let is_paused = primary.wait_until.is_some_and(|it| it > self.now);
        if allowed < want && !is_paused {
            self.remark(RemarkKind::Throttled, super::events::THROTTLED);
        }
        self.come_back(next);
        want.min(allowed)
    }

    /// Something has happened.
    pub(super) fn say(&mut self, sentence: impl Into<String>) {
        self.step.events.push(sentence.into());
    }

    /// Something is so; said once, and again when it has not been so meanwhile.
    pub(super) fn remark(&mut self, kind: RemarkKind, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if self.service.remarks.add(Remark { kind, sentence: sentence.clone() }) {
            self.say(sentence);
        }
    }

    pub(super) fn come_back(&mut self, at: Option<Timestamp>) {
        self.step.again_at = [self.step.again_at, at].into_iter().flatten().min();
    }

    pub(super) fn note_proven(&mut self, member: &Member) -> bool {
        if self.step.prove.len() >= PROVEN_MAX {
            self.step.has_more = true;
            return false;
        }
        self.step.prove.push(member.id);
        true
    }
}

impl Why {
    /// What a stopped task shows of a service whose PRIMARY deployment is that one.
    ///
    /// Source: ECS Developer Guide, "Amazon ECS stopped tasks errors".
    pub fn reason(&self, primary: u64) -> String {
        match self {
            Self::Deployment(id) => {
                format!("Scaling activity initiated by (deployment ecs-svc/{id})")
            }
            Self::Scaling => {
                format!("Scaling activity initiated by (deployment ecs-svc/{primary})")
            }
            // The event says more, and on which port.
            Self::Unhealthy(reason) => match reason.split_once(" is unhealthy in ") {
                Some((_, place)) => {
                    let place = place.split_inclusive(')').next().unwrap_or_default();
                    format!("Task failed ELB health checks in {place}")
                }
                None => format!("Task {reason}"),
            },
            Self::Draining => {
                "Scaling activity initiated by draining its container instance".into()
            }
            Self::Rebalancing => {
                format!("Availability-zone rebalancing initiated by (deployment ecs-svc/{primary})")
            }
            Self::NotEligible => {
                "The container instance is none for this daemon service any more".into()
            }
            Self::Deleted => "Service was deleted".into(),
        }
    }
}
