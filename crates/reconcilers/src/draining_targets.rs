//! Takes away targets that were deregistered: when nobody has anything under way to them any more,
//! at the latest when their delay is over.

use plan::targets;
use state::{Balancer, Change, Context, Draft, State, Target, TargetKey, classic_name};

use crate::{Outcome, Reconciler, Subject};

/// Set to `true` on a group, its targets drain for the whole delay, as they do at AWS.
const EXACT: &str = "landfall.deregistration_delay.exact";

/// Keeps the promise of the deregistration delay.
pub(crate) struct DrainingTargets;

impl Reconciler for DrainingTargets {
    fn name(&self) -> &'static str {
        "draining-targets"
    }

    fn subjects(&self, _: &State) -> Vec<Subject> {
        vec![Subject::Region]
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        let matters = match change {
            Change::Target(_, after) => after.as_ref().is_some_and(|it| it.draining.is_some()),
            Change::ClassicInstance(_, after) => {
                after.as_ref().is_some_and(|it| it.draining.is_some())
            }
            Change::Rule(..) | Change::Balancer(..) | Change::TargetGroup(..) => true,
            _ => false,
        };
        matters.then_some(Subject::Region)
    }

    fn review(&self, draft: &mut Draft<'_>, _: &Subject, context: &mut Context<'_>) -> Outcome {
        let state = draft.state();
        let draining = state.indexes().draining();
        let late = draining.iter().take_while(|(until, _)| *until <= context.now);
        let early = draining
            .iter()
            .skip_while(|(until, _)| *until <= context.now)
            .filter(|(_, key)| targets::get(state, key).is_some_and(|it| is_idle(state, &it)));
        let over: Vec<TargetKey> =
            late.chain(early).map(|it| it.1.clone()).take(state::CHANGES_MAX).collect();
        let is_all = over.len() < state::CHANGES_MAX;
        for key in over {
            draft.change(targets::take(&key));
        }
        match draft.state().indexes().draining().first() {
            _ if !is_all => Outcome::Again,
            Some((until, _)) => Outcome::AgainAt(*until),
            None => Outcome::Settled,
        }
    }
}

/// Whether every balancer that may have something under way to this draining target has said that it
/// has not. One that has lost its session goes on serving what it was told last.
fn is_idle(state: &State, target: &Target) -> bool {
    let group = state.target_groups().get(&target.key.group);
    if group.is_some_and(|it| it.attributes.get(EXACT).is_some_and(|it| it == "true")) {
        return false;
    }
    // What is nobody's target group is told of always.
    let is_told = state.connect_endpoints().contains_key(&target.key.group)
        || classic_name(&target.key.group).is_some();
    if !is_told && state.indexes().rules_of_group(&target.key.group).next().is_none() {
        // Balancers are not told of groups that nothing names.
        return true;
    }
    let has_nothing = |it: &Balancer| match target.seen.get(&it.name) {
        Some(seen) => !seen.busy,
        // It may know of the registration and not have said anything yet.
        None => !it.connected && it.connected_at < target.registered_at,
    };
    let all = || state.balancers().values();
    all().any(|it| it.connected) && all().all(|it| has_nothing(it))
}
