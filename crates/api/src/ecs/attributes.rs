//! Custom attributes of container instances.
//!
//! Source: Amazon ECS API Reference, `PutAttributes`, `DeleteAttributes`, `ListAttributes`.

use core::ops::Bound;
use std::collections::BTreeMap;

use shapes::ecs as shape;
use state::{Change, ContainerInstance, Context, Draft, InstanceStatus, State};
use types::{ClusterName, InstanceId};

use super::page::{HUNDRED, Page};
use super::{Error, find};

/// How many attributes one call puts or deletes. Source: API Reference, `PutAttributes`.
const PER_CALL_MAX: usize = 10;

/// How many custom attributes an instance has. Source: API Reference, `PutAttributes`.
const CUSTOM_MAX: usize = 10;

/// Longest name and value. Source: API Reference, `Attribute`.
const NAME_MAX: usize = 128;
const VALUE_MAX: usize = 128;

/// Prefixes of attributes that the region and its agents manage.
const RESERVED: [&str; 3] = ["ecs.", "com.amazonaws.", "landfall."];

/// What can have attributes.
const INSTANCE: &str = "container-instance";

/// `PutAttributes`: an attribute of the same name on the same instance gets the new value.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for bad names, values or targets, [`Error::TargetNotFound`],
/// [`Error::AttributeLimitExceeded`], [`Error::ClusterNotFound`].
pub(crate) fn put_attributes(
    draft: &mut Draft<'_>,
    ask: shape::PutAttributesRequest,
    _: &mut Context<'_>,
) -> Result<shape::PutAttributesResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let mut answer = Vec::new();
    for attribute in bounded(ask.attributes)? {
        let (instance, name) = target(draft.state(), &cluster, &attribute)?;
        let value = attribute.value.filter(|it| !it.is_empty());
        if let Some(value) = &value {
            check_value(value)?;
        }
        let mut attributes = instance.attributes.clone();
        attributes.insert(name.clone(), value.clone());
        if attributes.keys().filter(|it| !reserved(it)).count() > CUSTOM_MAX {
            return Err(Error::AttributeLimitExceeded(format!(
                "A container instance can have at most {CUSTOM_MAX} custom attributes."
            )));
        }
        answer.push(view(draft.state(), &instance, &name, value.as_deref()));
        change(draft, &instance, attributes);
    }
    Ok(shape::PutAttributesResponse { attributes: Some(answer) })
}

/// `DeleteAttributes`: what the instance does not have is passed over.
///
/// # Errors
///
/// As [`put_attributes`], but for the limit.
pub(crate) fn delete_attributes(
    draft: &mut Draft<'_>,
    ask: shape::DeleteAttributesRequest,
    _: &mut Context<'_>,
) -> Result<shape::DeleteAttributesResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let mut answer = Vec::new();
    for attribute in bounded(ask.attributes)? {
        let (instance, name) = target(draft.state(), &cluster, &attribute)?;
        let mut attributes = instance.attributes.clone();
        let Some(value) = attributes.remove(&name) else { continue };
        answer.push(view(draft.state(), &instance, &name, value.as_deref()));
        change(draft, &instance, attributes);
    }
    Ok(shape::DeleteAttributesResponse { attributes: Some(answer) })
}

/// `ListAttributes`: attributes of the cluster's instances, by instance and name.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for a bad page or a value without a name,
/// [`Error::ClusterNotFound`].
pub(crate) fn list_attributes(
    state: &State,
    ask: shape::ListAttributesRequest,
    _: &Context<'_>,
) -> Result<shape::ListAttributesResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?;
    check_kind(ask.target_type.as_ref())?;
    if ask.attribute_value.is_some() && ask.attribute_name.is_none() {
        return Err(Error::invalid("attributeName must be specified with attributeValue."));
    }
    let scope = format!("ListAttributes {}", cluster.name);
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let after = page.after().and_then(|it| it.split_once('/'));
    let from = after.and_then(|(id, _)| InstanceId::parse(id).ok());
    let rows = state
        .indexes()
        .instances(&cluster.name)
        .filter(|id| from.is_none_or(|from| *id >= from))
        .filter_map(|id| state.container_instance(id))
        .flat_map(|it| {
            let begin = match after {
                Some((_, name)) if Some(it.id) == from => Bound::Excluded(name),
                _ => Bound::Unbounded,
            };
            let rest = it.attributes.range::<str, _>((begin, Bound::Unbounded));
            rest.map(move |(name, value)| (it, name, value))
        })
        .filter(|(_, name, _)| ask.attribute_name.as_ref().is_none_or(|it| it == *name))
        .filter(|(_, _, value)| ask.attribute_value.is_none() || ask.attribute_value == **value);
    let (rows, next_token) = page.cut(rows, |(it, name, _)| format!("{}/{name}", it.id));
    let attributes =
        rows.into_iter().map(|(it, name, value)| view(state, it, name, value.as_deref()));
    Ok(shape::ListAttributesResponse { attributes: Some(attributes.collect()), next_token })
}

