//! Container output to the region's log store (`awslogs`).
//!
//! A shim writes output to a file whatever becomes of the agent; a shipper follows that file and
//! notes how far it has come. So nothing is lost while the agent is away, and only a crash between
//! sending and noting sends the same lines twice.

mod follow;
mod gather;
mod options;

use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plan::agent::spec::ContainerSpec;
use plan::agent::{Failure, FailureClass, TaskSpec};
use shapes::logs as shape;
use tokio::time::sleep;

use crate::api::{Api, CallError};
use crate::clock;
use crate::machine::{Machine, blocking};

use follow::{Follower, Line};
use gather::Gatherer;
use options::{Create, Options};

/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Waits after a failure.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);
/// What one call may hold. Source: Amazon CloudWatch Logs API Reference, `PutLogEvents`.
const EVENTS_MAX: usize = 10_000;
const BATCH_BYTES_MAX: usize = 1_048_576;
const EVENT_OVERHEAD: usize = 26;
/// Longest time between the first and the last event of one call, in milliseconds.
const SPAN_MAX: i64 = 24 * 60 * 60 * 1000;

/// Makes the log stream of a container, and its group if the task definition wants that.
pub(crate) async fn begin(
    machine: &Machine,
    spec: &TaskSpec,
    container: &ContainerSpec,
) -> Result<(), Failure> {
    let failed = |text: String| Failure { class: FailureClass::ResourceInitialization, text };
    let options = Options::of(spec, container)
        .map_err(|it| failed(format!("failed to validate logger args: {it}")))?;
    let Options { group, stream, .. } = &options;
    let api = api(machine, &options);
    if options.create == Create::Group {
        let ask = shape::CreateLogGroupRequest {
            log_group_name: Some(group.clone()),
            ..shape::CreateLogGroupRequest::default()
        };
        let made = api.call::<shape::CreateLogGroup>(&ask).await.map(drop);
        existing(made)
            .map_err(|it| failed(format!("failed to create Cloudwatch log group {group}: {it}")))?;
    }
    make_stream(&api, &options).await.map_err(|it| {
        failed(format!(
            "failed to initialize logging driver: failed to create Cloudwatch log stream {stream} \
             in {group}: {it}"
        ))
    })
}

/// The region's API, signed for the region that the options name.
fn api(machine: &Machine, options: &Options) -> Api {
    match &options.region {
        Some(region) => machine.api.signed_for(region),
        None => machine.api.clone(),
    }
}

async fn make_stream(api: &Api, options: &Options) -> Result<(), CallError> {
    let ask = shape::CreateLogStreamRequest {
        log_group_name: Some(options.group.clone()),
        log_stream_name: Some(options.stream.clone()),
    };
    existing(api.call::<shape::CreateLogStream>(&ask).await.map(drop))
}

/// What exists already is as good as made.
fn existing(made: Result<(), CallError>) -> Result<(), CallError> {
    match made {
        Err(error) if error.code() == Some("ResourceAlreadyExistsException") => Ok(()),
        other => other,
    }
}

