//! Signatures that others made, and requests that nobody should believe.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};
use types::Timestamp;
use wire::sigv4::{Credential, Expected, Session, SigError, Signing, Verified, Verifier, sign};

use crate::botocore::{ask, is_installed};
use crate::round_trip::Sent;

/// 2015-08-30T12:36:00Z, the time of the vectors.
const NOON: Timestamp = Timestamp(1_440_938_160_000);
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "a+session/token==";

fn expected() -> Expected<'static> {
    Expected { service: "service", region: Some("us-east-1") }
}

fn verify(sent: &Sent, now: Timestamp) -> Result<Verified, SigError> {
    verify_with(sent, now, None)
}

fn verify_with(
    sent: &Sent,
    now: Timestamp,
    session: Option<&Session>,
) -> Result<Verified, SigError> {
    let credential = Credential { secret: SECRET.to_owned(), session: session.cloned() };
    let lookup = |id: &str| (id == "AKIDEXAMPLE").then(|| credential.clone());
    Verifier::default().verify(&sent.incoming(), expected(), now, &lookup)
}

fn session(token: &str) -> Session {
    Session { token: token.to_owned(), expires: Timestamp(NOON.0 + 1) }
}

/// Reads a request as it stands in the vectors.
fn raw(text: &str) -> Sent {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (line, headers) = head.split_once('\n').expect("a request line");
    let (method, target) = line.split_once(' ').expect("a method");
    let target = target.strip_suffix(" HTTP/1.1").expect("a version");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut map = HeaderMap::new();
    for header in headers.lines() {
        let (name, value) = header.split_once(':').expect("a header");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    Sent {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: map,
        body: body.as_bytes().to_vec(),
    }
}

#[test]
fn the_official_vectors_verify_in_both_forms() {
    let vectors: Json = serde_json::from_str(include_str!("sigv4_vectors.json")).expect("JSON");
    let cases = vectors["cases"].as_array().expect("a list");
    for case in cases {
        let session = case["session_token"].as_str().map(session);
        for form in ["header", "query"] {
            let sent = raw(case[form].as_str().expect("a request"));
            let found = verify_with(&sent, NOON, session.as_ref());
            let id = found.map(|verified| verified.access_key_id);
            assert_eq!(id.as_deref(), Ok("AKIDEXAMPLE"), "{} {form}", case["name"]);
        }
    }
    assert_eq!(cases.len(), 29);
}

/// A request that we signed, for a call with a body and parameters.
fn signed() -> Sent {
    let mut sent =
        raw("POST /a%20b/c?x=1&y=%2F HTTP/1.1\nHost: region.example:4566\nContent-Type: \
         application/x-amz-json-1.1\nX-Amz-Target: A.B\n\n{}");
    let added = sign(&sent.incoming(), &signing(None));
    sent.headers.extend(added);
    sent
}

fn signing(session_token: Option<&'static str>) -> Signing<'static> {
    Signing {
        access_key_id: "AKIDEXAMPLE",
        secret: SECRET,
        session_token,
        region: "us-east-1",
        service: "service",
        now: NOON,
    }
}

#[test]
fn what_we_sign_we_believe() {
    let verified = verify(&signed(), NOON).expect("it is signed");
    assert_eq!(verified.region, "us-east-1");
    assert_eq!(verified.signed_at, NOON);
}

fn set(sent: &mut Sent, name: &'static str, value: &str) {
    sent.headers.insert(name, HeaderValue::from_str(value).expect("text"));
}

/// Changes the authorization header.
fn rewrite(sent: &mut Sent, from: &str, to: &str) {
    let header = sent.headers["authorization"].to_str().expect("text").to_owned();
    assert!(header.contains(from), "{header} has no {from}");
    set(sent, "authorization", &header.replace(from, to));
}

/// A change to a signed request.
type Touch = fn(&mut Sent);

#[test]
fn a_request_that_was_touched_is_refused() {
    let touches: &[(&str, Touch)] = &[
        ("body", |it| it.body = b"{\"a\":1}".to_vec()),
        ("method", |it| it.method = "PUT".into()),
        ("path", |it| it.path = "/a%20b/d".into()),
        ("query", |it| it.query = "x=2&y=%2F".into()),
        ("repeated parameter", |it| it.query = "x=1&x=1&y=%2F".into()),
        ("target", |it| set(it, "x-amz-target", "A.C")),
        ("host", |it| set(it, "host", "elsewhere")),
        ("content type", |it| set(it, "content-type", "text/plain")),
        ("time", |it| set(it, "x-amz-date", "20150830T123601Z")),
        ("added header", |it| set(it, "x-amz-security-token", "t")),
        ("unsigned payload", |it| set(it, "x-amz-content-sha256", "UNSIGNED-PAYLOAD")),
        ("region", |it| rewrite(it, "us-east-1", "us-west-2")),
        ("service", |it| rewrite(it, "/service/", "/ecs/")),
        ("terminator", |it| rewrite(it, "aws4_request", "aws5_request")),
        ("scope date", |it| rewrite(it, "20150830/", "20150831/")),
        ("host not signed", |it| rewrite(it, "content-type;host;", "content-type;")),
        ("target not signed", |it| rewrite(it, ";x-amz-target", "")),
        ("order of headers", |it| rewrite(it, "content-type;host", "host;content-type")),
        ("algorithm", |it| rewrite(it, "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 ")),
        ("no signature", |it| rewrite(it, "Signature=", "Nothing=")),
        ("capital digits", |it| {
            let header = it.headers["authorization"].to_str().expect("text").to_owned();
            let (head, signature) = header.split_once("Signature=").expect("a signature");
            set(it, "authorization", &format!("{head}Signature={}", signature.to_uppercase()));
        }),
        ("two signatures", |it| rewrite(it, "Signature=", "Signature=00, Signature=")),
        ("repeated header", |it| {
            it.headers.append("x-amz-target", HeaderValue::from_static("A.B"));
        }),
        ("header and query", |it| it.query.push_str("&X-Amz-Algorithm=AWS4-HMAC-SHA256")),
        ("key", |it| rewrite(it, "AKIDEXAMPLE", "AKIDUNKNOWN")),
    ];
    for (name, touch) in touches {
        let mut sent = signed();
        touch(&mut sent);
        assert!(verify(&sent, NOON).is_err(), "{name}");
    }
}

#[test]
fn refusals_have_the_words_of_aws() {
    let text = |touch: Touch, now: i64| {
        let mut sent = signed();
        touch(&mut sent);
        verify(&sent, Timestamp(NOON.0 + now * 1000)).expect_err("it is wrong").to_string()
    };
    assert_eq!(text(|it| it.headers.clear(), 0), "Missing Authentication Token");
    assert_eq!(
        text(|_| {}, 301),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
         (20150830T124101Z - 5 min.)"
    );
    assert_eq!(
        text(|_| {}, -301),
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z \
         (20150830T123059Z + 5 min.)"
    );
    assert_eq!(
        text(|it| set(it, "authorization", "AWS4-HMAC-SHA256 Credential=a"), 0),
        "Authorization header requires 'SignedHeaders' parameter. Authorization header requires \
         'Signature' parameter."
    );
    assert_eq!(
        text(|it| rewrite(it, "AKIDEXAMPLE", "AKIDUNKNOWN"), 0),
        "The security token included in the request is invalid."
    );
    assert_eq!(
        text(|it| rewrite(it, "/service/", "/ecs/"), 0),
        "Credential should be scoped to correct service: 'service'. "
    );
    assert!(verify(&signed(), Timestamp(NOON.0 + 299_000)).is_ok());
}

#[test]
fn a_temporary_key_needs_its_own_token_in_time() {
    let mut sent = signed();
    for name in ["authorization", "x-amz-date"] {
        sent.headers.remove(name);
    }
    let added = sign(&sent.incoming(), &signing(Some(TOKEN)));
    sent.headers.extend(added);
    let of = |session: Session| verify_with(&sent, NOON, Some(&session)).map(drop);
    assert_eq!(of(session(TOKEN)), Ok(()));
    assert_eq!(of(session("another")), Err(SigError::UnknownKey));
    let over = Session { expires: NOON, ..session(TOKEN) };
    assert_eq!(of(over), Err(SigError::ExpiredToken));
    assert_eq!(verify(&sent, NOON), Err(SigError::UnknownKey));
    let without = verify_with(&signed(), NOON, Some(&session(TOKEN)));
    assert_eq!(without, Err(SigError::UnknownKey));
}

#[test]
fn a_key_that_got_another_secret_is_not_verified_with_the_old_one() {
    let verifier = Verifier::default();
    let with = |secret: &str| {
        let credential = Credential { secret: secret.to_owned(), session: None };
        verifier.verify(&signed().incoming(), expected(), NOON, &|_| Some(credential.clone()))
    };
    assert!(with(SECRET).is_ok());
    assert!(with("another").is_err());
    assert!(with(SECRET).is_ok());
}

#[test]
fn botocore_and_we_sign_alike() {
    if !is_installed() {
        return;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_millis();
    let now = Timestamp(i64::try_from(now).expect("before the end of time"));
    let urls = [
        "http://localhost:4566/",
        "https://ecs.us-east-1.amazonaws.com/",
        "http://localhost:4566/2015-03-31/functions/arn%3Aaws%3Alambda%3Af/invocations?Qualifier=a%20b%2B&Z=1&A=",
        "http://localhost:4566/a//b/./c/../d/?x=%E2%82%AC&x=1",
    ];
    let mut questions = Vec::new();
    for url in urls {
        for body in ["", "{\"cluster\":\"é\"}"] {
            for presign in [false, true] {
                for session_token in [None, Some(TOKEN)] {
                    questions.push(json!({
                        "ask": "sign", "access_key_id": "AKIDEXAMPLE", "secret": SECRET,
                        "session_token": session_token, "service": "service",
                        "region": "us-east-1", "url": url, "method": "POST", "presign": presign,
                        "headers": [["X-Amz-Target", "A.B"], ["X-Odd", "  a   b "]],
                        "body": STANDARD.encode(body),
                    }));
                }
            }
        }
    }
    let count = questions.len();
    for (answer, question) in ask(questions.clone()).iter().zip(&questions) {
        let mut sent = Sent::signed(answer);
        let host = question["url"].as_str().and_then(|url| url.split('/').nth(2));
        set(&mut sent, "host", host.expect("a host"));
        let session = Session { token: TOKEN.to_owned(), expires: Timestamp(now.0 + 600_000) };
        let session = question["session_token"].as_str().map(|_| &session);
        let found = verify_with(&sent, now, session);
        assert!(found.is_ok(), "{found:?}\n{question}\n{answer}");
    }
    assert_eq!(count, 32);
}
