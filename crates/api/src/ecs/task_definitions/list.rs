//! `ListTaskDefinitions` and `ListTaskDefinitionFamilies`.

use core::ops::Bound;
use std::collections::BTreeSet;

use shapes::ecs as shape;
use state::{Context, DefinitionStatus, Revision, State};
use types::Family;

use crate::ecs::Error;
use crate::ecs::page::{HUNDRED, Page};

/// The first word that a family can be named: where a list over all families begins.
const FIRST: &str = "-";

/// `ListTaskDefinitions`: by family and revision; the ACTIVE ones unless another status is asked
/// for. Its `familyPrefix` is the full name of a family.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for a bad page, status or order.
pub(crate) fn list_task_definitions(
    state: &State,
    ask: shape::ListTaskDefinitionsRequest,
    _: &Context<'_>,
) -> Result<shape::ListTaskDefinitionsResponse, Error> {
    let status = match ask.status {
        None | Some(shape::TaskDefinitionStatus::Active) => DefinitionStatus::Active,
        Some(shape::TaskDefinitionStatus::Inactive) => DefinitionStatus::Inactive,
        Some(shape::TaskDefinitionStatus::DeleteInProgress) => DefinitionStatus::DeleteInProgress,
        Some(shape::TaskDefinitionStatus::Other(other)) => {
            return Err(Error::invalid(format!("Invalid status: '{other}'.")));
        }
    };
    let backwards = match ask.sort {
        None | Some(shape::SortOrder::Asc) => false,
        Some(shape::SortOrder::Desc) => true,
        Some(shape::SortOrder::Other(other)) => {
            return Err(Error::invalid(format!("Invalid sort: '{other}'.")));
        }
    };
    let scope = format!("ListTaskDefinitions {status:?} {backwards}");
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let after = page.after().and_then(revision);
    let families = families(state, status, ask.family_prefix.as_deref());
    let revisions = flat(families, backwards).filter(|it| match &after {
        None => true,
        Some(after) if backwards => it < after,
        Some(after) => it > after,
    });
    let (revisions, next_token) = page.cut(revisions, Revision::to_string);
    let home = state.home();
    let arns = revisions.iter().map(|it| home.task_definition(&it.family, it.number)).collect();
    Ok(shape::ListTaskDefinitionsResponse { task_definition_arns: Some(arns), next_token })
}

/// `ListTaskDefinitionFamilies`: by name; a family is ACTIVE while one of its revisions is.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for a bad page or status.
pub(crate) fn list_task_definition_families(
    state: &State,
    ask: shape::ListTaskDefinitionFamiliesRequest,
    _: &Context<'_>,
) -> Result<shape::ListTaskDefinitionFamiliesResponse, Error> {
    let has = |status, family: &Family| state.indexes().revisions(status, family).is_some();
    let active = |it: &Family| has(DefinitionStatus::Active, it);
    let inactive = |it: &Family| !active(it) && has(DefinitionStatus::Inactive, it);
    let wanted: &dyn Fn(&Family) -> bool = match ask.status {
        None | Some(shape::TaskDefinitionFamilyStatus::All) => &|it| active(it) || inactive(it),
        Some(shape::TaskDefinitionFamilyStatus::Active) => &active,
        Some(shape::TaskDefinitionFamilyStatus::Inactive) => &inactive,
        Some(shape::TaskDefinitionFamilyStatus::Other(other)) => {
            return Err(Error::invalid(format!("Invalid status: '{other}'.")));
        }
    };
    let scope = "ListTaskDefinitionFamilies";
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let prefix = ask.family_prefix.unwrap_or_default();
    let from = match page.after() {
        Some(after) => Bound::Excluded(after),
        None => Bound::Included(prefix.as_str()),
    };
    let families = state
        .families()
        .range::<str, _>((from, Bound::Unbounded))
        .map(|(family, _)| family)
        .take_while(|it| it.as_str().starts_with(&prefix))
        .filter(|it| wanted(it));
    let (families, next_token) = page.cut(families, ToString::to_string);
    let names = families.into_iter().map(Family::to_string).collect();
    Ok(shape::ListTaskDefinitionFamiliesResponse { families: Some(names), next_token })
}

/// Families with a revision in that status: the one named, or all.
fn families<'a>(
    state: &'a State,
    status: DefinitionStatus,
    only: Option<&str>,
) -> Vec<(&'a Family, &'a BTreeSet<u32>)> {
    if let Some(name) = only.filter(|it| !it.is_empty()) {
        let family = state.families().get_key_value(name).map(|(family, _)| family);
        let found = family.and_then(|it| Some((it, state.indexes().revisions(status, it)?)));
        return found.into_iter().collect();
    }
    let first = Family::parse(FIRST).expect("follows the rule of families");
    state.indexes().families_from(status, &first).collect()
}

fn flat<'a>(
    mut families: Vec<(&'a Family, &'a BTreeSet<u32>)>,
    backwards: bool,
) -> Box<dyn Iterator<Item = Revision> + 'a> {
    let one = |family: &Family, number: &u32| Revision { family: family.clone(), number: *number };
    if !backwards {
        let all = families.into_iter();
        return Box::new(all.flat_map(move |(family, numbers)| {
            numbers.iter().map(move |number| one(family, number))
        }));
    }
    families.reverse();
    Box::new(families.into_iter().flat_map(move |(family, numbers)| {
        numbers.iter().rev().map(move |number| one(family, number))
    }))
}

fn revision(key: &str) -> Option<Revision> {
    let (family, number) = key.split_once(':')?;
    Some(Revision { family: Family::parse(family).ok()?, number: number.parse().ok()? })
}
