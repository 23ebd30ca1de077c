//! What agent and shim say to each other: framed JSON over a unix socket.
//!
//! A frame is one version byte, the length of the body as four bytes (big endian) and the
//! body. Both ends may be different builds: unknown fields are ignored, unknown commands are
//! answered with an error, and a version that is not known closes the connection.

use serde::{Deserialize, Serialize};
use types::Timestamp;

use crate::spec::{ContainerSpec, TaskSpec};

/// Version of the framing and of the meaning of what is framed.
pub const VERSION: u8 = 1;

/// Largest body of a frame. A task definition is at most 64 KiB; this leaves room for
/// environment files and for captured output.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Bytes before the body.
const HEAD: usize = 5;

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client; the reply carries it.
    pub id: u64,
    /// What to do.
    pub command: Command,
}

/// What a shim can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Makes a container known and prepares its control groups and folders.
    CreateContainer(Box<ContainerSpec>),
    /// Starts a created container, or an exited one again with the file system it had.
    Start {
        /// Which container.
        name: String,
    },
    /// Sends a signal to the container's first process.
    Signal {
        /// Which container.
        name: String,
        /// The signal's number.
        signal: i32,
    },
    /// Sends the container's own stop signal.
    Stop {
        /// Which container.
        name: String,
    },
    /// Runs a command beside the container's own; [`Event::ExecDone`] tells the outcome.
    Exec {
        /// Which container.
        name: String,
        /// Chosen by the caller, unique among running ones.
        id: String,
        /// The command.
        argv: Vec<String>,
        /// Added to the container's own environment.
        #[serde(default)]
        env: Vec<String>,
        /// The command is killed after this many milliseconds.
        timeout_ms: u64,
    },
    /// Reads a container's counters.
    Stats {
        /// Which container.
        name: String,
    },
    /// Tells everything the shim knows.
    Status,
    /// Forgets a container that does not run, with its files and control groups.
    RemoveContainer {
        /// Which container.
        name: String,
    },
    /// Kills and removes what is left, then ends the shim.
    Shutdown,
}

/// What a shim sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Everything it knows: the first message on every connection.
    Status(Status),
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// Its outcome.
        result: Result<Reply, Refusal>,
    },
    /// Something happened.
    Event(Event),
}

/// An answer other than a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done, nothing to tell.
    Done,
    /// The container runs.
    Started {
        /// Its first process, as the host numbers it.
        pid: u32,
        /// When the command was executed.
        #[serde(with = "milliseconds")]
        at: Timestamp,
    },
    /// The counters asked for.
    Stats(Stats),
    /// The status asked for.
    Status(Status),
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of failure, for those who decide.
    pub kind: RefusalKind,
    /// What was attempted on what and why it failed, for people.
    pub message: String,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalKind {
    /// There is no container of that name.
    UnknownContainer,
    /// The container is not in a state that allows it.
    WrongState,
    /// The specification cannot be met as written.
    InvalidSpec,
    /// The executable does not exist in the image; Docker's exit code 127.
    CommandNotFound,
    /// The executable exists and cannot be executed; Docker's exit code 126.
    CommandNotExecutable,
    /// The image is missing or is not a file system one can run.
    InvalidImage,
    /// A runtime cannot do what was asked.
    Unsupported,
    /// Something on this machine failed.
    Machine,
    /// The request was not understood.
    UnknownCommand,
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A container runs.
    Started {
        /// Which container.
        name: String,
        /// Its first process, as the host numbers it.
        pid: u32,
        /// When.
        #[serde(with = "milliseconds")]
        at: Timestamp,
    },
    /// A container ended. Its exit file was durable before this was sent.
    Exited {
        /// Which container.
        name: String,
        /// How it ended.
        exit: Exit,
    },
    /// A command run beside a container ended.
    ExecDone {
        /// Which container.
        name: String,
        /// As chosen by the caller.
        id: String,
        /// How it ended.
        outcome: ExecOutcome,
    },
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code as Docker tells it: 128 + signal if a signal ended it.
    pub code: i32,
    /// The signal that ended it.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Whether the kernel killed one of its processes for lack of memory.
    #[serde(default)]
    pub oom: bool,
    /// When.
    #[serde(with = "milliseconds")]
    pub at: Timestamp,
    /// Which start of the container this ended: 1 for the first.
    #[serde(default)]
    pub run: u32,
}

/// How a command run beside a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecOutcome {
    /// Exit code as Docker tells it; absent when it could not be started.
    pub code: Option<i32>,
    /// Whether it was killed because its time was over.
    #[serde(default)]
    pub timed_out: bool,
    /// The first bytes of its output, both streams, at most [`OUTPUT_LIMIT`].
    #[serde(default)]
    pub output: String,
}

