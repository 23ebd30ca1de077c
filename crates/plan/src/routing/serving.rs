//! What a balancer and those who tell it decide about tables, apart from requests.

use core::time::Duration;

use state::TargetKey;

use super::{Compiled, Generation, RoutingTable};

/// How a table stands beside the one that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// It changes nothing.
    Older,
    /// It is the one that is served.
    Same,
    /// It is to be kept and served.
    Newer,
}

impl Generation {
    /// How a table of this generation stands beside one that is served.
    pub fn beside(self, served: Self) -> Reception {
        match self.cmp(&served) {
            core::cmp::Ordering::Less => Reception::Older,
            core::cmp::Ordering::Equal => Reception::Same,
            core::cmp::Ordering::Greater => Reception::Newer,
        }
    }
}

/// Gives tables their generations, within one ownership of the region.
#[derive(Debug)]
pub struct Publisher {
    last: RoutingTable,
}

impl Publisher {
    /// `epoch` is that of the journal: tables of a later owner of the region count as newer.
    pub fn new(epoch: u64) -> Self {
        let generation = Generation { epoch, version: 0 };
        Self { last: RoutingTable { generation, ..RoutingTable::default() } }
    }

    /// The table with its generation; `None` if it says nothing new. The first one is new, whatever
    /// it says: balancers may have another one of an earlier owner.
    pub fn publish(&mut self, mut table: RoutingTable) -> Option<&RoutingTable> {
        table.generation = self.last.generation;
        if table == self.last && table.generation.version > 0 {
            return None;
        }
        table.generation.version += 1;
        self.last = table;
        Some(&self.last)
    }
}

/// What a target that a balancer knows may do under a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It takes requests.
    Serves,
    /// It takes nothing new, and has so long to finish what it has. The balancer measures that itself
    /// from when it learnt of it, so that nothing is open for longer whoever else is there.
    Finishes(Duration),
    /// What it has is ended.
    Gone,
}

/// What the table `now` makes of a target that the table `before` named.
///
/// A group that nothing names any more takes its targets along: requests that are under way to them
/// have the time that they would have if the targets had been deregistered. Nobody has asked for
/// their end.
pub fn stay(key: &TargetKey, before: &Compiled, now: &Compiled) -> Stay {
    let group = |of: &Compiled| of.groups.get(of.group_number(&key.group)?).cloned();
    let Some(group_now) = group(now) else {
        return match group(before) {
            Some(group) => Stay::Finishes(group.attributes.deregistration_delay),
            None => Stay::Gone,
        };
    };
    let targets = &group_now.told.targets;
    let place =
        targets.binary_search_by(|it| (it.id.as_str(), it.port).cmp(&(key.id.as_str(), key.port)));
    match place.ok().and_then(|it| targets.get(it)).map(|it| it.draining) {
        Some(None) => Stay::Serves,
        Some(Some(draining)) => Stay::Finishes(draining.until.since(draining.since)),
        None => Stay::Gone,
    }
}

#[cfg(test)]
mod tests {
    use state::Draining;
    use types::Timestamp;

    use super::*;
    use crate::routing::fixture::{forward, group, rule, table};

    #[test]
    fn a_later_owner_of_the_region_counts_as_newer_whatever_was_told_before() {
        let at = |epoch, version| Generation { epoch, version };
        assert_eq!(at(2, 1).beside(at(1, 900)), Reception::Newer);
        assert_eq!(at(1, 901).beside(at(2, 1)), Reception::Older);
        assert_eq!(at(2, 1).beside(at(2, 1)), Reception::Same);
        assert_eq!(at(2, 2).beside(at(2, 1)), Reception::Newer);
    }

    #[test]
    fn a_table_has_a_new_generation_only_when_it_says_something_new() {
        let mut publisher = Publisher::new(7);
        let mut publish = |table: RoutingTable| publisher.publish(table).map(|it| it.generation);
        let one = || table(vec![rule(0, vec![], forward(&[("g", 1)]))], vec![]);
        assert_eq!(publish(RoutingTable::default()), Some(Generation { epoch: 7, version: 1 }));
        assert_eq!(publish(RoutingTable::default()), None);
        assert_eq!(publish(one()), Some(Generation { epoch: 7, version: 2 }));
        assert_eq!(publish(one()), None);
        assert_eq!(publish(RoutingTable::default()), Some(Generation { epoch: 7, version: 3 }));
    }

    /// What becomes of target `a` of group `g`.
    #[track_caller]
    fn check(change: impl FnOnce(&mut RoutingTable), expected: Stay) {
        let targets = [("a", "us-east-1a"), ("b", "us-east-1b")];
        let mut group = group("g", &targets);
        group.attributes.insert("deregistration_delay.timeout_seconds".into(), "20".into());
        let mut after = table(vec![rule(0, vec![], forward(&[("g", 1)]))], vec![group]);
        let before = Compiled::new(after.clone(), None);
        change(&mut after);
        let now = Compiled::new(after, Some(&before));
        let key = TargetKey { group: "g".into(), id: "a".into(), port: 80 };
        assert_eq!(stay(&key, &before, &now), expected);
    }

    #[test]
    fn a_target_finishes_what_it_has_unless_it_is_taken_from_its_group() {
        check(|_| {}, Stay::Serves);
        check(|it| drop(it.groups[0].targets.remove(1)), Stay::Serves);
        check(|it| drop(it.groups[0].targets.remove(0)), Stay::Gone);
        let draining = Draining { since: Timestamp(5_000), until: Timestamp(8_000) };
        let three = Stay::Finishes(Duration::from_secs(3));
        check(|it| it.groups[0].targets[0].draining = Some(draining), three);
        check(|it| it.groups.clear(), Stay::Finishes(Duration::from_secs(20)));
    }
}
