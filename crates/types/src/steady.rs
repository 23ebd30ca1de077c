//! A clock for deadlines, made of one that people and programs set.

use core::time::Duration;

use crate::Timestamp;

/// The machine's time, but for its steps back: then this one goes on at half its speed until the
/// two are one again.
///
/// So it never goes back and never stands still, and a deadline of some seconds is over after twice
/// that at the latest, whatever is done to the machine's clock. A step forward is followed at once.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    running: Duration,
    /// Since 1970. Finer than what is told, so that nothing is lost by being asked often.
    nanoseconds: i128,
}

impl SteadyClock {
    /// Begins with the machine's time. `running` is how long some clock has run that nobody sets.
    pub fn new(running: Duration, machine: Timestamp) -> Self {
        Self { running, nanoseconds: nanoseconds(machine) }
    }

    /// The time.
    pub fn tell(&mut self, running: Duration, machine: Timestamp) -> Timestamp {
        let passed = running.saturating_sub(self.running).as_nanos();
        let slow = self.nanoseconds + i128::try_from(passed / 2).unwrap_or(0);
        self.nanoseconds = slow.max(nanoseconds(machine));
        self.running = running;
        let milliseconds = self.nanoseconds.div_euclid(NANOSECONDS);
        Timestamp(i64::try_from(milliseconds).unwrap_or(i64::MAX))
    }
}

/// In a millisecond.
const NANOSECONDS: i128 = 1_000_000;

fn nanoseconds(time: Timestamp) -> i128 {
    i128::from(time.0) * NANOSECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1_000)
    }

    #[test]
    fn a_clock_that_nobody_sets_is_followed() {
        let mut clock = SteadyClock::new(seconds(5), at(100));
        assert_eq!(clock.tell(seconds(6), at(101)), at(101));
        assert_eq!(clock.tell(seconds(6), at(101)), at(101));
        assert_eq!(clock.tell(seconds(66), at(161)), at(161));
    }

    #[test]
    fn a_step_forward_is_followed_at_once() {
        let mut clock = SteadyClock::new(seconds(0), at(100));
        assert_eq!(clock.tell(seconds(1), at(5_000)), at(5_000));
    }

    #[test]
    fn after_a_step_back_time_goes_on_at_half_its_speed_until_both_are_one() {
        let mut clock = SteadyClock::new(seconds(0), at(100));
        assert_eq!(clock.tell(seconds(0), at(40)), at(100));
        assert_eq!(clock.tell(seconds(60), at(100)), at(130));
        assert_eq!(clock.tell(seconds(120), at(160)), at(160));
        assert_eq!(clock.tell(seconds(121), at(161)), at(161));
    }

    #[test]
    fn being_asked_often_takes_no_time_away() {
        let mut clock = SteadyClock::new(seconds(0), at(100));
        for microseconds in 1..=1_000_000 {
            clock.tell(Duration::from_micros(microseconds), at(0));
        }
        assert_eq!(clock.tell(seconds(1), at(1)), Timestamp(100_500));
    }
}
