//! CloudWatch alarms: what of a metric is watched, and what was last made of it (handbook 8).

use core::time::Duration;
use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use types::Timestamp;

use super::Tag;

/// Where an alarm stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum AlarmState {
    /// The metric is on the good side of the threshold.
    #[n(0)]
    Ok,
    /// It is not.
    #[n(1)]
    Alarm,
    /// Nothing can be said: the alarm is new, or data are missing.
    #[n(2)]
    InsufficientData,
}

/// What the values of a period come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AlarmStatistic {
    /// How many there are.
    #[n(0)]
    SampleCount,
    /// Their mean.
    #[n(1)]
    Average,
    /// All together.
    #[n(2)]
    Sum,
    /// The least.
    #[n(3)]
    Minimum,
    /// The greatest.
    #[n(4)]
    Maximum,
}

/// On which side of the threshold a datapoint is breaching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Comparison {
    /// `GreaterThanOrEqualToThreshold`.
    #[n(0)]
    AtLeast,
    /// `GreaterThanThreshold`.
    #[n(1)]
    Above,
    /// `LessThanThreshold`.
    #[n(2)]
    Below,
    /// `LessThanOrEqualToThreshold`.
    #[n(3)]
    AtMost,
}

/// What a period without data counts as: `TreatMissingData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum MissingData {
    /// As nothing; an alarm without any data has INSUFFICIENT_DATA.
    #[n(0)]
    Missing,
    /// As a reason to stay as it is.
    #[n(1)]
    Ignore,
    /// As a datapoint on the bad side.
    #[n(2)]
    Breaching,
    /// As a datapoint on the good side.
    #[n(3)]
    NotBreaching,
}

/// What an alarm looks at, and when it goes off. Facts of its spec.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct AlarmTerms {
    /// Such as `AWS/ApplicationELB`.
    #[n(0)]
    pub namespace: String,
    /// Name of the metric.
    #[n(1)]
    pub metric: String,
    /// What tells the metric from others of its name.
    #[n(2)]
    pub dimensions: BTreeMap<String, String>,
    /// The unit that counts; `None` is every one.
    #[n(3)]
    pub unit: Option<String>,
    /// What values of a period come to.
    #[n(4)]
    pub statistic: AlarmStatistic,
    /// Length of a period: whole seconds, at least one.
    #[n(5)]
    pub period: Duration,
    /// N: periods that are looked at.
    #[n(6)]
    pub periods: u32,
    /// M: periods among them that have to be breaching.
    #[n(7)]
    pub breaches: u32,
    /// What is compared with.
    #[n(8)]
    pub threshold: f64,
    /// How.
    #[n(9)]
    pub comparison: Comparison,
    /// What is made of gaps.
    #[n(10)]
    pub missing: MissingData,
}

/// An alarm of a metric.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Alarm {
    /// Unique in the region.
    #[n(0)]
    pub name: String,
    /// The PutMetricAlarmInput in stored form, without its tags; defaults are filled in.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub spec: Vec<u8>,
    /// What decisions need of that.
    #[n(2)]
    pub terms: AlarmTerms,
    /// Written by its evaluation and by SetAlarmState.
    #[n(3)]
    pub state: AlarmState,
    /// Why, in CloudWatch's words.
    #[n(4)]
    pub reason: String,
    /// Why, as JSON.
    #[n(5)]
    pub reason_data: Option<String>,
    /// When state or reason last changed.
    #[n(6)]
    pub state_updated_at: Timestamp,
    /// When the state last became another one.
    #[n(7)]
    pub state_changed_at: Timestamp,
    /// When PutMetricAlarm last wrote it.
    #[n(8)]
    pub configured_at: Timestamp,
    /// Set by PutMetricAlarm of a new one, and by TagResource.
    #[n(9)]
    pub tags: Vec<Tag>,
}
