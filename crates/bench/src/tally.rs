//! How long requests took, and the percentiles of that.

use core::time::Duration;

use serde_json::{Value, json};

/// Durations of all requests that were answered.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<Duration>);

impl Tally {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Percentiles in milliseconds.
    pub(crate) fn percentiles(mut self) -> Value {
        self.0.sort_unstable();
        let at = |share: usize| {
            let rank = (self.0.len() * share).div_ceil(1000).saturating_sub(1);
            self.0.get(rank).map(|it| (it.as_secs_f64() * 1e6).round() / 1e3)
        };
        json!({
            "p50": at(500), "p90": at(900), "p99": at(990), "p999": at(999), "max": at(1000),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let mut tally = Tally::default();
        for milliseconds in (1..=100).rev() {
            tally.add(Duration::from_millis(milliseconds));
        }
        let found = tally.percentiles();
        assert_eq!(
            found,
            json!({"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 100.0, "max": 100.0})
        );
        assert_eq!(Tally::default().percentiles()["p50"], Value::Null);
    }
}
