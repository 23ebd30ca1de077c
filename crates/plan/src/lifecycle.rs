//! What a container of a task needs next: from what is wanted and what is seen to the next step.
//!
//! A container goes NONE → PULLED → CREATED → RUNNING → STOPPED. It is created once its dependencies
//! are met, and stopped once those that depend on it have stopped (handbook 3.5).

use core::time::Duration;

use minicbor::{Decode, Encode};
use types::Timestamp;

use crate::agent::spec::{Condition, ContainerSpec, Dependency};

/// How far a container has come. It only moves forward, but for a restart in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Nothing was done for it.
    #[default]
    #[n(0)]
    None,
    /// Its image is here.
    #[n(1)]
    Pulled,
    /// It exists.
    #[n(2)]
    Created,
    /// It runs.
    #[n(3)]
    Running,
    /// It ended or will never be. Final.
    #[n(4)]
    Stopped,
}

/// Where a task, and with it each container, shall go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Desired {
    /// It shall run.
    #[default]
    #[n(0)]
    Running,
    /// It shall stop. Final.
    #[n(1)]
    Stopped,
}

/// What health checks found (handbook 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Health {
    /// Not yet known, or not checked.
    #[default]
    #[n(0)]
    Unknown,
    /// The last check passed.
    #[n(1)]
    Healthy,
    /// Too many checks in a row failed.
    #[n(2)]
    Unhealthy,
}

/// The step that is under way for a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// Its image is pulled.
    Pulling,
    /// It is created.
    Creating,
    /// It is started.
    Starting,
}

/// A container as seen.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What was asked for.
    pub spec: &'a ContainerSpec,
    /// How far it has come.
    pub status: Status,
    /// Whether it ever ran.
    pub ran: bool,
    /// How often it was restarted in place.
    pub restarts: u32,
    /// Code of its last end.
    pub exit_code: Option<i32>,
    /// When it last started.
    pub started_at: Option<Timestamp>,
    /// What health checks found.
    pub health: Health,
    /// What is under way.
    pub busy: Option<Busy>,
    /// When it got its stop signal.
    pub signalled_at: Option<Timestamp>,
    /// When it last got KILL.
    pub killed_at: Option<Timestamp>,
}

/// What a container needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing before something happens, or before this time.
    Wait(Option<Timestamp>),
    /// Its image.
    Pull,
    /// To be created.
    Create,
    /// To be started.
    Start,
    /// The stop signal.
    Signal,
    /// KILL.
    Kill,
    /// To count as stopped, as there is nothing to stop.
    End,
    /// To count as stopped, and the task with it: this dependency will never be met.
    GiveUp(String),
}

/// KILL is repeated after this long without an end; a signal may be lost with a shim's connection.
const KILL_AGAIN: Duration = Duration::from_secs(10);

/// What this container needs next.
///
/// `prepared` says that the task's network, volumes and cgroup stand. `stop_timeout` is for
/// containers without their own.
pub fn next(
    me: &Seen<'_>,
    all: &[Seen<'_>],
    desired: Desired,
    prepared: bool,
    stop_timeout: Duration,
    now: Timestamp,
) -> Next {
    match desired {
        Desired::Running => forward(me, all, prepared, now),
        Desired::Stopped => backward(me, all, stop_timeout, now),
    }
}

fn forward(me: &Seen<'_>, all: &[Seen<'_>], prepared: bool, now: Timestamp) -> Next {
    match (me.status, me.busy) {
        (Status::Created, None) => Next::Start,
        (Status::Created | Status::Running | Status::Stopped, _)
        | (_, Some(Busy::Creating | Busy::Starting)) => Next::Wait(None),
        (Status::None | Status::Pulled, _) => match dependencies(me, all, now) {
            Met::Never(why) => Next::GiveUp(why),
            _ if me.busy.is_some() => Next::Wait(None),
            _ if me.status == Status::None => Next::Pull,
            Met::NotYet(until) => Next::Wait(until),
            Met::Yes if prepared => Next::Create,
            Met::Yes => Next::Wait(None),
        },
    }
}

