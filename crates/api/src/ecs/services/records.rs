//! `DescribeServiceDeployments`, `DescribeServiceRevisions`.
//!
//! Source: Amazon ECS API Reference; handbook 5.8.

use plan::services::threshold;
use shapes::ecs as shape;
use state::{
    Context, Deployment, Service, ServiceDeployment, ServiceDeploymentStatus, ServiceKey,
    ServiceRevision, ServiceRevisionKey, State, Watching,
};

use super::deployments::{key, numbered, word};
use super::view::{Tallies, Tally, tallies, wanted, when};
use super::{bounds, rollout};
use crate::ecs::Error;
use crate::ecs::view::{count, failure, spec, time};

/// How many of either one call describes. Source: ECS API Reference.
const DESCRIBED_MAX: usize = 20;

/// `DescribeServiceDeployments`: by ARN, in the order asked; unknown ones are failures.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for none, too many, and what is no ARN of one.
pub(crate) fn describe_service_deployments(
    state: &State,
    ask: shape::DescribeServiceDeploymentsRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeServiceDeploymentsResponse, Error> {
    let asked = limited("serviceDeploymentArns", ask.service_deployment_arns)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in asked {
        let row = key(state, &arn)?.and_then(|it| state.service_deployments().get(&it));
        match row {
            Some(row) => found.push(service_deployment(state, row)),
            None => failures.push(failure(arn, "MISSING")),
        }
    }
    Ok(shape::DescribeServiceDeploymentsResponse {
        service_deployments: Some(found),
        failures: Some(failures),
    })
}

/// `DescribeServiceRevisions`: by ARN, in the order asked; unknown ones are failures.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for none, too many, and what is no ARN of one.
pub(crate) fn describe_service_revisions(
    state: &State,
    ask: shape::DescribeServiceRevisionsRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeServiceRevisionsResponse, Error> {
    let asked = limited("serviceRevisionArns", ask.service_revision_arns)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in asked {
        let named = numbered(state, &arn, "service-revision")?;
        let named = named.map(|(service, id)| ServiceRevisionKey { service, id });
        match named.and_then(|it| state.service_revisions().get(&it)) {
            Some(row) => found.push(service_revision(state, row)),
            None => failures.push(failure(arn, "MISSING")),
        }
    }
    Ok(shape::DescribeServiceRevisionsResponse {
        service_revisions: Some(found),
        failures: Some(failures),
    })
}

fn limited(name: &str, asked: Option<Vec<String>>) -> Result<Vec<String>, Error> {
    let asked = asked.unwrap_or_default();
    match asked.len() {
        0 => Err(Error::invalid(format!("{name} cannot be empty."))),
        1..=DESCRIBED_MAX => Ok(asked),
        _ => Err(Error::invalid(format!("{name} cannot have more than {DESCRIBED_MAX} entries."))),
    }
}

fn service_deployment(state: &State, row: &ServiceDeployment) -> shape::ServiceDeployment {
    let home = state.home();
    let ServiceKey { cluster, name } = &row.key.service;
    let service = state.services().get(&row.key.service);
    let tallies = service.map(|it| tallies(state, it)).unwrap_or_default();
    let summary = |revision: u64| {
        let shown = service.and_then(|it| running(it, revision, &tallies));
        let (requested, tally) = shown.unwrap_or_default();
        shape::ServiceRevisionSummary {
            arn: Some(home.service_revision(cluster, name, revision)),
            requested_task_count: Some(count(requested)),
            running_task_count: Some(count(tally.running)),
            pending_task_count: Some(count(tally.pending)),
            ..shape::ServiceRevisionSummary::default()
        }
    };
    let target = revision(state, &row.key.service, row.target);
    let then = target.map(|it| spec::<shape::CreateServiceRequest>(&it.spec)).unwrap_or_default();
    let configuration = then.deployment_configuration;
    let watched = alarms(row, configuration.as_ref().and_then(|it| it.alarms.as_ref()));
    shape::ServiceDeployment {
        service_deployment_arn: Some(home.service_deployment(cluster, name, row.key.id)),
        service_arn: Some(home.service(cluster, name)),
        cluster_arn: Some(home.cluster(cluster)),
        created_at: Some(time(row.created_at)),
        started_at: when(row.started_at),
        finished_at: when(row.finished_at),
        stopped_at: when(row.stopped_at),
        updated_at: Some(time(row.updated_at)),
        source_service_revisions: Some(row.sources.iter().map(|it| summary(*it)).collect()),
        target_service_revision: Some(summary(row.target)),
        status: Some(word(row.status)),
        status_reason: row.status_reason.clone(),
        deployment_circuit_breaker: configuration
            .as_ref()
            .map(|it| breaker(row, it, then.desired_count)),
        deployment_configuration: configuration,
        rollback: row.rollback.as_ref().map(|it| shape::Rollback {
            reason: Some(it.reason.clone()),
            started_at: Some(time(it.started_at)),
            service_revision_arn: Some(home.service_revision(cluster, name, it.revision)),
        }),
        alarms: Some(watched),
        lifecycle_stage: None,
        lifecycle_hook_details: None,
    }
}

fn revision<'a>(state: &'a State, service: &ServiceKey, id: u64) -> Option<&'a ServiceRevision> {
    let key = ServiceRevisionKey { service: service.clone(), id };
    state.service_revisions().get(&key).map(|it| &**it)
}

