//! Which targets of a group fail more often than the others, and how much of the traffic they keep.
//!
//! A target may pass its checks and still answer badly. What its requests come to is counted in
//! windows; at the end of each, every target that was asked often enough is held against all others
//! of its group together. One that does worse keeps half of its share each time, down to a trickle
//! by which it can show that it is well again; then it gets twice as much each time. Source:
//! Application Load Balancers User Guide, "Automatic target weights". AWS does not tell its
//! thresholds; these are ours.

use core::time::Duration;

use state::Anomaly;

use crate::balancing::{SHARE_FULL, SHARE_LEAST};

/// Length of a window.
pub const WINDOW: Duration = Duration::from_secs(10);

/// Fewer healthy targets than this are not compared. Source: as above.
const TARGETS_MIN: usize = 3;

/// Requests without which nothing is said of a target: its window goes on.
const REQUESTS_MIN: u64 = 20;

/// Whether targets that do worse get less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mitigation {
    /// They do.
    On,
    /// They are only told of.
    Off,
}

/// What came of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// How many there were.
    pub asked: u64,
    /// How many ended with a 5xx of the target or found no connection.
    pub failed: u64,
}

/// What is known of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// What was counted since it was judged last.
    window: Outcomes,
    does_worse: bool,
    /// Of [`SHARE_FULL`].
    share: u32,
}

impl Default for Watched {
    fn default() -> Self {
        Self { window: Outcomes::default(), does_worse: false, share: SHARE_FULL }
    }
}

impl Watched {
    /// How much of its turn it gets, of [`SHARE_FULL`].
    pub fn share(&self) -> u32 {
        self.share
    }

    /// What is to be told of it; `None` is nothing unusual.
    pub fn finding(&self) -> Option<Anomaly> {
        match (self.does_worse, self.share < SHARE_FULL) {
            (false, false) => None,
            (true, false) => Some(Anomaly::Detected),
            (true, true) => Some(Anomaly::Mitigated),
            (false, true) => Some(Anomaly::Recovering),
        }
    }
}

/// One target at the end of a window.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// What was known before.
    pub before: Watched,
    /// What the window has added.
    pub outcomes: Outcomes,
    /// Whether it passes its checks: others are not compared.
    pub is_healthy: bool,
}

/// What is known of a group's targets after one more window, in their order. O(targets).
pub fn next(targets: &[Window], mitigation: Mitigation) -> Vec<Watched> {
    let healthy = || targets.iter().filter(|it| it.is_healthy);
    if healthy().count() < TARGETS_MIN {
        return vec![Watched::default(); targets.len()];
    }
    let all = healthy().map(Window::counted).fold(Outcomes::default(), |sum, it| Outcomes {
        asked: sum.asked + it.asked,
        failed: sum.failed + it.failed,
    });
    let known =
        |it: &Window| if it.is_healthy { it.judged(all, mitigation) } else { Watched::default() };
    targets.iter().map(known).collect()
}

impl Window {
    /// Everything since the target was judged last. Requests end later than they begin: more cannot
    /// have failed than there were.
    fn counted(&self) -> Outcomes {
        let asked = self.before.window.asked + self.outcomes.asked;
        let failed = (self.before.window.failed + self.outcomes.failed).min(asked);
        Outcomes { asked, failed }
    }

    fn judged(&self, all: Outcomes, mitigation: Mitigation) -> Watched {
        let own = self.counted();
        let others = Outcomes { asked: all.asked - own.asked, failed: all.failed - own.failed };
        let mut after = Watched { window: own, ..self.before };
        if own.asked >= REQUESTS_MIN && others.asked >= REQUESTS_MIN {
            after.window = Outcomes::default();
            after.does_worse = does_worse(own, others, self.before.does_worse);
            after.share = if after.does_worse {
                (after.share / 2).max(SHARE_LEAST)
            } else {
                (after.share * 2).min(SHARE_FULL)
            };
        }
        if mitigation == Mitigation::Off {
            after.share = SHARE_FULL;
        }
        after
    }
}

