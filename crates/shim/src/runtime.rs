//! Who makes containers: the shim itself, or an OCI runtime of the machine.

mod embedded;
mod external;
mod oci;

use std::os::fd::OwnedFd;

pub(crate) use embedded::Embedded;
pub(crate) use external::External;

use crate::process::Launch;
use crate::protocol::Refusal;
use crate::spec::ContainerSpec;

/// What a shim needs of a runtime.
///
/// Processes that it starts become children of this process, which reaps them, and are in the
/// control groups they belong to before their command runs.
pub(crate) trait Runtime {
    /// Refuses a specification that this runtime cannot meet, before anything is made.
    fn check(&self, spec: &ContainerSpec) -> Result<(), Refusal>;

    /// Starts a container; comes back once its command was executed.
    fn start(&self, launch: &Launch<'_>, streams: Streams) -> Result<Started, Refusal>;

    /// Starts a command beside the container's own; gives its process.
    fn exec(&self, exec: &Exec<'_>, output: [OwnedFd; 2]) -> Result<i32, Refusal>;

    /// Forgets a container whose processes are all gone.
    fn forget(&self, launch: &Launch<'_>) -> Result<(), Refusal>;
}

/// A container's standard streams. One that gets a terminal has them until then.
pub(crate) struct Streams {
    /// Nothing to read if absent.
    pub(crate) input: Option<OwnedFd>,
    /// Standard output and error.
    pub(crate) output: [OwnedFd; 2],
}

/// What has been started.
pub(crate) struct Started {
    /// Its first process.
    pub(crate) pid: i32,
    /// Our side of its terminal, if it has one.
    pub(crate) terminal: Option<OwnedFd>,
}

/// A command to run beside a container's own.
pub(crate) struct Exec<'a> {
    pub(crate) launch: &'a Launch<'a>,
    /// The container's first process.
    pub(crate) pid: i32,
    pub(crate) argv: &'a [String],
    pub(crate) env: &'a [String],
}
