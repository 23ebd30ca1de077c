//! Points in time on the wire.

/// Milliseconds since 1970-01-01T00:00:00Z, the precision in which AWS answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From seconds with a fraction, rounded to milliseconds; the ends of time if it does not fit.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, as documented")]
    pub fn from_seconds(seconds: f64) -> Self {
        Self((seconds * 1000.0).round() as i64)
    }

    /// Seconds with a fraction.
    #[expect(clippy::cast_precision_loss, reason = "exact below the year 287396")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}
