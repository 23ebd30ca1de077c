//! Namespaces: made, described and deleted.

use core::ops::Bound;
use std::collections::BTreeMap;
use std::sync::Arc;

use shapes::servicediscovery as shape;
use state::{Change, Context, Draft, Namespace, NamespaceKind, State};

use super::error::Standing;
use super::filter::{self, Condition};
use super::operations::{self, Kind};
use super::{Error, find, tags, view, zone};
use crate::page::{HUNDRED, Page};

/// Namespaces of a region: as many as hosted zones.
const NAMESPACES_MAX: usize = 500;

/// What a client wants a namespace to be.
struct Wanted {
    name: Option<String>,
    finding: Finding,
    soa_ttl: Option<u32>,
    description: Option<String>,
    creator_request_id: Option<String>,
    tags: Option<Vec<shape::Tag>>,
}

/// How its services are to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    Http,
    Private { vpc: Option<String> },
    Public,
}

/// `CreateHttpNamespace`.
///
/// # Errors
///
/// [`Error::InvalidInput`], [`Error::NamespaceAlreadyExists`], [`Error::ResourceLimitExceeded`],
/// [`Error::TooManyTags`].
pub(super) fn create_http_namespace(
    draft: &mut Draft<'_>,
    ask: shape::CreateHttpNamespaceRequest,
    context: &mut Context<'_>,
) -> Result<shape::CreateHttpNamespaceResponse, Error> {
    let wanted = Wanted {
        name: ask.name,
        finding: Finding::Http,
        soa_ttl: None,
        description: ask.description,
        creator_request_id: ask.creator_request_id,
        tags: ask.tags,
    };
    let operation_id = Some(create(draft, wanted, context)?);
    Ok(shape::CreateHttpNamespaceResponse { operation_id })
}

/// Makes an HTTP namespace of that name for another service of the region; gives its id.
///
/// # Errors
///
/// As `CreateHttpNamespace`.
pub(crate) fn http_namespace(
    draft: &mut Draft<'_>,
    name: &str,
    context: &mut Context<'_>,
) -> Result<String, Error> {
    let wanted = Wanted {
        name: Some(name.to_owned()),
        finding: Finding::Http,
        soa_ttl: None,
        description: None,
        creator_request_id: None,
        tags: None,
    };
    let operation = create(draft, wanted, context)?;
    let made = |it: &&Arc<Namespace>| it.created_by == operation;
    let made = draft.state().namespaces().values().find(made);
    Ok(made.expect("it has just been made").id.clone())
}

/// `CreatePrivateDnsNamespace`: with a private hosted zone of the same name.
///
/// # Errors
///
/// As `CreateHttpNamespace`.
pub(super) fn create_private_dns_namespace(
    draft: &mut Draft<'_>,
    ask: shape::CreatePrivateDnsNamespaceRequest,
    context: &mut Context<'_>,
) -> Result<shape::CreatePrivateDnsNamespaceResponse, Error> {
    let soa = ask.properties.and_then(|it| it.dns_properties).and_then(|it| it.soa);
    let wanted = Wanted {
        name: ask.name,
        finding: Finding::Private { vpc: ask.vpc },
        soa_ttl: soa.and_then(|it| it.ttl).map(seconds),
        description: ask.description,
        creator_request_id: ask.creator_request_id,
        tags: ask.tags,
    };
    let operation_id = Some(create(draft, wanted, context)?);
    Ok(shape::CreatePrivateDnsNamespaceResponse { operation_id })
}

/// `CreatePublicDnsNamespace`: with a public hosted zone of the same name.
///
/// # Errors
///
/// As `CreateHttpNamespace`.
pub(super) fn create_public_dns_namespace(
    draft: &mut Draft<'_>,
    ask: shape::CreatePublicDnsNamespaceRequest,
    context: &mut Context<'_>,
) -> Result<shape::CreatePublicDnsNamespaceResponse, Error> {
    let soa = ask.properties.and_then(|it| it.dns_properties).and_then(|it| it.soa);
    let wanted = Wanted {
        name: ask.name,
        finding: Finding::Public,
        soa_ttl: soa.and_then(|it| it.ttl).map(seconds),
        description: ask.description,
        creator_request_id: ask.creator_request_id,
        tags: ask.tags,
    };
    let operation_id = Some(create(draft, wanted, context)?);
    Ok(shape::CreatePublicDnsNamespaceResponse { operation_id })
}

