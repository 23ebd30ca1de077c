//! Turning failures of the machine into refusals that say what was attempted.

use std::fmt::Display;

use crate::protocol::{Refusal, RefusalKind};

impl Refusal {
    /// A refusal of the given kind.
    pub(crate) fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The specification cannot be met as written.
    pub(crate) fn spec(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::InvalidSpec, message)
    }
}

/// Says what was attempted when it failed.
///
/// The cause becomes part of the text: a refusal crosses processes, where no chain of causes
/// can follow.
pub(crate) trait Explain<T> {
    /// Something on this machine failed.
    fn machine(self, what: impl Display) -> Result<T, Refusal>;

    /// A failure of the given kind.
    fn refuse(self, kind: RefusalKind, what: impl Display) -> Result<T, Refusal>;
}

impl<T, E: Display> Explain<T> for Result<T, E> {
    fn machine(self, what: impl Display) -> Result<T, Refusal> {
        self.refuse(RefusalKind::Machine, what)
    }

    fn refuse(self, kind: RefusalKind, what: impl Display) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::new(kind, format!("{what}: {error}")))
    }
}
