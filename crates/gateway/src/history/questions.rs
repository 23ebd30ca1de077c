//! Questions that state and history answer together: the state first, and of what it no longer
//! has the history, which held it before the state gave it away.

use api::landfall::{
    self, AuditFilter, Error, From, Listed, Meant, Older, PastTask, TaskFilter, audit_page,
    audit_view, read_audit, read_task,
};
use shapes::{Operation, Shape, landfall as op};
use state::{Audit, Caller, Context, State};
use store::Core;
use telemetry::history::{By, Found, HistoryError, Place, Query};
use types::TaskId;
use wire::{Incoming, Route};

use super::{History, key};
use crate::answer::{Outcome, put, to_wire};
use crate::door::Door;

/// How many tasks a page holds if the request does not say.
const TASKS_PAGE: usize = 50;

/// Who asks, and under which id.
struct Asker<'a> {
    door: &'a Door,
    caller: Caller,
    request_id: u128,
}

/// Answers a call; `None` if it is not one of these.
pub(crate) async fn answer(
    door: &Door,
    incoming: &Incoming<'_>,
    route: &Route,
    caller: Caller,
    request_id: u128,
) -> Option<Outcome> {
    if route.service.name != shapes::landfall::SERVICE.name {
        return None;
    }
    let asker = Asker { door, caller, request_id };
    Some(match route.operation.name {
        op::ExplainTask::NAME => match decode::<op::ExplainTask>(route, incoming) {
            Ok(ask) => boxed(asker.explain_task(ask).await),
            Err(fault) => Err(fault),
        },
        op::ListAudit::NAME => match decode::<op::ListAudit>(route, incoming) {
            Ok(ask) => boxed(asker.list_audit(ask).await),
            Err(fault) => Err(fault),
        },
        op::ListTaskHistory::NAME => match decode::<op::ListTaskHistory>(route, incoming) {
            Ok(ask) => boxed(asker.list_task_history(ask).await),
            Err(fault) => Err(fault),
        },
        _ => return None,
    })
}

pub(crate) fn boxed<T: Shape + Send + 'static>(answer: Result<T, wire::Fault>) -> Outcome {
    answer.map(|it| Box::new(it) as Box<dyn Shape + Send>)
}

pub(crate) fn decode<O: Operation>(
    route: &Route,
    incoming: &Incoming<'_>,
) -> Result<O::Input, wire::Fault> {
    let mut input = O::Input::default();
    route
        .decode_into(incoming, &mut input)
        .map_err(|error| wire::Fault::unreadable(route.protocol, &error))?;
    let violations = shapes::validate(&input);
    if violations.is_empty() {
        return Ok(input);
    }
    Err(wire::Fault::new("InvalidParameterException", shapes::validation_message(&violations)))
}

pub(crate) fn refused(error: Error) -> wire::Fault {
    to_wire(error.into())
}

fn unreadable(error: &HistoryError) -> wire::Fault {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "the history cannot be read");
    refused(Error::HistoryUnavailable)
}

