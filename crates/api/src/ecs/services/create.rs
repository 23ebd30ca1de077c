//! `CreateService`.

use shapes::ecs as shape;
use shapes::stored;
use state::{Change, Context, Draft, Remarks, Service, ServiceKey, ServiceStatus, State, Tag};
use types::ServiceName;

use super::view::{self, Tags};
use super::{connect, rollout, spec};
use crate::ecs::tasks::launch::definition;
use crate::ecs::{Error, find, tags};

/// Longest client token, in characters. Source: ECS API Reference, `CreateService`.
const TOKEN_MAX: usize = 36;
/// Most services of one cluster. Source: Amazon ECS service quotas.
const SERVICES_MAX: u32 = 5_000;

/// `CreateService`: writes the service with its first deployment; the scheduler starts its tasks.
///
/// A repeat with the same content is answered with the service that stands, with or without a
/// client token.
///
/// # Errors
///
/// [`Error::ClusterNotFound`], [`Error::NamespaceNotFound`]; [`Error::InvalidParameter`],
/// [`Error::Client`] and [`Error::UnsupportedFeature`] for what the request says wrongly.
///
/// Source: Amazon ECS API Reference, `CreateService`; handbook 1.3, 5.1.
pub(crate) fn create_service(
    draft: &mut Draft<'_>,
    ask: shape::CreateServiceRequest,
    context: &mut Context<'_>,
) -> Result<shape::CreateServiceResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let key = ServiceKey { cluster, name: name(ask.service_name.as_deref())? };
    let token = token(ask.client_token.as_deref())?;
    let own_tags = tags::parse(ask.tags.clone())?;
    let wanted = ask.task_definition.as_deref().unwrap_or_default();
    if wanted.is_empty() {
        return Err(Error::invalid("Task definition can not be blank."));
    }
    let definition = definition(draft.state(), wanted)?;
    let home = draft.state().home();
    let arn = home.task_definition(&definition.revision.family, definition.revision.number);
    let ask = shape::CreateServiceRequest { task_definition: Some(arn), ..ask };
    let ask = connect::complete(draft.state(), &key.cluster, ask);
    let (spec, facts) = spec::complete(ask, &definition)?;

    let standing = draft.state().services().get(&key).cloned();
    match standing.as_deref().map(|it| (it, it.status)) {
        Some((it, ServiceStatus::Active)) => {
            return match same(draft.state(), it, &spec, &own_tags, token.as_deref()) {
                true => Ok(answer(draft.state(), it)),
                false => Err(Error::invalid("Creation of service was not idempotent.")),
            };
        }
        Some((_, ServiceStatus::Draining)) => {
            return Err(Error::invalid("Unable to Start a service that is still Draining."));
        }
        Some((_, ServiceStatus::Inactive)) | None => {}
    }
    if draft.state().indexes().active_services(&key.cluster) >= SERVICES_MAX {
        return Err(Error::invalid(format!(
            "The quota of {SERVICES_MAX} services in one cluster is used up."
        )));
    }
    spec::check_rollout(draft.state(), &spec, &definition, &facts)?;
    connect::settle(draft, &key, &spec, &definition)?;
    let mut service = Service {
        key,
        status: ServiceStatus::Active,
        spec: stored::to_vec(&spec),
        scheduling: facts.scheduling,
        desired: facts.desired,
        minimum_percent: facts.minimum_percent,
        maximum_percent: facts.maximum_percent,
        breaker: facts.breaker,
        alarms: facts.alarms.clone(),
        grace: facts.grace,
        rebalancing: facts.rebalancing,
        deployments: Vec::new(),
        service_deployment: 0,
        completed_revision: None,
        steady_at: None,
        // Events of one that had this name before are older than the service, and not shown.
        last_event: standing.map_or(0, |it| it.last_event),
        tags: own_tags,
        created_at: context.now,
        created_by: context.caller.arn.to_string(),
        deleted_at: None,
        remarks: Remarks::default(),
        token,
    };
    rollout::begin(draft, &mut service, &spec, &definition.revision, facts, context);
    draft.change(Change::from(service.clone()));
    Ok(answer(draft.state(), &service))
}

fn answer(state: &State, service: &Service) -> shape::CreateServiceResponse {
    shape::CreateServiceResponse { service: Some(view::service(state, service, Tags::Shown)) }
}

fn name(text: Option<&str>) -> Result<ServiceName, Error> {
    let text = text.unwrap_or_default();
    if text.is_empty() {
        return Err(Error::invalid("Service name can not be blank."));
    }
    ServiceName::parse(text).map_err(|_| {
        Error::invalid(
            "Invalid service name. Up to 255 letters (uppercase and lowercase), numbers, \
             underscores, and hyphens are allowed.",
        )
    })
}

/// Printable ASCII without spaces, as the API asks for. An empty token is none.
fn token(token: Option<&str>) -> Result<Option<String>, Error> {
    let Some(token) = token.filter(|it| !it.is_empty()) else { return Ok(None) };
    if token.len() > TOKEN_MAX || !token.bytes().all(|it| it.is_ascii_graphic()) {
        return Err(Error::invalid(format!(
            "clientToken must have at most {TOKEN_MAX} printable ASCII characters (33 to 126)."
        )));
    }
    Ok(Some(token.to_owned()))
}

/// Whether a request asks for the service that stands: as it is now, or, under the token that it
/// was made with, as it was made.
fn same(
    state: &State,
    service: &Service,
    spec: &shape::CreateServiceRequest,
    tags: &[Tag],
    token: Option<&str>,
) -> bool {
    if rollout::in_force(state, service) == *spec && service.tags == tags {
        return true;
    }
    let repeated = token.is_some() && service.token.as_deref() == token;
    let first = || {
        let from = state::ServiceRevisionKey { service: service.key.clone(), id: 0 };
        let rows = state.service_revisions().range(from..);
        let own = rows.take_while(|(key, _)| key.service == service.key).map(|(_, it)| it);
        own.filter(|it| it.created_at == service.created_at)
            .any(|it| it.spec == stored::to_vec(spec))
    };
    repeated && first()
}
