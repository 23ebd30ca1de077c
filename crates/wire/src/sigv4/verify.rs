//! Whether a request was signed by who it says.

use core::time::Duration;

use types::Timestamp;

use super::canonical::{hash, request_hash};
use super::claim::{Claim, written};
use super::key::{KeyCache, is_signature};
use super::{ALGORITHM, SigError};
use crate::request::Incoming;

/// How far a caller's clock may be off. Source: IAM User Guide, "Troubleshoot Signature Version 4".
const SKEW: Duration = Duration::from_mins(5);

/// Headers that mean something to us and must not be there twice.
const SINGLE: &[&str] = &[
    "authorization",
    "content-length",
    "content-type",
    "date",
    "host",
    "smithy-protocol",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
];

/// Stands in for the secret of an access key that does not exist, so that it takes as long.
const NO_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The secret half of an access key.
#[derive(Clone)]
pub struct Credential {
    /// The secret access key.
    pub secret: String,
    /// The session that a temporary key belongs to.
    pub session: Option<Session>,
}

/// What makes a key temporary.
#[derive(Clone)]
pub struct Session {
    /// The token that must come with every request.
    pub token: String,
    /// From when on it is refused.
    pub expires: Timestamp,
}

/// What a request must be signed for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The signing name of the service that it asks.
    pub service: &'a str,
    /// The one region that is served; any if there is none.
    pub region: Option<&'a str>,
}

/// Who signed a request, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The access key.
    pub access_key_id: String,
    /// The region that the client meant.
    pub region: String,
    /// The signing name of the service.
    pub service: String,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The signature: the same for a repeated request, for no other.
    pub signature: String,
}

/// Verifies signatures; keeps derived keys, so there should be one for all requests.
#[derive(Default)]
pub struct Verifier {
    keys: KeyCache,
}

impl Verifier {
    /// Who signed the request.
    ///
    /// The body must be the whole body. `lookup` gives the secret of an access key.
    pub fn verify(
        &self,
        request: &Incoming<'_>,
        expected: Expected<'_>,
        now: Timestamp,
        lookup: &dyn Fn(&str) -> Option<Credential>,
    ) -> Result<Verified, SigError> {
        refuse_ambiguous(request)?;
        let claim = Claim::read(request)?;
        let signed_headers = signed_headers(request, &claim)?;
        let body_hash = body_hash(request)?;
        let credential = lookup(&claim.access_key_id);
        let secret = credential.as_ref().map_or(NO_SECRET, |credential| &credential.secret);

        let scope = claim.scope();
        let key = self.keys.key(&claim.access_key_id, secret, &scope);
        let hash = request_hash(request, &signed_headers, &body_hash);
        let text = format!("{ALGORITHM}\n{}\n{}\n{hash}", claim.written_time, scope.text());
        let right = is_signature(&claim.signature, &key.sign(&text));

        let credential = credential.ok_or(SigError::UnknownKey)?;
        check_scope(&claim, expected)?;
        check_time(&claim, now)?;
        if !right {
            return Err(mismatch());
        }
        check_session(&claim, &credential, now)?;
        Ok(Verified {
            access_key_id: claim.access_key_id.to_string(),
            region: scope.region.to_owned(),
            service: scope.service.to_owned(),
            signed_at: claim.time,
            signature: claim.signature.to_string(),
        })
    }
}

fn mismatch() -> SigError {
    SigError::Invalid(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
            .into(),
    )
}

/// Two readers of a request must not see two different requests.
fn refuse_ambiguous(request: &Incoming<'_>) -> Result<(), SigError> {
    let twice = |name: &&&str| request.headers.get_all(**name).iter().nth(1).is_some();
    if let Some(name) = SINGLE.iter().find(twice) {
        return Err(SigError::Incomplete(format!("The header {name} stands twice.")));
    }
    let folded = |value: &http::HeaderValue| value.as_bytes().iter().any(|it| b"\r\n".contains(it));
    if request.headers.values().any(folded) {
        return Err(SigError::Incomplete("A header has more than one line.".into()));
    }
    Ok(())
}

