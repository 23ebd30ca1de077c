//! Tags of alarms.

use std::sync::Arc;

use shapes::cloudwatch as shape;
use state::{Alarm, Change, Context, Draft, State, Tag};
use types::Arn;

use super::Error;

/// How many tags an alarm may have. Source: CloudWatch API Reference, `TagResource`.
const TAGS_MAX: usize = 50;

/// `TagResource`: a key that is there gets the new value.
///
/// # Errors
///
/// [`Error::ArnNotFound`]; [`Error::InvalidParameterValue`] for bad keys and too many tags.
pub(super) fn tag_resource(
    draft: &mut Draft<'_>,
    ask: shape::TagResourceInput,
    _: &mut Context<'_>,
) -> Result<shape::TagResourceOutput, Error> {
    let mut alarm = Alarm::clone(find(draft.state(), ask.resource_arn)?);
    for tag in parse(ask.tags.as_deref())? {
        match alarm.tags.iter_mut().find(|it| it.key == tag.key) {
            Some(same) => same.value = tag.value,
            None => alarm.tags.push(tag),
        }
    }
    if alarm.tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    draft.change(Change::from(alarm));
    Ok(shape::TagResourceOutput {})
}

/// `UntagResource`.
///
/// # Errors
///
/// [`Error::ArnNotFound`].
pub(super) fn untag_resource(
    draft: &mut Draft<'_>,
    ask: shape::UntagResourceInput,
    _: &mut Context<'_>,
) -> Result<shape::UntagResourceOutput, Error> {
    let mut alarm = Alarm::clone(find(draft.state(), ask.resource_arn)?);
    let keys = ask.tag_keys.unwrap_or_default();
    alarm.tags.retain(|it| !keys.contains(&it.key));
    draft.change(Change::from(alarm));
    Ok(shape::UntagResourceOutput {})
}

/// `ListTagsForResource`.
///
/// # Errors
///
/// [`Error::ArnNotFound`].
pub(super) fn list_tags_for_resource(
    state: &State,
    ask: shape::ListTagsForResourceInput,
    _: &Context<'_>,
) -> Result<shape::ListTagsForResourceOutput, Error> {
    let alarm = find(state, ask.resource_arn)?;
    let tag = |it: &Tag| shape::Tag { key: Some(it.key.clone()), value: Some(it.value.clone()) };
    Ok(shape::ListTagsForResourceOutput { tags: Some(alarm.tags.iter().map(tag).collect()) })
}

fn find(state: &State, arn: Option<String>) -> Result<&Arc<Alarm>, Error> {
    let arn = arn.unwrap_or_default();
    let name = Arn::parse(&arn).filter(|it| it.service == "cloudwatch");
    let name = name.and_then(|it| it.resource.strip_prefix("alarm:"));
    let found = name.and_then(|it| state.alarms().get(it));
    found.ok_or(Error::ArnNotFound(arn))
}

/// Reads the tags of a request, in the order sent.
///
/// # Errors
///
/// [`Error::InvalidParameterValue`] for too many, a key that is AWS's, and one that comes twice.
pub(super) fn parse(tags: Option<&[shape::Tag]>) -> Result<Vec<Tag>, Error> {
    let mut parsed: Vec<Tag> = Vec::new();
    for tag in tags.unwrap_or_default() {
        let key = tag.key.clone().unwrap_or_default();
        if key.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("aws:")) {
            return Err(Error::value("Tag keys must not begin with 'aws:'."));
        }
        if parsed.iter().any(|it| it.key == key) {
            return Err(Error::value(format!("The tag key '{key}' is given twice.")));
        }
        parsed.push(Tag { key, value: tag.value.clone().unwrap_or_default() });
    }
    if parsed.len() > TAGS_MAX {
        return Err(too_many());
    }
    Ok(parsed)
}

fn too_many() -> Error {
    Error::value(format!("An alarm can have at most {TAGS_MAX} tags."))
}
