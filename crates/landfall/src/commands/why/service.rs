//! The story of a service: how its deployments stand, what it said last, and what keeps it from
//! having all its tasks.

use shapes::ecs::{Deployment, DescribeServices, DescribeServicesRequest, Service};
use shapes::elbv2::{DescribeTargetHealth, DescribeTargetHealthInput};
use shapes::landfall::{ExplainPlacement, ExplainPlacementRequest, ExplainPlacementResponse};

use crate::client::{CallError, Client};
use crate::commands::tasks::tail;

/// How many of its events are shown, the newest.
const EVENTS: usize = 5;

/// A service, and why one more of its tasks would find a place or not, where it lacks some.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) service: Service,
    pub(super) place: Option<ExplainPlacementResponse>,
    /// ARNs of its target groups whose targets are in no load balancer.
    pub(super) unused: Vec<String>,
}

/// The story of a service; `None` if there is no such service.
pub(super) async fn story(
    client: &Client,
    cluster: Option<&str>,
    name: &str,
) -> Result<Option<Story>, CallError> {
    let ask = DescribeServicesRequest {
        cluster: cluster.map(str::to_owned),
        services: Some(vec![name.to_owned()]),
        include: None,
    };
    let found = client.call::<DescribeServices>(&ask).await?.services;
    let Some(service) = found.into_iter().flatten().next() else { return Ok(None) };
    let there = service.running_count.unwrap_or(0) + service.pending_count.unwrap_or(0);
    let slowed = |it: &str| it.contains(plan::mass_loss::SLOWED);
    let mut said = service.events.iter().flatten().filter_map(|it| it.message.as_deref());
    let place = if there < service.desired_count.unwrap_or(0) || said.any(slowed) {
        let ask = ExplainPlacementRequest {
            cluster: cluster.map(str::to_owned),
            task_definition: service.task_definition.clone(),
        };
        Some(client.call::<ExplainPlacement>(&ask).await?)
    } else {
        None
    };
    let unused = unused(client, &service).await?;
    Ok(Some(Story { service, place, unused }))
}

/// Target groups of a service in which targets are `unused`: no listener and no rule leads there.
async fn unused(client: &Client, service: &Service) -> Result<Vec<String>, CallError> {
    let asked = service.load_balancers.iter().flatten();
    let mut unused = Vec::new();
    for group in asked.filter_map(|it| it.target_group_arn.as_ref()) {
        let ask = DescribeTargetHealthInput {
            target_group_arn: Some(group.clone()),
            ..DescribeTargetHealthInput::default()
        };
        let found = match client.call::<DescribeTargetHealth>(&ask).await {
            // One that is gone is told of by an event.
            Err(error) if error.code().is_some() => continue,
            answer => answer?.target_health_descriptions.unwrap_or_default(),
        };
        let mut states = found.into_iter().filter_map(|it| it.target_health?.state);
        if states.any(|it| it.to_string() == "unused") {
            unused.push(group.clone());
        }
    }
    Ok(unused)
}

/// What is told of it, without the place.
pub(super) fn text(service: &Service, unused: &[String]) -> String {
    let number = |it: Option<i32>| it.unwrap_or(0);
    let mut text = format!(
        "Service {} is {}: {} of {} tasks run, {} start.\n",
        service.service_name.as_deref().unwrap_or_default(),
        service.status.as_deref().unwrap_or_default(),
        number(service.running_count),
        number(service.desired_count),
        number(service.pending_count)
    );
    for it in service.deployments.iter().flatten() {
        text = format!("{text}{}\n", deployment(it));
    }
    for group in unused {
        text = format!(
            "{text}No listener and no rule forwards to the target group {group}: its targets are \
             unused and not checked, and new tasks do not count as healthy.\n"
        );
    }
    let mut events = service.events.iter().flatten().peekable();
    if events.peek().is_some() {
        text += "What it said last:\n";
    }
    for it in events.take(EVENTS) {
        text = format!("{text}  {}\n", it.message.as_deref().unwrap_or_default());
    }
    text
}

fn deployment(it: &Deployment) -> String {
    let state = it.rollout_state.as_ref().map(ToString::to_string).unwrap_or_default();
    let failed = match it.failed_tasks.unwrap_or(0) {
        0 => String::new(),
        failed => format!(" {failed} of its tasks failed."),
    };
    format!(
        "{} deployment of {} is {state}: {}{failed}",
        it.status.as_deref().unwrap_or_default(),
        tail(it.task_definition.as_deref()),
        it.rollout_state_reason.as_deref().unwrap_or("no reason is known")
    )
}

#[cfg(test)]
mod tests {
    use shapes::ecs::ServiceEvent;

    use super::*;

    #[test]
    fn a_service_is_told_with_its_deployments_and_its_last_words() {
        let deployment = Deployment {
            status: Some("PRIMARY".into()),
            task_definition: Some("arn:aws:ecs:r:a:task-definition/web:2".into()),
            rollout_state: Some("IN_PROGRESS".into()),
            rollout_state_reason: Some("It goes on.".into()),
            failed_tasks: Some(2),
            ..Deployment::default()
        };
        let event = ServiceEvent { message: Some("no room".into()), ..ServiceEvent::default() };
        let service = Service {
            service_name: Some("web".into()),
            status: Some("ACTIVE".into()),
            running_count: Some(1),
            desired_count: Some(3),
            deployments: Some(vec![deployment]),
            events: Some(vec![event]),
            ..Service::default()
        };
        assert_eq!(
            text(&service, &["arn:group".into()]).lines().collect::<Vec<_>>(),
            [
                "Service web is ACTIVE: 1 of 3 tasks run, 0 start.",
                "PRIMARY deployment of web:2 is IN_PROGRESS: It goes on. 2 of its tasks failed.",
                "No listener and no rule forwards to the target group arn:group: its targets are \
                 unused and not checked, and new tasks do not count as healthy.",
                "What it said last:",
                "  no room",
            ]
        );
    }
}
