//! Following a deployment to its end.

use core::time::Duration;
use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use rustix::termios::tcgetwinsize;
use shapes::ecs::{
    Deployment, DeploymentRolloutState as RolloutState, DescribeServiceDeployments,
    DescribeServiceDeploymentsRequest, DescribeServices, DescribeServicesRequest, Service,
    ServiceDeployment, ServiceDeploymentStatus as Status,
};
use tokio::time::{Instant, sleep};

use super::failure::{self, Failing};
use crate::client::{CallError, Client};
use crate::commands::output::say;

/// How often the region is asked.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How many looks in a row may go without an answer: a control plane that restarts takes some.
const SILENT_MAX: u32 = 40;
/// How often the task that failed last is looked for, from the first failure on.
const LOOK_AT_FAILURES_EVERY: Duration = Duration::from_secs(1);
/// Writes the line anew where the terminal's cursor is.
const LINE_ANEW: &str = "\r\x1b[K";

/// A deployment, and how it ended.
#[derive(Debug, Clone)]
pub(super) struct Rollout {
    /// The service as it was seen last.
    pub(super) service: Service,
    /// ARN of the service deployment.
    pub(super) service_deployment: String,
    /// Id of the deployment that runs what is wanted, `ecs-svc/…`.
    pub(super) deployment: Option<String>,
    /// ARN of the task definition that is wanted.
    pub(super) wanted: Option<String>,
    /// As `status` of the service deployment.
    pub(super) status: String,
    pub(super) end: End,
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Everything is as it was wanted.
    Done,
    /// It is not, and will not be.
    Failed(String),
    /// Nobody waits any longer.
    StillGoing,
}

/// Follows what a service began last. It may be over already.
///
/// Failing tasks alone never end it, whether there is a circuit breaker or not: the service tries for
/// ever, and what it waits for can come at any time: an image that is pushed, a database that
/// answers, an instance with room. So it ends with what the region says of the deployment, with the
/// service, or when its caller has waited long enough; meanwhile the line says what goes wrong.
pub(super) async fn to_end(
    client: &Client,
    began: &Service,
    timeout: Option<Duration>,
) -> anyhow::Result<Rollout> {
    let arn = began.current_service_deployment.clone();
    let arn = arn.context("the region does not say which deployment it began")?;
    let primary = began.deployments.iter().flatten().next();
    let mut rollout = Rollout {
        service: began.clone(),
        service_deployment: arn,
        deployment: primary.and_then(|it| it.id.clone()),
        wanted: began.task_definition.clone(),
        status: String::new(),
        end: End::StillGoing,
    };
    let started = Instant::now();
    let mut line = Line::new();
    let mut silent = 0;
    let mut trouble = Trouble::new();
    loop {
        match look(client, &rollout).await {
            Ok((service, deployment)) => {
                silent = 0;
                trouble.look(client, &rollout, &service).await;
                let waits = waits_for(&rollout, &service).map(|it| format!("; {it}"));
                let text = progress(&rollout, &service)
                    + waits.as_deref().unwrap_or_default()
                    + &trouble.text();
                line.show(&text, started.elapsed());
                rollout.status =
                    deployment.status.as_ref().map(ToString::to_string).unwrap_or_default();
                let ended = end(&service, &deployment);
                rollout.service = service;
                if let Some(end) = ended {
                    rollout.end = end;
                    break;
                }
            }
            Err(error) if silent < SILENT_MAX && error.code().is_none() => silent += 1,
            Err(error) => {
                line.finish();
                return Err(error).context("the deployment was begun and cannot be followed");
            }
        }
        if timeout.is_some_and(|it| started.elapsed() > it) {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    line.finish();
    Ok(rollout)
}

async fn look(
    client: &Client,
    rollout: &Rollout,
) -> Result<(Service, ServiceDeployment), CallError> {
    let ask = DescribeServicesRequest {
        cluster: rollout.service.cluster_arn.clone(),
        services: rollout.service.service_arn.clone().map(|it| vec![it]),
        include: None,
    };
    let services = client.call::<DescribeServices>(&ask).await?.services;
    let ask = DescribeServiceDeploymentsRequest {
        service_deployment_arns: Some(vec![rollout.service_deployment.clone()]),
    };
    let found = client.call::<DescribeServiceDeployments>(&ask).await?.service_deployments;
    Ok((first(services), first(found)))
}

/// The only one; an empty one where the region knows it no longer.
fn first<T: Default>(all: Option<Vec<T>>) -> T {
    all.into_iter().flatten().next().unwrap_or_default()
}

/// Whether it is over, and how.
fn end(service: &Service, it: &ServiceDeployment) -> Option<End> {
    let reason = || {
        let said = it.rollback.as_ref().and_then(|it| it.reason.clone());
        let said = it.status_reason.clone().or(said);
        said.unwrap_or_else(|| "no reason is known".into())
    };
    match &it.status {
        Some(Status::Successful) => {
            // A change that began nothing new may still have tasks to start or stop.
            let all = service.running_count == service.desired_count;
            (all && service.pending_count.unwrap_or(0) == 0).then_some(End::Done)
        }
        Some(Status::Stopped) => Some(End::Failed(format!("it was stopped: {}", reason()))),
        Some(Status::RollbackSuccessful) => {
            Some(End::Failed(format!("it was rolled back: {}", reason())))
        }
        Some(Status::RollbackFailed) => {
            Some(End::Failed(format!("it failed, and so did its rollback: {}", reason())))
        }
        // While it is on its way; and one without a status is no longer known.
        Some(_) => None,
        None => Some(End::Failed("the service is gone".into())),
    }
}

/// What a person wants to see of it, in one line.
fn progress(rollout: &Rollout, service: &Service) -> String {
    let deployments: Vec<&Deployment> = service.deployments.iter().flatten().collect();
    let wanted = deployments.iter().find(|it| it.id == rollout.deployment);
    let running = |it: &Deployment| it.running_count.unwrap_or(0);
    let others = deployments.iter().filter(|it| it.id != rollout.deployment);
    let old: i32 = others.map(|it| running(it) + it.pending_count.unwrap_or(0)).sum();
    let name = service.service_name.as_deref().unwrap_or_default();
    let Some(new) = wanted.filter(|it| it.rollout_state != Some(RolloutState::Failed)) else {
        return format!("{name}: going back, {old} old tasks");
    };
    let mut text = format!(
        "{name}: {} of {} new tasks run, {} start",
        running(new),
        new.desired_count.unwrap_or(0),
        new.pending_count.unwrap_or(0)
    );
    if old > 0 {
        text = format!("{text}; {old} old ones");
    }
    match new.failed_tasks.unwrap_or(0) {
        0 => {}
        failed => text = format!("{text}; {failed} failed"),
    }
    text
}

/// Why a deployment that lacks tasks starts none, in the service's own words: the newest of what it
/// has said since the deployment began, if that is what it is about.
pub(super) fn waits_for<'a>(rollout: &Rollout, service: &'a Service) -> Option<&'a str> {
    let mut all = service.deployments.iter().flatten();
    let wanted = all.find(|it| it.id == rollout.deployment)?;
    let there = wanted.running_count.unwrap_or(0) + wanted.pending_count.unwrap_or(0);
    if there >= wanted.desired_count.unwrap_or(0) {
        return None;
    }
    let mut since = service.events.iter().flatten();
    let newest = since.find(|it| it.created_at.map(|it| it.0) >= wanted.created_at.map(|it| it.0));
    let said = newest.and_then(|it| it.message.as_deref())?;
    said.contains("was unable to ").then_some(said)
}

