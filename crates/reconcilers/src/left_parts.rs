//! Takes away what is left of load balancers of both kinds, listeners, target groups and endpoints that are gone:
//! parts for which there was no room in the write that deleted them.

use std::collections::BTreeSet;

use plan::{classic, routing};
use state::{Change, Context, Draft, State, TargetKey, classic_group, classic_name};

use crate::{Outcome, Reconciler, Subject};

/// Keeps parts from outliving what they are parts of.
pub(crate) struct LeftParts;

impl Reconciler for LeftParts {
    fn name(&self) -> &'static str {
        "left-parts"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        let listeners = state.listeners().values().map(|it| &it.load_balancer);
        let rules = state.rules().values().map(|it| &it.listener);
        let targets = state.targets().keys().map(|it| &it.group);
        let wholes: BTreeSet<&String> = listeners.chain(rules).chain(targets).collect();
        let instances = state.classic_instances().keys();
        let classic: BTreeSet<_> = instances.map(|it| classic_group(&it.load_balancer)).collect();
        let wholes = wholes.into_iter().cloned().chain(classic);
        wholes.filter(|it| !is_there(state, it)).map(Subject::Whole).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::LoadBalancer(arn, None)
            | Change::Listener(arn, None)
            | Change::TargetGroup(arn, None)
            | Change::ConnectEndpoint(arn, None) => Some(Subject::Whole(arn.clone())),
            Change::ClassicLoadBalancer(name, None) => Some(Subject::Whole(classic_group(name))),
            _ => None,
        }
    }

    fn review(&self, draft: &mut Draft<'_>, subject: &Subject, _: &mut Context<'_>) -> Outcome {
        let Subject::Whole(arn) = subject else { return Outcome::Settled };
        if is_there(draft.state(), arn) {
            return Outcome::Settled;
        }
        let left: Vec<Change> = parts(draft.state(), arn).take(draft.room()).collect();
        for part in left {
            draft.change(part);
        }
        if draft.room() == 0 { Outcome::Again } else { Outcome::Settled }
    }
}

fn is_there(state: &State, arn: &str) -> bool {
    state.load_balancers().contains_key(arn)
        || state.listeners().contains_key(arn)
        || state.target_groups().contains_key(arn)
        || state.connect_endpoints().contains_key(arn)
        || classic_name(arn).is_some_and(|it| state.classic_load_balancers().contains_key(it))
}

/// What a load balancer, a listener, a target group or an endpoint consists of, taken away. Rules follow their
/// listeners.
fn parts(state: &State, arn: &str) -> impl Iterator<Item = Change> {
    let listeners = routing::parts(state.listeners(), routing::listeners_start(arn));
    let rules = routing::parts(state.rules(), routing::rules_start(arn));
    let first = TargetKey { group: arn.to_owned(), id: String::new(), port: 0 };
    let targets = state.targets().range(first..).take_while(move |it| it.0.group == arn);
    let listeners = listeners.map(|it| Change::Listener(it.arn.clone(), None));
    let rules = rules.map(|it| Change::Rule(it.arn.clone(), None));
    let instances = classic_name(arn).into_iter().flat_map(|it| classic::instances(state, it));
    let instances = instances.map(|it| Change::ClassicInstance(it.key.clone(), None));
    let targets = targets.map(|it| Change::Target(it.0.clone(), None));
    listeners.chain(rules).chain(targets).chain(instances)
}
