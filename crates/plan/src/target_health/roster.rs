//! Whom a balancer asks how they are, and what the answers have come to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use state::{HealthCheck, ProtocolVersion, TargetHealth, TargetKey};
use types::Timestamp;

use super::{Check, Checked, next};
use crate::routing::{Compiled, Group, ReadyGroup, Target};

/// Who is asked, and how. A change of any of it begins a new round of questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Where it is asked.
    pub address: SocketAddr,
    /// Of HTTP.
    pub version: Option<ProtocolVersion>,
    /// How.
    pub settings: HealthCheck,
    /// The registration that the answers are about.
    pub registered_at: Timestamp,
}

impl Subject {
    /// Whether answers of one say something about the other.
    fn is_target_of(&self, other: &Self) -> bool {
        self.address == other.address && self.registered_at == other.registered_at
    }
}

/// Everybody who is asked, with what is known. Targets that drain are not asked.
#[derive(Debug, Default)]
pub struct Roster {
    asked: BTreeMap<TargetKey, (Subject, Checked)>,
    /// Targets that are found to be what others are found to be.
    checked_as: BTreeMap<TargetKey, TargetKey>,
}

/// Whose questions change with a table. All others notice nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// They are asked no more; some of them begin anew.
    pub ended: Vec<TargetKey>,
    /// They are asked from now on.
    pub begun: Vec<(TargetKey, Subject)>,
}

impl Roster {
    /// The targets of a table and no others are asked. What is known of a target stays known for as
    /// long as it is the same registration at the same address. O(targets).
    pub fn settle(&mut self, compiled: &Compiled) -> Settled {
        let mut settled = Settled::default();
        let mut before = core::mem::take(&mut self.asked);
        self.checked_as = checked_as(compiled);
        for (key, subject) in subjects(compiled) {
            let standing = before.remove(&key);
            let known = match standing {
                Some((same, known)) if same == subject => {
                    self.asked.insert(key, (same, known));
                    continue;
                }
                Some((other, known)) => {
                    settled.ended.push(key.clone());
                    if other.is_target_of(&subject) { known } else { Checked::default() }
                }
                None => Checked::default(),
            };
            settled.begun.push((key.clone(), subject.clone()));
            self.asked.insert(key, (subject, known));
        }
        settled.ended.extend(before.into_keys());
        settled
    }

    /// Takes in how one question ended; answers the healths before and after if it has become
    /// another one. An answer to a question that is asked no more says nothing.
    pub fn take_in(
        &mut self,
        key: &TargetKey,
        asked: &Subject,
        check: Check,
    ) -> Option<(TargetHealth, TargetHealth)> {
        let (subject, known) = self.asked.get_mut(key)?;
        if subject != asked {
            return None;
        }
        let after = next(known, check, &subject.settings);
        let before = core::mem::replace(known, after);
        (before.health != known.health).then(|| (before.health, known.health.clone()))
    }

    /// What is known of a target.
    pub fn health(&self, key: &TargetKey) -> TargetHealth {
        let key = self.checked_as.get(key).unwrap_or(key);
        self.asked.get(key).map_or(TargetHealth::Initial, |it| it.1.health.clone())
    }
}

fn subjects(compiled: &Compiled) -> BTreeMap<TargetKey, Subject> {
    let mut subjects = BTreeMap::new();
    for group in compiled.groups.iter().filter(|it| it.told.checked_in.is_none()) {
        let settings = &group.told.health_check;
        for target in &group.told.targets {
            let Some(address) = target.address.filter(|_| target.draining.is_none()) else {
                continue;
            };
            let id = target.id.clone();
            let key = TargetKey { group: group.told.arn.clone(), id, port: target.port };
            let subject = Subject {
                address: SocketAddr::new(address, settings.port.unwrap_or(target.port)),
                version: group.told.version,
                settings: settings.clone(),
                registered_at: target.registered_at,
            };
            subjects.insert(key, subject);
        }
    }
    subjects
}