/// Whether more has failed than the others' ratio lets one expect, by far: a tenth of the requests
/// and three standard deviations. One that did worse before does so until it is within a twentieth.
fn does_worse(own: Outcomes, others: Outcomes, did_before: bool) -> bool {
    let expected = u128::from(own.asked) * u128::from(others.failed) / u128::from(others.asked);
    let asked = u128::from(own.asked);
    let excess = u128::from(own.failed).saturating_sub(expected);
    if did_before {
        return excess * 20 > asked;
    }
    // The variance of a rare event's count is about the count that is expected.
    excess * 10 > asked && excess * excess > 9 * (expected + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: (u64, u64) = (100, 0);

    /// Plays windows of (asked, failed) for each target and draws what is known of the last one
    /// after each: `.` nothing, `!` detected, `m` mitigated, `r` recovering; and its share.
    #[track_caller]
    fn check(windows: &[&[(u64, u64)]], mitigation: Mitigation, expected: &[(char, u32)]) {
        let mut known = vec![Watched::default(); windows.first().map_or(0, |it| it.len())];
        let mut seen = Vec::new();
        for outcomes in windows {
            let window = |(before, (asked, failed)): (&Watched, &(u64, u64))| Window {
                before: *before,
                outcomes: Outcomes { asked: *asked, failed: *failed },
                is_healthy: true,
            };
            let targets: Vec<Window> = known.iter().zip(*outcomes).map(window).collect();
            known = next(&targets, mitigation);
            let last = known.last().expect("one");
            let picture = match last.finding() {
                None => '.',
                Some(Anomaly::Detected) => '!',
                Some(Anomaly::Mitigated) => 'm',
                Some(Anomaly::Recovering) => 'r',
            };
            seen.push((picture, last.share()));
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_target_that_fails_more_than_the_others_is_found() {
        let on = Mitigation::On;
        check(&[&[FINE, FINE, FINE]], on, &[('.', 1_000)]);
        check(&[&[FINE, FINE, (100, 12)]], on, &[('m', 500)]);
        // Not by far.
        check(&[&[FINE, FINE, (100, 9)]], on, &[('.', 1_000)]);
        // Among few requests chance is greater.
        check(&[&[FINE, FINE, (20, 3)]], on, &[('.', 1_000)]);
        check(&[&[FINE, FINE, (20, 4)]], on, &[('m', 500)]);
        // Where all fail none does worse.
        check(&[&[(100, 50), (100, 50), (100, 60)]], on, &[('.', 1_000)]);
        check(&[&[(100, 50), (100, 50), (100, 100)]], on, &[('m', 500)]);
        // Two of three that fail are both found: the third one is what they are held against.
        check(&[&[FINE, (100, 100), (100, 100)]], on, &[('m', 500)]);
    }

    #[test]
    fn without_mitigation_it_is_only_told_of() {
        let bad = [FINE, FINE, (100, 100)];
        let off = Mitigation::Off;
        check(&[&bad, &bad, &[FINE; 3]], off, &[('!', 1_000), ('!', 1_000), ('.', 1_000)]);
    }

    #[test]
    fn fewer_than_three_healthy_targets_are_not_compared() {
        check(&[&[FINE, (100, 100)]], Mitigation::On, &[('.', 1_000)]);
        let one = |is_healthy, failed| Window {
            before: Watched::default(),
            outcomes: Outcomes { asked: 100, failed },
            is_healthy,
        };
        let known = next(&[one(true, 0), one(false, 0), one(true, 100)], Mitigation::On);
        assert_eq!(known, [Watched::default(); 3]);
        // One that does not pass its checks is not compared with those that do.
        let targets = [one(true, 0), one(true, 0), one(true, 0), one(false, 100)];
        assert_eq!(next(&targets, Mitigation::On), [Watched::default(); 4]);
    }

    #[test]
    fn the_share_falls_to_a_trickle_and_comes_back_step_by_step() {
        let bad = [FINE, FINE, (100, 50)];
        let down = [500, 250, 125, 62, 50, 50].map(|share| ('m', share));
        let up = [('r', 100), ('r', 200), ('r', 400), ('r', 800), ('.', 1_000)];
        let windows: Vec<&[(u64, u64)]> =
            [bad.as_slice(); 6].into_iter().chain([[FINE; 3].as_slice(); 5]).collect();
        check(&windows, Mitigation::On, &[down.as_slice(), &up].concat());
    }

    #[test]
    fn nothing_is_said_before_enough_was_asked() {
        let few = [FINE, FINE, (10, 10)];
        check(&[&few, &few], Mitigation::On, &[('.', 1_000), ('m', 500)]);
        // Still too few: what was said before stands.
        let none = [FINE, FINE, (5, 0)];
        let bad = [FINE, FINE, (100, 100)];
        check(&[&bad, &none], Mitigation::On, &[('m', 500), ('m', 500)]);
        let nobody_else = [(0, 0), (0, 0), (100, 100)];
        check(&[&nobody_else], Mitigation::On, &[('.', 1_000)]);
    }

    #[test]
    fn one_that_did_worse_is_well_again_within_a_twentieth() {
        let windows: [&[(u64, u64)]; 3] =
            [&[FINE, FINE, (100, 20)], &[FINE, FINE, (100, 6)], &[FINE, FINE, (100, 5)]];
        check(&windows, Mitigation::On, &[('m', 500), ('m', 250), ('r', 500)]);
    }
}
