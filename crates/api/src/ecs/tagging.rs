//! Tags on resources that exist: put, taken away, listed.
//!
//! Source: Amazon ECS API Reference, `TagResource`, `UntagResource`, `ListTagsForResource`.

use std::sync::Arc;

use shapes::ecs as shape;
use state::{
    Change, Cluster, ClusterStatus, ContainerInstance, Context, DefinitionStatus, Draft,
    InstanceStatus, Service, ServiceStatus, State, Tag, Task, TaskDefinition,
};
use types::{Arn, ClusterName, InstanceId, TaskId};

use super::{Error, find, tags};

/// Something that can have tags.
enum Resource {
    Cluster(Arc<Cluster>),
    Definition(Arc<TaskDefinition>),
    Instance(Arc<ContainerInstance>),
    Service(Arc<Service>),
    Task(Arc<Task>),
}

/// `TagResource`: new keys are added, known ones changed.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for bad tags, bad ARNs and resources that are over;
/// [`Error::ClusterNotFound`], [`Error::ResourceNotFound`].
pub(crate) fn tag_resource(
    draft: &mut Draft<'_>,
    ask: shape::TagResourceRequest,
    _: &mut Context<'_>,
) -> Result<shape::TagResourceResponse, Error> {
    let resource = living(draft.state(), ask.resource_arn.as_deref())?;
    let put = tags::parse(ask.tags)?;
    let after = tags::merge(resource.tags(), put)?;
    draft.change(resource.tagged(after));
    Ok(shape::TagResourceResponse::default())
}

/// `UntagResource`: keys that it does not have are passed over.
///
/// # Errors
///
/// As [`tag_resource`].
pub(crate) fn untag_resource(
    draft: &mut Draft<'_>,
    ask: shape::UntagResourceRequest,
    _: &mut Context<'_>,
) -> Result<shape::UntagResourceResponse, Error> {
    let resource = living(draft.state(), ask.resource_arn.as_deref())?;
    let keys = ask.tag_keys.unwrap_or_default();
    let after = resource.tags().iter().filter(|it| !keys.contains(&it.key)).cloned().collect();
    draft.change(resource.tagged(after));
    Ok(shape::UntagResourceResponse::default())
}

/// `ListTagsForResource`.
///
/// # Errors
///
/// As [`tag_resource`]; the operation knows no `ResourceNotFoundException`, so that is
/// [`Error::InvalidParameter`] here.
pub(crate) fn list_tags_for_resource(
    state: &State,
    ask: shape::ListTagsForResourceRequest,
    _: &Context<'_>,
) -> Result<shape::ListTagsForResourceResponse, Error> {
    let resource = resource(state, ask.resource_arn.as_deref()).map_err(|error| match error {
        Error::ResourceNotFound(message) => Error::InvalidParameter(message),
        other => other,
    })?;
    Ok(shape::ListTagsForResourceResponse { tags: Some(tags::view(resource.tags())) })
}

impl Resource {
    fn tags(&self) -> &[Tag] {
        match self {
            Self::Cluster(it) => &it.tags,
            Self::Definition(it) => &it.tags,
            Self::Instance(it) => &it.tags,
            Self::Service(it) => &it.tags,
            Self::Task(it) => &it.tags,
        }
    }

    fn tagged(&self, tags: Vec<Tag>) -> Change {
        match self {
            Self::Cluster(it) => Cluster { tags, ..it.as_ref().clone() }.into(),
            Self::Definition(it) => TaskDefinition { tags, ..it.as_ref().clone() }.into(),
            Self::Instance(it) => ContainerInstance { tags, ..it.as_ref().clone() }.into(),
            Self::Service(it) => Service { tags, ..it.as_ref().clone() }.into(),
            Self::Task(it) => Task { tags, ..it.as_ref().clone() }.into(),
        }
    }
}

/// A resource whose tags can still be changed.
fn living(state: &State, arn: Option<&str>) -> Result<Resource, Error> {
    let resource = resource(state, arn)?;
    let over = match &resource {
        Resource::Cluster(it) => it.status == ClusterStatus::Inactive,
        Resource::Definition(it) => it.status != DefinitionStatus::Active,
        Resource::Instance(it) => it.status == InstanceStatus::Inactive,
        Resource::Service(it) => it.status != ServiceStatus::Active,
        Resource::Task(it) => it.is_over(),
    };
    match (over, resource) {
        (false, resource) => Ok(resource),
        (true, Resource::Cluster(_)) => Err(inactive("cluster", "an active cluster")),
        (true, Resource::Definition(_)) => {
            Err(inactive("task definition", "an active task definition"))
        }
        (true, Resource::Instance(_)) => {
            Err(inactive("container instance", "an active container instance"))
        }
        (true, Resource::Service(_)) => Err(inactive("service", "an active service")),
        (true, Resource::Task(_)) => Err(Error::invalid(
            "The specified task is stopped. Specify a running task and try again.",
        )),
    }
}

fn inactive(kind: &str, better: &str) -> Error {
    Error::invalid(format!("The specified {kind} is inactive. Specify {better} and try again."))
}