/// How many tasks of a revision are asked for, and how many there are.
fn running(service: &Service, revision: u64, tallies: &Tallies) -> Option<(u32, Tally)> {
    let of = |it: &&Deployment| it.revision == revision;
    let found = service.deployments.iter().find(of)?;
    let tally = tallies.of(found.id);
    Some((wanted(service, found, tallies), tally))
}

/// What the circuit breaker has seen.
fn breaker(
    row: &ServiceDeployment,
    configuration: &shape::DeploymentConfiguration,
    desired: Option<i32>,
) -> shape::ServiceDeploymentCircuitBreaker {
    use shape::ServiceDeploymentRollbackMonitorsStatus as Status;
    let Ok(Some(breaker)) = bounds::breaker(configuration) else {
        return shape::ServiceDeploymentCircuitBreaker {
            status: Some(Status::Disabled),
            ..Default::default()
        };
    };
    let desired = u32::try_from(desired.unwrap_or(0)).unwrap_or(0);
    let threshold = threshold(&breaker, desired);
    let status = match row.status {
        _ if row.failures >= threshold => Status::Triggered,
        it if rollout::under_way(it) && it != ServiceDeploymentStatus::RollbackInProgress => {
            Status::Monitoring
        }
        _ => Status::MonitoringComplete,
    };
    shape::ServiceDeploymentCircuitBreaker {
        status: Some(status),
        failure_count: Some(count(row.failures)),
        threshold: Some(count(threshold)),
    }
}

/// What became of the deployment's alarms.
fn alarms(
    row: &ServiceDeployment,
    configured: Option<&shape::DeploymentAlarms>,
) -> shape::ServiceDeploymentAlarms {
    use shape::ServiceDeploymentRollbackMonitorsStatus as Status;
    let configured = configured.filter(|it| it.enable.unwrap_or(false));
    let names = configured.and_then(|it| it.alarm_names.clone());
    let over = match row.status {
        ServiceDeploymentStatus::RollbackInProgress => true,
        it => !rollout::under_way(it),
    };
    let going = if over { Status::MonitoringComplete } else { Status::Monitoring };
    let Some(watch) = &row.watch else {
        // It has not begun, or was overtaken before it could.
        let status = if configured.is_some() { going } else { Status::Disabled };
        return shape::ServiceDeploymentAlarms {
            alarm_names: names,
            status: Some(status),
            triggered_alarm_names: None,
        };
    };
    let status = match watch.status {
        Watching::Monitoring => going,
        Watching::Disabled => Status::Disabled,
        Watching::Triggered => Status::Triggered,
    };
    shape::ServiceDeploymentAlarms {
        alarm_names: Some(watch.names.clone()),
        status: Some(status),
        triggered_alarm_names: Some(watch.triggered.clone()).filter(|it| !it.is_empty()),
    }
}

fn service_revision(state: &State, row: &ServiceRevision) -> shape::ServiceRevision {
    let home = state.home();
    let ServiceKey { cluster, name } = &row.key.service;
    let it: shape::CreateServiceRequest = spec(&row.spec);
    shape::ServiceRevision {
        service_revision_arn: Some(home.service_revision(cluster, name, row.key.id)),
        service_arn: Some(home.service(cluster, name)),
        cluster_arn: Some(home.cluster(cluster)),
        task_definition: it.task_definition,
        launch_type: it.launch_type,
        network_configuration: it.network_configuration,
        load_balancers: it.load_balancers,
        service_registries: it.service_registries,
        service_connect_configuration: it.service_connect_configuration,
        container_images: Some(images(state, row)),
        guard_duty_enabled: Some(false),
        created_at: Some(time(row.created_at)),
        resolved_configuration: Some(shape::ResolvedConfiguration {
            load_balancers: Some(
                row.targets
                    .iter()
                    .filter_map(|it| it.group.clone())
                    .map(|arn| shape::ServiceRevisionLoadBalancer {
                        target_group_arn: Some(arn),
                        production_listener_rule: None,
                    })
                    .collect(),
            ),
            vpc_lattice_configurations: None,
        }),
        ..shape::ServiceRevision::default()
    }
}

/// The images of its containers, with the digests that its first task found.
fn images(state: &State, row: &ServiceRevision) -> Vec<shape::ContainerImage> {
    let Some(definition) = state.task_definition(&row.definition) else { return Vec::new() };
    let asked: shape::RegisterTaskDefinitionRequest = spec(&definition.spec);
    let digest = |name: &str| {
        let mut found = row.digests.iter().filter(|(container, _)| container.as_str() == name);
        found.next().map(|(_, digest)| digest.clone())
    };
    let image = |it: shape::ContainerDefinition| shape::ContainerImage {
        image_digest: it.name.as_deref().and_then(digest),
        container_name: it.name,
        image: it.image,
    };
    asked.container_definitions.unwrap_or_default().into_iter().map(image).collect()
}
