//! How clients are known again: what the cookies of load balancers say.
//!
//! A claim is sealed before it leaves as a cookie, so that clients can neither read nor write it;
//! that is the balancer's work. Source: handbook 7.2, 7.3.

use core::time::Duration;

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use types::Timestamp;

/// Cookie that keeps a client with its target.
pub const TARGET_COOKIE: &str = "AWSALB";
/// The same for requests from other sites.
pub const TARGET_COOKIE_CORS: &str = "AWSALBCORS";
/// Cookie that keeps a client with its target for as long as the application's own cookie lives.
pub const APPLICATION_COOKIE: &str = "AWSALBAPP-0";
/// Cookie that keeps a client with its target group.
pub const GROUP_COOKIE: &str = "AWSALBTG";
/// The same for requests from other sites.
pub const GROUP_COOKIE_CORS: &str = "AWSALBTGCORS";
/// Cookie of Classic Load Balancers, of both kinds.
pub const CLASSIC_COOKIE: &str = "AWSELB";
/// The same for requests from other sites, where the load balancer says for itself how long it lasts.
pub const CLASSIC_COOKIE_CORS: &str = "AWSELBCORS";
/// What cookies say about their own life, whatever the claim in them says.
pub const COOKIE_LIFE: Duration = Duration::from_hours(7 * 24);

/// A short name that every balancer gives to the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Mark(#[n(0)] pub u64);

impl Mark {
    /// The mark of what these words name together.
    pub fn of(words: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for word in words {
            digest.update(word.as_bytes());
            digest.update([0]);
        }
        let start = digest.finalize().first_chunk().copied().unwrap_or_default();
        Self(u64::from_be_bytes(start))
    }
}

/// What a cookie says: until then, this client belongs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Claim {
    /// The target group.
    #[n(0)]
    pub group: Mark,
    /// The target; `None` in cookies that are about groups only.
    #[n(1)]
    pub target: Option<Mark>,
    /// Not at that time any more.
    #[n(2)]
    pub until: Timestamp,
}

impl Claim {
    /// This claim, if it still stands.
    pub fn standing(self, now: Timestamp) -> Option<Self> {
        (now < self.until).then_some(self)
    }

    /// The target of that group that this claim is on.
    pub fn target_of(self, group: Mark) -> Option<Mark> {
        self.target.filter(|_| self.group == group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_stands_until_its_time_and_for_its_group_only() {
        let (group, target) = (Mark::of(&["g"]), Mark::of(&["i-1", "80"]));
        let claim = Claim { group, target: Some(target), until: Timestamp(10) };
        assert_eq!(claim.standing(Timestamp(9)), Some(claim));
        assert_eq!(claim.standing(Timestamp(10)), None);
        assert_eq!(claim.target_of(group), Some(target));
        assert_eq!(claim.target_of(Mark::of(&["h"])), None);
    }

    #[test]
    fn words_do_not_run_together() {
        assert_ne!(Mark::of(&["a", "bc"]), Mark::of(&["ab", "c"]));
    }
}