/// How long something may be kept; the model bounds it to 31 bits.
pub(super) fn seconds(ttl: i64) -> u32 {
    u32::try_from(ttl).unwrap_or_default()
}

/// Makes a namespace, or answers with the operation that made it when the request came before.
/// O(namespaces).
fn create(
    draft: &mut Draft<'_>,
    wanted: Wanted,
    context: &mut Context<'_>,
) -> Result<String, Error> {
    let state = draft.state();
    let name = wanted.name.clone().unwrap_or_default();
    if name.starts_with("arn:") {
        return Err(Error::input("The name of a namespace must not begin with 'arn:'."));
    }
    let tags = tags::parse(wanted.tags.clone())?;
    let is_same = |it: &&Arc<Namespace>| it.name == name && fits(&it.kind, &wanted.finding);
    if let Some(standing) = state.namespaces().values().find(is_same) {
        return match is_repeat(state, standing, &wanted) && standing.tags == tags {
            true => Ok(standing.created_by.clone()),
            false => Err(already_there(state, standing)),
        };
    }
    if state.namespaces().len() >= NAMESPACES_MAX {
        return Err(Error::ResourceLimitExceeded(format!(
            "A region can have at most {NAMESPACES_MAX} namespaces."
        )));
    }
    let vpcs = vpcs(state, &wanted.finding)?;
    let http_name = http_name(state, &name, context);
    let id = find::new_id("ns", context);
    let owner = find::namespace_arn(state, &id);
    let operation = operations::new_id(context);
    let plan = zone::Plan {
        name: &name,
        vpcs,
        soa_ttl: wanted.soa_ttl,
        owner: &owner,
        operation: &operation,
    };
    let kind = match &wanted.finding {
        Finding::Http => NamespaceKind::Http,
        Finding::Private { .. } => {
            NamespaceKind::PrivateDns { zone: zone::make(draft, plan, context)? }
        }
        Finding::Public => NamespaceKind::PublicDns { zone: zone::make(draft, plan, context)? },
    };
    draft.change(Change::from(Namespace {
        id: id.clone(),
        name,
        http_name,
        kind,
        description: wanted.description,
        creator_request_id: wanted.creator_request_id,
        created_by: operation.clone(),
        last_update: None,
        tags,
        created_at: context.now,
    }));
    operations::note(
        draft,
        context,
        &operation,
        Kind::CreateNamespace,
        &[(operations::NAMESPACE, &id)],
    );
    Ok(operation)
}

fn fits(kind: &NamespaceKind, finding: &Finding) -> bool {
    matches!(
        (kind, finding),
        (NamespaceKind::Http, Finding::Http)
            | (NamespaceKind::PrivateDns { .. }, Finding::Private { .. })
            | (NamespaceKind::PublicDns { .. }, Finding::Public)
    )
}

/// Whether a request asks for what an earlier one made, under the same request id.
fn is_repeat(state: &State, standing: &Namespace, wanted: &Wanted) -> bool {
    let has_ttl = || standing.kind.zone().and_then(|it| zone::soa_ttl(state, it));
    wanted.creator_request_id.is_some()
        && standing.creator_request_id == wanted.creator_request_id
        && standing.description == wanted.description
        && wanted.soa_ttl.is_none_or(|it| has_ttl() == Some(it))
}

fn already_there(state: &State, standing: &Namespace) -> Error {
    Error::NamespaceAlreadyExists(Standing {
        id: standing.id.clone(),
        arn: find::namespace_arn(state, &standing.id),
        creator_request_id: standing.creator_request_id.clone(),
    })
}

/// A private namespace is for the one VPC that there is.
fn vpcs(state: &State, finding: &Finding) -> Result<Vec<String>, Error> {
    let Finding::Private { vpc } = finding else { return Ok(Vec::new()) };
    let asked = vpc.clone().unwrap_or_default();
    if state.region().get(&()).is_none_or(|it| it.vpc != asked) {
        return Err(Error::input(format!("The VPC '{asked}' does not exist.")));
    }
    Ok(vec![asked])
}