fn checked_as(compiled: &Compiled) -> BTreeMap<TargetKey, TargetKey> {
    let mut known: BTreeMap<(&str, &str), &Target> = BTreeMap::new();
    let named: BTreeSet<&str> =
        compiled.groups.iter().filter_map(|it| it.told.checked_in.as_deref()).collect();
    for group in compiled.groups.iter().filter(|it| named.contains(it.told.arn.as_str())) {
        let targets = group.told.targets.iter();
        known.extend(targets.map(|it| ((group.told.arn.as_str(), it.id.as_str()), it)));
    }
    let key = |group: &str, it: &Target| TargetKey {
        group: group.to_owned(),
        id: it.id.clone(),
        port: it.port,
    };
    let shared = |group: &Arc<ReadyGroup>| {
        let Group { arn, targets, checked_in, .. } = &group.told;
        let checked_in = checked_in.as_deref()?;
        let same = |it: &Target| {
            let other = known.get(&(checked_in, it.id.as_str()))?;
            Some((key(arn, it), key(checked_in, other)))
        };
        Some(targets.iter().filter_map(same).collect::<Vec<_>>())
    };
    compiled.groups.iter().filter_map(shared).flatten().collect()
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use state::Draining;

    use super::*;
    use crate::routing::fixture::{forward, group, rule, table};

    /// A roster over target `a`, found healthy by its first check, and how it was asked.
    fn healthy() -> (Roster, TargetKey, Subject) {
        let mut roster = Roster::default();
        let (key, subject) = roster.settle(&compiled(|_| {})).begun.remove(0);
        let change = roster.take_in(&key, &subject, Check::Code(200));
        assert_eq!(change, Some((TargetHealth::Initial, TargetHealth::Healthy)));
        (roster, key, subject)
    }

    fn compiled(change: impl FnOnce(&mut Group)) -> Compiled {
        let mut group = group("g", &[("a", "us-east-1a")]);
        change(&mut group);
        Compiled::new(table(vec![rule(0, vec![], forward(&[("g", 1)]))], vec![group]), None)
    }

    /// Whether a healthy target is still known to be healthy under a changed table, and how many
    /// rounds of questions have ended and begun.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Group), known: TargetHealth, rounds: (usize, usize)) {
        let (mut roster, key, _) = healthy();
        let settled = roster.settle(&compiled(change));
        assert_eq!(roster.health(&key), known);
        assert_eq!((settled.ended.len(), settled.begun.len()), rounds);
    }

    fn first(group: &mut Group) -> &mut Target {
        &mut group.targets[0]
    }

    #[test]
    fn what_is_known_stays_known_for_the_same_registration_at_the_same_address() {
        use TargetHealth::{Healthy, Initial};
        check(|_| {}, Healthy, (0, 0));
        check(|it| it.health_check.interval = Duration::from_secs(5), Healthy, (1, 1));
        check(|it| first(it).registered_at = Timestamp(9), Initial, (1, 1));
        check(|it| first(it).address = Some([10, 0, 0, 9].into()), Initial, (1, 1));
        check(|it| first(it).address = None, Initial, (1, 0));
        let draining = Draining { since: Timestamp(0), until: Timestamp(1) };
        check(|it| first(it).draining = Some(draining), Initial, (1, 0));
    }

    #[test]
    fn what_is_checked_elsewhere_is_not_asked_and_is_as_that_is_found() {
        let mut checks = group("lb", &[("a", "us-east-1a")]);
        checks.targets[0].port = 0;
        let carries =
            Group { checked_in: Some("lb".into()), ..group("lb/80", &[("a", "us-east-1a")]) };
        let rules = vec![rule(0, vec![], forward(&[("lb/80", 1)]))];
        let mut roster = Roster::default();
        let mut begun =
            roster.settle(&Compiled::new(table(rules, vec![checks, carries]), None)).begun;
        let (asked, subject) = begun.remove(0);
        assert_eq!((asked.group.as_str(), begun.len()), ("lb", 0));
        let carried = TargetKey { group: "lb/80".into(), id: "a".into(), port: 80 };
        assert_eq!(roster.health(&carried), TargetHealth::Initial);
        roster.take_in(&asked, &subject, Check::Code(200));
        assert_eq!(roster.health(&carried), TargetHealth::Healthy);
    }

    #[test]
    fn an_answer_to_a_question_of_another_registration_says_nothing() {
        let (mut roster, key, asked) = healthy();
        roster.settle(&compiled(|it| first(it).registered_at = Timestamp(9)));
        assert_eq!(roster.take_in(&key, &asked, Check::Code(200)), None);
        assert_eq!(roster.health(&key), TargetHealth::Initial);
    }
}
