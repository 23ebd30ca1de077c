//! What the two ends of the agent protocol say to each other.

use shapes::{Shape, acs};

/// A message to an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum ToAgent {
    /// Asks for a sign of life.
    Heartbeat(acs::HeartbeatMessage),
    /// Tasks to hold or to stop.
    Payload(acs::PayloadMessage),
    /// All tasks the instance should hold.
    Manifest(acs::TaskManifestMessage),
    /// Which of the tasks the agent asked about must stop.
    StopVerified(acs::TaskStopVerificationAck),
    /// Fresh credentials of a task.
    Credentials(acs::IAMRoleCredentialsMessage),
}

impl ToAgent {
    /// The `type` of its frame.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Heartbeat(_) => "HeartbeatMessage",
            Self::Payload(_) => "PayloadMessage",
            Self::Manifest(_) => "TaskManifestMessage",
            Self::StopVerified(_) => "TaskStopVerificationAck",
            Self::Credentials(_) => "IAMRoleCredentialsMessage",
        }
    }

    /// The `message` of its frame.
    pub fn body(&self) -> &dyn Shape {
        match self {
            Self::Heartbeat(it) => it,
            Self::Payload(it) => it,
            Self::Manifest(it) => it,
            Self::StopVerified(it) => it,
            Self::Credentials(it) => it,
        }
    }
}

/// A message of an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum FromAgent {
    /// A payload or manifest has been taken in.
    Ack(acs::AckRequest),
    /// A sign of life.
    HeartbeatAck(acs::HeartbeatAckRequest),
    /// May these tasks, which the manifest does not hold, be stopped?
    StopVerification(acs::TaskStopVerificationMessage),
    /// Credentials have arrived.
    CredentialsAck(acs::IAMRoleCredentialsAckRequest),
    /// Something this end has no use for; its type.
    Other(String),
}