/// What went wrong last, while a deployment goes on.
struct Trouble {
    look_at: Instant,
    failing: Option<Failing>,
}

impl Trouble {
    fn new() -> Self {
        Self { look_at: Instant::now(), failing: None }
    }

    /// Looks for the task that failed last, if there is any and it was not just looked for. What
    /// cannot be found out is not worth the end of the following.
    async fn look(&mut self, client: &Client, rollout: &Rollout, service: &Service) {
        let wanted = service.deployments.iter().flatten().find(|it| it.id == rollout.deployment);
        let failed = wanted.and_then(|it| it.failed_tasks).unwrap_or(0);
        if failed == 0 || Instant::now() < self.look_at {
            return;
        }
        self.look_at = Instant::now() + LOOK_AT_FAILURES_EVERY;
        if let Ok(Some(found)) = failure::glimpse(client, rollout).await {
            self.take(found);
        }
    }

    /// Lines of a task arrive after its end; until then those of one that failed the same way stand.
    fn take(&mut self, mut found: Failing) {
        if let Some(before) = &self.failing
            && found.lines.is_empty()
            && failure::why(&found.task) == failure::why(&before.task)
        {
            found.lines.clone_from(&before.lines);
        }
        self.failing = Some(found);
    }

    /// Behind the counts of the line: the reason, and the last that was written.
    fn text(&self) -> String {
        let Some(it) = &self.failing else { return String::new() };
        let mut text = format!("; a task {}", failure::why(&it.task));
        if let Some(last) = it.lines.last() {
            text = format!("{text}; {last}");
        }
        text
    }
}

/// One line that changes on a terminal; elsewhere a line for each change.
struct Line {
    terminal: bool,
    shown: String,
}

impl Line {
    fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), shown: String::new() }
    }

    fn show(&mut self, text: &str, since: Duration) {
        if self.terminal {
            let mut out = io::stderr().lock();
            // What is longer than the terminal is wide could not be written anew.
            let columns = tcgetwinsize(&out).map_or(80, |it| usize::from(it.ws_col));
            let seconds = format!(" ({} s)", since.as_secs());
            let text: String = text.chars().take(columns.saturating_sub(seconds.len())).collect();
            // Nobody has to listen.
            drop(write!(out, "{LINE_ANEW}{text}{seconds}").and_then(|()| out.flush()));
        } else if self.shown != text {
            say(text);
        }
        text.clone_into(&mut self.shown);
    }

    fn finish(&self) {
        if self.terminal && !self.shown.is_empty() {
            say("");
        }
    }
}

