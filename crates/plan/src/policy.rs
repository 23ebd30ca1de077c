//! Who may do what.
//!
//! There are no policies of users yet: keys of people may do everything, and so may tasks that act
//! in a role. The key of an agent may do what the agent of a container instance does, because it
//! lies on a machine that runs other people's containers.

use state::Purpose;

/// What the agent of a container instance asks for, ours and the genuine one.
///
/// Source: the managed policy for container instances in the ECS Developer Guide.
const AGENT: &[(&str, &[&str])] = &[
    (
        "ecs",
        &[
            "CreateCluster",
            "DeregisterContainerInstance",
            "DiscoverPollEndpoint",
            "RegisterContainerInstance",
            "SubmitAttachmentStateChanges",
            "SubmitContainerStateChange",
            "SubmitTaskStateChange",
            "UpdateContainerInstancesState",
        ],
    ),
    (
        "logs",
        &[
            "CreateLogGroup",
            "CreateLogStream",
            "DescribeLogGroups",
            "DescribeLogStreams",
            "PutLogEvents",
        ],
    ),
    ("sts", &["GetCallerIdentity"]),
];

/// Whether a key of that purpose may ask a service for an operation.
pub fn may(purpose: &Purpose, service: &str, operation: &str) -> bool {
    match purpose {
        Purpose::Root | Purpose::Task { .. } => true,
        // A balancer calls nothing: it is told.
        Purpose::Balancer => false,
        Purpose::Agent(_) => AGENT
            .iter()
            .any(|(name, operations)| *name == service && operations.contains(&operation)),
    }
}

#[cfg(test)]
mod tests {
    use types::ClusterName;

    use super::*;

    #[test]
    fn an_agent_speaks_for_its_instance_and_starts_nothing() {
        let agent = Purpose::Agent(ClusterName::parse("default").expect("valid"));
        assert!(may(&agent, "ecs", "SubmitTaskStateChange"));
        assert!(may(&agent, "logs", "PutLogEvents"));
        for operation in ["RunTask", "StopTask", "DescribeTasks", "DeleteCluster"] {
            assert!(!may(&agent, "ecs", operation), "{operation}");
        }
        assert!(!may(&agent, "logs", "GetLogEvents"));
        assert!(may(&Purpose::Root, "ecs", "RunTask"));
    }
}
