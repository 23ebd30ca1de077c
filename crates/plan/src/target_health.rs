//! What health checks of a target come to.
//!
//! Source: Application Load Balancers User Guide, "Health checks for your target groups";
//! handbook 7.3.

use core::time::Duration;

use state::{HealthCheck, Matcher, TargetHealth};

mod roster;

pub use roster::{Roster, Settled, Subject};

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The target answered with this code (of HTTP, or of gRPC).
    Code(u16),
    /// It was reached, and nothing more is asked of it.
    Reached,
    /// No answer came in time.
    Timeout,
    /// It could not be reached, or spoke something else.
    Failed,
}

/// What is known of a target from its checks so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What they have come to.
    pub health: TargetHealth,
    /// Checks in a row that contradict it.
    pub against: u32,
}

impl Default for Checked {
    fn default() -> Self {
        Self { health: TargetHealth::Initial, against: 0 }
    }
}

/// What is known after one more check.
///
/// A new target needs one good check; one that was unhealthy as many in a row as the threshold
/// says. A new target that fails is unhealthy after as many bad ones as the threshold says.
pub fn next(before: &Checked, check: Check, settings: &HealthCheck) -> Checked {
    let finding = judge(check, settings.matcher.as_ref());
    let is_good = finding == TargetHealth::Healthy;
    let wanted = match (&before.health, is_good) {
        // The newest reason shows.
        (TargetHealth::Healthy, true) => return Checked { health: finding, against: 0 },
        (TargetHealth::Initial, true) => 1,
        (TargetHealth::Healthy | TargetHealth::Initial, false) => settings.unhealthy_threshold,
        (_, true) => settings.healthy_threshold,
        (_, false) => return Checked { health: finding, against: 0 },
    };
    let against = before.against + 1;
    if against >= wanted {
        Checked { health: finding, against: 0 }
    } else {
        Checked { health: before.health.clone(), against }
    }
}

/// What one check says by itself.
fn judge(check: Check, matcher: Option<&Matcher>) -> TargetHealth {
    match check {
        Check::Reached => TargetHealth::Healthy,
        Check::Timeout => TargetHealth::Timeout,
        Check::Failed => TargetHealth::Failed,
        Check::Code(code) => match matcher {
            Some(Matcher::Http(good) | Matcher::Grpc(good)) if is_listed(good, code) => {
                TargetHealth::Healthy
            }
            None if code == 200 => TargetHealth::Healthy,
            _ => TargetHealth::WrongCode(code),
        },
    }
}

/// Whether a list such as `200,202` or `200-299,404` holds a code.
pub fn is_listed(list: &str, code: u16) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&code),
            _ => false,
        }
    })
}

/// How long after its registration a target is checked first: soon, but not all at once.
/// `place` spreads targets over a tenth of the interval, at most a second.
pub fn first_wait(settings: &HealthCheck, place: u64) -> Duration {
    let window = (settings.interval / 10).min(Duration::from_secs(1));
    let millis = u64::try_from(window.as_millis()).unwrap_or(1).max(1);
    Duration::from_millis(place % millis)
}

#[cfg(test)]
mod tests {
    use state::TargetProtocol;

    use super::*;

    fn settings() -> HealthCheck {
        HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Http,
            port: None,
            path: Some("/".into()),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 3,
            unhealthy_threshold: 2,
            matcher: Some(Matcher::Http("200-299".into())),
        }
    }

    /// Plays checks (`+` good, `-` a 503, `t` no answer) and draws what is known after each: `i`
    /// initial, `H` healthy, `5` wrong code, `T` timeout.
    #[track_caller]
    fn check(checks: &str, expected: &str) {
        let mut known = Checked::default();
        let picture: String = checks
            .chars()
            .map(|it| {
                let one = match it {
                    '+' => Check::Code(204),
                    '-' => Check::Code(503),
                    _ => Check::Timeout,
                };
                known = next(&known, one, &settings());
                match known.health {
                    TargetHealth::Initial => 'i',
                    TargetHealth::Healthy => 'H',
                    TargetHealth::WrongCode(_) => '5',
                    TargetHealth::Timeout => 'T',
                    TargetHealth::Failed => 'F',
                }
            })
            .collect();
        assert_eq!(picture, expected, "{checks}");
    }

    #[test]
    fn a_new_target_needs_one_good_check() {
        check("+", "H");
        check("-+", "iH");
    }

    #[test]
    fn thresholds_count_checks_in_a_row() {
        check("--", "i5");
        check("+-+-+--", "HHHHHH5");
        check("--++-+++", "i555555H");
    }

    #[test]
    fn the_newest_reason_shows() {
        check("--t-", "i5T5");
    }

    #[test]
    fn codes_are_lists_and_ranges() {
        assert!(is_listed("200,202", 202) && is_listed("200-299,404", 404));
        assert!(!is_listed("200-299", 300) && !is_listed("", 200) && !is_listed("x-y", 200));
    }
}
