//! How an instance of a Classic Load Balancer is, in AWS's words.
//!
//! Source: Elastic Load Balancing API Reference 2012-06-01, `InstanceState`; Classic Load Balancers
//! User Guide, "Configure connection draining".

use state::{ClassicInstanceKey, ClassicLoadBalancer, State, TargetHealth};

use super::is_in_a_zone;
use crate::targets;

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceStanding {
    /// `InService` or `OutOfService`.
    pub state: &'static str,
    /// Who is to blame: `ELB`, `Instance` or `N/A`.
    pub reason_code: &'static str,
    /// In a sentence.
    pub description: &'static str,
}

/// What is said of an instance that its load balancer finds ill.
pub(crate) const FAILED: &str = "Instance has failed at least the UnhealthyThreshold number of \
    health checks consecutively.";

/// How the instance of that EC2 id is, as the balancers find it together.
pub fn standing(state: &State, of: &ClassicLoadBalancer, id: &str) -> InstanceStanding {
    let out = |reason_code, description| InstanceStanding {
        state: "OutOfService",
        reason_code,
        description,
    };
    let within =
        |description| InstanceStanding { state: "InService", reason_code: "N/A", description };
    let key = ClassicInstanceKey { load_balancer: of.name.clone(), id: id.to_owned() };
    let Some(instance) = state.classic_instances().get(&key) else {
        return out("Instance", "Instance is not currently registered with the LoadBalancer.");
    };
    if instance.draining.is_some() {
        return within("Instance deregistration currently in progress.");
    }
    if !is_in_a_zone(of, instance) {
        return out(
            "ELB",
            "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured to \
             route traffic to.",
        );
    }
    match targets::found(state, &instance.as_target()) {
        TargetHealth::Healthy => within("N/A"),
        TargetHealth::Initial => out("ELB", "Instance registration is still in progress."),
        TargetHealth::WrongCode(_) | TargetHealth::Timeout | TargetHealth::Failed => {
            out("Instance", FAILED)
        }
    }
}