fn backward(me: &Seen<'_>, all: &[Seen<'_>], stop_timeout: Duration, now: Timestamp) -> Next {
    match me.status {
        Status::Stopped => Next::Wait(None),
        Status::None | Status::Pulled | Status::Created => match me.busy {
            // What was asked for cannot be taken back; its outcome is awaited, then stopped.
            Some(Busy::Creating | Busy::Starting) => Next::Wait(None),
            Some(Busy::Pulling) | None => Next::End,
        },
        Status::Running if all.iter().any(|it| outlives(it, me)) => Next::Wait(None),
        Status::Running => match (me.signalled_at, me.killed_at) {
            (None, _) => Next::Signal,
            (Some(_), Some(killed)) => due(killed.after(KILL_AGAIN), now),
            (Some(signalled), None) => {
                due(signalled.after(me.spec.stop_timeout.unwrap_or(stop_timeout)), now)
            }
        },
    }
}

fn due(at: Timestamp, now: Timestamp) -> Next {
    if now >= at { Next::Kill } else { Next::Wait(Some(at)) }
}

/// Whether `other` still stands and depends on `me`: then it stops first.
fn outlives(other: &Seen<'_>, me: &Seen<'_>) -> bool {
    other.status != Status::Stopped
        && other.spec.depends_on.iter().any(|it| it.container == me.spec.name.as_str())
}

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Met {
    Yes,
    /// Look again at this time.
    NotYet(Option<Timestamp>),
    /// And why.
    Never(String),
}

fn dependencies(me: &Seen<'_>, all: &[Seen<'_>], now: Timestamp) -> Met {
    if me.restarts > 0 {
        return Met::Yes;
    }
    let mut so_far = Met::Yes;
    for dependency in &me.spec.depends_on {
        let Some(other) = all.iter().find(|it| it.spec.name.as_str() == dependency.container)
        else {
            return Met::Never(format!("there is no container {}", dependency.container));
        };
        match (met(dependency, other, now), &mut so_far) {
            (Met::Never(why), _) => return Met::Never(why),
            (Met::NotYet(Some(at)), Met::NotYet(Some(first))) => *first = at.min(*first),
            (Met::NotYet(at), Met::Yes | Met::NotYet(None)) => so_far = Met::NotYet(at),
            (Met::NotYet(None) | Met::Yes, _) | (Met::NotYet(_), Met::Never(_)) => {}
        }
    }
    so_far
}

fn met(dependency: &Dependency, other: &Seen<'_>, now: Timestamp) -> Met {
    let stopped = other.status == Status::Stopped;
    let holds = match dependency.condition {
        Condition::Created => {
            other.ran || (Status::Created..Status::Stopped).contains(&other.status)
        }
        Condition::Start => other.ran,
        Condition::Complete => stopped && other.ran,
        Condition::Success => stopped && other.exit_code == Some(0),
        Condition::Healthy => other.status == Status::Running && other.health == Health::Healthy,
    };
    if holds {
        return Met::Yes;
    }
    let name = &dependency.container;
    if stopped {
        return Met::Never(match (dependency.condition, other.exit_code) {
            (Condition::Success, Some(code)) => {
                format!("container {name} did not exit successfully: exit code {code}")
            }
            (Condition::Healthy, _) if other.ran => {
                format!("container {name} stopped before it was healthy")
            }
            _ => format!("container {name} stopped before it met its condition"),
        });
    }
    match deadline(dependency.condition, other) {
        Some(at) if now >= at => Met::Never(format!(
            "timed out after waiting for container {name} for its start timeout"
        )),
        at => Met::NotYet(at),
    }
}

/// The dependency's own start timeout, from its start, for conditions beyond the start itself.
fn deadline(condition: Condition, other: &Seen<'_>) -> Option<Timestamp> {
    match condition {
        Condition::Created | Condition::Start => None,
        Condition::Complete | Condition::Success | Condition::Healthy => {
            Some(other.started_at?.after(other.spec.start_timeout?))
        }
    }
}
