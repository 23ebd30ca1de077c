//! What balancers find: of targets, and of listeners that they cannot open.

use std::collections::BTreeMap;

use plan::routing::session::{Report, TargetReport};
use plan::targets;
use state::{Balancer, Change, Draft, Seen, Target, TargetKey};
use types::Timestamp;

/// Whether a report was taken in whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It was.
    None,
    /// A write carries only so many changes: the same report is to be put before the writer again.
    More,
}

/// A balancer's session stands.
pub fn called(draft: &mut Draft<'_>, name: &str, now: Timestamp) {
    let standing = draft.state().balancers().get(name).cloned();
    let row = match standing.as_deref() {
        Some(it) if it.connected => return,
        Some(it) => Balancer { connected: true, connected_at: now, ..it.clone() },
        None => Balancer {
            name: name.to_owned(),
            created_at: now,
            connected: true,
            connected_at: now,
            addresses: Vec::new(),
            refused: BTreeMap::new(),
        },
    };
    draft.change(Change::from(row));
}

/// A balancer is not there any more. What it found is not counted until it is back.
pub fn gone(draft: &mut Draft<'_>, name: &str, now: Timestamp) {
    let standing = draft.state().balancers().get(name).filter(|it| it.connected).cloned();
    if let Some(it) = standing {
        let row = Balancer { connected: false, connected_at: now, ..it.as_ref().clone() };
        draft.change(Change::from(row));
    }
}

/// Takes in what a balancer finds. Changes only what has changed; what it says of a registration
/// that is not there any more says nothing. O(targets reported).
pub fn report(draft: &mut Draft<'_>, name: &str, found: &Report, now: Timestamp) -> Rest {
    note_listeners(draft, name, found);
    for one in &found.targets {
        if draft.changes().len() >= state::CHANGES_MAX {
            return Rest::More;
        }
        if let Some(fresh) = taken_in(draft, name, one, now) {
            draft.change(targets::put(fresh));
        }
    }
    Rest::None
}

fn note_listeners(draft: &mut Draft<'_>, name: &str, found: &Report) {
    let Some(row) = draft.state().balancers().get(name).cloned() else { return };
    let refused: BTreeMap<String, String> = found.refused.iter().cloned().collect();
    if row.refused != refused || row.addresses != found.addresses {
        let addresses = found.addresses.clone();
        draft.change(Change::from(Balancer { refused, addresses, ..row.as_ref().clone() }));
    }
}

fn taken_in(draft: &Draft<'_>, name: &str, one: &TargetReport, now: Timestamp) -> Option<Target> {
    let key = TargetKey { group: one.group.clone(), id: one.id.clone(), port: one.port };
    let target =
        targets::get(draft.state(), &key).filter(|it| it.registered_at == one.registered_at)?;
    let before = target.seen.get(name);
    let same_health = before.filter(|it| it.health == one.health);
    if same_health.is_some_and(|it| it.busy == one.is_busy && it.anomaly == one.anomaly) {
        return None;
    }
    let since = same_health.map_or(now, |it| it.since);
    let seen = Seen { health: one.health.clone(), since, busy: one.is_busy, anomaly: one.anomaly };
    let mut fresh = target.as_ref().clone();
    // Balancers that are forgotten are forgotten here too.
    fresh.seen.retain(|it, _| draft.state().balancers().contains_key(it));
    fresh.seen.insert(name.to_owned(), seen);
    Some(fresh)
}

#[cfg(test)]
mod tests {
    use state::TargetHealth;

    use super::*;
    use crate::fixture::{Fixture, region};

    const NAME: &str = "b";

    fn key(number: u16) -> TargetKey {
        TargetKey { group: "g".into(), id: "172.31.0.9".into(), port: number }
    }

    /// A region with so many targets, registered at time one, and a balancer that has called.
    fn with_targets(count: u16) -> Fixture {
        let mut region = region();
        for number in 0..count {
            region.step(|draft, _| {
                draft.change(Change::from(Target {
                    key: key(number),
                    address: None,
                    zone: None,
                    registered_at: Timestamp(1),
                    draining: None,
                    seen: BTreeMap::new(),
                    service: None,
                }));
            });
        }
        region.step(|draft, _| called(draft, NAME, Timestamp(1)));
        region
    }

