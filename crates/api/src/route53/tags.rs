//! Tags of hosted zones.

use shapes::route53 as shape;
use state::{Change, Context, Draft, HostedZone, State, Tag};

use super::{Error, zones};

/// How many tags a zone may have. Source: Route 53 Developer Guide, "Quotas".
const TAGS_MAX: usize = 50;

/// `ChangeTagsForResource`: a key that is there gets the new value.
///
/// # Errors
///
/// [`Error::NoSuchHostedZone`], [`Error::InvalidInput`].
pub(super) fn change_tags_for_resource(
    draft: &mut Draft<'_>,
    ask: shape::ChangeTagsForResourceRequest,
    _: &mut Context<'_>,
) -> Result<shape::ChangeTagsForResourceResponse, Error> {
    let zone = zone(draft.state(), ask.resource_type.as_ref(), ask.resource_id.as_deref())?;
    let mut zone = zone.clone();
    let removed = ask.remove_tag_keys.unwrap_or_default();
    zone.tags.retain(|it| !removed.contains(&it.key));
    for tag in ask.add_tags.unwrap_or_default() {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if key.is_empty() || key.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("aws:")) {
            return Err(Error::input(format!("The tag key '{key}' is not valid")));
        }
        match zone.tags.iter_mut().find(|it| it.key == key) {
            Some(same) => same.value = value,
            None => zone.tags.push(Tag { key, value }),
        }
    }
    if zone.tags.len() > TAGS_MAX {
        return Err(Error::input(format!("A resource can have at most {TAGS_MAX} tags")));
    }
    draft.change(Change::from(zone));
    Ok(shape::ChangeTagsForResourceResponse {})
}

/// `ListTagsForResource`.
///
/// # Errors
///
/// [`Error::NoSuchHostedZone`].
pub(super) fn list_tags_for_resource(
    state: &State,
    ask: shape::ListTagsForResourceRequest,
    _: &Context<'_>,
) -> Result<shape::ListTagsForResourceResponse, Error> {
    let zone = zone(state, ask.resource_type.as_ref(), ask.resource_id.as_deref())?;
    let tag = |it: &Tag| shape::Tag { key: Some(it.key.clone()), value: Some(it.value.clone()) };
    let resource_tag_set = Some(shape::ResourceTagSet {
        resource_type: Some("hostedzone".into()),
        resource_id: Some(zone.id.clone()),
        tags: Some(zone.tags.iter().map(tag).collect()),
    });
    Ok(shape::ListTagsForResourceResponse { resource_tag_set })
}

/// There are no health checks here. Ids are bare here, without `/hostedzone/`, as nowhere else.
fn zone<'a>(
    state: &'a State,
    kind: Option<&shape::TagResourceType>,
    id: Option<&str>,
) -> Result<&'a HostedZone, Error> {
    match kind.map_or("", |it| it.as_str()) {
        "hostedzone" => match id.filter(|it| it.contains('/')) {
            Some(path) => Err(Error::NoSuchHostedZone(path.to_owned())),
            None => zones::find(state, id).map(AsRef::as_ref),
        },
        "healthcheck" => Err(Error::NoSuchHealthCheck(id.unwrap_or_default().to_owned())),
        other => Err(Error::input(format!("'{other}' is not a resource type"))),
    }
}
