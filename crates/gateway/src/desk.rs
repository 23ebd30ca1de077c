//! The reconcilers at the writer's desk.

use reconcilers::Queue;
use state::{Change, Context, Draft};
use store::Desk;
use types::Timestamp;

/// Runs the queue of reviews under the writer.
pub struct ReconcilerDesk(pub Queue);

impl Desk for ReconcilerDesk {
    fn hear(&mut self, change: &Change, now: Timestamp) {
        self.0.hear(change, now);
    }

    fn due(&self) -> Timestamp {
        self.0.due()
    }

    fn turn(&mut self, draft: &mut Draft<'_>, context: &mut Context<'_>) -> bool {
        let reviewed = self.0.turn(draft, context);
        if let Some(it) = reviewed.as_ref().filter(|it| it.changes > 0) {
            tracing::debug!(reconciler = it.reconciler, subject = ?it.subject, changes = it.changes);
        }
        reviewed.is_some()
    }
}