    fn found(count: u16, health: &TargetHealth) -> Report {
        let one = |number| TargetReport {
            group: "g".into(),
            id: "172.31.0.9".into(),
            port: number,
            registered_at: Timestamp(1),
            health: health.clone(),
            is_busy: true,
            anomaly: None,
        };
        Report { targets: (0..count).map(one).collect(), ..Report::default() }
    }

    fn take_in(region: &mut Fixture, report: &Report, now: i64) -> (Rest, usize) {
        region.step(|draft, _| {
            let rest = super::report(draft, NAME, report, Timestamp(now));
            (rest, draft.changes().len())
        })
    }

    #[test]
    fn only_what_has_changed_is_written() {
        let mut region = with_targets(3);
        let mut report = found(3, &TargetHealth::Healthy);
        assert_eq!(take_in(&mut region, &report, 5), (Rest::None, 3));
        assert_eq!(take_in(&mut region, &report, 6), (Rest::None, 0));
        if let Some(one) = report.targets.get_mut(1) {
            one.is_busy = false;
        }
        assert_eq!(take_in(&mut region, &report, 7), (Rest::None, 1));
        let seen = region.state.targets().get(&key(1)).and_then(|it| it.seen.get(NAME)).cloned();
        let expected =
            Seen { health: TargetHealth::Healthy, since: Timestamp(5), busy: false, anomaly: None };
        assert_eq!(seen, Some(expected));
        if let Some(one) = report.targets.get_mut(1) {
            one.anomaly = Some(state::Anomaly::Mitigated);
        }
        assert_eq!(take_in(&mut region, &report, 8), (Rest::None, 1));
        assert_eq!(take_in(&mut region, &report, 9), (Rest::None, 0));
    }

    #[test]
    fn what_a_forgotten_balancer_found_goes_with_the_next_change() {
        let mut region = with_targets(1);
        let report = found(1, &TargetHealth::Healthy);
        take_in(&mut region, &report, 5);
        region.step(|draft, _| draft.change(Change::Balancer(NAME.into(), None)));
        region.step(|draft, _| {
            called(draft, "other", Timestamp(6));
            super::report(draft, "other", &report, Timestamp(6));
        });
        let target = region.state.targets().get(&key(0)).expect("is there");
        assert_eq!(target.seen.keys().collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn a_report_of_many_changes_is_taken_in_in_steps() {
        let mut region = with_targets(250);
        let report = found(250, &TargetHealth::Timeout);
        let mut steps = Vec::new();
        loop {
            let (rest, changes) = take_in(&mut region, &report, 5);
            steps.push(changes);
            if rest == Rest::None {
                break;
            }
        }
        assert_eq!(steps, [100, 100, 50]);
    }

    #[test]
    fn what_is_said_of_another_registration_says_nothing() {
        let mut region = with_targets(1);
        let mut report = found(1, &TargetHealth::Healthy);
        if let Some(one) = report.targets.first_mut() {
            one.registered_at = Timestamp(0);
        }
        assert_eq!(take_in(&mut region, &report, 5), (Rest::None, 0));
    }

    #[test]
    fn listeners_that_cannot_be_opened_are_noted_with_the_balancer() {
        let mut region = with_targets(0);
        let refused = vec![("listener".to_owned(), "port 80: in use".to_owned())];
        let report = Report { refused, ..Report::default() };
        assert_eq!(take_in(&mut region, &report, 5), (Rest::None, 1));
        assert_eq!(take_in(&mut region, &report, 6), (Rest::None, 0));
        region.step(|draft, _| gone(draft, NAME, Timestamp(8)));
        let row = region.state.balancers().get(NAME).expect("is known");
        assert_eq!((row.connected, row.connected_at), (false, Timestamp(8)));
        assert_eq!(row.refused.get("listener").map(String::as_str), Some("port 80: in use"));
    }
}
