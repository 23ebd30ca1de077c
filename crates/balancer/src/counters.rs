//! What load balancers count, under CloudWatch's names.
//!
//! Each thread counts in memory of its own, which nobody else writes; whoever asks adds them up.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

macro_rules! metrics {
    ($($name:ident $text:literal,)*) => {
        /// A metric. Source: Application Load Balancers and Network Load Balancers User Guides,
        /// "CloudWatch metrics".
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "AWS's own words, explained there")]
        pub enum Metric {
            $($name,)*
        }

        impl Metric {
            /// Every metric, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in CloudWatch.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

metrics! {
    ActiveConnections "ActiveConnectionCount",
    NewConnections "NewConnectionCount",
    RejectedConnections "RejectedConnectionCount",
    Requests "RequestCount",
    GrpcRequests "GrpcRequestCount",
    ProcessedBytes "ProcessedBytes",
    RuleEvaluations "RuleEvaluations",
    Redirects "HTTP_Redirect_Count",
    FixedResponses "HTTP_Fixed_Response_Count",
    Elb3xx "HTTPCode_ELB_3XX_Count",
    Elb4xx "HTTPCode_ELB_4XX_Count",
    Elb5xx "HTTPCode_ELB_5XX_Count",
    Elb500 "HTTPCode_ELB_500_Count",
    Elb502 "HTTPCode_ELB_502_Count",
    Elb503 "HTTPCode_ELB_503_Count",
    Elb504 "HTTPCode_ELB_504_Count",
    NonCompliantRequests "DesyncMitigationMode_NonCompliant_Request_Count",
    DroppedInvalidHeaders "DroppedInvalidHeaderRequestCount",
    ForwardedInvalidHeaders "ForwardedInvalidHeaderRequestCount",
    ClientTlsErrors "ClientTLSNegotiationErrorCount",
    Target2xx "HTTPCode_Target_2XX_Count",
    Target3xx "HTTPCode_Target_3XX_Count",
    Target4xx "HTTPCode_Target_4XX_Count",
    Target5xx "HTTPCode_Target_5XX_Count",
    TargetResponseMicros "TargetResponseTime",
    TargetConnectionErrors "TargetConnectionErrorCount",
    TargetTlsErrors "TargetTLSNegotiationErrorCount",
    NonStickyRequests "NonStickyRequestCount",
    UnhealthyRoutingRequests "UnhealthyRoutingRequestCount",
    ActiveTcpFlows "ActiveFlowCount_TCP",
    ActiveTlsFlows "ActiveFlowCount_TLS",
    ActiveUdpFlows "ActiveFlowCount_UDP",
    NewTcpFlows "NewFlowCount_TCP",
    NewTlsFlows "NewFlowCount_TLS",
    NewUdpFlows "NewFlowCount_UDP",
    TcpBytes "ProcessedBytes_TCP",
    TlsBytes "ProcessedBytes_TLS",
    UdpBytes "ProcessedBytes_UDP",
    ClientResets "TCP_Client_Reset_Count",
    ElbResets "TCP_ELB_Reset_Count",
    TargetResets "TCP_Target_Reset_Count",
}

/// How many metrics there are.
const METRICS: usize = Metric::ALL.len();

/// Buckets of the histogram of response times: four for each doubling, from 64 microseconds on.
pub const BUCKETS: usize = 96;

/// What is counted about: a load balancer, or one of its target groups, by ARN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// ARN of the load balancer.
    pub load_balancer: String,
    /// ARN of the target group.
    pub group: Option<String>,
}

/// What one thread has counted about one subject: only that thread writes it. Flows, which move
/// from thread to thread, have one for all of them.
#[derive(Debug)]
pub(crate) struct Meter {
    values: [AtomicU64; METRICS],
    times: [AtomicU64; BUCKETS],
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            values: [const { AtomicU64::new(0) }; METRICS],
            times: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

impl Meter {
    pub(crate) fn add(&self, metric: Metric, count: u64) {
        if let Some(value) = self.values.get(metric as usize) {
            add(value, count);
        }
    }

