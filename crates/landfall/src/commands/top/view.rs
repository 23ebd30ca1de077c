//! What is shown of a region: one look at it, as text.

use shapes::ecs::{
    Cluster, DescribeClusters, DescribeClustersRequest, DescribeServices, DescribeServicesRequest,
    ListClusters, ListClustersRequest, ListServices, ListServicesRequest, Service, ServiceEvent,
};
use types::Timestamp;

use crate::client::{CallError, Client};
use crate::commands::table::{Table, age};
use crate::commands::tasks::tail;

/// Services of one DescribeServices. Source: ECS API Reference.
const DESCRIBED_MAX: usize = 10;
/// Most services and clusters that are looked at.
const SERVICES_MAX: usize = 100;
/// Events that are shown, the newest.
const EVENTS: usize = 10;

/// One look at a region.
#[derive(Debug, Clone, Default)]
pub(super) struct Picture {
    endpoint: String,
    clusters: Vec<Cluster>,
    services: Vec<Service>,
}

impl Picture {
    pub(super) async fn take(client: &Client) -> Result<Self, CallError> {
        let listed = client.call::<ListClusters>(&ListClustersRequest::default()).await?;
        let arns = listed.cluster_arns.unwrap_or_default();
        let ask = DescribeClustersRequest { clusters: Some(arns.clone()), include: None };
        let clusters = client.call::<DescribeClusters>(&ask).await?.clusters.unwrap_or_default();
        let mut services = Vec::new();
        for cluster in arns {
            if services.len() >= SERVICES_MAX {
                break;
            }
            services.extend(services_of(client, &cluster).await?);
        }
        Ok(Self { endpoint: client.endpoint().to_owned(), clusters, services })
    }

    /// As text for a terminal or a pipe.
    pub(super) fn text(&self, now: Timestamp) -> String {
        let time = now.rfc3339();
        let mut text = format!("{}  {time}  q ends\n\n{}", self.endpoint, self.clusters());
        if !self.services.is_empty() {
            text = format!("{text}\n{}\n{}", self.services(), self.deployments(now));
        }
        let mut events: Vec<&ServiceEvent> =
            self.services.iter().flat_map(|it| it.events.iter().flatten()).collect();
        events.sort_by_key(|it| core::cmp::Reverse(it.created_at.map(|it| it.0)));
        if !events.is_empty() {
            text += "\nEVENTS\n";
        }
        for it in events.into_iter().take(EVENTS) {
            let message = it.message.as_deref().unwrap_or_default();
            text = format!("{text}{:>4}  {message}\n", age(it.created_at, now));
        }
        text
    }

    fn clusters(&self) -> Table {
        let mut table = Table::new(&["CLUSTER", "INSTANCES", "SERVICES", "RUNNING", "PENDING"]);
        let number = |it: Option<i32>| it.unwrap_or(0).to_string();
        for it in &self.clusters {
            table.row([
                it.cluster_name.clone().unwrap_or_default(),
                number(it.registered_container_instances_count),
                number(it.active_services_count),
                number(it.running_tasks_count),
                number(it.pending_tasks_count),
            ]);
        }
        table
    }

    fn services(&self) -> Table {
        let head = ["SERVICE", "CLUSTER", "STATUS", "RUNNING", "PENDING", "DEFINITION", "ROLLOUT"];
        let mut table = Table::new(&head);
        for it in &self.services {
            let primary = it.deployments.iter().flatten().next();
            let rollout = primary.and_then(|it| it.rollout_state.as_ref());
            table.row([
                it.service_name.clone().unwrap_or_default(),
                tail(it.cluster_arn.as_deref()).to_owned(),
                it.status.clone().unwrap_or_default(),
                format!("{} of {}", it.running_count.unwrap_or(0), it.desired_count.unwrap_or(0)),
                it.pending_count.unwrap_or(0).to_string(),
                tail(it.task_definition.as_deref()).to_owned(),
                rollout.map(ToString::to_string).unwrap_or_default(),
            ]);
        }
        table
    }

    fn deployments(&self, now: Timestamp) -> Table {
        let head = ["DEPLOYMENT", "SERVICE", "STATUS", "RUNNING", "FAILED", "AGE", "REASON"];
        let mut table = Table::new(&head);
        for service in &self.services {
            for it in service.deployments.iter().flatten() {
                let (running, desired) = (it.running_count, it.desired_count);
                table.row([
                    it.id.clone().unwrap_or_default(),
                    service.service_name.clone().unwrap_or_default(),
                    it.status.clone().unwrap_or_default(),
                    format!("{} of {}", running.unwrap_or(0), desired.unwrap_or(0)),
                    it.failed_tasks.unwrap_or(0).to_string(),
                    age(it.created_at, now),
                    it.rollout_state_reason.clone().unwrap_or_default(),
                ]);
            }
        }
        table
    }
}

async fn services_of(client: &Client, cluster: &str) -> Result<Vec<Service>, CallError> {
    let ask = ListServicesRequest {
        cluster: Some(cluster.to_owned()),
        max_results: Some(i32::try_from(SERVICES_MAX).unwrap_or(i32::MAX)),
        ..ListServicesRequest::default()
    };
    let arns = client.call::<ListServices>(&ask).await?.service_arns.unwrap_or_default();
    let mut services = Vec::new();
    for some in arns.chunks(DESCRIBED_MAX) {
        let ask = DescribeServicesRequest {
            cluster: Some(cluster.to_owned()),
            services: Some(some.to_vec()),
            include: None,
        };
        services.extend(client.call::<DescribeServices>(&ask).await?.services.unwrap_or_default());
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_region_has_its_clusters_and_no_more() {
        let cluster = Cluster { cluster_name: Some("default".into()), ..Cluster::default() };
        let picture = Picture {
            endpoint: "http://here".into(),
            clusters: vec![cluster],
            ..Picture::default()
        };
        let text = picture.text(Timestamp(1_800_000_000_000));
        assert!(text.starts_with("http://here  2027-01-15T08:00:00Z  q ends\n\nCLUSTER"), "{text}");
        assert!(!text.contains("SERVICE ") && !text.contains("EVENTS"), "{text}");
    }

    #[test]
    fn the_newest_events_come_first() {
        let event = |at: i64, text: &str| ServiceEvent {
            created_at: Some(shapes::Timestamp(at)),
            message: Some(text.into()),
            ..ServiceEvent::default()
        };
        let of = |events| Service { events: Some(events), ..Service::default() };
        let services = vec![of(vec![event(1_000, "older")]), of(vec![event(4_000, "newer")])];
        let text = Picture { services, ..Picture::default() }.text(Timestamp(5_000));
        let events: Vec<&str> = text.lines().rev().take(2).collect();
        assert_eq!(events, ["  4s  older", "  1s  newer"]);
    }
}
