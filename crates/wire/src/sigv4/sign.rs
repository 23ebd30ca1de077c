//! Signatures for requests of our own.

use http::{HeaderMap, HeaderName, HeaderValue};
use types::Timestamp;

use super::ALGORITHM;
use super::canonical::{hash, request_hash};
use super::claim::written;
use super::key::{Scope, SigningKey};
use crate::request::Incoming;

/// Who signs, when and what for.
#[derive(Clone, Copy)]
pub struct Signing<'a> {
    /// The access key.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret: &'a str,
    /// The token of a temporary key.
    pub session_token: Option<&'a str>,
    /// The region.
    pub region: &'a str,
    /// The signing name of the service.
    pub service: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// The headers to add to a request, `authorization` among them.
///
/// The request must have its `host` header already. Host, content type and all `x-amz-` headers
/// are signed; headers that others add on the way may not begin with that.
pub fn sign(request: &Incoming<'_>, with: &Signing<'_>) -> HeaderMap {
    let time = written(with.now);
    let mut headers = request.headers.clone();
    let mut added = HeaderMap::new();
    let mut add = |name: &'static str, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value.clone());
            added.insert(HeaderName::from_static(name), value);
        }
    };
    add("x-amz-date", &time);
    if let Some(token) = with.session_token {
        add("x-amz-security-token", token);
    }

    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.retain(|name| matches!(*name, "host" | "content-type") || name.starts_with("x-amz-"));
    names.sort_unstable();
    let date = time.get(..8).unwrap_or_default();
    let scope = Scope { date, region: with.region, service: with.service };
    let request = Incoming { headers: &headers, ..*request };
    let hash = request_hash(&request, &names, &hash(request.body));
    let text = format!("{ALGORITHM}\n{time}\n{}\n{hash}", scope.text());
    let signature = hex::encode(SigningKey::derive(with.secret, &scope).sign(&text));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
        with.access_key_id,
        scope.text(),
        names.join(";")
    );
    if let Ok(value) = HeaderValue::from_str(&authorization) {
        added.insert(http::header::AUTHORIZATION, value);
    }
    added
}
