//! Why an agent cannot start or go on.

use std::io;
use std::path::PathBuf;

/// Why an agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A file or folder of the agent's own.
    #[error("cannot {action} {path}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The endpoint is not one this agent can talk to.
    #[error("{0} is not an endpoint of the form http://HOST:PORT")]
    Endpoint(String),
    /// The instance's network.
    #[error("cannot set up the instance's network")]
    Network(#[from] network::Error),
    /// The image store.
    #[error("cannot open the image store")]
    Images(#[from] images::StoreError),
    /// The region does not take the instance in.
    #[error("the region does not register this instance: {0}")]
    Refused(String),
    /// There are no credentials.
    #[error("there are no credentials and this machine has never joined: give a join token")]
    NotJoined,
    /// The region knows the instance under another name from now on; to be started again.
    #[error("the region has forgotten this instance and calls it {0} now: start again")]
    Renamed(String),
    /// The task endpoint's address.
    #[error("cannot listen for the requests of tasks")]
    Listen(#[source] io::Error),
    /// The machine gives no randomness.
    #[error("no randomness: {0}")]
    Randomness(String),
    /// Some tasks could not be taken down.
    #[error("cannot take down {what}: {problem}")]
    Left {
        /// What is left.
        what: String,
        /// Why.
        problem: String,
    },
}

impl AgentError {
    /// An error of a file or folder.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
