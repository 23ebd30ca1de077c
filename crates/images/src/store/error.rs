//! What can go wrong inside the store.

use std::io;
use std::path::{Path, PathBuf};

use crate::manifest::ManifestError;
use crate::reference::ReferenceError;
use crate::{Digest, UnpackError};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The text names no image.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// There is no image of this name; it has to be pulled or loaded.
    #[error("no image {0} on this instance")]
    Unknown(String),
    /// Tasks use the image.
    #[error("image {name} is in use by {}", .holders.join(", "))]
    InUse {
        /// The image's full name.
        name: String,
        /// Who holds it.
        holders: Vec<String>,
    },
    /// A holder's name would not do as a file name.
    #[error("{0:?} cannot hold images: use 1 to 128 letters, digits, '.', '_' and '-'")]
    Holder(String),
    /// Stored content is missing or not what its name says.
    #[error("the image store's content {digest} {problem}; remove the image and pull it again")]
    Broken {
        /// Which content.
        digest: Digest,
        /// What is wrong with it.
        problem: String,
    },
    /// The store's own files cannot be read.
    #[error("the image store's file {path} cannot be read: {problem}")]
    Table {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A stored document is not that of an image.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A layer did not unpack.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The disk or the system.
    #[error("cannot {attempted} {path}")]
    Io {
        /// What was attempted.
        attempted: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Gives an I/O error its story.
pub(crate) fn failed<'a>(
    attempted: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { attempted, path: path.to_owned(), source }
}
