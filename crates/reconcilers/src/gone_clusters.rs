//! Forgets clusters an hour after they were deleted.

use core::time::Duration;

use state::{Change, Cluster, ClusterStatus, Context, Desired, Draft, Purpose, State, TokenKey};
use types::ClusterName;

use crate::{Outcome, Reconciler, Subject};

/// How long a deleted cluster stays describable as INACTIVE. Source: ECS API Reference,
/// `DeleteCluster` ("may remain discoverable in your account for a period of time"): the time
/// itself is ours, the one that stopped tasks have.
pub const INACTIVE_CLUSTER_KEPT: Duration = Duration::from_hours(1);

/// How long it waits for what still names the cluster: stopped tasks, instances, client tokens.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// The cluster whose keys outlive it: the region's own machines come back with them.
const DEFAULT: &str = "default";

pub(crate) struct GoneClusters;

impl Reconciler for GoneClusters {
    fn name(&self) -> &'static str {
        "gone-clusters"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        let all = state.clusters().values().filter(|it| is_gone(it));
        all.map(|it| Subject::Cluster(it.name.clone())).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::Cluster(name, Some(it)) if is_gone(it) => Some(Subject::Cluster(name.clone())),
            _ => None,
        }
    }

    fn review(
        &self,
        draft: &mut Draft<'_>,
        subject: &Subject,
        context: &mut Context<'_>,
    ) -> Outcome {
        let Subject::Cluster(name) = subject else { return Outcome::Settled };
        let Some(row) = draft.state().cluster(name).filter(|it| is_gone(it)) else {
            return Outcome::Settled;
        };
        // Rows of earlier versions do not say when; then it is long ago.
        let due = row.inactive_at.unwrap_or(row.created_at).after(INACTIVE_CLUSTER_KEPT);
        if due > context.now {
            return Outcome::AgainAt(due);
        }
        if is_named(draft.state(), name) {
            return Outcome::AgainAt(context.now.after(LOOK_AGAIN));
        }
        let doors = doors(draft.state(), name);
        let rest = doors.len() >= state::CHANGES_MAX;
        for door in doors.into_iter().take(state::CHANGES_MAX) {
            draft.change(door);
        }
        if rest {
            return Outcome::Again;
        }
        draft.change(Change::Cluster(name.clone(), None));
        Outcome::Settled
    }
}

fn is_gone(it: &Cluster) -> bool {
    it.status == ClusterStatus::Inactive
}

/// Whether anything of the cluster is still told of. Looks at every instance, once a minute for a
/// cluster that is being forgotten.
fn is_named(state: &State, name: &ClusterName) -> bool {
    let indexes = state.indexes();
    let tasks = [Desired::Running, Desired::Stopped];
    let first = TokenKey { cluster: name.clone(), token: String::new() };
    tasks.iter().any(|it| !indexes.tasks(name, *it).is_empty())
        || state.tokens().range(first..).next().is_some_and(|(it, _)| it.cluster == *name)
        || state.container_instances().values().any(|it| it.cluster == *name)
}

/// What would let machines into the cluster, taken away.
fn doors(state: &State, name: &ClusterName) -> Vec<Change> {
    let tokens = state.join_tokens().values().filter(|it| it.cluster == *name);
    let tokens = tokens.map(|it| Change::JoinToken(it.id.clone(), None));
    let opens = |it: &Purpose| matches!(it, Purpose::Agent(cluster) if cluster == name);
    let keys =
        state.access_keys().values().filter(|it| name.as_str() != DEFAULT && opens(&it.purpose));
    tokens.chain(keys.map(|it| Change::AccessKey(it.id.clone(), None))).collect()
}
