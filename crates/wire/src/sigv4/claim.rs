//! What a request says about its signature, in the header or in the query string.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use types::Timestamp;

use super::key::Scope;
use super::{ALGORITHM, SigError, TERMINATOR};
use crate::request::Incoming;

/// The longest life of a request that is signed in its query string, in seconds: a week.
const LONGEST_EXPIRY: i64 = 604_800;

/// A signature and all that it claims.
pub(super) struct Claim<'a> {
    /// The access key.
    pub access_key_id: Cow<'a, str>,
    scope: [Cow<'a, str>; 3],
    /// Names of the headers that are signed: in small letters, sorted.
    pub signed_headers: Cow<'a, str>,
    /// The signature in hexadecimal digits.
    pub signature: Cow<'a, str>,
    /// When it was signed, as written: `20260131T235959Z`.
    pub written_time: String,
    /// When it was signed.
    pub time: Timestamp,
    /// How long it may be used, in seconds; only in a query string.
    pub expires: Option<i64>,
    /// The token of a temporary key.
    pub session_token: Option<Cow<'a, str>>,
}

impl<'a> Claim<'a> {
    /// Reads what a request claims.
    pub(super) fn read(request: &Incoming<'a>) -> Result<Self, SigError> {
        let in_query = parameter(request.query, "X-Amz-Algorithm")?.is_some()
            || parameter(request.query, super::canonical::SIGNATURE_PARAMETER)?.is_some();
        match (request.headers.contains_key("authorization"), in_query) {
            (false, false) => Err(SigError::Missing),
            (true, true) => {
                let text = "A request is signed either in its header or in its query string.";
                Err(SigError::Incomplete(text.into()))
            }
            (true, false) => Self::in_header(request),
            (false, true) => Self::in_query(request),
        }
    }

    /// What the signing key must be for.
    pub(super) fn scope(&self) -> Scope<'_> {
        let [date, region, service] = &self.scope;
        Scope { date, region, service }
    }

    fn in_header(request: &Incoming<'a>) -> Result<Self, SigError> {
        let header = request.header("authorization").unwrap_or_default();
        let rest = header.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' '));
        let rest = rest.ok_or_else(|| unsupported(header))?;
        let mut parts = [None; 3];
        for pair in rest.split(',').map(str::trim) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place =
                ["Credential", "SignedHeaders", "Signature"].iter().position(|it| *it == name);
            if let Some(part) = place.and_then(|place| parts.get_mut(place))
                && part.replace(value).is_some()
            {
                return Err(SigError::Incomplete(format!("{name} stands twice in Authorization.")));
            }
        }
        let (written_time, time) = header_time(request)?;
        let [Some(credential), Some(signed_headers), Some(signature)] = parts else {
            return Err(missing_parts(parts, written_time.is_empty()));
        };
        let (access_key_id, scope) = credential_parts(credential)?;
        Ok(Self {
            access_key_id: Cow::Borrowed(access_key_id),
            scope: scope.map(Cow::Borrowed),
            signed_headers: Cow::Borrowed(signed_headers),
            signature: Cow::Borrowed(signature),
            written_time,
            time,
            expires: None,
            session_token: request.header("x-amz-security-token").map(Cow::Borrowed),
        })
    }

    fn in_query(request: &Incoming<'a>) -> Result<Self, SigError> {
        let required = |name: &str| {
            parameter(request.query, name)?.ok_or_else(|| {
                SigError::Incomplete(format!("AWS query-string parameters must include '{name}'."))
            })
        };
        let algorithm = required("X-Amz-Algorithm")?;
        if algorithm != ALGORITHM {
            return Err(unsupported(&algorithm));
        }
        let credential = required("X-Amz-Credential")?;
        let (access_key_id, scope) = credential_parts(&credential)?;
        let written_time = required("X-Amz-Date")?.into_owned();
        let time = iso_basic(&written_time).ok_or_else(|| wrong_date(&written_time))?;
        let expires = required("X-Amz-Expires")?.parse().ok();
        let expires = expires.filter(|seconds| (1..=LONGEST_EXPIRY).contains(seconds));
        let expires = expires.ok_or_else(|| {
            let text = format!("X-Amz-Expires must be between 1 and {LONGEST_EXPIRY} seconds.");
            SigError::Incomplete(text)
        })?;
        Ok(Self {
            access_key_id: Cow::Owned(access_key_id.to_owned()),
            scope: scope.map(|part| Cow::Owned(part.to_owned())),
            signed_headers: required("X-Amz-SignedHeaders")?,
            signature: required(super::canonical::SIGNATURE_PARAMETER)?,
            written_time,
            time,
            expires: Some(expires),
            session_token: parameter(request.query, "X-Amz-Security-Token")?,
        })
    }
}

/// A parameter of the query string; it may stand there only once.
fn parameter<'a>(query: &'a str, name: &str) -> Result<Option<Cow<'a, str>>, SigError> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() {
        return Err(SigError::Incomplete(format!("{name} stands twice in the query string.")));
    }
    let decode = |value: &'a str| percent_decode_str(value).decode_utf8();
    first.map(decode).transpose().map_err(|_| SigError::Incomplete(format!("{name} is no text.")))
}

/// `AKID/20260131/us-east-1/ecs/aws4_request`: the key and date, region, service.
fn credential_parts(credential: &str) -> Result<(&str, [&str; 3]), SigError> {
    let parts: Vec<&str> = credential.split('/').collect();
    match parts[..] {
        [access_key_id, date, region, service, TERMINATOR] => {
            Ok((access_key_id, [date, region, service]))
        }
        [_, _, _, _, _] => Err(SigError::Invalid(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}'."
        ))),
        _ => Err(SigError::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{credential}'"
        ))),
    }
}

fn unsupported(header: &str) -> SigError {
    let algorithm = header.split_ascii_whitespace().next().unwrap_or_default();
    SigError::Incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'."))
}

fn wrong_date(text: &str) -> SigError {
    SigError::Incomplete(format!(
        "Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
    ))
}

/// What AWS says when parts are missing, one sentence for each.
fn missing_parts(parts: [Option<&str>; 3], lacks_date: bool) -> SigError {
    let names = ["Credential", "SignedHeaders", "Signature"];
    let mut sentences: Vec<String> = names
        .iter()
        .zip(parts)
        .filter(|(_, part)| part.is_none())
        .map(|(name, _)| format!("Authorization header requires '{name}' parameter."))
        .collect();
    if lacks_date {
        sentences.push(NO_DATE.to_owned());
    }
    SigError::Incomplete(sentences.join(" "))
}

const NO_DATE: &str =
    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";

/// When the header says that it was signed: `X-Amz-Date`, else `Date`.
fn header_time(request: &Incoming<'_>) -> Result<(String, Timestamp), SigError> {
    if let Some(text) = request.header("x-amz-date") {
        let time = iso_basic(text).ok_or_else(|| wrong_date(text))?;
        return Ok((text.to_owned(), time));
    }
    let text = request.header("date").ok_or_else(|| SigError::Incomplete(NO_DATE.into()))?;
    let time = iso_basic(text)
        .or_else(|| shapes::text::parse_timestamp(text).ok().map(|time| Timestamp(time.0)));
    let time = time.ok_or_else(|| wrong_date(text))?;
    Ok((written(time), time))
}

/// `20260131T235959Z` as a time.
fn iso_basic(text: &str) -> Option<Timestamp> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    let time = Timestamp(time.timestamp().as_millisecond());
    // The parser is lenient about digits; there is one way to write a time.
    (written(time) == text).then_some(time)
}

/// A time as `20260131T235959Z`.
pub(super) fn written(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}
