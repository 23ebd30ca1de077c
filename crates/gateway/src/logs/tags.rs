//! Tags of log groups.

use shapes::{Empty, logs as shape};
use wire::Fault;

use super::{Desk, fault, from_arn, invalid};

fn name(arn: Option<String>) -> Result<String, Fault> {
    let arn = arn.unwrap_or_default();
    match from_arn(&arn) {
        Some(name) => Ok(name.to_owned()),
        None => Err(invalid(format!("{arn} is not the ARN of a log group."))),
    }
}

pub(super) fn tag(desk: &Desk<'_>, ask: shape::TagResourceRequest) -> Result<Empty, Fault> {
    let tags = ask.tags.unwrap_or_default();
    desk.store.change_group(&name(ask.resource_arn)?, |it| it.tags.extend(tags)).map_err(fault)?;
    Ok(Empty)
}

pub(super) fn untag(desk: &Desk<'_>, ask: shape::UntagResourceRequest) -> Result<Empty, Fault> {
    let keys = ask.tag_keys.unwrap_or_default();
    let forget = |it: &mut telemetry::logs::GroupFacts| {
        it.tags.retain(|key, _| !keys.contains(key));
    };
    desk.store.change_group(&name(ask.resource_arn)?, forget).map_err(fault)?;
    Ok(Empty)
}

pub(super) fn list(
    desk: &Desk<'_>,
    ask: shape::ListTagsForResourceRequest,
) -> Result<shape::ListTagsForResourceResponse, Fault> {
    let name = name(ask.resource_arn)?;
    let groups = desk.store.groups(&name);
    let group = groups.into_iter().find(|(it, _)| it.name == name);
    let (group, _) = group.ok_or_else(|| fault(telemetry::logs::LogError::NoGroup))?;
    Ok(shape::ListTagsForResourceResponse { tags: Some(group.tags) })
}