/// The signed headers, if they are all that must be signed.
fn signed_headers<'a>(
    request: &Incoming<'_>,
    claim: &'a Claim<'_>,
) -> Result<Vec<&'a str>, SigError> {
    let names: Vec<&str> = claim.signed_headers.split(';').collect();
    let sorted = names.windows(2).all(|pair| matches!(pair, [one, next] if one < next));
    let small = names.iter().all(|name| !name.bytes().any(|it| it.is_ascii_uppercase()));
    if !sorted || !small {
        let text = "SignedHeaders must be in small letters, sorted, and each named once.";
        return Err(SigError::Incomplete(text.into()));
    }
    let unsigned = |name: &&str| !names.contains(name);
    let must = request.headers.keys().map(http::HeaderName::as_str);
    // Else whoever stands between could add `x-amz-target` to a request signed for something else.
    let mut must = must.filter(|name| name.starts_with("x-amz-")).chain(["host"]);
    match must.find(unsigned) {
        None => Ok(names),
        Some("host") => Err(SigError::Invalid(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".into(),
        )),
        Some(name) => Err(SigError::Invalid(format!(
            "'{name}' must be a 'SignedHeader' in the AWS Authorization."
        ))),
    }
}

/// The hash of the body that arrived. What the header says about it must be true: a payload that
/// is unsigned or signed in pieces is for S3 only.
fn body_hash(request: &Incoming<'_>) -> Result<String, SigError> {
    let real = hash(request.body);
    match request.header("x-amz-content-sha256") {
        Some(claimed) if claimed != real => Err(mismatch()),
        _ => Ok(real),
    }
}

fn check_scope(claim: &Claim<'_>, expected: Expected<'_>) -> Result<(), SigError> {
    let scope = claim.scope();
    let day = claim.written_time.get(..8).unwrap_or_default();
    let problem = if scope.service != expected.service {
        format!("Credential should be scoped to correct service: '{}'. ", expected.service)
    } else if expected.region.is_some_and(|region| region != scope.region) {
        "Credential should be scoped to a valid region. ".to_owned()
    } else if scope.date != day {
        format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{}' != '{day}', from '{}'.",
            scope.date, claim.written_time
        )
    } else {
        return Ok(());
    };
    Err(SigError::Invalid(problem))
}

fn check_time(claim: &Claim<'_>, now: Timestamp) -> Result<(), SigError> {
    let skew = i64::try_from(SKEW.as_millis()).unwrap_or(i64::MAX);
    let (earliest, latest) = (now.0.saturating_sub(skew), now.0.saturating_add(skew));
    if claim.time.0 > latest {
        return Err(SigError::Invalid(format!(
            "Signature not yet current: {} is still later than {} ({} + 5 min.)",
            claim.written_time,
            written(Timestamp(latest)),
            written(now)
        )));
    }
    if let Some(seconds) = claim.expires {
        let end = Timestamp(claim.time.0.saturating_add(seconds * 1000));
        if end < now {
            let text =
                format!("Signature expired: {} is now earlier than {}", written(end), written(now));
            return Err(SigError::Invalid(text));
        }
        return Ok(());
    }
    if claim.time.0 < earliest {
        return Err(SigError::Invalid(format!(
            "Signature expired: {} is now earlier than {} ({} - 5 min.)",
            claim.written_time,
            written(Timestamp(earliest)),
            written(now)
        )));
    }
    Ok(())
}

/// A temporary key comes with its own token, any other key with none.
fn check_session(
    claim: &Claim<'_>,
    credential: &Credential,
    now: Timestamp,
) -> Result<(), SigError> {
    use subtle::ConstantTimeEq;
    match (&credential.session, &claim.session_token) {
        (None, None) => Ok(()),
        (Some(session), Some(token)) => {
            if !bool::from(session.token.as_bytes().ct_eq(token.as_bytes())) {
                return Err(SigError::UnknownKey);
            }
            if session.expires <= now { Err(SigError::ExpiredToken) } else { Ok(()) }
        }
        (None, Some(_)) | (Some(_), None) => Err(SigError::UnknownKey),
    }
}
