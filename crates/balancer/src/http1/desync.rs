//! How far a request is from what the RFC says, in the words of Application Load Balancers.
//!
//! Source: Application Load Balancers User Guide, "Desync mitigation mode" and "Classification
//! reasons".

use plan::routing::attributes::Desync;

/// What is wrong with a request. The worst of them counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "AWS's own words, explained there")]
pub enum Reason {
    AmbiguousUri,
    BadContentLength,
    BadHeader,
    BadMethod,
    BadTransferEncoding,
    BadUri,
    BadVersion,
    BothTeClPresent,
    DuplicateContentLength,
    EmptyHeader,
    GetHeadZeroContentLength,
    MultipleContentLength,
    MultipleTransferEncodingChunked,
    NonCompliantHeader,
    NonCompliantVersion,
    SpaceInUri,
    SuspiciousHeader,
    UndefinedContentLengthSemantics,
    UndefinedTransferEncodingSemantics,
}

/// How bad that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Not what the RFC says, but nobody can misunderstand it.
    Acceptable,
    /// Others may understand it otherwise.
    Ambiguous,
    /// Made to be misunderstood.
    Severe,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It goes on.
    Forward,
    /// It goes on, and nothing comes after it on its connections.
    ForwardAlone,
    /// It is answered with 400.
    Refuse,
}

impl Reason {
    /// How bad it is.
    pub fn class(self) -> Class {
        match self {
            Self::GetHeadZeroContentLength
            | Self::NonCompliantHeader
            | Self::NonCompliantVersion
            | Self::SpaceInUri => Class::Acceptable,
            Self::AmbiguousUri
            | Self::BothTeClPresent
            | Self::DuplicateContentLength
            | Self::EmptyHeader
            | Self::SuspiciousHeader
            | Self::UndefinedContentLengthSemantics
            | Self::UndefinedTransferEncodingSemantics => Class::Ambiguous,
            Self::BadContentLength
            | Self::BadHeader
            | Self::BadMethod
            | Self::BadTransferEncoding
            | Self::BadUri
            | Self::BadVersion
            | Self::MultipleContentLength
            | Self::MultipleTransferEncodingChunked => Class::Severe,
        }
    }

    /// The word that stands for it in an access log.
    pub fn word(self) -> &'static str {
        match self {
            Self::AmbiguousUri => "AmbiguousUri",
            Self::BadContentLength => "BadContentLength",
            Self::BadHeader => "BadHeader",
            Self::BadMethod => "BadMethod",
            Self::BadTransferEncoding => "BadTransferEncoding",
            Self::BadUri => "BadUri",
            Self::BadVersion => "BadVersion",
            Self::BothTeClPresent => "BothTeClPresent",
            Self::DuplicateContentLength => "DuplicateContentLength",
            Self::EmptyHeader => "EmptyHeader",
            Self::GetHeadZeroContentLength => "GetHeadZeroContentLength",
            Self::MultipleContentLength => "MultipleContentLength",
            Self::MultipleTransferEncodingChunked => "MultipleTransferEncodingChunked",
            Self::NonCompliantHeader => "NonCompliantHeader",
            Self::NonCompliantVersion => "NonCompliantVersion",
            Self::SpaceInUri => "SpaceInUri",
            Self::SuspiciousHeader => "SuspiciousHeader",
            Self::UndefinedContentLengthSemantics => "UndefinedContentLengthSemantics",
            Self::UndefinedTransferEncodingSemantics => "UndefinedTransferEncodingSemantics",
        }
    }
}

impl Class {
    /// The word that stands for it in an access log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Acceptable => "Acceptable",
            Self::Ambiguous => "Ambiguous",
            Self::Severe => "Severe",
        }
    }
}

/// What becomes of a request about which that was found.
///
/// Differs: `monitor` refuses what is severe as well, because a message that has no one meaning
/// cannot be written anew with the same meaning.
pub(crate) fn admission(mode: Desync, found: Option<Reason>) -> Admission {
    match (mode, found.map(Reason::class)) {
        (_, None) | (Desync::Monitor | Desync::Defensive, Some(Class::Acceptable)) => {
            Admission::Forward
        }
        (Desync::Monitor, Some(Class::Ambiguous)) => Admission::Forward,
        (Desync::Defensive, Some(Class::Ambiguous)) => Admission::ForwardAlone,
        (Desync::Strictest, Some(_)) | (_, Some(Class::Severe)) => Admission::Refuse,
    }
}
