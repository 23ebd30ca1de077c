//! Classic Load Balancers have names of their own for what is counted.
//!
//! Differs: `BackendConnectionErrors` and `Latency` are those of requests only, not of health checks
//! and flows, and nothing waits in a queue that could spill over. Source: Classic Load
//! Balancers User Guide, "CloudWatch metrics for your Classic Load Balancer".

use super::{Many, One, number};
use crate::counters::Metric;

/// What a metric is called; `None` for one that they do not have.
pub(super) fn name(metric: Metric) -> Option<&'static str> {
    match metric {
        // Where bytes are carried as they come, a connection is a request.
        Metric::Requests | Metric::NewTcpFlows | Metric::NewTlsFlows => Some("RequestCount"),
        Metric::Target2xx => Some("HTTPCode_Backend_2XX"),
        Metric::Target3xx => Some("HTTPCode_Backend_3XX"),
        Metric::Target4xx => Some("HTTPCode_Backend_4XX"),
        Metric::Target5xx => Some("HTTPCode_Backend_5XX"),
        Metric::Elb4xx => Some("HTTPCode_ELB_4XX"),
        Metric::Elb5xx => Some("HTTPCode_ELB_5XX"),
        Metric::TargetConnectionErrors | Metric::TargetTlsErrors => Some("BackendConnectionErrors"),
        Metric::NonCompliantRequests => Some(metric.name()),
        Metric::ProcessedBytes => Some("EstimatedProcessedBytes"),
        _ => None,
    }
}

/// So much more of a metric: of requests and answers each is a value of its own.
pub(super) fn value(name: &str, more: u64) -> Many {
    let sum = number(more);
    if name == "RequestCount" || name.starts_with("HTTPCode_") {
        return Many { count: sum, sum, min: 1.0, max: 1.0 };
    }
    One(sum).into()
}
