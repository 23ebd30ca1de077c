//! What is measured, and what measurements come to.

use std::collections::BTreeMap;

use super::encoding;

/// What is measured: equal ones are one series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// Such as `AWS/ApplicationELB`.
    pub namespace: String,
    /// Name of the metric.
    pub metric: String,
    /// Names and values that tell it from others.
    pub dimensions: BTreeMap<String, String>,
    /// One of CloudWatch's units, such as `Count`.
    pub unit: String,
}

impl Series {
    /// The series of a metric with these dimensions.
    pub fn new(
        namespace: &str,
        metric: &str,
        dimensions: impl IntoIterator<Item = (String, String)>,
        unit: &str,
    ) -> Self {
        Self {
            namespace: namespace.to_owned(),
            metric: metric.to_owned(),
            dimensions: dimensions.into_iter().collect(),
            unit: unit.to_owned(),
        }
    }

    /// What it is found by in files.
    pub(super) fn identity(&self) -> Identity {
        let mut name = Vec::new();
        encoding::write_name(&mut name, self);
        identity_of(&name)
    }
}

/// 128 bits that tell series apart.
pub(super) type Identity = u128;

/// FNV-1a of a series' name as it lies in files.
pub(super) fn identity_of(name: &[u8]) -> Identity {
    name.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |sum: u128, byte| {
        (sum ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

/// What some values come to. They can be added up without the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// How many values.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Default for Statistics {
    /// No value at all.
    fn default() -> Self {
        Self { count: 0.0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Statistics {
    /// One value.
    pub fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, min: value, max: value }
    }

    /// Takes in others.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The mean of the values.
    pub fn average(&self) -> f64 {
        self.sum / self.count
    }
}

/// How finely samples of a series are kept while they are young.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Each second by itself.
    Second,
    /// Ten seconds together.
    TenSeconds,
    /// A minute together.
    Minute,
}

impl Resolution {
    fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::TenSeconds => 10,
            Self::Minute => 60,
        }
    }
}

/// Statistics of a series at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What was measured.
    pub series: Series,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// How finely it is kept.
    pub resolution: Resolution,
    /// What it came to.
    pub statistics: Statistics,
}

impl Sample {
    /// The second that it is kept under.
    pub(super) fn second(&self) -> i64 {
        let step = self.resolution.seconds();
        self.at.div_euclid(1000).div_euclid(step) * step
    }
}