fn bounded(attributes: Option<Vec<shape::Attribute>>) -> Result<Vec<shape::Attribute>, Error> {
    let attributes = attributes.unwrap_or_default();
    if attributes.is_empty() {
        return Err(Error::invalid("Attributes cannot be empty."));
    }
    if attributes.len() > PER_CALL_MAX {
        return Err(Error::invalid(format!("Attributes cannot exceed {PER_CALL_MAX} elements.")));
    }
    Ok(attributes)
}

/// The instance that an attribute is about, and the attribute's name.
fn target(
    state: &State,
    cluster: &ClusterName,
    attribute: &shape::Attribute,
) -> Result<(ContainerInstance, String), Error> {
    let name = attribute.name.clone().unwrap_or_default();
    check_name(&name)?;
    let id = attribute.target_id.as_deref().unwrap_or_default();
    if id.is_empty() {
        return Err(Error::invalid("targetId must be specified."));
    }
    if attribute.target_type.is_some() || !id.starts_with("arn:") {
        check_kind(attribute.target_type.as_ref())?;
    }
    let found = find::instance_id(state, cluster, id)?.and_then(|it| state.container_instance(it));
    let standing =
        found.filter(|it| it.cluster == *cluster && it.status != InstanceStatus::Inactive);
    let instance = standing.ok_or_else(|| {
        Error::TargetNotFound(format!("The specified target '{id}' could not be found."))
    })?;
    Ok((instance.as_ref().clone(), name))
}

fn check_kind(kind: Option<&shape::TargetType>) -> Result<(), Error> {
    match kind.map(shape::TargetType::as_str) {
        Some(INSTANCE) => Ok(()),
        _ => Err(Error::invalid("targetType must be container-instance.")),
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let letter = |it: char| it.is_ascii_alphanumeric() || "-_./\\".contains(it);
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(letter) {
        return Err(Error::invalid(format!(
            "Attribute names have 1 to {NAME_MAX} letters, numbers, hyphens, underscores, \
             slashes, backslashes and periods."
        )));
    }
    if reserved(name) {
        return Err(Error::invalid(format!("The attribute name '{name}' is reserved.")));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), Error> {
    let letter = |it: char| it.is_ascii_alphanumeric() || "-_.@:/\\ ".contains(it);
    let framed = value.starts_with(' ') || value.ends_with(' ');
    if value.len() > VALUE_MAX || !value.chars().all(letter) || framed {
        return Err(Error::invalid(format!(
            "Attribute values have up to {VALUE_MAX} letters, numbers, hyphens, underscores, \
             periods, at signs, slashes, backslashes, colons and inner spaces."
        )));
    }
    Ok(())
}

fn reserved(name: &str) -> bool {
    RESERVED.iter().any(|it| name.starts_with(it))
}

fn change(
    draft: &mut Draft<'_>,
    instance: &ContainerInstance,
    attributes: BTreeMap<String, Option<String>>,
) {
    if attributes != instance.attributes {
        let version = instance.version + 1;
        draft.change(Change::from(ContainerInstance { attributes, version, ..instance.clone() }));
    }
}

fn view(
    state: &State,
    instance: &ContainerInstance,
    name: &str,
    value: Option<&str>,
) -> shape::Attribute {
    shape::Attribute {
        name: Some(name.to_owned()),
        value: value.map(str::to_owned),
        target_id: Some(state.home().instance(&instance.cluster, instance.id)),
        target_type: Some(INSTANCE.into()),
    }
}

#[cfg(test)]
mod tests;
