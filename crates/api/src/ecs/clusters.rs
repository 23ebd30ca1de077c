//! Clusters: made, changed, described and deleted.
//!
//! Source: Amazon ECS API Reference; handbook 1.3 for repeated calls.

use core::ops::Bound;
use std::sync::Arc;

use plan::connect;
use shapes::ecs as shape;
use shapes::stored;
use state::{Change, Cluster, ClusterStatus, Context, Draft, State};
use types::ClusterName;

use super::page::{HUNDRED, Page};
use super::view::{self, ClusterPart};
use super::{Error, account_settings, find, tags};
use crate::servicediscovery::http_namespace;

/// How many clusters a region holds, deleted ones included. Source: ECS service quotas.
const CLUSTERS_MAX: usize = 10_000;

/// How many clusters one call describes. Source: handbook 2.1.
const DESCRIBED_MAX: usize = 100;

/// Most characters of a namespace's name. Source: ECS API Reference,
/// `ClusterServiceConnectDefaultsRequest`.
const NAMESPACE_NAME_MAX: usize = 1_024;

/// What answers of writes show beside the cluster itself.
const WHOLE: [ClusterPart; 3] =
    [ClusterPart::Configurations, ClusterPart::Settings, ClusterPart::Tags];

/// The setting that clusters have, its values, and the one they have without being asked.
const INSIGHTS: &str = "containerInsights";
const INSIGHTS_VALUES: [&str; 3] = ["enabled", "disabled", "enhanced"];

/// `CreateCluster`: an ACTIVE cluster of that name is answered as it is, a deleted one revived.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for a bad name, setting or tag; [`Error::NamespaceNotFound`];
/// [`Error::UnsupportedFeature`] for capacity providers.
pub(crate) fn create_cluster(
    draft: &mut Draft<'_>,
    ask: shape::CreateClusterRequest,
    context: &mut Context<'_>,
) -> Result<shape::CreateClusterResponse, Error> {
    let name = new_name(ask.cluster_name.as_deref())?;
    let before = draft.state().cluster(&name).cloned();
    let cluster = match before {
        Some(standing) if standing.status == ClusterStatus::Active => standing,
        before => {
            if before.is_none() && draft.state().clusters().len() >= CLUSTERS_MAX {
                return Err(Error::LimitExceeded("The limit for clusters was exceeded.".into()));
            }
            let connect = connect_defaults(draft, ask.service_connect_defaults, context)?;
            let ask = shape::CreateClusterRequest { service_connect_defaults: connect, ..ask };
            let cluster = Arc::new(parse(name, ask, draft.state(), context)?);
            draft.change(Change::from(cluster.clone()));
            cluster
        }
    };
    let cluster = view::cluster(draft.state(), &cluster, &WHOLE);
    Ok(shape::CreateClusterResponse { cluster: Some(cluster) })
}

/// `DeleteCluster`: refused while it holds anything. A repeat changes nothing.
///
/// # Errors
///
/// [`Error::ClusterNotFound`], [`Error::ClusterContainsContainerInstances`],
/// [`Error::ClusterContainsServices`], [`Error::ClusterContainsTasks`].
pub(crate) fn delete_cluster(
    draft: &mut Draft<'_>,
    ask: shape::DeleteClusterRequest,
    context: &mut Context<'_>,
) -> Result<shape::DeleteClusterResponse, Error> {
    let cluster = find::known_cluster(draft.state(), ask.cluster.as_deref())?.clone();
    let counts = draft.state().indexes().cluster_counts(&cluster.name);
    if counts.instances > 0 {
        return Err(Error::ClusterContainsContainerInstances);
    }
    if counts.running + counts.pending > 0 {
        return Err(Error::ClusterContainsTasks);
    }
    if draft.state().indexes().active_services(&cluster.name) > 0 {
        return Err(Error::ClusterContainsServices);
    }
    let cluster = Cluster {
        status: ClusterStatus::Inactive,
        // Deleted again it is deleted still: its time goes on.
        inactive_at: cluster.inactive_at.or(Some(context.now)),
        ..cluster.as_ref().clone()
    };
    draft.change(Change::from(cluster.clone()));
    let cluster = view::cluster(draft.state(), &cluster, &WHOLE);
    Ok(shape::DeleteClusterResponse { cluster: Some(cluster) })
}

