//! Tags of load balancers, listeners, rules and target groups.

use std::collections::BTreeSet;

use shapes::elbv2 as shape;
use state::{Change, Context, Draft, State, Tag};

use super::{Error, find};

/// How many tags a resource may have. Source: ELB User Guides, "Tags".
const TAGS_MAX: usize = 50;
/// How many resources one call names. Source: API Reference, `DescribeTags`.
const RESOURCES_MAX: usize = 20;
/// Longest value in characters; the model limits keys.
const VALUE_MAX: usize = 256;

/// `AddTags`: a key that is there gets the new value.
///
/// # Errors
///
/// [`Error::TooManyTags`], [`Error::DuplicateTagKeys`], and resources that are not found.
pub(super) fn add_tags(
    draft: &mut Draft<'_>,
    ask: shape::AddTagsInput,
    _: &mut Context<'_>,
) -> Result<shape::AddTagsOutput, Error> {
    let put = parse(ask.tags)?;
    for arn in ask.resource_arns.unwrap_or_default() {
        let mut tags = of(draft.state(), &arn)?.to_vec();
        for tag in &put {
            match tags.iter_mut().find(|it| it.key == tag.key) {
                Some(same) => same.value.clone_from(&tag.value),
                None => tags.push(tag.clone()),
            }
        }
        if tags.len() > TAGS_MAX {
            return Err(too_many());
        }
        set(draft, &arn, tags)?;
    }
    Ok(shape::AddTagsOutput {})
}

/// `RemoveTags`: keys that are not there do not matter.
///
/// # Errors
///
/// Resources that are not found.
pub(super) fn remove_tags(
    draft: &mut Draft<'_>,
    ask: shape::RemoveTagsInput,
    _: &mut Context<'_>,
) -> Result<shape::RemoveTagsOutput, Error> {
    let keys = ask.tag_keys.unwrap_or_default();
    for arn in ask.resource_arns.unwrap_or_default() {
        let mut tags = of(draft.state(), &arn)?.to_vec();
        tags.retain(|it| !keys.contains(&it.key));
        set(draft, &arn, tags)?;
    }
    Ok(shape::RemoveTagsOutput {})
}

/// `DescribeTags`: of up to twenty resources.
///
/// # Errors
///
/// Resources that are not found.
pub(super) fn describe_tags(
    state: &State,
    ask: shape::DescribeTagsInput,
    _: &Context<'_>,
) -> Result<shape::DescribeTagsOutput, Error> {
    let arns = ask.resource_arns.unwrap_or_default();
    if arns.len() > RESOURCES_MAX {
        return Err(Error::invalid(format!(
            "You can describe the tags of at most {RESOURCES_MAX} resources"
        )));
    }
    let describe = |arn: String| {
        let tags = of(state, &arn)?.iter().map(view).collect();
        Ok(shape::TagDescription { resource_arn: Some(arn), tags: Some(tags) })
    };
    let descriptions = arns.into_iter().map(describe).collect::<Result<_, Error>>()?;
    Ok(shape::DescribeTagsOutput { tag_descriptions: Some(descriptions) })
}

/// Reads the tags of a request, in the order sent.
///
/// # Errors
///
/// [`Error::TooManyTags`], [`Error::DuplicateTagKeys`].
pub(super) fn parse(tags: Option<Vec<shape::Tag>>) -> Result<Vec<Tag>, Error> {
    let tags = tags.unwrap_or_default();
    if tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    let mut keys = BTreeSet::new();
    let mut parsed = Vec::new();
    for tag in tags {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if value.chars().count() > VALUE_MAX {
            return Err(Error::invalid(format!(
                "Tag values must not exceed {VALUE_MAX} characters"
            )));
        }
        if key.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("aws:")) {
            return Err(Error::invalid("Tag keys must not begin with 'aws:'"));
        }
        if !keys.insert(key.clone()) {
            return Err(Error::DuplicateTagKeys(format!("Tag key '{key}' is given twice")));
        }
        parsed.push(Tag { key, value });
    }
    Ok(parsed)
}

fn too_many() -> Error {
    Error::TooManyTags(format!("A resource can have at most {TAGS_MAX} tags"))
}

fn view(tag: &Tag) -> shape::Tag {
    shape::Tag { key: Some(tag.key.clone()), value: Some(tag.value.clone()) }
}

fn of<'a>(state: &'a State, arn: &str) -> Result<&'a [Tag], Error> {
    Ok(if find::is_of(arn, "targetgroup/") {
        &find::target_group(state, Some(arn))?.tags
    } else if find::is_of(arn, "listener-rule/") {
        &find::rule(state, Some(arn))?.tags
    } else if find::is_of(arn, "listener/") {
        &find::listener(state, Some(arn))?.tags
    } else {
        &find::load_balancer(state, Some(arn))?.tags
    })
}

fn set(draft: &mut Draft<'_>, arn: &str, tags: Vec<Tag>) -> Result<(), Error> {
    let state = draft.state();
    let change = if find::is_of(arn, "targetgroup/") {
        let before = find::target_group(state, Some(arn))?.as_ref().clone();
        Change::from(state::TargetGroup { tags, ..before })
    } else if find::is_of(arn, "listener-rule/") {
        let before = find::rule(state, Some(arn))?.as_ref().clone();
        Change::from(state::Rule { tags, ..before })
    } else if find::is_of(arn, "listener/") {
        let before = find::listener(state, Some(arn))?.as_ref().clone();
        Change::from(state::Listener { tags, ..before })
    } else {
        let before = find::load_balancer(state, Some(arn))?.as_ref().clone();
        Change::from(state::LoadBalancer { tags, ..before })
    };
    draft.change(change);
    Ok(())
}
