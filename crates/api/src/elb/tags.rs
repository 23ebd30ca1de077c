//! Tags of load balancers.

use std::collections::BTreeSet;

use shapes::elb as shape;
use state::{Change, ClassicLoadBalancer, Context, Draft, State, Tag};

use super::{Error, find};

/// How many tags a load balancer may have. Source: Classic Load Balancers User Guide, "Tags".
const TAGS_MAX: usize = 50;

/// `AddTags`: a key that is there gets the new value.
///
/// # Errors
///
/// [`Error::TooManyTags`], [`Error::DuplicateTagKeys`], [`Error::LoadBalancerNotFound`].
pub(super) fn add_tags(
    draft: &mut Draft<'_>,
    ask: shape::AddTagsInput,
    _: &mut Context<'_>,
) -> Result<shape::AddTagsOutput, Error> {
    let put = parse(ask.tags)?;
    for name in ask.load_balancer_names.unwrap_or_default() {
        let mut found = find::copy(draft.state(), Some(&name))?;
        for tag in &put {
            match found.tags.iter_mut().find(|it| it.key == tag.key) {
                Some(same) => same.value.clone_from(&tag.value),
                None => found.tags.push(tag.clone()),
            }
        }
        if found.tags.len() > TAGS_MAX {
            return Err(too_many());
        }
        draft.change(Change::from(found));
    }
    Ok(shape::AddTagsOutput {})
}

/// `RemoveTags`: keys that are not there do not matter.
///
/// # Errors
///
/// [`Error::LoadBalancerNotFound`].
pub(super) fn remove_tags(
    draft: &mut Draft<'_>,
    ask: shape::RemoveTagsInput,
    _: &mut Context<'_>,
) -> Result<shape::RemoveTagsOutput, Error> {
    let keys: BTreeSet<String> =
        ask.tags.unwrap_or_default().into_iter().filter_map(|it| it.key).collect();
    for name in ask.load_balancer_names.unwrap_or_default() {
        let mut found = find::copy(draft.state(), Some(&name))?;
        found.tags.retain(|it| !keys.contains(&it.key));
        draft.change(Change::from(found));
    }
    Ok(shape::RemoveTagsOutput {})
}

/// `DescribeTags`: of up to twenty load balancers.
///
/// # Errors
///
/// [`Error::LoadBalancerNotFound`].
pub(super) fn describe_tags(
    state: &State,
    ask: shape::DescribeTagsInput,
    _: &Context<'_>,
) -> Result<shape::DescribeTagsOutput, Error> {
    let names = ask.load_balancer_names.unwrap_or_default();
    let describe = |name: &String| {
        let found: &ClassicLoadBalancer = find::load_balancer(state, Some(name))?;
        let tags = found
            .tags
            .iter()
            .map(|it| shape::Tag { key: Some(it.key.clone()), value: Some(it.value.clone()) });
        Ok(shape::TagDescription {
            load_balancer_name: Some(name.clone()),
            tags: Some(tags.collect()),
        })
    };
    let descriptions = names.iter().map(describe).collect::<Result<_, Error>>()?;
    Ok(shape::DescribeTagsOutput { tag_descriptions: Some(descriptions) })
}

/// Reads the tags of a request, in the order sent.
///
/// # Errors
///
/// [`Error::TooManyTags`], [`Error::DuplicateTagKeys`].
pub(super) fn parse(tags: Option<Vec<shape::Tag>>) -> Result<Vec<Tag>, Error> {
    let mut keys = BTreeSet::new();
    let mut parsed = Vec::new();
    for tag in tags.unwrap_or_default() {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if key.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("aws:")) {
            return Err(Error::invalid("Tag keys must not begin with 'aws:'"));
        }
        if !keys.insert(key.clone()) {
            return Err(Error::DuplicateTagKeys(format!(
                "Tag key was specified more than once: {key}"
            )));
        }
        parsed.push(Tag { key, value });
    }
    if parsed.len() > TAGS_MAX {
        return Err(too_many());
    }
    Ok(parsed)
}

fn too_many() -> Error {
    Error::TooManyTags(format!("A load balancer can have at most {TAGS_MAX} tags"))
}
