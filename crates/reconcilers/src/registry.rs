//! What a reconciler is, and the list of all there are.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use state::{Change, Context, Draft, Revision, ServiceKey, State, TargetKey};
use types::{ClusterName, InstanceId, TaskId, Timestamp};

use crate::deleted_definitions::DeletedDefinitions;
use crate::draining_targets::DrainingTargets;
use crate::expiring_certificates::ExpiringCertificates;
use crate::forgotten_tasks::ForgottenTasks;
use crate::gone_balancers::GoneBalancers;
use crate::gone_clusters::GoneClusters;
use crate::gone_instances::GoneInstances;
use crate::join_token_expiry::JoinTokenExpiry;
use crate::left_parts::LeftParts;
use crate::lost_instances::LostInstances;
use crate::past::{AUDITS_KEPT, Past, PastReaper};
use crate::service_discovery::ServiceDiscovery;
use crate::service_history::ServiceHistory;
use crate::services::{Room, Services, Waiting};
use crate::target_registration::TargetRegistration;
use crate::task_credentials::TaskCredentials;
use crate::token_expiry::TokenExpiry;

/// The thing a reconciler looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The region as a whole, for promises about the oldest of many.
    Region,
    /// One cluster.
    Cluster(ClusterName),
    /// One container instance.
    Instance(InstanceId),
    /// One task definition.
    Definition(Revision),
    /// A load balancer, a listener or a target group, by its ARN.
    Whole(String),
    /// One alarm, by its name.
    Alarm(String),
    /// One service.
    Service(ServiceKey),
    /// One task.
    Task(TaskId),
    /// One target, which may be gone.
    Target(TargetKey),
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to do until something changes.
    Settled,
    /// More to do at once.
    Again,
    /// Nothing to do before that time.
    AgainAt(Timestamp),
    /// Nothing to do, but at those, which the same reconciler is to look at then.
    Others(Vec<(Subject, Timestamp)>),
}

/// A standing control loop.
pub trait Reconciler: Send {
    /// Its name, for operators.
    fn name(&self) -> &'static str;

    /// Everything it cares about in this state; looked at after a restart and by sweeps.
    fn subjects(&self, state: &State) -> Vec<Subject>;

    /// Which subject a change should make it look at.
    fn woken_by(&self, change: &Change) -> Option<Subject>;

    /// One look: proposes changes on the draft, says when to come back.
    fn review(
        &self,
        draft: &mut Draft<'_>,
        subject: &Subject,
        context: &mut Context<'_>,
    ) -> Outcome;
}

/// What operators may set about the promises kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long a lost instance's tasks keep their state before they are given up; `None` is for
    /// ever.
    pub give_up_after: Option<Duration>,
    /// How long a stopped task stays describable.
    pub stopped_kept: Duration,
    /// How many rows of the audit trail stay in the state.
    pub audits_kept: u64,
    /// What becomes of tasks and of the audit trail afterwards.
    pub past: Past,
    /// How long a service's task without any check has to run before it counts as healthy.
    pub observed_for: Duration,
}

impl Default for Policy {
    /// 60 seconds, and the hour that AWS keeps stopped tasks; no history.
    fn default() -> Self {
        Self {
            give_up_after: Some(Duration::from_mins(1)),
            stopped_kept: Duration::from_hours(1),
            audits_kept: AUDITS_KEPT,
            past: Past::Forgotten,
            // Differs: AWS waits for 40 seconds.
            observed_for: Duration::from_secs(5),
        }
    }
}

/// Every reconciler of the house. One that is not listed here does not run.
pub fn registry(policy: &Policy) -> Vec<Box<dyn Reconciler>> {
    let waiting = Arc::new(Mutex::new(Waiting::default()));
    let observed_for = policy.observed_for;
    let mut all: Vec<Box<dyn Reconciler>> = vec![
        Box::new(DeletedDefinitions),
        Box::new(DrainingTargets),
        Box::new(ExpiringCertificates),
        Box::new(ForgottenTasks),
        Box::new(GoneBalancers),
        Box::new(GoneClusters),
        Box::new(GoneInstances { kept: policy.stopped_kept }),
        Box::new(JoinTokenExpiry),
        Box::new(LeftParts),
        Box::new(LostInstances::new(policy.give_up_after)),
        Box::new(TargetRegistration),
        Box::new(Services { observed_for, waiting: waiting.clone() }),
        Box::new(Room { observed_for, waiting }),
        Box::new(ServiceDiscovery),
        Box::new(ServiceHistory),
        Box::new(TaskCredentials),
        Box::new(TokenExpiry),
    ];
    if policy.past == Past::Forgotten {
        all.push(Box::new(PastReaper { policy: policy.clone() }));
    }
    all
}
