//! Credentials that this region has made, and tokens to join it.

use core::fmt;

use minicbor::{Decode, Encode};
use types::{ClusterName, TaskId, Timestamp};

/// What an access key is for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Purpose {
    /// People and their tools: everything.
    #[n(0)]
    Root,
    /// The agent of a container instance of this cluster.
    #[n(1)]
    Agent(#[n(0)] ClusterName),
    /// A task that acts in its task role.
    #[n(2)]
    Task {
        /// Which task.
        #[n(0)]
        task: TaskId,
        /// ARN of the role.
        #[n(1)]
        role: String,
    },
    /// The balancers of the region. What they seal cookies with is made of its secret.
    #[n(3)]
    Balancer,
}

/// A key pair that requests may be signed with.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct AccessKey {
    /// `AKIA…` for long-lived, `ASIA…` for temporary keys.
    #[n(0)]
    pub id: String,
    /// The secret half.
    #[n(1)]
    pub secret: String,
    /// What must come with a temporary key.
    #[n(2)]
    pub session_token: Option<String>,
    /// After this it is refused; `None` is for ever.
    #[n(3)]
    pub expires_at: Option<Timestamp>,
    /// What it is for.
    #[n(4)]
    pub purpose: Purpose,
    /// When it was made.
    #[n(5)]
    pub created_at: Timestamp,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKey({}, {:?})", self.id, self.purpose)
    }
}

/// A secret that a new machine shows once to become a container instance.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct JoinToken {
    /// The public half, by which it is found.
    #[n(0)]
    pub id: String,
    /// SHA-256 of the secret half.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub digest: Vec<u8>,
    /// Which cluster it opens.
    #[n(2)]
    pub cluster: ClusterName,
    /// After this it is refused.
    #[n(3)]
    pub expires_at: Timestamp,
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({}, {})", self.id, self.cluster)
    }
}