/// How much output of a health check is kept.
///
/// Source: Docker keeps the first 4,096 bytes of a probe's output.
pub const OUTPUT_LIMIT: usize = 4096;

/// Everything a shim knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The task it was made for.
    pub task: TaskSpec,
    /// The shim's own process.
    pub pid: u32,
    /// Its containers, by name.
    pub containers: Vec<ContainerStatus>,
}

/// What is known of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: ContainerState,
    /// How often it was started.
    pub runs: u32,
}

/// Where a container stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerState {
    /// Made, not started.
    Created,
    /// Running.
    Running {
        /// Its first process, as the host numbers it.
        pid: u32,
        /// Since when.
        #[serde(with = "milliseconds")]
        at: Timestamp,
    },
    /// Ended.
    Exited(Exit),
}

/// A container's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// CPU time used, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory in use without the page cache that can be dropped at once, in bytes.
    pub memory_bytes: u64,
    /// Hard limit of memory, if there is one.
    pub memory_limit_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes read from block devices.
    pub read_bytes: u64,
    /// Bytes written to block devices.
    pub write_bytes: u64,
}

/// A frame that cannot be taken in; the connection is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other end speaks another version.
    #[error("frame of version {0}, this end speaks {VERSION}")]
    Version(u8),
    /// The body is larger than [`BODY_LIMIT`].
    #[error("frame of {0} bytes, the limit is {BODY_LIMIT}")]
    TooLarge(usize),
    /// The body is not what was expected.
    #[error("frame body cannot be read")]
    Body(#[from] serde_json::Error),
}

/// Frames one message.
///
/// # Errors
///
/// [`FrameError::TooLarge`] if the message does not fit a frame.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![VERSION, 0, 0, 0, 0];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - HEAD;
    let head = u32::try_from(length).map_err(|_| FrameError::TooLarge(length))?;
    if length > BODY_LIMIT {
        return Err(FrameError::TooLarge(length));
    }
    for (place, byte) in frame.iter_mut().skip(1).zip(head.to_be_bytes()) {
        *place = byte;
    }
    Ok(frame)
}

/// Takes the first whole frame off the front of `buffer`; nothing if there is none yet.
///
/// # Errors
///
/// Any [`FrameError`]; the buffer's content is then meaningless.
pub fn decode<T: for<'de> Deserialize<'de>>(buffer: &mut Vec<u8>) -> Result<Option<T>, FrameError> {
    match take_body(buffer)? {
        None => Ok(None),
        Some(body) => Ok(Some(serde_json::from_slice(&body)?)),
    }
}

/// Takes the body of the first whole frame off the front of `buffer`.
pub(crate) fn take_body(buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, FrameError> {
    let Some((version, rest)) = buffer.split_first() else { return Ok(None) };
    if *version != VERSION {
        return Err(FrameError::Version(*version));
    }
    let Some(head) = rest.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
    if length > BODY_LIMIT {
        return Err(FrameError::TooLarge(length));
    }
    if buffer.len() - HEAD < length {
        return Ok(None);
    }
    let body = buffer.drain(..HEAD + length).skip(HEAD).collect();
    Ok(Some(body))
}

/// Time on the wire: milliseconds since 1970.
mod milliseconds {
    use serde::{Deserialize, Deserializer, Serializer};
    use types::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_only_when_it_is_whole() {
        let frame = encode(&Request { id: 7, command: Command::Status }).expect("encodes");
        let mut buffer = Vec::new();
        for byte in &frame {
            assert_eq!(decode::<Request>(&mut buffer).expect("no error"), None);
            buffer.push(*byte);
        }
        buffer.extend_from_slice(&frame);
        let taken = decode::<Request>(&mut buffer).expect("whole");
        assert_eq!(taken, Some(Request { id: 7, command: Command::Status }));
        assert_eq!(buffer, frame);
    }

    #[test]
    fn another_version_and_an_endless_body_are_refused() {
        let other = decode::<Request>(&mut vec![9, 0, 0, 0, 1, 0]);
        assert!(matches!(other, Err(FrameError::Version(9))));
        let endless = decode::<Request>(&mut vec![VERSION, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(endless, Err(FrameError::TooLarge(_))));
    }

    #[test]
    fn a_newer_field_is_ignored_and_a_missing_one_is_filled_in() {
        let text = r#"{"name":"a","layers":[],"argv":["x"],"colour":"red"}"#;
        let spec: ContainerSpec = serde_json::from_str(text).expect("reads");
        assert_eq!(spec.network, crate::spec::Network::None);
    }
}
