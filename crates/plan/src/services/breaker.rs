//! When a deployment has failed too often (handbook 5.7).

use state::{Breaker, Threshold};

/// Fewest failures that a percentage comes to. Source: ECS Developer Guide, "How the Amazon ECS
/// deployment circuit breaker detects failures".
const LEAST: u32 = 3;
/// Most failures that a bounded percentage comes to. Source: as above.
const MOST: u32 = 200;

/// How many failures trip the breaker of a service that keeps so many tasks.
pub fn threshold(breaker: &Breaker, desired: u32) -> u32 {
    let of = |percent: u32| {
        let product = u64::from(desired) * u64::from(percent);
        u32::try_from(product.div_ceil(100)).unwrap_or(u32::MAX)
    };
    match breaker.threshold {
        Threshold::Count(it) => it.max(1),
        Threshold::Bounded(percent) => of(percent).clamp(LEAST, MOST),
        // One failure at least has to happen before a deployment can have failed.
        Threshold::Unbounded(percent) => of(percent).max(1),
    }
}

#[cfg(test)]
mod tests {
    use state::Switch;

    use super::*;

    #[test]
    fn thresholds_are_those_of_the_documentation() {
        use Threshold::{Bounded, Count, Unbounded};
        for (threshold, desired, failures) in [
            (Bounded(50), 1, 3),
            (Bounded(50), 25, 13),
            (Bounded(50), 400, 200),
            (Bounded(50), 800, 200),
            (Bounded(100), 0, 3),
            (Unbounded(50), 800, 400),
            (Unbounded(50), 1, 1),
            (Unbounded(50), 0, 1),
            (Count(1), 800, 1),
            (Count(7), 1, 7),
        ] {
            let breaker =
                Breaker { threshold, rollback: Switch::Off, reset_on_healthy_task: Switch::On };
            assert_eq!(super::threshold(&breaker, desired), failures, "{threshold:?} of {desired}");
        }
    }
}
