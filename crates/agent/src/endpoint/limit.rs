//! How often a task may ask.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

/// Requests a second, and in one burst (handbook 2.10).
const RATE: f64 = 40.0;
const BURST: f64 = 60.0;
/// Addresses remembered; when there are more, those that have rested are forgotten.
const ADDRESSES_MAX: usize = 1024;

/// A bucket of tokens for each address.
#[derive(Debug, Default)]
pub(super) struct Limiter(BTreeMap<IpAddr, (f64, Instant)>);

impl Limiter {
    /// Whether this address may ask now; if so, it has.
    pub(super) fn admits(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.0.len() >= ADDRESSES_MAX {
            self.0.retain(|_, bucket| filled(*bucket, now) < BURST);
        }
        let bucket = self.0.entry(address).or_insert((BURST, now));
        let tokens = filled(*bucket, now);
        let admitted = tokens >= 1.0;
        *bucket = (if admitted { tokens - 1.0 } else { tokens }, now);
        admitted
    }
}

fn filled((tokens, at): (f64, Instant), now: Instant) -> f64 {
    (tokens + now.saturating_duration_since(at).as_secs_f64() * RATE).min(BURST)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_answered_and_then_so_many_a_second() {
        let begin = Instant::now();
        let mut limiter = Limiter::default();
        let one = IpAddr::from([10, 0, 0, 1]);
        let mut count =
            |after: Duration| (0..1000).filter(|_| limiter.admits(one, begin + after)).count();
        assert_eq!(count(Duration::ZERO), 60);
        assert_eq!(count(Duration::from_secs(1)), 40);
        assert_eq!(count(Duration::from_mins(1)), 60);
        assert!(limiter.admits(IpAddr::from([10, 0, 0, 2]), begin));
    }
}