/// The name for DiscoverInstances: where another namespace has it, with something behind it.
///
/// Source: API Reference, `DiscoverInstances`, `NamespaceName`.
fn http_name(state: &State, name: &str, context: &mut Context<'_>) -> String {
    match state.indexes().discovery().namespace_named(name) {
        None => name.to_owned(),
        Some(_) => format!("{name}-{:016x}", context.dice.bits() >> 64),
    }
}

/// `DeleteNamespace`: one that has no services, with its hosted zone.
///
/// # Errors
///
/// [`Error::NamespaceNotFound`], [`Error::ResourceInUse`].
pub(super) fn delete_namespace(
    draft: &mut Draft<'_>,
    ask: shape::DeleteNamespaceRequest,
    context: &mut Context<'_>,
) -> Result<shape::DeleteNamespaceResponse, Error> {
    let state = draft.state();
    let namespace = find::namespace(state, ask.id.as_deref())?.clone();
    let mut endpoints = state.connect_endpoints().values();
    if state.indexes().discovery().services_of(&namespace.id).next().is_some()
        || endpoints.any(|it| it.namespace == namespace.id)
    {
        return Err(Error::ResourceInUse(
            "Namespace has associated services; delete the services before deleting the namespace",
        ));
    }
    if let Some(zone) = namespace.kind.zone() {
        zone::take_away(draft, zone);
    }
    draft.change(Change::Namespace(namespace.id.clone(), None));
    let operation = operations::new_id(context);
    let targets = [(operations::NAMESPACE, namespace.id.as_str())];
    operations::note(draft, context, &operation, Kind::DeleteNamespace, &targets);
    Ok(shape::DeleteNamespaceResponse { operation_id: Some(operation) })
}

/// `GetNamespace`.
///
/// # Errors
///
/// [`Error::NamespaceNotFound`].
pub(super) fn get_namespace(
    state: &State,
    ask: shape::GetNamespaceRequest,
    _: &Context<'_>,
) -> Result<shape::GetNamespaceResponse, Error> {
    let found = find::namespace(state, ask.id.as_deref())?;
    Ok(shape::GetNamespaceResponse { namespace: Some(view::namespace(state, found)) })
}

/// `ListNamespaces`: in order of their ids.
///
/// # Errors
///
/// [`Error::InvalidInput`].
pub(super) fn list_namespaces(
    state: &State,
    ask: shape::ListNamespacesRequest,
    _: &Context<'_>,
) -> Result<shape::ListNamespacesResponse, Error> {
    let filters = filters(ask.filters)?;
    let scope = format!("ListNamespaces {filters:?}");
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let after = Bound::Excluded(page.after().unwrap_or_default());
    let rest = state.namespaces().range::<str, _>((after, Bound::Unbounded)).map(|it| it.1);
    let holds = |it: &&Arc<Namespace>| {
        filters.iter().all(|(name, condition)| condition.holds(value(it, name)))
    };
    let (items, next_token) = page.cut(rest.filter(holds), |it| it.id.clone());
    let namespaces = items.into_iter().map(|it| view::namespace_summary(state, it)).collect();
    Ok(shape::ListNamespacesResponse { namespaces: Some(namespaces), next_token })
}

fn filters(
    asked: Option<Vec<shape::NamespaceFilter>>,
) -> Result<BTreeMap<String, Condition>, Error> {
    let mut all = BTreeMap::new();
    for it in asked.into_iter().flatten() {
        let name = it.name.map(|it| it.as_str().to_owned()).unwrap_or_default();
        let allowed = match name.as_str() {
            "TYPE" => filter::ONE_OF,
            "RESOURCE_OWNER" => filter::EQUAL,
            _ => filter::BEGINNING,
        };
        let condition = filter::parse(&name, it.condition.as_ref(), it.values, allowed)?;
        all.insert(name, condition);
    }
    Ok(all)
}

/// What a namespace has under the name of a filter.
fn value<'a>(it: &'a Namespace, name: &str) -> &'a str {
    match name {
        "TYPE" => view::kind(&it.kind),
        "NAME" => &it.name,
        "HTTP_NAME" => &it.http_name,
        // Everything here belongs to the one account of this region.
        _ => "SELF",
    }
}
