//! The audit trail: one row for each request that could change something.

use std::collections::BTreeSet;

use crate::{Fault, elb, servicediscovery};
use shapes::{OperationSchema, Service};
use state::{Audit, Change, ContainerInstance, Context, Draft, Outcome, RegionRow, State};

/// How many resources one row names at most: as many as one write may change.
const RESOURCES_MAX: usize = 100;

/// Who asks where no signature is asked for.
const ANONYMOUS: &str = "anonymous";

/// Number of the audit row that the write under way will leave.
pub fn next_audit(state: &State) -> u64 {
    let newest = match state.region().get(&()) {
        Some(region) => region.audited,
        None => state.audits().last_key_value().map_or(0, |(number, _)| *number),
    };
    newest + 1
}

/// What was asked, as the trail names it.
pub(crate) struct Asked {
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static OperationSchema,
    pub(crate) token: Option<String>,
}

/// Leaves the row of one request in its own transaction: after the request's changes, or, if it
/// was refused, alone. A refused request that nobody signed leaves none.
pub(crate) fn record(
    draft: &mut Draft<'_>,
    context: &Context<'_>,
    asked: Asked,
    refusal: Option<&Fault>,
) {
    // Nobody could be asked about it, and anybody could push the rest out of the trail with it.
    if asked.operation.anonymous && refusal.is_some() {
        return;
    }
    let number = next_audit(draft.state());
    let (outcome, resources) = outcome(draft, refusal);
    let caller = &context.caller;
    let principal = if asked.operation.anonymous { ANONYMOUS } else { caller.arn.as_ref() };
    draft.change(Change::from(Audit {
        number,
        at: context.now,
        request_id: context.request_id.to_be_bytes().to_vec(),
        source: source(asked.service),
        operation: asked.operation.name.to_owned(),
        caller: principal.to_owned(),
        access_key: caller.access_key.to_string(),
        source_ip: caller.source_ip.to_string(),
        user_agent: caller.user_agent.to_string(),
        token: asked.token,
        outcome,
        resources,
    }));
    if let Some(region) = draft.state().region().get(&()) {
        let region = RegionRow { audited: number, ..region.as_ref().clone() };
        draft.change(Change::from(region));
    }
}

/// A service as CloudTrail names it; our own operations are nobody else's.
fn source(service: &Service) -> String {
    match service.name {
        "landfall" => "landfall".to_owned(),
        _ => format!("{}.amazonaws.com", service.endpoint_prefix),
    }
}

fn outcome(draft: &Draft<'_>, refusal: Option<&Fault>) -> (Outcome, Vec<String>) {
    if let Some(fault) = refusal {
        let refused = Outcome::Refused { code: fault.code.clone(), message: fault.message.clone() };
        return (refused, Vec::new());
    }
    match draft.replays() {
        Some(first) => (Outcome::Replayed(first.audit), first.resources.clone()),
        None => (Outcome::Done, touched(draft)),
    }
}

/// ARNs of what an input made or changed, in order, each once.
fn touched(draft: &Draft<'_>) -> Vec<String> {
    let home = draft.state().home();
    let mut seen = BTreeSet::new();
    let named = draft.steps().filter_map(|(change, inverse)| match change {
        Change::Cluster(name, _) => Some(home.cluster(name)),
        Change::TaskDefinition(it, _) => Some(home.task_definition(&it.family, it.number)),
        Change::Task(id, Some(task)) => Some(home.task(&task.cluster, *id)),
        Change::ContainerInstance(id, Some(it)) if changed(inverse, it) => {
            Some(home.instance(&it.cluster, *id))
        }
        Change::LoadBalancer(arn, _)
        | Change::Listener(arn, _)
        | Change::Rule(arn, _)
        | Change::TargetGroup(arn, _)
        | Change::Certificate(arn, _) => Some(arn.clone()),
        Change::ClassicLoadBalancer(name, _) => Some(elb::arn(home, name)),
        Change::ClassicInstance(key, _) => Some(elb::arn(home, &key.load_balancer)),
        Change::Target(key, _) => Some(key.group.clone()),
        Change::Service(key, _) => Some(home.service(&key.cluster, &key.name)),
        Change::HostedZone(id, _) => Some(hosted_zone(id)),
        Change::RecordSet(key, _) => Some(hosted_zone(&key.zone)),
        Change::Namespace(id, _) => Some(servicediscovery::namespace_arn(draft.state(), id)),
        Change::DiscoveryService(id, _) => Some(servicediscovery::service_arn(draft.state(), id)),
        Change::DiscoveryInstance(key, _) => {
            Some(servicediscovery::service_arn(draft.state(), &key.service))
        }
        _ => None,
    });
    named.filter(|it| seen.insert(it.clone())).take(RESOURCES_MAX).collect()
}

/// Zones are of no region and no account. Source: Service Authorization Reference, "Amazon Route 53".
fn hosted_zone(id: &str) -> String {
    format!("arn:aws:route53:::hostedzone/{id}")
}

/// Whether an instance differs in what the API shows of it, not only in what it is told to hold:
/// that follows from its tasks.
fn changed(inverse: &Change, after: &ContainerInstance) -> bool {
    match inverse {
        Change::ContainerInstance(_, Some(before)) => {
            before.version != after.version || before.tags != after.tags
        }
        _ => true,
    }
}
