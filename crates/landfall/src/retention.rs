//! Old log events are taken off the disk now and then.

use core::time::Duration;
use std::sync::Arc;

use telemetry::logs::LogStore;

use crate::server::now;

/// How often it is looked: retention counts in days.
const EVERY: Duration = Duration::from_hours(1);

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
