//! Cookies of load balancers: claims, sealed so that clients can neither read nor make them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use plan::stickiness::{Claim, Mark};
use sha2::Sha256;
use types::Timestamp;

/// Bytes of the seal that are kept: enough that it cannot be guessed.
const SEAL: usize = 16;

/// A claim as the value of a cookie.
pub(crate) fn seal(claim: &Claim, key: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(25 + SEAL);
    bytes.extend_from_slice(&claim.group.0.to_be_bytes());
    bytes.push(u8::from(claim.target.is_some()));
    bytes.extend_from_slice(&claim.target.map_or(0, |it| it.0).to_be_bytes());
    bytes.extend_from_slice(&claim.until.0.to_be_bytes());
    let seal = mac(&bytes, key);
    bytes.extend_from_slice(seal.get(..SEAL).unwrap_or_default());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The claim that a cookie's value holds, if its seal is good.
pub(crate) fn open(value: &[u8], key: &[u8]) -> Option<Claim> {
    let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
    let (claim, found) = bytes.split_at_checked(25)?;
    let mut digest = keyed(key);
    digest.update(claim);
    digest.verify_truncated_left(found).ok().filter(|()| found.len() == SEAL)?;
    let number = |from: usize| Some(u64::from_be_bytes(*claim.get(from..)?.first_chunk()?));
    let target = (claim.get(8) == Some(&1)).then_some(Mark(number(9)?));
    let until = Timestamp(number(17)?.cast_signed());
    Some(Claim { group: Mark(number(0)?), target, until })
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length is one")
}

fn mac(bytes: &[u8], key: &[u8]) -> [u8; 32] {
    let mut digest = keyed(key);
    digest.update(bytes);
    digest.finalize().into_bytes().into()
}

/// Values of the cookie of that name in a `Cookie` field.
pub(crate) fn values<'a>(field: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    field.split(|it| *it == b';').filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|it| *it == b'=')?;
        (pair.get(..at)? == name.as_bytes()).then_some(pair.get(at + 1..)?)
    })
}

/// Attributes of an application's cookie that the load balancer's takes over. Source: Classic Load
/// Balancers User Guide, "Application-controlled session stickiness".
const FOLLOWED: [&str; 12] = [
    "path",
    "port",
    "domain",
    "secure",
    "httponly",
    "discard",
    "max-age",
    "expires",
    "version",
    "comment",
    "commenturl",
    "samesite",
];

/// What a `Set-Cookie` field of that cookie says of how long it lasts and where it belongs, each with
/// a semicolon before it. `None` for another cookie, and where the field ends with a semicolon: as AWS
/// has it, such a one is overlooked.
pub(crate) fn attributes_of(field: &[u8], name: &str) -> Option<String> {
    let field = field.trim_ascii();
    let mut parts = field.split(|it| *it == b';');
    values(parts.next()?, name).next().filter(|_| !field.ends_with(b";"))?;
    let mut attributes = String::new();
    for part in parts.filter_map(|it| core::str::from_utf8(it.trim_ascii()).ok()) {
        let word = part.split('=').next().unwrap_or_default().trim_end();
        if FOLLOWED.iter().any(|it| it.eq_ignore_ascii_case(word)) {
            attributes.push(';');
            attributes.push_str(part);
        }
    }
    Some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_claim_is_opened_by_its_key_only() {
        let claim = Claim { group: Mark(7), target: Some(Mark(8)), until: Timestamp(9) };
        let value = seal(&claim, b"key");
        assert_eq!(open(value.as_bytes(), b"key"), Some(claim));
        assert_eq!(open(value.as_bytes(), b"other"), None);
        let about_group = Claim { target: None, ..claim };
        assert_eq!(open(seal(&about_group, b"key").as_bytes(), b"key"), Some(about_group));
        for at in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(open(&changed, b"key"), None, "{at}");
        }
        assert_eq!(open(b"", b"key"), None);
        assert_eq!(open(&value.as_bytes()[..value.len() - 8], b"key"), None);
    }

    #[test]
    fn an_applications_cookie_says_how_long_it_lasts_and_where_it_belongs() {
        let of = |field: &str| attributes_of(field.as_bytes(), "SESSION");
        let whole =
            "SESSION=1; Path=/shop; max-age=60;HttpOnly; Secure; Priority=High; SameSite=Lax";
        let taken = ";Path=/shop;max-age=60;HttpOnly;Secure;SameSite=Lax";
        assert_eq!(of(whole).as_deref(), Some(taken));
        assert_eq!(of("SESSION=").as_deref(), Some(""));
        for other in ["SESSION=1; Path=/;", "SESSIONS=1", "a=1; SESSION=2", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let field = b"a=1; AWSALB=x=y;AWSALBCORS=z; AWSALB=w";
        let found: Vec<_> = values(field, "AWSALB").collect();
        assert_eq!(found, [b"x=y".as_slice(), b"w"]);
    }
}
