//! Which instances have been silent for too long.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use types::{InstanceId, Timestamp};

/// How long an instance may be silent before it counts as disconnected.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);

/// When each connected instance was last heard of.
///
/// Not part of the state: after a restart every connected instance counts as heard of just now, so
/// that a restart of the control plane takes no instance for lost.
#[derive(Debug, Clone, Default)]
pub struct Liveness {
    heard: BTreeMap<InstanceId, Timestamp>,
    order: BTreeSet<(Timestamp, InstanceId)>,
}

impl Liveness {
    /// Notes a sign of life.
    pub fn hear(&mut self, instance: InstanceId, now: Timestamp) {
        if let Some(before) = self.heard.insert(instance, now) {
            self.order.remove(&(before, instance));
        }
        self.order.insert((now, instance));
    }

    /// Whether it is listened for: it was heard and has not been told as lost since.
    pub fn hears(&self, instance: InstanceId) -> bool {
        self.heard.contains_key(&instance)
    }

    /// Stops listening for an instance.
    pub fn forget(&mut self, instance: InstanceId) {
        if let Some(before) = self.heard.remove(&instance) {
            self.order.remove(&(before, instance));
        }
    }

    /// Instances that have been silent for `silence`; each is told once and then forgotten.
    ///
    /// Signs of life that lie ahead came before the clock was set back: they count as of now.
    pub fn lost(&mut self, now: Timestamp, silence: Duration) -> Vec<InstanceId> {
        while let Some((_, instance)) = self.order.last().copied().filter(|(at, _)| *at > now) {
            self.hear(instance, now);
        }
        let mut lost = Vec::new();
        while let Some((at, instance)) = self.order.first().copied() {
            if at.after(silence) > now {
                break;
            }
            self.forget(instance);
            lost.push(instance);
        }
        lost
    }

    /// When the most silent instance would be lost.
    pub fn due(&self, silence: Duration) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| at.after(silence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_hides_no_silence() {
        let a = InstanceId::new(1);
        let mut liveness = Liveness::default();
        liveness.hear(a, Timestamp(3_600_000));

        assert_eq!(liveness.lost(Timestamp(1_000), SILENCE_MAX), []);
        assert_eq!(liveness.due(SILENCE_MAX), Some(Timestamp(16_000)));
        assert_eq!(liveness.lost(Timestamp(16_000), SILENCE_MAX), [a]);
    }

    #[test]
    fn only_the_silent_are_lost_and_only_once() {
        let (a, b) = (InstanceId::new(1), InstanceId::new(2));
        let mut liveness = Liveness::default();
        liveness.hear(a, Timestamp(0));
        liveness.hear(b, Timestamp(0));
        liveness.hear(b, Timestamp(9_000));

        assert_eq!(liveness.due(SILENCE_MAX), Some(Timestamp(15_000)));
        assert_eq!(liveness.lost(Timestamp(14_999), SILENCE_MAX), []);
        assert_eq!(liveness.lost(Timestamp(15_000), SILENCE_MAX), [a]);
        assert!(!liveness.hears(a) && liveness.hears(b));
        assert_eq!(liveness.lost(Timestamp(15_000), SILENCE_MAX), []);
        assert_eq!(liveness.due(SILENCE_MAX), Some(Timestamp(24_000)));
    }
}
