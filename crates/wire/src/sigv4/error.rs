//! Why a signature is not accepted, in the codes and words of AWS.

use shapes::Protocol;

use crate::fault::Fault;

/// A reason not to believe who sent a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigError {
    /// The request is not signed at all.
    #[error("Missing Authentication Token")]
    Missing,
    /// The signature lacks parts, or has them twice.
    #[error("{0}")]
    Incomplete(String),
    /// The signature is not what the secret key gives, or is for something or some time else.
    #[error("{0}")]
    Invalid(String),
    /// The access key, or the session token with it, is not known.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session of a temporary key is over.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
}

impl SigError {
    /// The answer that clients of a protocol expect.
    ///
    /// Source: "Common Errors" of the services' API references; status codes as AWS answers them.
    pub fn fault(&self, protocol: Protocol) -> Fault {
        let (json, query, ec2) = match self {
            Self::Missing => (
                "MissingAuthenticationTokenException",
                ("MissingAuthenticationToken", 403),
                ("MissingParameter", 400),
            ),
            Self::Incomplete(_) => (
                "IncompleteSignatureException",
                ("IncompleteSignature", 400),
                ("IncompleteSignature", 400),
            ),
            Self::Invalid(_) => (
                "InvalidSignatureException",
                ("SignatureDoesNotMatch", 403),
                ("SignatureDoesNotMatch", 403),
            ),
            Self::UnknownKey => {
                ("UnrecognizedClientException", ("InvalidClientTokenId", 403), ("AuthFailure", 401))
            }
            Self::ExpiredToken => {
                ("ExpiredTokenException", ("ExpiredToken", 403), ("RequestExpired", 400))
            }
        };
        let (code, status) = match protocol {
            Protocol::Json | Protocol::Cbor => (json, 400),
            Protocol::RestJson => (json, 403),
            Protocol::Query | Protocol::RestXml => query,
            Protocol::Ec2 => ec2,
        };
        Fault::new(code, self.to_string()).with_status(status)
    }
}
