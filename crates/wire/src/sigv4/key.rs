//! Signing keys, and a cache of them: deriving one costs more than using it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::TERMINATOR;

/// The most keys that are remembered. A region sees few: one a day for each of its callers.
const MOST: usize = 4096;

/// What a signing key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    /// `20260131`.
    pub date: &'a str,
    /// For example `us-east-1`.
    pub region: &'a str,
    /// For example `ecs`.
    pub service: &'a str,
}

impl Scope<'_> {
    /// `20260131/us-east-1/ecs/aws4_request`.
    pub(super) fn text(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// A key that is wiped when it is no longer needed.
#[derive(Clone)]
pub(super) struct SigningKey([u8; 32]);

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.0 = [0; 32];
        // Keeps the compiler from leaving the write out.
        std::hint::black_box(&self.0);
    }
}

impl SigningKey {
    /// Derives the key of a secret for a scope.
    pub(super) fn derive(secret: &str, scope: &Scope<'_>) -> Self {
        let date = hmac(format!("AWS4{secret}").as_bytes(), scope.date);
        let region = hmac(&date, scope.region);
        let service = hmac(&region, scope.service);
        Self(hmac(&service, TERMINATOR))
    }

    /// The signature of a text.
    pub(super) fn sign(&self, text: &str) -> [u8; 32] {
        hmac(&self.0, text)
    }
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Keys by what they were derived from.
#[derive(Default)]
pub(super) struct KeyCache(Mutex<HashMap<String, Cached>>);

struct Cached {
    /// An access key may get another secret; then the key must not be used any more.
    secret: String,
    key: SigningKey,
}

impl KeyCache {
    /// The key of an access key's secret for a scope.
    pub(super) fn key(&self, access_key_id: &str, secret: &str, scope: &Scope<'_>) -> SigningKey {
        let name = format!("{access_key_id}/{}", scope.text());
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = keys.get(&name)
            && bool::from(cached.secret.as_bytes().ct_eq(secret.as_bytes()))
        {
            return cached.key.clone();
        }
        let key = SigningKey::derive(secret, scope);
        if keys.len() >= MOST {
            keys.clear();
        }
        keys.insert(name, Cached { secret: secret.to_owned(), key: key.clone() });
        key
    }
}

/// Whether a signature in hexadecimal digits is this one. Takes the same time wherever they differ.
pub(super) fn is_signature(claimed: &str, right: &[u8; 32]) -> bool {
    // Only small letters: there is one way to write a signature.
    let canonical = claimed.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; 32];
    let decoded = hex::decode_to_slice(claimed, &mut bytes).is_ok();
    bool::from(bytes.ct_eq(right)) && canonical && decoded
}
