//! Tasks as commands find and show them.

use std::collections::BTreeMap;

use shapes::ecs::{
    ContainerInstance, DescribeContainerInstances, DescribeContainerInstancesRequest,
    DescribeTasks, DescribeTasksRequest, ListContainerInstances, ListContainerInstancesRequest,
    Task,
};
use shapes::landfall::{ExplainTask, ExplainTaskRequest, ExplainTaskResponse};

use crate::client::{CallError, Client};

/// How many digits of an id are shown; the region understands four and more.
const SHOWN: usize = 8;

/// How many things one Describe may name. Source: ECS API Reference, `DescribeTasks`.
const DESCRIBED_MAX: usize = 100;

/// Where a container instance stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) zone: String,
    /// Its own address, at which its host ports are reached.
    pub(super) address: String,
    pub(super) subnet: String,
}

/// Container instances by ARN.
pub(super) type Seats = BTreeMap<String, Seat>;

/// The last part of an ARN: a task's id, `family:revision`.
pub(super) fn tail(arn: Option<&str>) -> &str {
    arn.and_then(|it| it.rsplit('/').next()).unwrap_or_default()
}

/// The start of an id, enough to name it to the other commands.
pub(super) fn short(arn: Option<&str>) -> String {
    tail(arn).chars().take(SHOWN).collect()
}

/// The cluster in a task's ARN.
pub(super) fn cluster_of(arn: &str) -> Option<&str> {
    let (_, rest) = arn.split_once(":task/")?;
    rest.split_once('/').map(|(cluster, _)| cluster)
}

/// A task by its ARN, its id or the start of its id, with its story.
pub(super) async fn explain(
    client: &Client,
    cluster: Option<&str>,
    task: &str,
) -> Result<ExplainTaskResponse, CallError> {
    let ask =
        ExplainTaskRequest { cluster: cluster.map(str::to_owned), task: Some(task.to_owned()) };
    client.call::<ExplainTask>(&ask).await
}

/// Tasks of a cluster by their ARNs; those that the region has forgotten are left out.
pub(super) async fn describe(
    client: &Client,
    cluster: &str,
    arns: &[String],
) -> Result<Vec<Task>, CallError> {
    let mut tasks = Vec::new();
    for some in arns.chunks(DESCRIBED_MAX) {
        let ask = DescribeTasksRequest {
            cluster: Some(cluster.to_owned()),
            tasks: Some(some.to_vec()),
            include: None,
        };
        tasks.extend(client.call::<DescribeTasks>(&ask).await?.tasks.unwrap_or_default());
    }
    Ok(tasks)
}

/// The instances that these tasks are on.
pub(super) async fn seats(
    client: &Client,
    cluster: &str,
    tasks: &[Task],
) -> Result<Seats, CallError> {
    let mut arns: Vec<String> =
        tasks.iter().filter_map(|it| it.container_instance_arn.clone()).collect();
    arns.sort_unstable();
    arns.dedup();
    seats_of(client, cluster, &arns).await
}

/// The first hundred instances of a cluster.
pub(super) async fn some_seats(client: &Client, cluster: &str) -> Result<Seats, CallError> {
    let ask = ListContainerInstancesRequest {
        cluster: Some(cluster.to_owned()),
        ..ListContainerInstancesRequest::default()
    };
    let arns = client.call::<ListContainerInstances>(&ask).await?.container_instance_arns;
    seats_of(client, cluster, &arns.unwrap_or_default()).await
}

async fn seats_of(client: &Client, cluster: &str, arns: &[String]) -> Result<Seats, CallError> {
    let mut seats = Seats::new();
    for some in arns.chunks(DESCRIBED_MAX) {
        let ask = DescribeContainerInstancesRequest {
            cluster: Some(cluster.to_owned()),
            container_instances: Some(some.to_vec()),
            include: None,
        };
        let answer = client.call::<DescribeContainerInstances>(&ask).await?;
        let instances = answer.container_instances.into_iter().flatten();
        seats.extend(
            instances.filter_map(|it| Some((it.container_instance_arn.clone()?, seat(&it)))),
        );
    }
    Ok(seats)
}

fn seat(instance: &ContainerInstance) -> Seat {
    let attribute = |name: &str| {
        let mut all = instance.attributes.iter().flatten();
        let found = all.find(|it| it.name.as_deref() == Some(name));
        found.and_then(|it| it.value.clone()).unwrap_or_default()
    };
    Seat {
        zone: attribute("ecs.availability-zone"),
        address: attribute("landfall.address"),
        subnet: attribute("ecs.subnet-id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_shown_by_their_last_part() {
        let arn = "arn:aws:ecs:us-east-1:123456789012:task/blue/0123456789abcdef0123456789abcdef";
        assert_eq!(short(Some(arn)), "01234567");
        assert_eq!(tail(Some("arn:aws:ecs:r:a:task-definition/web:3")), "web:3");
        assert_eq!(cluster_of(arn), Some("blue"));
        assert_eq!(cluster_of("arn:aws:ecs:r:a:cluster/blue"), None);
        assert_eq!(short(None), "");
    }
}