    /// One less, of a metric that says how many there are.
    pub(crate) fn leave(&self, metric: Metric) {
        if let Some(value) = self.values.get(metric as usize) {
            value.store(value.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
        }
    }

    /// As [`Self::add`], on a meter that several threads write.
    pub(crate) fn add_among(&self, metric: Metric, count: u64) {
        if let Some(value) = self.values.get(metric as usize) {
            value.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// As [`Self::leave`], on a meter that several threads write.
    pub(crate) fn leave_among(&self, metric: Metric) {
        if let Some(value) = self.values.get(metric as usize) {
            value.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The time until a target began to answer.
    pub(crate) fn time(&self, taken: Duration) {
        let micros = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX);
        self.add(Metric::TargetResponseMicros, micros);
        if let Some(bucket) = self.times.get(bucket(micros)) {
            add(bucket, 1);
        }
    }
}

/// There is one writer, so nothing is lost between the two steps.
fn add(value: &AtomicU64, count: u64) {
    value.store(value.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

/// The bucket of a time in microseconds.
fn bucket(micros: u64) -> usize {
    let micros = micros.max(64);
    let octave = micros.ilog2();
    let quarter = (micros >> (octave - 2)) & 3;
    (((octave - 6) * 4) as usize + usize::try_from(quarter).unwrap_or(0)).min(BUCKETS - 1)
}

/// The least time that falls into a bucket, in microseconds.
pub fn bucket_start(bucket: usize) -> u64 {
    let octave = 6 + u32::try_from(bucket / 4).unwrap_or(u32::MAX).min(57);
    (1_u64 << octave) + (bucket as u64 % 4) * (1_u64 << (octave - 2))
}

/// What has been counted about a subject since the process began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    values: [u64; METRICS],
    /// How many response times fell into each bucket; see [`bucket_start`].
    pub times: [u64; BUCKETS],
}

impl Count {
    /// The sum of a metric; of [`Metric::TargetResponseMicros`] in microseconds. Of
    /// [`Metric::ActiveConnections`], how many there are now.
    pub fn of(&self, metric: Metric) -> u64 {
        self.values.get(metric as usize).copied().unwrap_or(0)
    }
}

/// The meters of all threads.
#[derive(Debug, Default)]
pub(crate) struct Meters(Mutex<BTreeMap<Subject, Vec<Arc<Meter>>>>);

impl Meters {
    /// A new meter for one thread. Its count stays after the thread has dropped it.
    pub(crate) fn meter(&self, subject: &Subject) -> Arc<Meter> {
        let meter = Arc::new(Meter::default());
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meters.entry(subject.clone()).or_default().push(Arc::clone(&meter));
        meter
    }

    /// Adds up what all threads have counted.
    pub(crate) fn read(&self) -> BTreeMap<Subject, Count> {
        let meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |meters: &Vec<Arc<Meter>>| {
            let mut count = Count { values: [0; METRICS], times: [0; BUCKETS] };
            for meter in meters {
                let pairs = count.values.iter_mut().zip(&meter.values);
                for (sum, value) in pairs.chain(count.times.iter_mut().zip(&meter.times)) {
                    *sum = sum.wrapping_add(value.load(Ordering::Relaxed));
                }
            }
            count
        };
        meters.iter().map(|(subject, meters)| (subject.clone(), sum(meters))).collect()
    }

    /// Forgets what nobody counts any more and `keep` does not want.
    pub(crate) fn retain(&self, keep: impl Fn(&Subject) -> bool) {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meters.retain(|subject, meters| {
            keep(subject) || meters.iter().any(|it| Arc::strong_count(it) > 1)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_bucket_that_starts_before_it() {
        for micros in [0, 63, 64, 79, 80, 100, 1_000, 123_456, 60_000_000, u64::MAX] {
            let bucket = bucket(micros);
            assert!(bucket_start(bucket) <= micros.max(64), "{micros}");
            if bucket + 1 < BUCKETS {
                assert!(micros < bucket_start(bucket + 1), "{micros}");
            }
        }
    }

    #[test]
    fn counts_of_threads_are_added_up() {
        let meters = Meters::default();
        let subject = Subject { load_balancer: "a".into(), group: None };
        let (one, other) = (meters.meter(&subject), meters.meter(&subject));
        one.add(Metric::Requests, 2);
        other.add(Metric::Requests, 3);
        other.add(Metric::ActiveConnections, 1);
        other.leave(Metric::ActiveConnections);
        other.time(Duration::from_micros(70));
        let count = &meters.read()[&subject];
        assert_eq!((count.of(Metric::Requests), count.of(Metric::ActiveConnections)), (5, 0));
        assert_eq!((count.of(Metric::TargetResponseMicros), count.times[0]), (70, 1));
        drop((one, other));
        meters.retain(|_| false);
        assert!(meters.read().is_empty());
    }
}
