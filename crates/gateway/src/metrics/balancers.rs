//! What balancers have counted.

use plan::routing::session;
use telemetry::metrics::{MetricStore, Resolution, Sample, Series, Statistics};
use types::Timestamp;

/// Values further from now than this come from a clock that is wrong, and count as of now: two
/// hours, in milliseconds.
const APART: u64 = 2 * 60 * 60 * 1000;
/// Series of one frame that are taken in.
const SERIES_MAX: usize = 50_000;

/// Puts what a balancer has counted into the store. What the disk does not take is lost: a balancer
/// tells each count once.
pub(crate) fn put_counted(
    store: &MetricStore,
    balancer: &str,
    counted: &[session::Series],
    now: Timestamp,
) {
    let samples: Vec<Sample> =
        counted.iter().take(SERIES_MAX).filter_map(|it| sample(it, now)).collect();
    if let Err(error) = store.put(&samples, now.0) {
        let source = &error.source;
        tracing::error!(%error, %source, balancer, lost = samples.len(), "counts of a balancer are lost");
    }
}

fn sample(it: &session::Series, now: Timestamp) -> Option<Sample> {
    let load_balancer = it.dimensions.iter().find(|it| it.0.starts_with("LoadBalancer"));
    let namespace = match load_balancer {
        Some((name, _)) if name == "LoadBalancerName" => "AWS/ELB",
        Some((_, value)) if value.starts_with("net/") => "AWS/NetworkELB",
        Some((_, value)) if value.starts_with("app/") => "AWS/ApplicationELB",
        // Those of endpoints of Service Connect are no load balancers' of AWS.
        _ => return None,
    };
    let all = [it.count, it.sum, it.min, it.max];
    if !all.iter().all(|it| it.is_finite()) || it.count <= 0.0 {
        return None;
    }
    // The period ends at its time; it is kept under where it began.
    let at = if it.at.0.abs_diff(now.0) > APART { now.0 } else { it.at.0 } - 1;
    let dimensions = it.dimensions.iter().cloned();
    Some(Sample {
        series: Series::new(namespace, &it.metric, dimensions, unit(&it.metric)),
        at,
        resolution: Resolution::TenSeconds,
        statistics: Statistics { count: it.count, sum: it.sum, min: it.min, max: it.max },
    })
}

/// The unit of a metric of load balancers. Source: Application, Network and Classic Load Balancers
/// User Guides, "CloudWatch metrics".
fn unit(metric: &str) -> &'static str {
    match metric {
        "TargetResponseTime" | "Latency" => "Seconds",
        _ if metric.contains("Bytes") => "Bytes",
        _ => "Count",
    }
}
