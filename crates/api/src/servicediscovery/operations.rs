//! Operations: what clients ask about after a change. Every change is in force when it is answered,
//! so every operation has succeeded.

use core::ops::Bound;
use std::collections::BTreeMap;
use std::sync::Arc;

use shapes::Timestamp;
use shapes::servicediscovery as shape;
use state::{Change, Context, DiscoveryOperation, Draft, State};

use super::filter::{self, Condition};
use super::{Error, find};
use crate::page::{HUNDRED, Page};

/// So many operations are remembered, the newest ones.
const OPERATIONS_MAX: usize = 10_000;
/// Letters of an id that tell the time, and those of chance behind them.
const TIME_LETTERS: u32 = 11;
const CHANCE_LETTERS: u32 = 21;
/// In the order in which texts are sorted, so that ids are in the order of time.
const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// What an operation is about, in the words of `OperationTargetType`.
pub(super) const NAMESPACE: &str = "NAMESPACE";
/// As [`NAMESPACE`].
pub(super) const SERVICE: &str = "SERVICE";
/// As [`NAMESPACE`].
pub(super) const INSTANCE: &str = "INSTANCE";

/// What an operation does, in the words of `OperationType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    CreateNamespace,
    DeleteNamespace,
    UpdateNamespace,
    UpdateService,
    RegisterInstance,
    DeregisterInstance,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::CreateNamespace => "CREATE_NAMESPACE",
            Self::DeleteNamespace => "DELETE_NAMESPACE",
            Self::UpdateNamespace => "UPDATE_NAMESPACE",
            Self::UpdateService => "UPDATE_SERVICE",
            Self::RegisterInstance => "REGISTER_INSTANCE",
            Self::DeregisterInstance => "DEREGISTER_INSTANCE",
        }
    }
}

/// A new id. Ids made later are greater, as far as the clock goes on.
pub(super) fn new_id(context: &mut Context<'_>) -> String {
    let time = u128::from(context.now.0.max(0).unsigned_abs());
    let chance = context.dice.bits();
    letters(time, TIME_LETTERS) + &letters(chance, CHANCE_LETTERS)
}

fn letters(number: u128, count: u32) -> String {
    let letter = |place: u32| {
        let digit = usize::try_from((number >> (5 * place)) & 31).unwrap_or_default();
        char::from(*LETTERS.get(digit).unwrap_or(&b'0'))
    };
    (0..count).rev().map(letter).collect()
}

/// Remembers an operation, and forgets the oldest ones where there are too many.
pub(super) fn note(
    draft: &mut Draft<'_>,
    context: &Context<'_>,
    id: &str,
    kind: Kind,
    targets: &[(&str, &str)],
) {
    let owned = |(name, id): &(&str, &str)| ((*name).to_owned(), (*id).to_owned());
    draft.change(Change::from(DiscoveryOperation {
        id: id.to_owned(),
        kind: kind.as_str().to_owned(),
        targets: targets.iter().map(owned).collect(),
        at: context.now,
    }));
    let all = draft.state().discovery_operations();
    // Two at once catch up, should the limit ever have been higher.
    let excess = all.len().saturating_sub(OPERATIONS_MAX).min(2);
    let oldest: Vec<String> = all.keys().take(excess).cloned().collect();
    for id in oldest {
        draft.change(Change::DiscoveryOperation(id, None));
    }
}

/// `GetOperation`.
///
/// # Errors
///
/// [`Error::OperationNotFound`].
pub(super) fn get_operation(
    state: &State,
    ask: shape::GetOperationRequest,
    _: &Context<'_>,
) -> Result<shape::GetOperationResponse, Error> {
    let id = ask.operation_id.unwrap_or_default();
    find::check_owner(state, ask.owner_account.as_deref(), Error::OperationNotFound(id.clone()))?;
    let Some(found) = state.discovery_operations().get(&id) else {
        return Err(Error::OperationNotFound(id));
    };
    let at = Some(Timestamp(found.at.0));
    let operation = shape::Operation {
        id: Some(id),
        r#type: Some(found.kind.as_str().into()),
        status: Some(shape::OperationStatus::Success),
        targets: Some(found.targets.clone()),
        owner_account: Some(state.home().account.to_string()),
        create_date: at,
        update_date: at,
        error_code: None,
        error_message: None,
    };
    Ok(shape::GetOperationResponse { operation: Some(operation) })
}

/// `ListOperations`: in the order in which they were asked for.
///
/// # Errors
///
/// [`Error::InvalidInput`].
pub(super) fn list_operations(
    state: &State,
    ask: shape::ListOperationsRequest,
    _: &Context<'_>,
) -> Result<shape::ListOperationsResponse, Error> {
    let filters = filters(ask.filters)?;
    let scope = format!("ListOperations {filters:?}");
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let after = Bound::Excluded(page.after().unwrap_or_default());
    let rest = state.discovery_operations().range::<str, _>((after, Bound::Unbounded));
    let holds = |it: &&Arc<DiscoveryOperation>| {
        filters.iter().all(|(name, condition)| condition.holds(&value(it, name)))
    };
    let (items, next_token) = page.cut(rest.map(|it| it.1).filter(holds), |it| it.id.clone());
    let summary = |it: &Arc<DiscoveryOperation>| shape::OperationSummary {
        id: Some(it.id.clone()),
        status: Some(shape::OperationStatus::Success),
    };
    Ok(shape::ListOperationsResponse {
        operations: Some(items.into_iter().map(summary).collect()),
        next_token,
    })
}

fn filters(
    asked: Option<Vec<shape::OperationFilter>>,
) -> Result<BTreeMap<String, Condition>, Error> {
    let mut all = BTreeMap::new();
    for it in asked.into_iter().flatten() {
        let name = it.name.map(|it| it.as_str().to_owned()).unwrap_or_default();
        let allowed = match name.as_str() {
            "NAMESPACE_ID" | "SERVICE_ID" => filter::EQUAL,
            "UPDATE_DATE" => filter::BETWEEN,
            _ => filter::ONE_OF,
        };
        let condition = filter::parse(&name, it.condition.as_ref(), it.values, allowed)?;
        all.insert(name, condition);
    }
    Ok(all)
}

/// What an operation has under the name of a filter.
fn value(it: &DiscoveryOperation, name: &str) -> String {
    let target = |kind: &str| it.targets.get(kind).cloned().unwrap_or_default();
    match name {
        "NAMESPACE_ID" => target(NAMESPACE),
        "SERVICE_ID" => target(SERVICE),
        "STATUS" => "SUCCESS".to_owned(),
        "TYPE" => it.kind.clone(),
        // In seconds, as the filter has it.
        _ => (it.at.0 / 1_000).to_string(),
    }
}
