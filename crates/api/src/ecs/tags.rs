//! Tags: the rules that hold for every resource.

use std::collections::BTreeSet;

use shapes::ecs as shape;
use state::Tag;

use super::Error;

/// How many tags a resource may have. Source: ECS Developer Guide, "Tag restrictions".
const TAGS_MAX: usize = 50;

/// Longest key and value in characters. Source: as above.
const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;

/// Prefix that is kept for AWS's own tags.
const RESERVED: &str = "aws:";

/// Reads the tags of a request, in the order sent.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for too many, too long, reserved or repeated keys.
pub(crate) fn parse(tags: Option<Vec<shape::Tag>>) -> Result<Vec<Tag>, Error> {
    let tags = tags.unwrap_or_default();
    if tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    let mut keys = BTreeSet::new();
    let parsed = tags.into_iter().map(parse_one).collect::<Result<Vec<_>, _>>()?;
    match parsed.iter().find(|it| !keys.insert(it.key.as_str())) {
        None => Ok(parsed),
        Some(twice) => Err(Error::invalid(format!("Duplicate tag keys found: '{}'.", twice.key))),
    }
}

/// What a resource has after these tags were put on it.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if that is more than a resource may have.
pub(crate) fn merge(before: &[Tag], put: Vec<Tag>) -> Result<Vec<Tag>, Error> {
    let mut after = before.to_vec();
    for tag in put {
        match after.iter_mut().find(|it| it.key == tag.key) {
            Some(same) => same.value = tag.value,
            None => after.push(tag),
        }
    }
    if after.len() > TAGS_MAX { Err(too_many()) } else { Ok(after) }
}

/// Tags as the API shows them.
pub(crate) fn view(tags: &[Tag]) -> Vec<shape::Tag> {
    let one = |it: &Tag| shape::Tag { key: Some(it.key.clone()), value: Some(it.value.clone()) };
    tags.iter().map(one).collect()
}

fn parse_one(tag: shape::Tag) -> Result<Tag, Error> {
    let key = tag.key.unwrap_or_default();
    let value = tag.value.unwrap_or_default();
    if key.is_empty() || key.chars().count() > KEY_MAX {
        return Err(Error::invalid(format!("Tag keys must have 1 to {KEY_MAX} characters.")));
    }
    if value.chars().count() > VALUE_MAX {
        return Err(Error::invalid(format!("Tag values must not exceed {VALUE_MAX} characters.")));
    }
    if key.get(..RESERVED.len()).is_some_and(|it| it.eq_ignore_ascii_case(RESERVED)) {
        return Err(Error::invalid("Tag keys must not begin with 'aws:'."));
    }
    Ok(Tag { key, value })
}

fn too_many() -> Error {
    Error::invalid(format!("A resource can have at most {TAGS_MAX} tags."))
}
