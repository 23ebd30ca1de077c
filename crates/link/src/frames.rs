//! Messages as text frames: `{"type": …, "message": …}`.

use plan::agent::{AgentMessage, ServerMessage};
use plan::session::{FromAgent, ToAgent};
use serde::Deserialize;
use serde_json::value::RawValue;
use shapes::{DecodeError, Shape, acs};

/// The largest frame that is read, in bytes: a payload of ten tasks of 64 KiB each, and room.
pub const FRAME_MAX: usize = 2 * 1024 * 1024;

/// The longest explanation of what cannot be read, in characters.
const WHY_MAX: usize = 500;

/// A frame that is not a message.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not text.
    #[error("a frame is not text")]
    Binary,
    /// Not an object with a type and a message.
    #[error("a frame is not {{\"type\", \"message\"}}")]
    Envelope(#[source] serde_json::Error),
    /// The message does not have the shape of its type.
    #[error("the message of a frame of type {kind} cannot be read")]
    Message {
        /// Its type.
        kind: String,
        /// Why.
        #[source]
        source: DecodeError,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    message: &'a RawValue,
}

/// A message as a frame.
pub fn encode(kind: &str, body: &dyn Shape) -> String {
    let body = shapes::json::encode(body);
    // Types are words of ours and of the protocol: no character of them needs escaping.
    format!("{{\"type\":\"{kind}\",\"message\":{}}}", String::from_utf8_lossy(&body))
}

/// A message to an agent as a frame.
pub fn to_agent(message: &ToAgent) -> String {
    encode(message.type_name(), message.body())
}

/// A message of an agent as a frame.
pub fn to_server(message: &AgentMessage) -> String {
    encode(message.type_name(), message.shape())
}

/// Tells an agent that a frame of its cannot be read, and why. Both conversations know this word
/// (ACS and TCS models, `BadRequestException`).
pub(crate) fn bad_request(error: &FrameError) -> String {
    let mut why = error.to_string();
    let mut source = core::error::Error::source(error);
    while let Some(deeper) = source {
        why = format!("{why}: {deeper}");
        source = deeper.source();
    }
    let message = Some(why.chars().take(WHY_MAX).collect());
    encode("BadRequestException", &acs::BadRequestException { message })
}

/// Reads what an agent said.
///
/// # Errors
///
/// [`FrameError`] if it said nothing.
pub fn from_agent(text: &str) -> Result<FromAgent, FrameError> {
    let frame = open(text)?;
    Ok(match frame.kind.as_str() {
        "AckRequest" => FromAgent::Ack(read(&frame)?),
        "HeartbeatAckRequest" => FromAgent::HeartbeatAck(read(&frame)?),
        "TaskStopVerificationMessage" => FromAgent::StopVerification(read(&frame)?),
        "IAMRoleCredentialsAckRequest" => FromAgent::CredentialsAck(read(&frame)?),
        _ => FromAgent::Other(frame.kind),
    })
}

/// Reads what the control plane said.
///
/// # Errors
///
/// [`FrameError`] if it said nothing.
pub fn from_server(text: &str) -> Result<ServerMessage, FrameError> {
    let frame = open(text)?;
    Ok(match frame.kind.as_str() {
        "PayloadMessage" => ServerMessage::Payload(Box::new(read(&frame)?)),
        "TaskManifestMessage" => ServerMessage::TaskManifest(read(&frame)?),
        "TaskStopVerificationAck" => ServerMessage::TaskStopVerificationAck(read(&frame)?),
        "HeartbeatMessage" => ServerMessage::Heartbeat(read(&frame)?),
        "IAMRoleCredentialsMessage" => ServerMessage::IamRoleCredentials(read(&frame)?),
        "PerformUpdateMessage" => ServerMessage::PerformUpdate(read(&frame)?),
        "StageUpdateMessage" => ServerMessage::StageUpdate(read(&frame)?),
        _ => ServerMessage::Other(frame.kind),
    })
}

fn open(text: &str) -> Result<Envelope<'_>, FrameError> {
    serde_json::from_str(text).map_err(FrameError::Envelope)
}

fn read<T: Shape + Default>(frame: &Envelope<'_>) -> Result<T, FrameError> {
    let mut message = T::default();
    shapes::json::decode(frame.message.get().as_bytes(), &mut message)
        .map_err(|source| FrameError::Message { kind: frame.kind.clone(), source })?;
    Ok(message)
}

/// The kind and message of a frame whose kind the caller knows what to do with.
pub(crate) fn take_apart(text: &str) -> Result<(String, &str), FrameError> {
    let frame = open(text)?;
    Ok((frame.kind, frame.message.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_end_writes_the_other_reads() {
        let message =
            acs::HeartbeatMessage { message_id: Some("1 \"quoted\"".into()), healthy: Some(true) };
        let text = to_agent(&ToAgent::Heartbeat(message.clone()));
        assert_eq!(from_server(&text).expect("reads"), ServerMessage::Heartbeat(message));

        let ack = acs::HeartbeatAckRequest { message_id: Some("1".into()) };
        let text = to_server(&AgentMessage::HeartbeatAck(ack.clone()));
        assert_eq!(from_agent(&text).expect("reads"), FromAgent::HeartbeatAck(ack));
    }

    #[test]
    fn a_type_nobody_knows_is_told_by_name() {
        let text = r#"{"type":"Novelty","message":{"a":[1,{}]}}"#;
        assert_eq!(from_agent(text).expect("reads"), FromAgent::Other("Novelty".into()));
        assert_eq!(from_server(text).expect("reads"), ServerMessage::Other("Novelty".into()));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for text in ["", "{}", "[]", r#"{"type":1,"message":{}}"#, r#"{"type":"AckRequest"}"#] {
            assert!(from_agent(text).is_err(), "{text}");
        }
        assert!(from_agent(r#"{"type":"AckRequest","message":[]}"#).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_answered_with_the_reason() {
        let error = from_agent(r#"{"type":"AckRequest","message":[]}"#).expect_err("no message");
        let answer = bad_request(&error);
        assert!(answer.starts_with(r#"{"type":"BadRequestException","message":{"message":""#));
        assert!(answer.contains("of type AckRequest cannot be read: "), "{answer}");
    }
}
