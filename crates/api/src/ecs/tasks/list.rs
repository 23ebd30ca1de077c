//! `ListTasks`.

use std::collections::BTreeSet;

use shapes::ecs as shape;
use state::{Context, Desired, ServiceKey, State, Task};
use types::{ClusterName, Family, InstanceId, TaskId};

use crate::ecs::page::{HUNDRED, Page};
use crate::ecs::{Error, find};

/// Which tasks of a cluster are listed.
struct Filter {
    cluster: ClusterName,
    desired: Desired,
    family: Option<Family>,
    service: Option<ServiceKey>,
    started_by: Option<String>,
    instance: Option<InstanceId>,
    /// A filter that no task of this region can match.
    nothing: bool,
}

/// `ListTasks`: ARNs of the tasks of a cluster that should run (or should have stopped).
///
/// # Errors
///
/// [`Error::InvalidParameter`] for filters that do not combine, or are malformed;
/// [`Error::ServiceNotFound`].
///
/// Source: Amazon ECS API Reference, `ListTasks`.
pub(crate) fn list_tasks(
    state: &State,
    ask: shape::ListTasksRequest,
    _: &Context<'_>,
) -> Result<shape::ListTasksResponse, Error> {
    let filter = filter(state, &ask)?;
    let scope = format!(
        "ListTasks {} {:?} {:?} {:?} {:?} {:?} {}",
        filter.cluster,
        filter.desired,
        filter.family,
        filter.service,
        filter.started_by,
        filter.instance,
        filter.nothing
    );
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let first = page.after().and_then(|it| TaskId::parse(it).ok());
    let after = |id: &TaskId| first.is_none_or(|first| *id > first);
    let range = match first {
        Some(first) => candidates(state, &filter).range(first..),
        None => candidates(state, &filter).range(..),
    };
    let matching = range
        .copied()
        .filter(after)
        .filter(|id| state.task(*id).is_some_and(|it| filter.matches(it)));
    let (ids, next_token) = page.cut(matching, ToString::to_string);
    let arns = ids.into_iter().map(|id| state.home().task(&filter.cluster, id));
    Ok(shape::ListTasksResponse { task_arns: Some(arns.collect()), next_token })
}

impl Filter {
    fn matches(&self, task: &Task) -> bool {
        !self.nothing
            && task.cluster == self.cluster
            && task.desired == self.desired
            && self.family.as_ref().is_none_or(|it| task.revision.family == *it)
            && self.service.as_ref().is_none_or(|it| task.service_key().as_ref() == Some(it))
            && self.instance.is_none_or(|it| task.instance == it)
            && self.started_by.as_ref().is_none_or(|it| task.started_by.as_ref() == Some(it))
    }
}

/// The smallest set that an index has for this filter.
fn candidates<'a>(state: &'a State, filter: &Filter) -> &'a BTreeSet<TaskId> {
    let indexes = state.indexes();
    if let Some(service) = &filter.service {
        indexes.tasks_of_service(service, filter.desired)
    } else if let Some(instance) = filter.instance {
        indexes.tasks_on(instance, filter.desired)
    } else if let Some(who) = &filter.started_by {
        indexes.tasks_started_by(&filter.cluster, filter.desired, who)
    } else if let Some(family) = &filter.family {
        indexes.tasks_of_family(&filter.cluster, filter.desired, family)
    } else {
        indexes.tasks(&filter.cluster, filter.desired)
    }
}

fn filter(state: &State, ask: &shape::ListTasksRequest) -> Result<Filter, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?.name.clone();
    let others = [
        ask.family.is_some(),
        ask.container_instance.is_some(),
        ask.service_name.is_some(),
        ask.launch_type.is_some(),
    ];
    if ask.started_by.is_some() && others.contains(&true) {
        return Err(Error::invalid("startedBy cannot be combined with other filters."));
    }
    let (desired, pending) = match &ask.desired_status {
        None | Some(shape::DesiredStatus::Running) => (Desired::Running, false),
        // Accepted, but ECS never sets it (handbook 2.1).
        Some(shape::DesiredStatus::Pending) => (Desired::Running, true),
        Some(shape::DesiredStatus::Stopped) => (Desired::Stopped, false),
        Some(shape::DesiredStatus::Other(it)) => {
            return Err(Error::invalid(format!("Invalid desiredStatus: '{it}'.")));
        }
    };
    let instance = match ask.container_instance.as_deref() {
        Some(text) => Some(find::instance(state, &cluster, text)?.id),
        None => None,
    };
    let service = match ask.service_name.as_deref() {
        Some(text) => {
            let found = find::service(state, &cluster, text)?.ok_or(Error::ServiceNotFound)?;
            Some(found.key.clone())
        }
        None => None,
    };
    let family = ask.family.as_deref().map(Family::parse);
    let other_type = ask.launch_type.as_ref().is_some_and(|it| *it != shape::LaunchType::Ec2);
    Ok(Filter {
        cluster,
        desired,
        nothing: pending
            || other_type
            || ask.daemon_name.is_some()
            || matches!(family, Some(Err(_))),
        family: family.and_then(Result::ok),
        service,
        started_by: ask.started_by.clone(),
        instance,
    })
}
