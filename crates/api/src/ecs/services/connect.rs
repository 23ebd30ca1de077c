//! `serviceConnectConfiguration`: at which names and ports a service's tasks are reached, and where
//! a service is that reaches others.

use plan::connect;
use shapes::ecs as shape;
use state::{Draft, ServiceKey, State, TaskDefinition};
use types::ClusterName;

use crate::ecs::{Error, view};

/// A request whose configuration names the namespace that it means: the cluster's default one where
/// it says none, as that may be another one later.
pub(super) fn complete(
    state: &State,
    cluster: &ClusterName,
    mut ask: shape::CreateServiceRequest,
) -> shape::CreateServiceRequest {
    let asked = ask.service_connect_configuration.as_mut();
    if let Some(it) = asked.filter(|it| it.enabled.unwrap_or(false))
        && it.namespace.as_deref().is_none_or(str::is_empty)
    {
        it.namespace = state.cluster(cluster).and_then(|it| {
            let spec: shape::CreateClusterRequest = view::spec(&it.spec);
            spec.service_connect_defaults?.namespace
        });
    }
    ask
}

/// Gives a service the endpoints that its spec asks for, and takes others away.
///
/// # Errors
///
/// [`Error::NamespaceNotFound`], [`Error::InvalidParameter`], [`Error::UnsupportedFeature`].
///
/// Source: Amazon ECS API Reference, `ServiceConnectConfiguration`; handbook 5.12.
pub(super) fn settle(
    draft: &mut Draft<'_>,
    service: &ServiceKey,
    spec: &shape::CreateServiceRequest,
    definition: &TaskDefinition,
) -> Result<(), Error> {
    let asked = spec.service_connect_configuration.as_ref();
    match connect::wanted(draft.state(), asked, definition)? {
        Some(it) => Ok(connect::settle(draft, service, &it.namespace, &it.aliases)?),
        None => {
            connect::forget(draft, service);
            Ok(())
        }
    }
}

/// The names by which a namespace knows what a deployment has.
///
/// Differs: there is no service of Cloud Map behind each, so no ARN of one is shown.
pub(super) fn resources(
    asked: Option<&shape::ServiceConnectConfiguration>,
) -> Option<Vec<shape::ServiceConnectServiceResource>> {
    let asked = asked.filter(|it| it.enabled.unwrap_or(false))?;
    let resource = |it: &shape::ServiceConnectService| {
        let name = it.discovery_name.clone().filter(|it| !it.is_empty());
        shape::ServiceConnectServiceResource {
            discovery_name: name.or_else(|| it.port_name.clone()),
            discovery_arn: None,
        }
    };
    Some(asked.services.iter().flatten().map(resource).collect())
}

impl From<connect::Unfit> for Error {
    fn from(error: connect::Unfit) -> Self {
        let text = error.to_string();
        match error {
            connect::Unfit::Namespace(_) => Self::NamespaceNotFound(text),
            connect::Unfit::Invalid(_) => Self::InvalidParameter(text),
            connect::Unfit::Unsupported(_) => Self::UnsupportedFeature(text),
        }
    }
}

impl From<connect::Refusal> for Error {
    fn from(error: connect::Refusal) -> Self {
        Self::InvalidParameter(error.to_string())
    }
}