impl Asker<'_> {
    /// Looks at the state, as soon as what it shows is durable.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State, &Context<'_>) -> T + Send + 'static,
    ) -> Result<T, wire::Fault> {
        let (caller, id) = (self.caller.clone(), self.request_id);
        put(self.door, move |core: &mut Core| core.read(caller, id, look)).await
    }

    fn history(&self) -> Result<&History, wire::Fault> {
        self.door
            .history
            .as_deref()
            .ok_or_else(|| refused(Error::InvalidParameter("This region keeps no history.".into())))
    }

    /// Reads files, so other requests of this thread are moved away meanwhile.
    fn read<T>(
        &self,
        read: impl FnOnce(&History) -> Result<T, HistoryError>,
    ) -> Result<Option<T>, wire::Fault> {
        let Some(history) = self.door.history.as_deref() else { return Ok(None) };
        let answer = tokio::task::block_in_place(|| read(history));
        answer.map(Some).map_err(|error| unreadable(&error))
    }

    async fn explain_task(
        &self,
        ask: op::ExplainTaskRequest,
    ) -> Result<op::ExplainTaskResponse, wire::Fault> {
        let meant = self.look(move |state, it| landfall::meant_task(state, &ask, it)).await?;
        let meant = meant.map_err(refused)?;
        let (task, told) = self.the_one(meant)?;
        let number = task.audit;
        let known = self.look(move |state, _| state.audits().get(&number).cloned()).await?;
        let origin = match known {
            Some(row) => Some(row.as_ref().clone()),
            None => self.read(|it| it.audit(number))?.flatten(),
        };
        self.look(move |state, it| {
            landfall::explain_task(state, &task, origin.as_ref(), told, it.now)
        })
        .await
    }

    /// The one task that is meant, wherever it is.
    fn the_one(&self, meant: Meant) -> Result<(state::Task, From), wire::Fault> {
        let Meant { ids, cluster, found } = meant;
        let filter = TaskFilter { ids: Some(ids.clone()), cluster, ..TaskFilter::default() };
        let past = self.read(|it| it.past(&filter))?.unwrap_or_default();
        let mut past: Vec<_> = past.into_iter().map(|it| it.task).collect();
        // What is on its way into the history is in both.
        past.retain(|it| found.iter().all(|living| living.id != it.id));
        let living = found.into_iter().map(|it| (it.as_ref().clone(), From::State));
        let mut all = living.chain(past.into_iter().map(|it| (it, From::History)));
        match (all.next(), all.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(refused(ids.unknown())),
            (Some(_), Some(_)) => Err(refused(ids.ambiguous())),
        }
    }

    async fn list_audit(
        &self,
        ask: op::ListAuditRequest,
    ) -> Result<op::ListAuditResponse, wire::Fault> {
        let filter = AuditFilter::of(&ask);
        let listed = self.look(move |state, it| landfall::list_audit(state, &ask, it)).await?;
        let Listed { mut events, mut next_token, older } = listed.map_err(refused)?;
        if let Some(older) = older {
            let found = self.read(|it| it.older(&filter, &older))?;
            if let Some((rows, next)) = found {
                events.extend(rows.iter().map(audit_view));
                next_token = next.map(|it| audit_page(&it.to_string()));
            }
        }
        Ok(op::ListAuditResponse { events: Some(events), next_token })
    }

    async fn list_task_history(
        &self,
        ask: op::ListTaskHistoryRequest,
    ) -> Result<op::ListTaskHistoryResponse, wire::Fault> {
        self.look(landfall::people_only).await?.map_err(refused)?;
        let filter = TaskFilter::parse(&ask).map_err(refused)?;
        let before = ask.next_token.as_deref().filter(|it| !it.is_empty());
        let before = before
            .map(str::parse::<Place>)
            .transpose()
            .map_err(|_| refused(Error::InvalidParameter("Invalid nextToken.".into())))?;
        let query = Query {
            by: by(&filter),
            times: ask.since.map_or(i64::MIN, |it| it.0)..=ask.until.map_or(i64::MAX, |it| it.0),
            before,
            limit: ask.max_results.and_then(|it| usize::try_from(it).ok()).unwrap_or(TASKS_PAGE),
        };
        self.history()?;
        let found = self.read(|it| it.tasks(&query, &filter))?;
        let (tasks, next) = found.unwrap_or_default();
        let tasks = self
            .look(move |state, _| tasks.into_iter().map(|it| it.view(state)).collect::<Vec<_>>())
            .await?;
        let next_token = next.map(|it| it.to_string());
        Ok(op::ListTaskHistoryResponse { tasks: Some(tasks), next_token })
    }
}

/// By what tasks are looked for.
fn by(filter: &TaskFilter) -> By {
    let upper = |id: TaskId| u64::try_from(id.bits() >> 64).unwrap_or(u64::MAX);
    match (&filter.ids, filter.key()) {
        (Some(ids), _) => {
            let (first, last) = ids.bounds();
            By::Identity(upper(first)..=upper(last))
        }
        (None, Some((field, text))) => By::Key(key(field, &text)),
        (None, None) => By::Everything,
    }
}

impl History {
    /// Tasks of a query, the latest first, and where to go on.
    fn tasks(
        &self,
        query: &Query,
        filter: &TaskFilter,
    ) -> Result<(Vec<PastTask>, Option<Place>), HistoryError> {
        let mut tasks = Vec::new();
        let found = self.tasks.find(query, &mut |entry| {
            let task = read_task(&entry.body).filter(|it| filter.accepts(&it.task));
            let fits = task.is_some();
            tasks.extend(task);
            fits
        })?;
        Ok((tasks, found.next))
    }

    /// Up to two tasks that a filter accepts: one is the one that is meant.
    fn past(&self, filter: &TaskFilter) -> Result<Vec<PastTask>, HistoryError> {
        let query = Query { by: by(filter), ..Query::everything(2) };
        Ok(self.tasks(&query, filter)?.0)
    }

    /// One row of the audit trail.
    fn audit(&self, number: u64) -> Result<Option<Audit>, HistoryError> {
        let query = Query { by: By::Identity(number..=number), ..Query::everything(1) };
        let found = self.audits.find(&query, &mut |_| true)?;
        Ok(found.entries.first().and_then(|it| read_audit(&it.body)))
    }

    /// Rows of the audit trail that the state no longer has, the newest first, and where to go on.
    fn older(
        &self,
        filter: &AuditFilter,
        older: &Older,
    ) -> Result<(Vec<Audit>, Option<Place>), HistoryError> {
        let query = Query {
            by: filter.key().map_or(By::Everything, |(field, text)| By::Key(key(field, &text))),
            times: filter.times.clone(),
            before: older.from.as_deref().and_then(|it| it.parse().ok()),
            limit: older.room,
        };
        let mut rows = Vec::new();
        let found: Found = self.audits.find(&query, &mut |entry| {
            let row = read_audit(&entry.body);
            let row = row.filter(|it| it.number < older.below && filter.accepts(it));
            let fits = row.is_some();
            rows.extend(row);
            fits
        })?;
        Ok((rows, found.next))
    }
}
