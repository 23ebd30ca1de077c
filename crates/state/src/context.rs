//! What an input brings along besides its words: the time, the caller, fresh randomness.

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use types::Timestamp;

/// Who asks, as far as the signature proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// ARN of the principal.
    pub arn: Arc<str>,
    /// The access key that signed, empty for the region itself.
    pub access_key: Arc<str>,
    /// Address the request came from.
    pub source_ip: Arc<str>,
    /// What the client calls itself.
    pub user_agent: Arc<str>,
    /// URL under which the client reached us, such as `http://127.0.0.1:4566`: what it can reach.
    pub endpoint: Arc<str>,
}

impl Caller {
    /// The region's own doing: reconcilers, timers, start-up.
    pub fn region() -> Self {
        Self {
            arn: "landfall".into(),
            access_key: "".into(),
            source_ip: "".into(),
            user_agent: "landfall".into(),
            endpoint: "".into(),
        }
    }
}

/// Time, caller and fresh randomness of one input. Pure code has no other source of them.
#[derive(Debug)]
pub struct Context<'a> {
    /// When the input is handled; never runs backwards from one input to the next.
    pub now: Timestamp,
    /// Who asks.
    pub caller: Caller,
    /// The request's id, as the client sees it in `x-amzn-RequestId`.
    pub request_id: u128,
    /// Fresh randomness.
    pub dice: &'a mut Dice,
}

/// A seeded stream of randomness: equal seeds give equal streams.
///
/// Cryptographically strong, because secrets are made of it too.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha12Rng);

impl Dice {
    /// The stream of this seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// The stream of a small seed, for tests and the simulator.
    pub fn of(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// 128 random bits.
    pub fn bits(&mut self) -> u128 {
        u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64())
    }

    /// A number below `bound`, which must not be zero; the bias is below 2^-32 for small bounds.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a choice needs at least one side");
        self.0.next_u64() % bound
    }

    /// Fills the buffer with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
