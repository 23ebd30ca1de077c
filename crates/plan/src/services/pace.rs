//! How fast tasks of a service are launched: a steady pace, and pauses after launches that failed
//! (handbook 5.6).

use core::time::Duration;

use state::Deployment;
use types::Timestamp;

/// Between two launches of one service in the long run: 500 a minute. Source: Amazon ECS service
/// quotas, "Tasks launched by a service".
const PACE: Duration = Duration::from_millis(120);
/// Launches of a minute may be made at once.
const BURST: Duration = Duration::from_mins(1);

/// Who has used that up launches what has come together in so long, not one by one.
const TOGETHER: Duration = Duration::from_secs(5);

/// After the first launch that failed.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// After a launch that never ran. Source: ECS Developer Guide, "Service throttle logic".
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// After one that ran, but not for long enough to count as healthy.
///
/// Differs: AWS does not slow these down. There a launch takes many seconds, here a fraction of
/// one: without a pause a program that ends at once would be started eight times a second.
const LONGEST_PAUSE_OF_RUNNING: Duration = Duration::from_secs(10);

/// So many failed waves in a row are told of.
pub(super) const TOLD_OF: u32 = 3;

/// How a launch went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stumble {
    /// It never ran.
    NeverRan,
    /// It ended by itself before it counted as healthy.
    EndedEarly,
}

/// How many tasks may be launched now.
pub(super) fn allowance(deployment: &Deployment, now: Timestamp) -> u32 {
    if deployment.wait_until.is_some_and(|it| it > now) {
        return 0;
    }
    let ahead = deployment.paced_until.map_or(Duration::ZERO, |it| it.since(now));
    let left = BURST.saturating_sub(ahead);
    if left < TOGETHER {
        return 0;
    }
    u32::try_from(left.as_millis() / PACE.as_millis()).unwrap_or(0)
}

/// When one more may be launched, if none may be now.
pub(super) fn next_launch(deployment: &Deployment, now: Timestamp) -> Option<Timestamp> {
    let pause = deployment.wait_until.filter(|it| *it > now);
    let paced =
        deployment.paced_until.filter(|_| allowance(deployment, now) == 0 && pause.is_none());
    let paced =
        paced.map(|it| now.after(it.since(now).saturating_sub(BURST.saturating_sub(TOGETHER))));
    pause.or(paced)
}

/// Takes note of launches.
pub fn launched(deployment: &mut Deployment, count: u32, now: Timestamp) {
    let from = deployment.paced_until.map_or(now, |it| it.max(now));
    deployment.paced_until = Some(from.after(PACE * count));
}

/// Takes note of a launch that failed. Tasks that were launched together fail as one.
pub(super) fn stumbled(
    deployment: &mut Deployment,
    created_at: Timestamp,
    how: Stumble,
    now: Timestamp,
) {
    if deployment.wait_until.is_some_and(|it| created_at < it) {
        return;
    }
    deployment.stumbles = deployment.stumbles.saturating_add(1);
    deployment.wait_until = Some(now.after(pause(deployment.stumbles, how)));
}

/// Half as long again after each.
fn pause(stumbles: u32, how: Stumble) -> Duration {
    let longest = match how {
        Stumble::NeverRan => LONGEST_PAUSE,
        Stumble::EndedEarly => LONGEST_PAUSE_OF_RUNNING,
    };
    let mut pause = FIRST_PAUSE;
    for _ in 1..stumbles {
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
    pause.min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_second_to_a_quarter_of_an_hour() {
        let seconds = |it: u32, how| pause(it, how).as_secs();
        let never: Vec<u64> = (1..=20).map(|it| seconds(it, Stumble::NeverRan)).collect();
        assert_eq!(never[..6], [1, 1, 2, 3, 5, 7]);
        assert_eq!(never[18..], [900, 900]);
        let early: Vec<u64> = (1..=8).map(|it| seconds(it, Stumble::EndedEarly)).collect();
        assert_eq!(early, [1, 1, 2, 3, 5, 7, 10, 10]);
    }
}
