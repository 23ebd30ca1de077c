//! How a registry wants to be asked: challenges, tokens, passwords.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::Target;

/// Kept as they are in a query: unreserved characters, and what scopes are made of.
const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'/');

/// A user's name and password at a registry. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// For Amazon ECR this is `AWS`.
    pub username: String,
    /// Or a token that stands for one.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Credentials {
    /// The `Authorization` header of RFC 7617.
    pub(super) fn basic(&self) -> HeaderValue {
        let pair = STANDARD.encode(format!("{}:{}", self.username, self.password));
        secret(&format!("Basic {pair}")).expect("base64 is plain text")
    }
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a 401 asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The challenge we can meet best among the `WWW-Authenticate` headers: a token is for one
    /// repository, a password for everything.
    pub(super) fn choose(headers: &[&str]) -> Option<Self> {
        let all: Vec<_> = headers.iter().flat_map(|it| parse(it)).collect();
        let is_bearer = |it: &&Self| matches!(it, Self::Bearer { .. });
        all.iter().find(is_bearer).or(all.first()).cloned()
    }
}

/// Reads one header: `Scheme key="value", key=value, Scheme …` (RFC 9110, section 11.6.1).
fn parse(header: &str) -> Vec<Challenge> {
    let mut schemes: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for part in split_commas(header) {
        let (scheme, parameter) = match part.split_once(' ') {
            Some((scheme, rest)) if !scheme.contains('=') => (Some(scheme), rest.trim()),
            _ if !part.contains('=') => (Some(part), ""),
            _ => (None, part),
        };
        if let Some(scheme) = scheme {
            schemes.push((scheme.to_ascii_lowercase(), Vec::new()));
        }
        if let (Some((_, parameters)), Some((key, value))) =
            (schemes.last_mut(), parameter.split_once('='))
        {
            parameters.push((key.trim().to_ascii_lowercase(), unquote(value.trim())));
        }
    }
    schemes.into_iter().filter_map(|(scheme, parameters)| challenge(&scheme, &parameters)).collect()
}

fn challenge(scheme: &str, parameters: &[(String, String)]) -> Option<Challenge> {
    let get = |name: &str| {
        parameters.iter().find(|it| it.0 == name).map(|it| it.1.clone()).filter(|it| !it.is_empty())
    };
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope"),
        }),
        _ => None,
    }
}

/// Splits at commas outside quotes.
fn split_commas(header: &str) -> Vec<&str> {
    let mut quoted = false;
    let mut escaped = false;
    header
        .split(|it: char| {
            let was_escaped = escaped;
            escaped = it == '\\' && quoted && !was_escaped;
            quoted ^= it == '"' && !was_escaped;
            it == ',' && !quoted
        })
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .collect()
}

fn unquote(value: &str) -> String {
    match value.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => value.to_owned(),
    }
}

/// The token server's address with what the token is to be for.
pub(super) fn token_target(realm: &Target, service: Option<&str>, scope: &str) -> Target {
    let mut query = Vec::new();
    let encode = |it| utf8_percent_encode(it, QUERY).to_string();
    query.extend(service.map(|it| format!("service={}", encode(it))));
    // Several scopes stand in one text with spaces, and in several parameters here.
    query.extend(scope.split(' ').map(|it| format!("scope={}", encode(it))));
    let joint = if realm.path.contains('?') { '&' } else { '?' };
    realm.at(&format!("{}{joint}{}", realm.path, query.join("&")))
}

/// The `Authorization` header from a token server's answer.
pub(super) fn token_header(bytes: &[u8]) -> Option<HeaderValue> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(bytes).ok()?;
    let token = answer.token.or(answer.access_token).filter(|it| !it.is_empty())?;
    secret(&format!("Bearer {token}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let own = |it: &str| it.to_owned();
        Challenge::Bearer { realm: own(realm), service: service.map(own), scope: scope.map(own) }
    }

    #[test]
    fn challenges_are_read_in_every_form_that_registries_send() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull""#;
        for (headers, expected) in [
            (
                &[hub][..],
                Some(bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:library/nginx:pull"),
                )),
            ),
            (&[r#"Basic realm="Registry""#], Some(Challenge::Basic)),
            (&["basic"], Some(Challenge::Basic)),
            (&[r#"Basic realm="a", Bearer realm="b""#], Some(bearer("b", None, None))),
            (
                &[r#"Basic realm="a""#, "Bearer realm=b , service=c"],
                Some(bearer("b", Some("c"), None)),
            ),
            (
                &[r#"BEARER REALM="a", scope="repository:x:pull,push""#],
                Some(bearer("a", None, Some("repository:x:pull,push"))),
            ),
            (&[r#"Bearer realm="a\"b,c""#], Some(bearer("a\"b,c", None, None))),
            (&[r#"Bearer service="no realm""#], None),
            (&["Negotiate"], None),
            (&["", ",,,", "=", "\""], None),
        ] {
            assert_eq!(Challenge::choose(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_token_is_asked_for_with_its_purpose() {
        for (realm, service, scope, expected) in [
            (
                "https://a/t",
                Some("s p"),
                "repository:x/y:pull",
                "/t?service=s%20p&scope=repository:x/y:pull",
            ),
            ("https://a/t?q=1", None, "a b", "/t?q=1&scope=a&scope=b"),
            ("https://a", None, "x&y=z", "/?scope=x%26y%3Dz"),
        ] {
            let realm = Target::parse(realm).expect(realm);
            assert_eq!(token_target(&realm, service, scope).path, expected);
        }
    }

    #[test]
    fn both_names_of_a_token_are_taken() {
        for (text, expected) in [
            (r#"{"token":"a","access_token":"b"}"#, Some("Bearer a")),
            (r#"{"access_token":"b"}"#, Some("Bearer b")),
            (r#"{"token":"","access_token":null}"#, None),
            (r#"{"token":"a\nb"}"#, None),
            ("nothing", None),
        ] {
            let header = token_header(text.as_bytes());
            assert_eq!(header.as_ref().and_then(|it| it.to_str().ok()), expected, "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let credentials = Credentials { username: "AWS".into(), password: "secret".into() };
        assert!(!format!("{credentials:?} {:?}", credentials.basic()).contains("secret"));
        assert_eq!(credentials.basic().to_str().ok(), Some("Basic QVdTOnNlY3JldA=="));
    }
}
