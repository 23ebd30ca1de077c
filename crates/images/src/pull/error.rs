//! Why an image was not pulled, in the words that ECS users look for.

use std::error::Error;
use std::fmt;

use crate::Digest;
use crate::manifest::ManifestError;
use crate::reference::ReferenceError;
use crate::registry::RegistryError;
use crate::store::StoreError;
use crate::unpack::{Refusal, UnpackError};

/// A pull that failed: of which image, where, and why.
///
/// Shown, it is the `reason` of a container: the class, then the cause with all its causes.
#[derive(Debug)]
pub struct PullError {
    image: String,
    stage: Stage,
    kind: Kind,
}

/// How far the pull had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Name,
    Manifest,
    Content,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Kind {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(
        "this image is made by Landfall itself and is not on this instance; restart the agent to make it again"
    )]
    BuiltIn,
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("the {what} that the registry gave is {found}, not {expected}")]
    Digest { what: &'static str, expected: Digest, found: Digest },
    #[error("the registry stopped after {bytes} of {expected} bytes of the {what}")]
    Truncated { what: &'static str, bytes: u64, expected: u64 },
    #[error("the {what} has {bytes} bytes, more than the {most} it may have")]
    TooLarge { what: &'static str, bytes: u64, most: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a part of the pull ended")]
    Ended(#[source] tokio::task::JoinError),
}

/// What whoever called can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullCause {
    /// The name is none, or one that is never pulled.
    Name,
    /// Credentials are missing, wrong or not enough, or the repository does not exist.
    Unauthorized,
    /// The registry has no such image.
    NotFound,
    /// The registry asks for patience.
    TooManyRequests,
    /// The registry cannot be reached or broke off: a cached image may do, or a later attempt.
    Network,
    /// The address, or the way to it, is one we do not use.
    Forbidden,
    /// What the registry has is not an image that runs here.
    Unusable,
    /// This machine could not take it: disk, rights.
    Machine,
}

impl PullError {
    pub(super) fn new(image: &str, stage: Stage, kind: Kind) -> Self {
        Self { image: image.to_owned(), stage, kind }
    }

    /// What it comes down to.
    pub fn cause(&self) -> PullCause {
        match &self.kind {
            Kind::Reference(_) | Kind::BuiltIn => PullCause::Name,
            Kind::Registry(it) => registry_cause(it),
            Kind::Truncated { .. } => PullCause::Network,
            Kind::Manifest(_)
            | Kind::Digest { .. }
            | Kind::TooLarge { .. }
            | Kind::Store(StoreError::Manifest(_)) => PullCause::Unusable,
            Kind::Store(StoreError::Unpack(it)) => match it {
                UnpackError::Refused(Refusal::Machine { .. })
                | UnpackError::Died { .. }
                | UnpackError::Start { .. } => PullCause::Machine,
                UnpackError::Refused(_) | UnpackError::WrongContent { .. } => PullCause::Unusable,
            },
            Kind::Store(_) | Kind::Ended(_) => PullCause::Machine,
        }
    }

    /// The error class that ECS puts first in `stoppedReason` and in a container's `reason`.
    ///
    /// Source: Amazon ECS Developer Guide, "Stopped tasks error messages": a manifest that
    /// cannot be used is told apart; everything else that keeps an image away is not.
    pub fn class(&self) -> &'static str {
        match (self.stage, &self.kind) {
            (Stage::Manifest, Kind::Manifest(ManifestError::NoPlatform { .. })) => {
                "CannotPullContainerError"
            }
            (Stage::Manifest, Kind::Manifest(_) | Kind::Digest { .. }) => {
                "CannotPullImageManifestError"
            }
            _ => "CannotPullContainerError",
        }
    }

    /// What to do about it, in a sentence; empty where the cause says it all.
    fn advice(&self) -> &'static str {
        match self.cause() {
            PullCause::Unauthorized => {
                "; check that the repository exists and that the task's registry credentials may read it"
            }
            PullCause::NotFound => "; check the image's name and tag",
            PullCause::TooManyRequests => {
                "; use credentials, a mirror, or load the image from a file"
            }
            PullCause::Network => {
                "; check this instance's way to the registry, or load the image with `landfall image load`"
            }
            _ => "",
        }
    }
}

fn registry_cause(error: &RegistryError) -> PullCause {
    match error {
        RegistryError::Address(_) => PullCause::Name,
        RegistryError::Unauthorized(_) | RegistryError::Token(_) => PullCause::Unauthorized,
        RegistryError::NotFound(_) => PullCause::NotFound,
        RegistryError::TooManyRequests(_) => PullCause::TooManyRequests,
        RegistryError::Status { .. }
        | RegistryError::Network { .. }
        | RegistryError::Broken { .. } => PullCause::Network,
        RegistryError::Redirects(_)
        | RegistryError::Downgrade(_)
        | RegistryError::Plain(_)
        | RegistryError::Forbidden(_)
        | RegistryError::Certificate { .. } => PullCause::Forbidden,
        RegistryError::NoRoots(_) => PullCause::Machine,
        RegistryError::TooLong(_) => PullCause::Unusable,
    }
}

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, stage, kind } = self;
        write!(f, "{}: ", self.class())?;
        match (stage, self.cause()) {
            (Stage::Manifest, PullCause::NotFound) => {
                write!(f, "manifest for {image} not found: manifest unknown: ")?;
            }
            (_, PullCause::Unauthorized) => write!(
                f,
                "pull access denied for {image}, repository does not exist or may require authorization: "
            )?,
            (Stage::Name, _) => write!(f, "{image}: ")?,
            (Stage::Manifest, _) => write!(f, "failed to resolve ref {image}: ")?,
            (Stage::Content, _) => write!(f, "failed to pull {image}: ")?,
        }
        write!(f, "{kind}")?;
        let mut cause = kind.source();
        while let Some(it) = cause {
            write!(f, ": {it}")?;
            cause = it.source();
        }
        f.write_str(self.advice())
    }
}

// Its causes are in its text already: `reason` is one line.
impl Error for PullError {}
