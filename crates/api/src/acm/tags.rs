//! Tags of certificates.

use std::collections::BTreeSet;

use shapes::acm as shape;
use state::{Certificate, Change, Context, Draft, State, Tag};

use super::{Error, find};

/// How many tags a certificate may have. Source: Certificate Manager User Guide, "Tag restrictions".
const TAGS_MAX: usize = 50;

/// `AddTagsToCertificate`: a key that is there gets the new value.
///
/// # Errors
///
/// [`Error::TooManyTags`], [`Error::InvalidTag`], [`Error::ResourceNotFound`].
pub(super) fn add_tags_to_certificate(
    draft: &mut Draft<'_>,
    ask: shape::AddTagsToCertificateRequest,
    _: &mut Context<'_>,
) -> Result<shapes::Empty, Error> {
    let found = find::certificate(draft.state(), ask.certificate_arn.as_deref())?;
    let mut tags = found.tags.clone();
    let found = found.as_ref().clone();
    for tag in parse(ask.tags)? {
        match tags.iter_mut().find(|it| it.key == tag.key) {
            Some(same) => same.value = tag.value,
            None => tags.push(tag),
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    draft.change(Change::from(Certificate { tags, ..found }));
    Ok(shapes::Empty {})
}

/// `RemoveTagsFromCertificate`: those with that key, and with that value if one is given.
///
/// # Errors
///
/// [`Error::ResourceNotFound`].
pub(super) fn remove_tags_from_certificate(
    draft: &mut Draft<'_>,
    ask: shape::RemoveTagsFromCertificateRequest,
    _: &mut Context<'_>,
) -> Result<shapes::Empty, Error> {
    let found = find::certificate(draft.state(), ask.certificate_arn.as_deref())?;
    let mut found = found.as_ref().clone();
    for tag in ask.tags.unwrap_or_default() {
        let key = tag.key.unwrap_or_default();
        let is_meant =
            |it: &Tag| it.key == key && tag.value.as_ref().is_none_or(|value| *value == it.value);
        found.tags.retain(|it| !is_meant(it));
    }
    draft.change(Change::from(found));
    Ok(shapes::Empty {})
}

/// `ListTagsForCertificate`.
///
/// # Errors
///
/// [`Error::ResourceNotFound`].
pub(super) fn list_tags_for_certificate(
    state: &State,
    ask: shape::ListTagsForCertificateRequest,
    _: &Context<'_>,
) -> Result<shape::ListTagsForCertificateResponse, Error> {
    let found = find::certificate(state, ask.certificate_arn.as_deref())?;
    let tag = |it: &Tag| shape::Tag { key: Some(it.key.clone()), value: Some(it.value.clone()) };
    let tags = Some(found.tags.iter().map(tag).collect());
    Ok(shape::ListTagsForCertificateResponse { tags })
}

/// Reads the tags of a request, in the order sent.
///
/// # Errors
///
/// [`Error::TooManyTags`], [`Error::InvalidTag`].
pub(super) fn parse(tags: Option<Vec<shape::Tag>>) -> Result<Vec<Tag>, Error> {
    let tags = tags.unwrap_or_default();
    if tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    let mut keys = BTreeSet::new();
    let mut parsed = Vec::new();
    for tag in tags {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if key.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("aws:")) {
            return Err(Error::InvalidTag("Tag keys must not begin with 'aws:'.".to_owned()));
        }
        if !keys.insert(key.clone()) {
            return Err(Error::InvalidTag(format!("The tag key '{key}' is given twice.")));
        }
        parsed.push(Tag { key, value });
    }
    Ok(parsed)
}

fn too_many() -> Error {
    Error::TooManyTags(format!("A certificate can have at most {TAGS_MAX} tags."))
}