/// Ships the output of a container.
#[derive(Debug)]
pub(crate) struct Shipper {
    finished: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Shipper {
    /// Starts to follow the container's log, from where an earlier shipper came to; `None` if it
    /// does not go to the log store.
    pub(crate) fn start(
        machine: &Arc<Machine>,
        spec: &TaskSpec,
        container: &ContainerSpec,
    ) -> Option<Self> {
        if container.docker.log.driver != "awslogs" {
            return None;
        }
        let options = Options::of(spec, container).ok()?;
        let log = machine.log(&spec.arn, &container.name);
        let finished = Arc::<AtomicBool>::default();
        let task = tokio::spawn(ship(api(machine, &options), options, log, finished.clone()));
        Some(Self { finished, task })
    }

    /// Nothing more will be written: the shipper ends when all is shipped.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Relaxed);
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn ship(api: Api, options: Options, log: PathBuf, finished: Arc<AtomicBool>) {
    let mut follower = {
        let log = log.clone();
        blocking(move || Follower::open(log)).await
    };
    let mut gatherer = Gatherer::new(options.first_line.clone());
    loop {
        // Asked before the file is read: what was written before the end is read then.
        let last = finished.load(Ordering::Relaxed);
        let (lines, back) = blocking(move || {
            let lines = follower.read();
            (lines, follower)
        })
        .await;
        follower = back;
        let idle = lines.is_empty();
        let mut events = gatherer.take(lines);
        if idle {
            events.extend(if last { gatherer.finish() } else { gatherer.overdue(clock::now()) });
        }
        for batch in batches(events) {
            put(&api, &options, batch).await;
        }
        // An event that is not complete is read again by the next agent, should this one end.
        if gatherer.is_empty() {
            follower = blocking(move || {
                follower.note();
                follower
            })
            .await;
        }
        if idle && last {
            return;
        }
        if idle {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Cuts lines into calls. Lines without text are nothing the log store would take.
fn batches(mut lines: Vec<Line>) -> Vec<Vec<Line>> {
    lines.retain(|it| !it.text.is_empty());
    // The clock may have been set back; within a call events stand in order.
    lines.sort_by_key(|it| it.at);
    let mut all: Vec<Vec<Line>> = Vec::new();
    let mut bytes = 0;
    for line in lines {
        let size = line.text.len() + EVENT_OVERHEAD;
        let fits = all.last().is_some_and(|batch: &Vec<Line>| {
            let first = batch.first().map_or(line.at, |it| it.at);
            batch.len() < EVENTS_MAX
                && bytes + size <= BATCH_BYTES_MAX
                && line.at - first < SPAN_MAX
        });
        if !fits {
            all.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(batch) = all.last_mut() {
            batch.push(line);
        }
    }
    all
}

/// Sends one batch until it is taken, or can never be.
async fn put(api: &Api, options: &Options, batch: Vec<Line>) {
    let event = |it: Line| shape::InputLogEvent { message: Some(it.text), timestamp: Some(it.at) };
    let ask = shape::PutLogEventsRequest {
        log_group_name: Some(options.group.clone()),
        log_stream_name: Some(options.stream.clone()),
        log_events: Some(batch.into_iter().map(event).collect()),
        ..shape::PutLogEventsRequest::default()
    };
    let mut wait = RETRY_FIRST;
    loop {
        let Err(error) = api.call::<shape::PutLogEvents>(&ask).await else { return };
        let stream = &options.stream;
        match error.code() {
            Some("InvalidParameterException" | "ValidationException") => {
                tracing::error!(stream, %error, "log lines are refused for good");
                return;
            }
            Some("DataAlreadyAcceptedException") => return,
            Some("ResourceNotFoundException") => {
                // Somebody deleted the stream, or the group with it; a new group may come.
                drop(make_stream(api, options).await);
            }
            _ => tracing::warn!(stream, %error, "log lines are not shipped yet"),
        }
        sleep(wait).await;
        wait = (wait * 2).min(RETRY_LAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: i64, text: &str) -> Line {
        Line { at, text: text.into() }
    }

    #[test]
    fn calls_stay_within_their_limits_and_in_order() {
        let cut = |lines: Vec<Line>| {
            let all = batches(lines);
            all.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(cut(vec![line(1, "")]), Vec::<usize>::new());
        assert_eq!(cut(vec![line(0, "a"), line(SPAN_MAX, "b")]), [1, 1]);
        assert_eq!(cut(vec![line(0, "a"); EVENTS_MAX + 1]), [EVENTS_MAX, 1]);
        let large = "x".repeat(BATCH_BYTES_MAX / 2);
        assert_eq!(cut(vec![line(0, &large), line(1, &large), line(2, "c")]), [1, 2]);
        let sorted = batches(vec![line(2, "b"), line(1, "a")]);
        assert_eq!(sorted, [[line(1, "a"), line(2, "b")]]);
    }
}