fn resource(state: &State, text: Option<&str>) -> Result<Resource, Error> {
    let text = text.unwrap_or_default();
    let arn = Arn::parse(text)
        .filter(|it| it.service == "ecs" && it.account == state.home().account.as_str())
        .ok_or_else(|| Error::invalid(format!("Invalid resource ARN: '{text}'.")))?;
    let (kind, tail) = arn.resource.split_once('/').unwrap_or((arn.resource, ""));
    let found = match kind {
        "cluster" => {
            return find::known_cluster(state, Some(text)).cloned().map(Resource::Cluster);
        }
        "task-definition" => find::definition(state, text)?.cloned().map(Resource::Definition),
        "container-instance" => {
            let id = member(state, tail)?;
            let id = InstanceId::parse(id).ok();
            id.and_then(|it| state.container_instance(it)).cloned().map(Resource::Instance)
        }
        "task" => {
            let id = member(state, tail)?;
            let id = TaskId::parse(id).ok();
            id.and_then(|it| state.task(it)).cloned().map(Resource::Task)
        }
        "service" => {
            // The short form names no cluster: it is of the time when there was one only.
            let cluster = tail.split_once('/').map_or(find::DEFAULT_CLUSTER, |(it, _)| it);
            let cluster = find::known_cluster(state, Some(cluster))?;
            find::service(state, &cluster.name, text)?.cloned().map(Resource::Service)
        }
        "capacity-provider" | "task-set" => None,
        _ => return Err(Error::invalid(format!("Resource type '{kind}' cannot be tagged."))),
    };
    found.ok_or_else(|| Error::ResourceNotFound("The specified resource was not found.".into()))
}

/// The id in `CLUSTER/ID` (a cluster that exists), or in the short form `ID`.
fn member<'a>(state: &State, tail: &'a str) -> Result<&'a str, Error> {
    let Some((cluster, id)) = tail.split_once('/') else { return Ok(tail) };
    let known = ClusterName::parse(cluster).is_ok_and(|it| state.cluster(&it).is_some());
    if known { Ok(id) } else { Err(Error::ClusterNotFound) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Fixture};

    const DEFAULT: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/default";

    fn tag(region: &mut Fixture, arn: &str, pairs: &[(&str, &str)]) -> Result<(), Error> {
        let one = |(key, value): &(&str, &str)| shape::Tag {
            key: Some((*key).to_owned()),
            value: Some((*value).to_owned()),
        };
        let ask = shape::TagResourceRequest {
            resource_arn: Some(arn.into()),
            tags: Some(pairs.iter().map(one).collect()),
        };
        region.write(tag_resource, ask).map(drop)
    }

    fn list(region: &Fixture, arn: &str) -> Result<String, Error> {
        let ask = shape::ListTagsForResourceRequest { resource_arn: Some(arn.into()) };
        let tags = region.read(list_tags_for_resource, ask)?.tags.expect("tags");
        let pair = |it: &shape::Tag| {
            format!("{}={}", it.key.as_deref().unwrap_or("?"), it.value.as_deref().unwrap_or("?"))
        };
        Ok(tags.iter().map(pair).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn tags_are_added_changed_and_taken_away() {
        let mut region = fixture::region();
        tag(&mut region, DEFAULT, &[("team", "red"), ("stage", "")]).expect("tags");
        tag(&mut region, DEFAULT, &[("team", "blue")]).expect("tags again");
        assert_eq!(list(&region, DEFAULT).as_deref(), Ok("team=blue stage="));
        let ask = shape::UntagResourceRequest {
            resource_arn: Some(DEFAULT.into()),
            tag_keys: Some(vec!["team".into(), "unknown".into()]),
        };
        region.write(untag_resource, ask).expect("untags");
        assert_eq!(list(&region, DEFAULT).as_deref(), Ok("stage="));
    }

    #[test]
    fn a_resource_has_at_most_fifty_tags() {
        let mut region = fixture::region();
        let keys: Vec<String> = (0..51).map(|it| format!("k{it}")).collect();
        let pairs: Vec<_> = keys.iter().map(|it| (it.as_str(), "")).collect();
        assert!(tag(&mut region, DEFAULT, &pairs).is_err());
        tag(&mut region, DEFAULT, &pairs[..50]).expect("fifty");
        tag(&mut region, DEFAULT, &pairs[..50]).expect("the same fifty");
        assert!(tag(&mut region, DEFAULT, &pairs[50..]).is_err());
    }

    #[test]
    fn what_is_not_there_cannot_be_tagged() {
        let mut region = fixture::region();
        let arn = |tail: &str| format!("arn:aws:ecs:us-east-1:123456789012:{tail}");
        let id = "0123456789abcdef0123456789abcdef";
        let mut check = |tail: String, expected: &str| {
            let fault = crate::Fault::from(tag(&mut region, &tail, &[]).expect_err("refused"));
            assert_eq!(fault.code, expected, "{tail}");
            assert!(list(&region, &tail).is_err(), "{tail}");
        };
        check(arn("cluster/nowhere"), "ClusterNotFoundException");
        check(arn(&format!("task/nowhere/{id}")), "ClusterNotFoundException");
        check(arn(&format!("task/default/{id}")), "ResourceNotFoundException");
        check(arn(&format!("container-instance/default/{id}")), "ResourceNotFoundException");
        check(arn("task-definition/web:1"), "ResourceNotFoundException");
        check(arn("service/default/web"), "ResourceNotFoundException");
        check(arn("moon/1"), "InvalidParameterException");
        check("web".into(), "InvalidParameterException");
        check(
            "arn:aws:ecs:us-east-1:210987654321:cluster/default".into(),
            "InvalidParameterException",
        );
    }
}
