//! For how long nothing has moved on a flow.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use tokio::time::Instant;

/// When something moved last, noted by whoever carries it and read by whoever ends what is idle.
#[derive(Debug)]
pub(super) struct Stillness {
    began: Instant,
    /// Milliseconds after the begin.
    moved: AtomicU64,
}

impl Stillness {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), moved: AtomicU64::new(0) }
    }

    /// Something moves.
    pub(super) fn end(&self) {
        self.moved.store(self.age(), Ordering::Relaxed);
    }

    /// Whether nothing has moved for so long.
    pub(super) fn lasts(&self, idle: Duration) -> bool {
        let still = self.age().saturating_sub(self.moved.load(Ordering::Relaxed));
        still >= millis(idle)
    }

    fn age(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flow_is_idle_once_nothing_has_moved_for_the_whole_time() {
        let idle = Duration::from_mins(2);
        let still = Stillness::new();
        advance(Duration::from_millis(119_999)).await;
        assert!(!still.lasts(idle));
        still.end();
        advance(Duration::from_millis(119_999)).await;
        assert!(!still.lasts(idle), "it has moved meanwhile");
        advance(Duration::from_millis(1)).await;
        assert!(still.lasts(idle));
    }
}