/// `DescribeClusters`: up to a hundred, `default` if none is named; unknown ones are failures.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for too many, or ARNs of something else.
pub(crate) fn describe_clusters(
    state: &State,
    ask: shape::DescribeClustersRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeClustersResponse, Error> {
    let mut wanted = ask.clusters.unwrap_or_default();
    if wanted.is_empty() {
        wanted.push(find::DEFAULT_CLUSTER.to_owned());
    }
    if wanted.len() > DESCRIBED_MAX {
        return Err(Error::invalid(format!("Clusters cannot exceed {DESCRIBED_MAX} elements.")));
    }
    let parts = parts(ask.include.unwrap_or_default())?;
    let mut clusters = Vec::new();
    let mut failures = Vec::new();
    for text in wanted {
        match find::known_cluster(state, Some(&text)) {
            Ok(cluster) => clusters.push(view::cluster(state, cluster, &parts)),
            Err(Error::ClusterNotFound) => {
                failures.push(view::failure(missing_arn(state, text), "MISSING"));
            }
            Err(other) => return Err(other),
        }
    }
    Ok(shape::DescribeClustersResponse { clusters: Some(clusters), failures: Some(failures) })
}

/// `ListClusters`: the ACTIVE ones, by name.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for a bad page.
pub(crate) fn list_clusters(
    state: &State,
    ask: shape::ListClustersRequest,
    _: &Context<'_>,
) -> Result<shape::ListClustersResponse, Error> {
    let page = Page::parse("ListClusters", ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let after = page.after().map_or(Bound::Unbounded, Bound::Excluded);
    let rest = state.clusters().range::<str, _>((after, Bound::Unbounded));
    let active = rest.map(|(_, it)| it).filter(|it| it.status == ClusterStatus::Active);
    let (clusters, next_token) = page.cut(active, |it| it.name.to_string());
    let arns = clusters.iter().map(|it| state.home().cluster(&it.name)).collect();
    Ok(shape::ListClustersResponse { cluster_arns: Some(arns), next_token })
}

/// `PutClusterCapacityProviders`: no providers is all there is to put yet.
///
/// # Errors
///
/// [`Error::ClusterNotFound`], [`Error::UnsupportedFeature`].
pub(crate) fn put_cluster_capacity_providers(
    draft: &mut Draft<'_>,
    ask: shape::PutClusterCapacityProvidersRequest,
    _: &mut Context<'_>,
) -> Result<shape::PutClusterCapacityProvidersResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.clone();
    no_providers(
        ask.capacity_providers.as_deref(),
        ask.default_capacity_provider_strategy.as_deref(),
    )?;
    let cluster = view::cluster(draft.state(), &cluster, &WHOLE);
    Ok(shape::PutClusterCapacityProvidersResponse { cluster: Some(cluster) })
}

/// `UpdateCluster`: settings and configuration; what is not given stays.
///
/// # Errors
///
/// [`Error::ClusterNotFound`], [`Error::InvalidParameter`], [`Error::NamespaceNotFound`].
pub(crate) fn update_cluster(
    draft: &mut Draft<'_>,
    ask: shape::UpdateClusterRequest,
    context: &mut Context<'_>,
) -> Result<shape::UpdateClusterResponse, Error> {
    let update = Update {
        settings: ask.settings,
        configuration: ask.configuration,
        connect: ask.service_connect_defaults,
    };
    let cluster = update_spec(draft, ask.cluster.as_deref(), update, context)?;
    Ok(shape::UpdateClusterResponse { cluster: Some(cluster) })
}

/// `UpdateClusterSettings`: settings that are not named stay.
///
/// # Errors
///
/// [`Error::ClusterNotFound`], [`Error::InvalidParameter`].
pub(crate) fn update_cluster_settings(
    draft: &mut Draft<'_>,
    ask: shape::UpdateClusterSettingsRequest,
    context: &mut Context<'_>,
) -> Result<shape::UpdateClusterSettingsResponse, Error> {
    let update = Update { settings: ask.settings, configuration: None, connect: None };
    let cluster = update_spec(draft, ask.cluster.as_deref(), update, context)?;
    Ok(shape::UpdateClusterSettingsResponse { cluster: Some(cluster) })
}

/// The cluster that the region has from its first start.
pub(crate) fn first(name: ClusterName, state: &State, context: &Context<'_>) -> Cluster {
    parse(name, shape::CreateClusterRequest::default(), state, context)
        .expect("a request that asks for nothing asks for nothing wrong")
}

struct Update {
    settings: Option<Vec<shape::ClusterSetting>>,
    configuration: Option<shape::ClusterConfiguration>,
    connect: Option<shape::ClusterServiceConnectDefaultsRequest>,
}

fn update_spec(
    draft: &mut Draft<'_>,
    name: Option<&str>,
    update: Update,
    context: &mut Context<'_>,
) -> Result<shape::Cluster, Error> {
    let cluster = find::cluster(draft.state(), name)?.clone();
    let mut asked: shape::CreateClusterRequest = view::spec(&cluster.spec);
    if let Some(settings) = update.settings {
        check_settings(&settings)?;
        asked.settings = Some(merged(asked.settings.unwrap_or_default(), settings));
    }
    if let Some(configuration) = update.configuration {
        check_configuration(&configuration)?;
        asked.configuration = Some(configuration);
    }
    if let Some(connect) = update.connect {
        asked.service_connect_defaults = connect_defaults(draft, Some(connect), context)?;
    }
    let cluster = Cluster { spec: stored::to_vec(&asked), ..cluster.as_ref().clone() };
    draft.change(Change::from(cluster.clone()));
    Ok(view::cluster(draft.state(), &cluster, &WHOLE))
}

fn parse(
    name: ClusterName,
    ask: shape::CreateClusterRequest,
    state: &State,
    context: &Context<'_>,
) -> Result<Cluster, Error> {
    no_providers(
        ask.capacity_providers.as_deref(),
        ask.default_capacity_provider_strategy.as_deref(),
    )?;
    let settings = ask.settings.unwrap_or_default();
    check_settings(&settings)?;
    if let Some(configuration) = &ask.configuration {
        check_configuration(configuration)?;
    }
    let spec = shape::CreateClusterRequest {
        settings: Some(merged(usual_settings(state, &context.caller.arn), settings)),
        configuration: ask.configuration,
        service_connect_defaults: ask.service_connect_defaults,
        ..Default::default()
    };
    Ok(Cluster {
        name,
        status: ClusterStatus::Active,
        spec: stored::to_vec(&spec),
        tags: tags::parse(ask.tags)?,
        created_at: context.now,
        inactive_at: None,
    })
}

fn new_name(text: Option<&str>) -> Result<ClusterName, Error> {
    let text = text.filter(|it| !it.is_empty()).unwrap_or(find::DEFAULT_CLUSTER);
    ClusterName::parse(text).map_err(|_| {
        Error::invalid(
            "Invalid cluster name. Up to 255 letters (uppercase and lowercase), numbers, \
             underscores, and hyphens are allowed.",
        )
    })
}

/// Settings that a new cluster has without being asked: what holds for its maker.
fn usual_settings(state: &State, principal: &str) -> Vec<shape::ClusterSetting> {
    let value = account_settings::effective(state, principal, INSIGHTS).map(str::to_owned);
    vec![shape::ClusterSetting { name: Some(INSIGHTS.into()), value }]
}

fn check_settings(settings: &[shape::ClusterSetting]) -> Result<(), Error> {
    for setting in settings {
        let name = setting.name.as_ref().map_or("", |it| it.as_str());
        let value = setting.value.as_deref().unwrap_or_default();
        if name != INSIGHTS {
            return Err(Error::invalid(format!("Invalid cluster setting name: '{name}'.")));
        }
        if !INSIGHTS_VALUES.contains(&value) {
            return Err(Error::invalid(format!(
                "Invalid cluster setting value: '{value}' for '{name}'."
            )));
        }
    }
    Ok(())
}

fn merged(
    mut before: Vec<shape::ClusterSetting>,
    put: Vec<shape::ClusterSetting>,
) -> Vec<shape::ClusterSetting> {
    for setting in put {
        match before.iter_mut().find(|it| it.name == setting.name) {
            Some(same) => same.value = setting.value,
            None => before.push(setting),
        }
    }
    before
}

fn check_configuration(configuration: &shape::ClusterConfiguration) -> Result<(), Error> {
    let Some(exec) = &configuration.execute_command_configuration else { return Ok(()) };
    let overrides = exec.logging.as_ref().is_some_and(|it| it.as_str() == "OVERRIDE");
    if overrides != exec.log_configuration.is_some() {
        return Err(Error::invalid(
            "Log configuration must be specified exactly when logging is set to OVERRIDE.",
        ));
    }
    Ok(())
}

fn no_providers(
    providers: Option<&[String]>,
    strategy: Option<&[shape::CapacityProviderStrategyItem]>,
) -> Result<(), Error> {
    let none = providers.is_none_or(<[_]>::is_empty) && strategy.is_none_or(<[_]>::is_empty);
    if none { Ok(()) } else { Err(Error::unsupported("Capacity providers")) }
}

/// The namespace of services that name none, by its ARN. An empty name is none; an HTTP namespace is
/// made of a name that there is none of.
///
/// Source: Amazon ECS API Reference, `ClusterServiceConnectDefaultsRequest`.
fn connect_defaults(
    draft: &mut Draft<'_>,
    asked: Option<shape::ClusterServiceConnectDefaultsRequest>,
    context: &mut Context<'_>,
) -> Result<Option<shape::ClusterServiceConnectDefaultsRequest>, Error> {
    let named = asked.and_then(|it| it.namespace).filter(|it| !it.is_empty());
    let Some(name) = named else { return Ok(None) };
    let id = match connect::namespace(draft.state(), &name) {
        Some(found) => found.id.clone(),
        None => new_namespace(draft, &name, context)?,
    };
    let namespace = Some(connect::namespace_arn(draft.state(), &id));
    Ok(Some(shape::ClusterServiceConnectDefaultsRequest { namespace }))
}

fn new_namespace(
    draft: &mut Draft<'_>,
    name: &str,
    context: &mut Context<'_>,
) -> Result<String, Error> {
    if name.starts_with("arn:") {
        return Err(Error::NamespaceNotFound(format!("The namespace {name} was not found.")));
    }
    let is_fit = name.len() <= NAMESPACE_NAME_MAX
        && name.chars().all(|it| it.is_ascii_graphic() && !"<>\"/".contains(it));
    if !is_fit {
        return Err(Error::invalid(format!("The namespace name '{name}' is not valid.")));
    }
    http_namespace(draft, name, context).map_err(|it| Error::invalid(it.to_string()))
}

fn parts(include: Vec<shape::ClusterField>) -> Result<Vec<ClusterPart>, Error> {
    let one = |field: shape::ClusterField| match field {
        shape::ClusterField::Attachments => Ok(ClusterPart::Attachments),
        shape::ClusterField::Configurations => Ok(ClusterPart::Configurations),
        shape::ClusterField::Settings => Ok(ClusterPart::Settings),
        shape::ClusterField::Statistics => Ok(ClusterPart::Statistics),
        shape::ClusterField::Tags => Ok(ClusterPart::Tags),
        shape::ClusterField::Other(it) => Err(Error::invalid(format!("Invalid include: '{it}'."))),
    };
    include.into_iter().map(one).collect()
}

fn missing_arn(state: &State, text: String) -> String {
    match ClusterName::parse(&text) {
        Ok(name) => state.home().cluster(&name),
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests;
