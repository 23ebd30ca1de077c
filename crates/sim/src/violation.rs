//! Promises that the simulator watches, and how it says that one was broken.
//!
//! What an orchestrator must promise, and where it is watched here:
//!
//! | promise | watched as |
//! |---|---|
//! | one set of tasks a token, over crashes, repeats and races; equal answers; conflicts name what there is and change nothing | `OneLaunch`; stories |
//! | token, tasks, held resources and audit row in one transaction; a refusal changes nothing; an unknown outcome is all or nothing | `Atomicity`, `Replay` |
//! | a token is free when its time has come and not before, also over restarts and clock steps | `OneLaunch`, `Retention` |
//! | revisions of a family rise and are never used again | `Revisions` |
//! | placement only on instances that are there, active, connected and able; constraints hold | `Standing`, `Capable`, `Constraints` |
//! | CPU, memory, ports, GPUs, addresses: nothing promised twice, nothing really used twice | `NoOvercommit`, `Addresses`, `Physical` |
//! | what is held is given back only when the instance confirms or is out of the region | `Released` |
//! | one interface a task, for its life, in its zone, given back once | `Addresses`, `Forward` |
//! | status, desired status, exit codes and versions only move forward; an end has a class and a reason | `Forward` |
//! | every end of a container ends or restarts its task; nothing runs that nobody asked for | `Convergence`, `NoRevival` |
//! | an instance that returns ends up with exactly what it is assigned; older orders change nothing | `Convergence`, `NoRevival` |
//! | nothing is shown that a crash could undo; agents are told what is durable, as it is held | `Durability`, `Told` |
//! | what is replayed is what was in memory at each durable point; older rows and releases too | `Replay` |
//! | each mutation has one audit row and each row one mutation | `Audited` |
//! | quiet reconcilers have nothing to do; indexes equal the tables | `Quiet`, `Indexes` |
//! | what is over is in the state or in the history, in which it stands once | `Retention` |
//! | a request goes only to a target that is registered, takes requests, and is healthy unless too few are | `Routed` |
//! | nothing is under way to a target beyond its time; it goes when that is over or nobody is busy with it | `Drained` |
//! | a service's task is a target exactly while it runs, and none is stopped while it is one | `Registered`, `Drained` |
//! | a balancer never serves an older table; a later owner of the region counts as newer | `Generations`, `Convergence` |
//! | what is shown of a target is what the balancers that are there found last; every one serves what the state says | `Seen`, `Convergence` |
//! | a service stays within its percentages; a breaker trips exactly at its threshold, and goes back to what was completed last; what is complete is so | `Percentages`, `Breaker`, `Rollback`, `Completed` |
//! | tasks of one deployment are of one image, though tags move | `OneDigest` |
//! | a service's task is in Cloud Map exactly while it runs, as well as it is, and behind its service's endpoints while it is well; names are answered as the rows say, and nothing is left | `Found`, `Connected`, `Named`, `Convergence` |
//! | an alarm ends the deployment that it monitors, in its bake time too, and no other one; an alarm is what was measured | `Alarms`, `Rollback`, `Measured` |
//! | protected tasks stay; an instance has one task of a daemon; services have what they want in the end | `Protected`, `Daemons`, `Convergence` |
//! | where most instances of a cluster are lost, they are given up one by one; what a daemon needs is kept for it | `Slowed`, `Daemons` |
//! | transactions are bounded; stopped tasks, tokens and instances go when their time has come | `Bounded`, `Retention` |
//!
//! Watched elsewhere: order of `dependsOn` and stop signals (`plan::agent`'s tests), GPUs and spread
//! at each placement (`plan::placement` against an exhaustive reference), linear history of one
//! resource (the gateway answers from one writer; end-to-end tests), who may call what (gateway).
//! Not there yet, because the thing is not: scaling, capacity providers, functions, several control planes, policies.

/// What must always hold, or hold in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// No answer, message or effect shows what a crash could still undo.
    Durability,
    /// Token, its tasks and the audit row are one transaction.
    Atomicity,
    /// One set of tasks for each token within its retention.
    OneLaunch,
    /// No resource and no port is promised twice.
    NoOvercommit,
    /// No machine really runs more than it has, nor holds one port twice.
    Physical,
    /// Nothing is placed on an instance that is draining, gone or disconnected.
    Standing,
    /// A task is placed only where its agent has the capabilities that it needs.
    Capable,
    /// No address is held twice, and each lies in the subnet of its task's zone.
    Addresses,
    /// An agent is told the GPUs and addresses that its tasks hold.
    Told,
    /// No transaction changes more rows than every journal can take at once.
    Bounded,
    /// Placement constraints hold.
    Constraints,
    /// Status only moves forward, versions rise, a task has one instance for life.
    Forward,
    /// What a task holds is given back only once its instance has confirmed.
    Released,
    /// Rows go only when their time has come.
    Retention,
    /// Every mutation has exactly one audit row.
    Audited,
    /// The indexes equal what one computes from the tables.
    Indexes,
    /// The replayed journal equals the state.
    Replay,
    /// A look of all reconcilers at a quiet state proposes nothing.
    Quiet,
    /// What has ended does not run again.
    NoRevival,
    /// Revisions of a family rise and are never used twice.
    Revisions,
    /// A request goes only to a target that may have it.
    Routed,
    /// A target that leaves finishes what it has in its time, and not beyond.
    Drained,
    /// A service's task is a target of its groups exactly while it runs.
    Registered,
    /// A balancer never goes back to an older table.
    Generations,
    /// What is noted of a target is what a balancer has found.
    Seen,
    /// A service never has fewer healthy tasks by our doing than its lower bound, nor do we start more
    /// than its upper bound.
    Percentages,
    /// A circuit breaker trips exactly at its threshold, by failures that there were.
    Breaker,
    /// A rollback goes to the revision that was completed last.
    Rollback,
    /// A rollout is complete when all of its tasks count, and nothing else is left.
    Completed,
    /// An alarm that goes off while a deployment is monitored ends it, no other one does, and a bake
    /// time is kept.
    Alarms,
    /// An alarm is what its datapoints say.
    Measured,
    /// All tasks of a deployment after the first ones are made of what those were made of.
    OneDigest,
    /// What is protected is neither scaled in nor replaced by a deployment.
    Protected,
    /// No instance has two tasks of one daemon, and nothing is placed on what one will need.
    Daemons,
    /// Where most instances of a cluster are lost, their tasks are given up one by one.
    Slowed,
    /// Cloud Map has a service's task exactly while it runs, as well as it is.
    Found,
    /// Behind an endpoint of Service Connect are the tasks of its service that run and are well.
    Connected,
    /// Names are answered as the durable rows say.
    Named,
    /// Once faults have ended, everything gets where it should be.
    Convergence,
    /// The simulated world itself works: requests of the simulator are understood.
    World,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// How.
    pub detail: String,
}

/// What a step came to.
pub(crate) type Checked<T = ()> = Result<T, Violation>;

/// Says that a promise is broken.
pub(crate) fn broken<T>(invariant: Invariant, detail: impl Into<String>) -> Checked<T> {
    Err(Violation { invariant, detail: detail.into() })
}