#[cfg(test)]
mod tests {
    use shapes::ecs::ServiceEvent;

    use super::*;

    fn deployment(id: &str, running: i32, pending: i32) -> Deployment {
        Deployment {
            id: Some(id.into()),
            desired_count: Some(3),
            running_count: Some(running),
            pending_count: Some(pending),
            ..Deployment::default()
        }
    }

    fn service(deployments: Vec<Deployment>) -> Service {
        Service {
            service_name: Some("web".into()),
            desired_count: Some(3),
            running_count: Some(3),
            deployments: Some(deployments),
            ..Service::default()
        }
    }

    fn ended(status: Status) -> Option<End> {
        let row = ServiceDeployment {
            status: Some(status),
            status_reason: Some("because".into()),
            ..ServiceDeployment::default()
        };
        end(&service(Vec::new()), &row)
    }

    #[test]
    fn the_end_is_told_from_the_status_of_the_service_deployment() {
        assert_eq!(ended(Status::Successful), Some(End::Done));
        for going in [Status::Pending, Status::InProgress, Status::RollbackInProgress] {
            assert_eq!(ended(going), None);
        }
        let failed = ended(Status::RollbackSuccessful);
        assert_eq!(failed, Some(End::Failed("it was rolled back: because".into())));
        assert!(matches!(ended(Status::Stopped), Some(End::Failed(_))));
        assert!(matches!(ended(Status::RollbackFailed), Some(End::Failed(_))));
    }

    #[test]
    fn a_scaled_service_is_done_when_its_tasks_run() {
        let row = ServiceDeployment { status: Some(Status::Successful), ..Default::default() };
        let scaled = Service { running_count: Some(2), ..service(Vec::new()) };
        assert_eq!(end(&scaled, &row), None);
    }

    #[test]
    fn what_went_wrong_last_stands_behind_the_counts() {
        let failing = |reason: &str, lines: &[&str]| Failing {
            task: shapes::ecs::Task { stopped_reason: Some(reason.into()), ..Default::default() },
            lines: lines.iter().map(|it| (*it).to_owned()).collect(),
        };
        let mut trouble = Trouble::new();
        assert_eq!(trouble.text(), "");
        trouble.take(failing("exited", &["app | starts", "app | no database"]));
        assert_eq!(trouble.text(), "; a task stopped: exited; app | no database");
        trouble.take(failing("exited", &[]));
        assert_eq!(trouble.text(), "; a task stopped: exited; app | no database");
        trouble.take(failing("no such image", &[]));
        assert_eq!(trouble.text(), "; a task stopped: no such image");
    }

    fn rollout() -> Rollout {
        Rollout {
            service: Service::default(),
            service_deployment: String::new(),
            deployment: Some("new".into()),
            wanted: None,
            status: String::new(),
            end: End::StillGoing,
        }
    }

    #[test]
    fn progress_counts_new_and_old_tasks() {
        let rollout = rollout();
        let now = service(vec![deployment("new", 1, 1), deployment("old", 2, 0)]);
        assert_eq!(progress(&rollout, &now), "web: 1 of 3 new tasks run, 1 start; 2 old ones");
        let back = service(vec![deployment("old", 3, 0)]);
        assert_eq!(progress(&rollout, &back), "web: going back, 3 old tasks");
        let mut failed = deployment("new", 0, 0);
        failed.rollout_state = Some(RolloutState::Failed);
        let back = service(vec![deployment("old", 3, 0), failed]);
        assert_eq!(progress(&rollout, &back), "web: going back, 3 old tasks");
    }

    #[test]
    fn a_deployment_that_finds_no_place_says_so() {
        let rollout = rollout();
        let event = |at: i64, said: &str| ServiceEvent {
            created_at: Some(shapes::Timestamp(at)),
            message: Some(said.into()),
            ..ServiceEvent::default()
        };
        let said = |running, events: Vec<ServiceEvent>| {
            let mut new = deployment("new", running, 0);
            new.created_at = Some(shapes::Timestamp(5));
            let now = Service { events: Some(events), ..service(vec![new]) };
            waits_for(&rollout, &now).map(str::to_owned)
        };
        let no_place = "(service web) was unable to place a task because there is no room";
        assert_eq!(said(2, vec![event(6, no_place)]), Some(no_place.into()));
        assert_eq!(said(3, vec![event(6, no_place)]), None, "it lacks none");
        assert_eq!(said(2, vec![event(4, no_place)]), None, "it was said of another");
        let started = event(7, "(service web) has started 1 tasks");
        assert_eq!(said(2, vec![started, event(6, no_place)]), None, "there is room again");
    }
}
