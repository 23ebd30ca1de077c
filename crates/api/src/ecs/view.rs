//! Records as the API shows them.

use shapes::ecs as shape;
use state::{Cluster, ClusterStatus, ServiceKey, ServiceStatus, State};
use types::{ClusterName, ServiceName, Timestamp};

use super::tags;

/// A point in time as the wire carries it.
pub(crate) fn time(at: Timestamp) -> shapes::Timestamp {
    shapes::Timestamp(at.0)
}

/// A count as the wire carries it.
pub(crate) fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A spec as it was stored.
pub(crate) fn spec<T: shapes::Shape + Default>(bytes: &[u8]) -> T {
    shapes::stored::from_slice(bytes).expect("specs are stored by us, and their form only grows")
}

/// A named thing that could not be done.
pub(crate) fn failure(arn: String, reason: &str) -> shape::Failure {
    shape::Failure { arn: Some(arn), reason: Some(reason.to_owned()), detail: None }
}

/// Which parts of a cluster are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClusterPart {
    /// Attachments of capacity providers; there are none.
    Attachments,
    /// The `configuration` of the request.
    Configurations,
    /// Its settings.
    Settings,
    /// Counts by launch type.
    Statistics,
    /// Its tags.
    Tags,
}

/// A cluster with what it holds. Parts that are not asked for are empty, as AWS has it.
pub(crate) fn cluster(state: &State, cluster: &Cluster, parts: &[ClusterPart]) -> shape::Cluster {
    let Cluster { name, status, spec: bytes, tags: tags_of, created_at: _, inactive_at: _ } =
        cluster;
    let asked: shape::CreateClusterRequest = spec(bytes);
    let counts = state.indexes().cluster_counts(name);
    let has = |part| parts.contains(&part);
    shape::Cluster {
        cluster_arn: Some(state.home().cluster(name)),
        cluster_name: Some(name.to_string()),
        status: Some(cluster_status(*status).to_owned()),
        registered_container_instances_count: Some(count(counts.instances)),
        running_tasks_count: Some(count(counts.running)),
        pending_tasks_count: Some(count(counts.pending)),
        active_services_count: Some(count(state.indexes().active_services(name))),
        statistics: Some(if has(ClusterPart::Statistics) {
            statistics(state, name)
        } else {
            vec![]
        }),
        tags: Some(if has(ClusterPart::Tags) { tags::view(tags_of) } else { vec![] }),
        settings: Some(match asked.settings {
            Some(settings) if has(ClusterPart::Settings) => settings,
            _ => vec![],
        }),
        configuration: asked.configuration.filter(|_| has(ClusterPart::Configurations)),
        capacity_providers: Some(vec![]),
        default_capacity_provider_strategy: Some(vec![]),
        attachments: has(ClusterPart::Attachments).then(Vec::new),
        attachments_status: None,
        service_connect_defaults: asked
            .service_connect_defaults
            .map(|it| shape::ClusterServiceConnectDefaults { namespace: it.namespace }),
    }
}

fn cluster_status(status: ClusterStatus) -> &'static str {
    match status {
        ClusterStatus::Active => "ACTIVE",
        ClusterStatus::Inactive => "INACTIVE",
    }
}

/// Counts by launch type; all tasks and services of this region are of type EC2.
fn statistics(state: &State, cluster: &ClusterName) -> Vec<shape::KeyValuePair> {
    let counts = state.indexes().cluster_counts(cluster);
    let named = [
        ("runningEC2TasksCount", counts.running),
        ("pendingEC2TasksCount", counts.pending),
        ("runningFargateTasksCount", 0),
        ("pendingFargateTasksCount", 0),
        ("runningExternalTasksCount", 0),
        ("pendingExternalTasksCount", 0),
        ("activeEC2ServiceCount", state.indexes().active_services(cluster)),
        ("drainingEC2ServiceCount", draining(state, cluster)),
        ("activeFargateServiceCount", 0),
        ("drainingFargateServiceCount", 0),
        ("activeExternalServiceCount", 0),
        ("drainingExternalServiceCount", 0),
    ];
    let pair = |(name, value): (&str, u32)| shape::KeyValuePair {
        name: Some(name.to_owned()),
        value: Some(value.to_string()),
    };
    named.map(pair).into()
}

/// Services that are deleted and have tasks still. Cost: the services of the cluster.
fn draining(state: &State, cluster: &ClusterName) -> u32 {
    let first = ServiceName::parse("-").expect("the least of names");
    let from = ServiceKey { cluster: cluster.clone(), name: first };
    let rows = state.services().range(from..).take_while(|(key, _)| key.cluster == *cluster);
    let draining = rows.filter(|(_, it)| it.status == ServiceStatus::Draining);
    u32::try_from(draining.count()).unwrap_or(u32::MAX)
}
