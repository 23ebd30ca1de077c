//! Old log events are taken off the disk now and then; metrics are made durable and grow coarser.

use core::time::Duration;
use std::sync::Arc;

use telemetry::logs::LogStore;
use telemetry::metrics::{MetricStore, Tended};

use crate::clock::now;

/// How often it is looked: retention counts in days.
const EVERY: Duration = Duration::from_hours(1);

/// How often metrics are tended: what a power cut may take of them.
const TEND_EVERY: Duration = Duration::from_secs(5);

/// Takes old events off the disk, at once and then for ever.
pub(crate) async fn keep(logs: Arc<LogStore>) {
    loop {
        let store = logs.clone();
        match tokio::task::spawn_blocking(move || store.expire(now().0)).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(bytes)) => tracing::info!(bytes, "log events past their retention are gone"),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "log events past their retention stay");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Makes metrics durable and coarser with age, for ever.
pub(crate) async fn tend(metrics: Arc<MetricStore>) {
    let mut is_well = true;
    loop {
        let store = metrics.clone();
        match tokio::task::spawn_blocking(move || store.tend(now().0)).await {
            Ok(Ok(Tended::More)) => continue,
            Ok(Ok(Tended::Done)) => is_well = true,
            Ok(Err(error)) if is_well => {
                is_well = false;
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the metric store cannot reach its disk");
            }
            // It has been said.
            Ok(Err(_)) | Err(_) => {}
        }
        tokio::time::sleep(TEND_EVERY).await;
    }
}
