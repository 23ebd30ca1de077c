//! Whom a balancer asks how they are, and what the answers have come to.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use state::{HealthCheck, ProtocolVersion, TargetHealth, TargetKey};
use types::Timestamp;

use super::{Check, Checked, next};
use crate::routing::Compiled;

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
pub struct Roster(BTreeMap<TargetKey, (Subject, Checked)>);

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
        let mut before = core::mem::take(&mut self.0);
        for (key, subject) in subjects(compiled) {
            let standing = before.remove(&key);
            let known = match standing {
                Some((same, known)) if same == subject => {
                    self.0.insert(key, (same, known));
                    continue;
                }
                Some((other, known)) => {
                    settled.ended.push(key.clone());
                    if other.is_target_of(&subject) { known } else { Checked::default() }
                }
                None => Checked::default(),
            };
            settled.begun.push((key.clone(), subject.clone()));
            self.0.insert(key, (subject, known));
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
        let (subject, known) = self.0.get_mut(key)?;
        if subject != asked {
            return None;
        }
        let after = next(known, check, &subject.settings);
        let before = core::mem::replace(known, after);
        (before.health != known.health).then(|| (before.health, known.health.clone()))
    }

    /// What is known of a target.
    pub fn health(&self, key: &TargetKey) -> TargetHealth {
        self.0.get(key).map_or(TargetHealth::Initial, |it| it.1.health.clone())
    }
}

fn subjects(compiled: &Compiled) -> BTreeMap<TargetKey, Subject> {
    let mut subjects = BTreeMap::new();
    for group in &compiled.groups {
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

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use state::Draining;

    use super::*;
    use crate::routing::fixture::{forward, group, rule, table};
    use crate::routing::{Group, Target};

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
    fn an_answer_to_a_question_of_another_registration_says_nothing() {
        let (mut roster, key, asked) = healthy();
        roster.settle(&compiled(|it| first(it).registered_at = Timestamp(9)));
        assert_eq!(roster.take_in(&key, &asked, Check::Code(200)), None);
        assert_eq!(roster.health(&key), TargetHealth::Initial);
    }
}
