//! Tags of namespaces and services.

use std::collections::BTreeSet;

use shapes::servicediscovery as shape;
use state::{Change, Context, DiscoveryService, Draft, Namespace, State, Tag};

use super::{Error, find};

/// How many tags a resource may have. Source: AWS Cloud Map Developer Guide, "Tagging restrictions".
const TAGS_MAX: usize = 50;

/// What can have tags.
enum Tagged {
    Namespace(Namespace),
    Service(DiscoveryService),
}

impl Tagged {
    /// By its ARN, or its id.
    fn find(state: &State, arn: Option<&str>) -> Result<Self, Error> {
        if let Ok(found) = find::namespace(state, arn) {
            return Ok(Self::Namespace(found.as_ref().clone()));
        }
        match find::service(state, arn) {
            Ok(found) => Ok(Self::Service(found.as_ref().clone())),
            Err(_) => Err(Error::ResourceNotFound(arn.unwrap_or_default().to_owned())),
        }
    }

    fn tags(&mut self) -> &mut Vec<Tag> {
        match self {
            Self::Namespace(it) => &mut it.tags,
            Self::Service(it) => &mut it.tags,
        }
    }

    fn change(self) -> Change {
        match self {
            Self::Namespace(it) => it.into(),
            Self::Service(it) => it.into(),
        }
    }
}

/// `TagResource`: a key that is there gets the new value.
///
/// # Errors
///
/// [`Error::ResourceNotFound`], [`Error::TooManyTags`], [`Error::InvalidInput`].
pub(super) fn tag_resource(
    draft: &mut Draft<'_>,
    ask: shape::TagResourceRequest,
    _: &mut Context<'_>,
) -> Result<shape::TagResourceResponse, Error> {
    let mut found = Tagged::find(draft.state(), ask.resource_arn.as_deref())?;
    let tags = found.tags();
    for tag in parse(ask.tags)? {
        match tags.iter_mut().find(|it| it.key == tag.key) {
            Some(same) => same.value = tag.value,
            None => tags.push(tag),
        }
    }
    if tags.len() > TAGS_MAX {
        let resource = ask.resource_arn.unwrap_or_default();
        return Err(Error::TooManyTags { resource, max: TAGS_MAX });
    }
    draft.change(found.change());
    Ok(shape::TagResourceResponse {})
}

/// `UntagResource`.
///
/// # Errors
///
/// [`Error::ResourceNotFound`].
pub(super) fn untag_resource(
    draft: &mut Draft<'_>,
    ask: shape::UntagResourceRequest,
    _: &mut Context<'_>,
) -> Result<shape::UntagResourceResponse, Error> {
    let mut found = Tagged::find(draft.state(), ask.resource_arn.as_deref())?;
    let keys = ask.tag_keys.unwrap_or_default();
    found.tags().retain(|it| !keys.contains(&it.key));
    draft.change(found.change());
    Ok(shape::UntagResourceResponse {})
}

/// `ListTagsForResource`.
///
/// # Errors
///
/// [`Error::ResourceNotFound`].
pub(super) fn list_tags_for_resource(
    state: &State,
    ask: shape::ListTagsForResourceRequest,
    _: &Context<'_>,
) -> Result<shape::ListTagsForResourceResponse, Error> {
    let mut found = Tagged::find(state, ask.resource_arn.as_deref())?;
    let tag = |it: &Tag| shape::Tag { key: Some(it.key.clone()), value: Some(it.value.clone()) };
    let tags = Some(found.tags().iter().map(tag).collect());
    Ok(shape::ListTagsForResourceResponse { tags })
}

/// Reads the tags of a request, in the order sent.
///
/// # Errors
///
/// [`Error::TooManyTags`]; [`Error::InvalidInput`] for a key that is AWS's or comes twice.
pub(super) fn parse(tags: Option<Vec<shape::Tag>>) -> Result<Vec<Tag>, Error> {
    let tags = tags.unwrap_or_default();
    if tags.len() > TAGS_MAX {
        return Err(Error::TooManyTags { resource: String::new(), max: TAGS_MAX });
    }
    let mut keys = BTreeSet::new();
    let mut parsed = Vec::new();
    for tag in tags {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if key.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("aws:")) {
            return Err(Error::input("Tag keys must not begin with 'aws:'."));
        }
        if !keys.insert(key.clone()) {
            return Err(Error::input(format!("The tag key '{key}' is given twice.")));
        }
        parsed.push(Tag { key, value });
    }
    Ok(parsed)
}
