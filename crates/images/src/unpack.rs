//! Unpacks a layer in a process of its own that can see nothing but the layer's directory.
//!
//! Layers are strangers' input. The process that reads one is our own binary, started again
//! with its first word `unpack`; it shuts itself in before the first byte (`confine`), then
//! decompresses, hashes and applies the archive (`stream`, `apply`). What it says on its
//! standard output is the only thing that comes back.

mod apply;
mod child;
mod confine;
mod stream;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

pub use child::unpack_main;
pub(crate) use stream::Compression;

use crate::Digest;

/// Most of the helper's answer that we read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Most of its complaints that we pass on.
const COMPLAINT_BYTES_MAX: u64 = 2 << 10;

/// How the unpack helper is started: a program that calls [`unpack_main`] with the words after
/// these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    /// The executable; `/proc/self/exe` for ourselves.
    pub program: PathBuf,
    /// Words before the helper's own, such as `unpack`.
    pub first_words: Vec<String>,
}

/// How much a layer may be. Generous for what people build, small enough to bound an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Entries of one layer, whiteouts included.
    pub entries: u64,
    /// Bytes of one layer, uncompressed, and of its files.
    pub bytes: u64,
    /// Uncompressed bytes per compressed byte, counted from the first [`Limits::ratio_from`] on.
    pub ratio: u64,
    /// Bytes that no ratio is asked of: small layers of zeros are common and harmless.
    pub ratio_from: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 64 << 30, ratio: 200, ratio_from: 256 << 20 }
    }
}

/// What a layer held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// Hash of the uncompressed archive.
    pub diff_id: Digest,
    /// Entries applied.
    pub entries: u64,
    /// Bytes of its files.
    pub bytes: u64,
}

/// Why the helper took no more of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// An entry that no honest tool writes, or that cannot be made.
    #[error("its entry {path:?} {problem}")]
    Entry {
        /// The entry's name, shortened.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More than is allowed.
    #[error("it has more than the {allowed} {limit} that a layer may have")]
    Limit {
        /// Which limit.
        limit: String,
        /// Its value.
        allowed: u64,
    },
    /// Not a tar archive, or not whole.
    #[error("its archive is damaged: {0}")]
    Damaged(String),
    /// The machine could not do it (disk full, no rights).
    #[error("{attempted}: {problem}")]
    Machine {
        /// What was attempted.
        attempted: String,
        /// The system's word.
        problem: String,
    },
}

/// Why a layer was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The layer was refused or the machine could not.
    #[error("layer refused: {0}")]
    Refused(Refusal),
    /// The unpacked bytes are not those that the image's configuration names.
    #[error("the layer's content is {found}, but its image promises {expected}")]
    WrongContent {
        /// The `diff_id` of the image's configuration.
        expected: Digest,
        /// What came out.
        found: Digest,
    },
    /// The helper ended without an answer: killed, out of memory, or not our program.
    #[error("the unpack helper {program} ended without an answer ({status}): {complaint}")]
    Died {
        /// What was started.
        program: String,
        /// How it ended.
        status: String,
        /// What it wrote on its standard error, shortened.
        complaint: String,
    },
    /// The helper could not be started or heard.
    #[error("cannot run the unpack helper {program}")]
    Start {
        /// What was to be started.
        program: String,
        /// The system's word.
        source: io::Error,
    },
}

impl Helper {
    /// Ourselves, entered with the word `unpack`.
    pub fn this_program() -> Self {
        Self { program: "/proc/self/exe".into(), first_words: vec!["unpack".into()] }
    }

    /// Unpacks `layer` (gzip, zstd or plain) into the empty directory `target`.
    ///
    /// Blocks until the helper has ended. Nothing is synced. After an error `target` holds some
    /// of the layer and has to be thrown away.
    pub(crate) fn unpack(
        &self,
        layer: File,
        target: &Path,
        limits: &Limits,
    ) -> Result<Unpacked, UnpackError> {
        let program = || self.program.display().to_string();
        let start = |source| UnpackError::Start { program: program(), source };
        let mut child = Command::new(&self.program)
            .args(&self.first_words)
            .args(
                [limits.entries, limits.bytes, limits.ratio, limits.ratio_from]
                    .map(|it| it.to_string()),
            )
            .arg(target)
            .env_clear()
            .current_dir("/")
            .stdin(layer)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let answer = read_some(child.stdout.take(), ANSWER_BYTES_MAX);
        let complaint = read_some(child.stderr.take(), COMPLAINT_BYTES_MAX);
        let status = child.wait().map_err(start)?;
        let answer: Option<Result<Unpacked, Refusal>> = serde_json::from_slice(&answer).ok();
        match answer {
            Some(answer) => answer.map_err(UnpackError::Refused),
            None => Err(UnpackError::Died {
                program: program(),
                status: status.to_string(),
                complaint: String::from_utf8_lossy(&complaint).trim().to_owned(),
            }),
        }
    }
}

/// What can be read of a pipe; a broken one has said all it had to say.
fn read_some(pipe: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let _ = pipe.take(most).read_to_end(&mut bytes);
    }
    bytes
}
