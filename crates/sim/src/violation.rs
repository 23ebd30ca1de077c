//! Promises that the simulator watches, and how it says that one was broken.

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
