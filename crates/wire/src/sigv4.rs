//! AWS Signature Version 4: verified in a region, made by our own clients.
//!
//! Source: "AWS Signature Version 4 for API requests" in the IAM User Guide. Only what every
//! service but S3 does: paths are normalised and encoded twice, bodies are always hashed.

mod canonical;
mod claim;
mod error;
mod key;
mod sign;
mod verify;

pub use error::SigError;
pub use sign::{Signing, sign};
pub use verify::{Credential, Expected, Session, Verified, Verifier};

use crate::request::Incoming;

/// The only algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The last part of every credential scope.
const TERMINATOR: &str = "aws4_request";

/// The service that the signature of a request claims to be for. Not verified.
pub(crate) fn claimed_service<'a>(request: &Incoming<'a>) -> Option<&'a str> {
    let header = request.header("authorization");
    let in_header = header.and_then(|header| header.split_once("Credential=")).map(|(_, it)| it);
    let in_query = || request.query.split_once("X-Amz-Credential=").map(|(_, it)| it);
    let credential = in_header.or_else(in_query)?;
    let credential = credential.split([',', '&', ' ']).next()?;
    // In a query string the slashes are encoded.
    let mut parts = credential.split('/').flat_map(|part| part.split("%2F"));
    parts.nth(3)
}
