//! What of a cluster's availability should be looked at.

use core::fmt;
use std::collections::BTreeMap;

use state::{Scheduling, State};
use types::{Group, InstanceId, Zone};

use super::loss::{Part, Requests, scheduling};
use super::survey::living;
use super::{Availability, Domain, Loss, Tasks};
use crate::placement::{self, Request};

/// Something that makes a failure worse than it would have to be. `Display` makes a sentence of
/// measured numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// No instance takes tasks.
    NoHosts,
    /// Tasks of a group that would find no place.
    NotCovered {
        /// The failure that is worst for it.
        domain: Domain,
        /// Whose tasks.
        group: Group,
        /// What it loses.
        part: Part,
    },
    /// All instances are in one zone.
    OneZone(Zone),
    /// The zones have different numbers of instances.
    Unbalanced {
        /// Instances that take tasks.
        hosts: BTreeMap<Zone, u32>,
        /// The zone whose loss takes most instances.
        largest: Zone,
    },
    /// As many instances in each zone, but not as much CPU or memory.
    UnevenCapacity {
        /// CPU units and MiB of memory.
        has: BTreeMap<Zone, (u32, u32)>,
    },
    /// A zone's only instance, where other zones have more: its failure is that of the zone.
    OneHost {
        /// Which instance.
        instance: Domain,
        /// Its zone.
        zone: Zone,
        /// Living tasks on it.
        tasks: u32,
    },
    /// A zone that cannot take another task of a group: the next one goes elsewhere.
    FullZone {
        /// The zone.
        zone: Zone,
        /// Whose task.
        group: Group,
    },
    /// A group's tasks are not as even over the zones as they could be.
    UnevenTasks {
        /// Whose tasks.
        group: Group,
        /// How many are where.
        tasks: BTreeMap<Zone, u32>,
    },
    /// All tasks of a group are on one instance.
    OneInstance {
        /// Whose tasks.
        group: Group,
        /// How many.
        tasks: u32,
        /// Where.
        instance: Domain,
    },
    /// After the loss of the largest zone fewer instances are left than the load fills.
    NoHeadroom {
        /// Instances that the load fills.
        load: u32,
        /// Instances that are left.
        left: u32,
        /// The zone that is lost.
        zone: Zone,
    },
}

impl Finding {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoHosts => "NO_INSTANCES",
            Self::NotCovered { .. } => "NOT_COVERED",
            Self::OneZone(_) => "ONE_ZONE",
            Self::Unbalanced { .. } => "UNBALANCED",
            Self::UnevenCapacity { .. } => "UNEVEN_CAPACITY",
            Self::OneHost { .. } => "ZONE_OF_ONE_INSTANCE",
            Self::FullZone { .. } => "CAPACITY_CONSTRAINED",
            Self::UnevenTasks { .. } => "UNEVEN_TASKS",
            Self::OneInstance { .. } => "ONE_INSTANCE",
            Self::NoHeadroom { .. } => "NO_HEADROOM",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHosts => f.write_str("no container instance takes tasks"),
            Self::NotCovered { domain, group, part } => write!(
                f,
                "if {domain} fails, {} of the {} lost tasks of {group} find no place on the rest",
                part.stranded(),
                part.lost
            ),
            Self::OneZone(zone) => {
                write!(f, "all container instances are in {zone}: nothing is left if it fails")
            }
            Self::Unbalanced { hosts, largest } => {
                let all: u32 = hosts.values().sum();
                let lost = hosts.get(largest).copied().unwrap_or(0);
                write!(
                    f,
                    "unbalanced: container instances by zone are {}; the loss of {largest} takes \
                     {lost} of {all} ({})",
                    listed(hosts),
                    percent(lost, all)
                )
            }
            Self::UnevenCapacity { has } => {
                let each = has
                    .iter()
                    .map(|(zone, it)| format!("{zone} {} CPU units and {} MiB", it.0, it.1));
                let each: Vec<_> = each.collect();
                write!(f, "unbalanced: zones differ in what they have: {}", each.join(", "))
            }
            Self::OneHost { instance, zone, tasks } => write!(
                f,
                "{instance} is all that {zone} has: its failure is that of the zone, and takes \
                 {tasks} tasks"
            ),
            Self::FullZone { zone, group } => write!(
                f,
                "capacity-constrained: {zone} cannot take another task of {group}, so the next \
                 goes elsewhere"
            ),
            Self::UnevenTasks { group, tasks } => {
                write!(f, "tasks of {group} are uneven over the zones: {}", listed(tasks))
            }
            Self::OneInstance { group, tasks, instance } => {
                write!(f, "all {tasks} tasks of {group} are on {instance}")
            }
            Self::NoHeadroom { load, left, zone } => write!(
                f,
                "no head room: the tasks fill {load} container instances, and {left} are left \
                 without {zone}"
            ),
        }
    }
}

fn listed(counts: &BTreeMap<Zone, u32>) -> String {
    let each: Vec<_> = counts.iter().map(|(zone, count)| format!("{zone} {count}")).collect();
    each.join(", ")
}

/// Such as `62.5 %`.
fn percent(part: u32, of: u32) -> String {
    let tenths = (u64::from(part) * 1000 + u64::from(of) / 2).checked_div(u64::from(of));
    let tenths = tenths.unwrap_or(0);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

pub(super) fn findings(state: &State, all: &Availability) -> Vec<Finding> {
    let mut found = Vec::new();
    if all.hosts() == 0 {
        found.push(Finding::NoHosts);
        return found;
    }
    for group in all.groups.keys() {
        found.extend(not_covered(all, group));
    }
    found.extend(no_headroom(all));
    found.extend(balance(all));
    found.extend(all.zones.iter().filter_map(|it| one_host(all, &it.zone)));
    let daemons = |it: &(&Group, &Tasks)| it.1.scheduling == Some(Scheduling::Daemon);
    for (group, tasks) in all.groups.iter().filter(|it| !daemons(it)) {
        found.extend(one_instance(all, group, tasks));
        found.extend(uneven_tasks(all, group, tasks));
    }
    found.extend(full_zones(state, all));
    found
}

/// The worst of both kinds, where it leaves tasks without a place.
fn not_covered(all: &Availability, group: &Group) -> Vec<Finding> {
    let worst = [all.worst_instance(group), all.worst_zone(group)].into_iter().flatten();
    let bad = worst.filter(|(_, part)| part.stranded() > 0);
    bad.map(|(loss, part)| Finding::NotCovered {
        domain: loss.domain.clone(),
        group: group.clone(),
        part: *part,
    })
    .collect()
}

fn hosts(all: &Availability) -> BTreeMap<Zone, u32> {
    all.zones.iter().filter(|it| it.hosts > 0).map(|it| (it.zone.clone(), it.hosts)).collect()
}

/// The zone with the most instances, the first of equals.
fn largest(hosts: &BTreeMap<Zone, u32>) -> Option<(&Zone, u32)> {
    hosts.iter().rev().max_by_key(|it| it.1).map(|(zone, count)| (zone, *count))
}

fn no_headroom(all: &Availability) -> Option<Finding> {
    let hosts = hosts(all);
    let (zone, lost) = largest(&hosts).filter(|_| hosts.len() > 1)?;
    let left = all.hosts() - lost;
    let short = left < all.load;
    short.then(|| Finding::NoHeadroom { load: all.load, left, zone: zone.clone() })
}

/// Zones without instances take no part in spreading, and so none here.
fn balance(all: &Availability) -> Option<Finding> {
    let hosts = hosts(all);
    let (largest, most) = largest(&hosts)?;
    if hosts.len() == 1 {
        return Some(Finding::OneZone(largest.clone()));
    }
    if hosts.values().any(|it| *it < most) {
        return Some(Finding::Unbalanced { largest: largest.clone(), hosts });
    }
    let with_hosts = all.zones.iter().filter(|it| it.hosts > 0);
    let has: BTreeMap<_, _> =
        with_hosts.map(|it| (it.zone.clone(), (it.has.cpu.0, it.has.memory.0))).collect();
    let first = has.values().next().copied()?;
    has.values().any(|it| *it != first).then_some(Finding::UnevenCapacity { has })
}

/// Everything that instances lose, by zone: what a failure of the zone's only instance takes.
fn one_host(all: &Availability, zone: &Zone) -> Option<Finding> {
    let hosts = hosts(all);
    let others_have_more = hosts.values().any(|it| *it > 1);
    if hosts.get(zone) != Some(&1) || !others_have_more {
        return None;
    }
    let its = |it: &&Loss| {
        it.hosts == 1 && matches!(&it.domain, Domain::Instance { zone: at, .. } if at == zone)
    };
    let loss = all.instance_losses.iter().find(its)?;
    let instance = loss.domain.clone();
    Some(Finding::OneHost { instance, zone: zone.clone(), tasks: loss.lost() })
}

/// A single task is always on one instance; that is no news.
fn one_instance(all: &Availability, group: &Group, tasks: &Tasks) -> Option<Finding> {
    let (id, count) = tasks.by_instance.first_key_value()?;
    if tasks.by_instance.len() != 1 || *count < 2 || all.hosts() < 2 {
        return None;
    }
    let instance = domain_of(all, *id)?;
    Some(Finding::OneInstance { group: group.clone(), tasks: *count, instance })
}

fn domain_of(all: &Availability, instance: InstanceId) -> Option<Domain> {
    let is = |it: &&Loss| matches!(&it.domain, Domain::Instance { id, .. } if *id == instance);
    all.instance_losses.iter().find(is).map(|it| it.domain.clone())
}

fn uneven_tasks(all: &Availability, group: &Group, tasks: &Tasks) -> Option<Finding> {
    let with_hosts = hosts(all);
    let counts: BTreeMap<Zone, u32> = tasks
        .by_zone
        .iter()
        .filter(|(zone, count)| **count > 0 || with_hosts.contains_key(*zone))
        .map(|(zone, count)| (zone.clone(), *count))
        .collect();
    let (least, most) = (counts.values().min()?, counts.values().max()?);
    let uneven = most - least > 1;
    uneven.then(|| Finding::UnevenTasks { group: group.clone(), tasks: counts })
}

/// Looks at one task of each group; those of one group are alike, but for overrides.
fn full_zones(state: &State, all: &Availability) -> Vec<Finding> {
    let mut examples = BTreeMap::new();
    for task in living(state, &all.cluster) {
        if scheduling(state, task) != Some(Scheduling::Daemon) {
            examples.entry(&task.group).or_insert(task);
        }
    }
    let zones: Vec<_> = all.zones.iter().filter(|it| it.hosts > 0).map(|it| &it.zone).collect();
    let mut requests = Requests::default();
    let mut found = Vec::new();
    for (group, task) in examples {
        let request = requests.of(state, task);
        // A zone that the group's subnets leave out is not meant to take any.
        let meant = |it: &&&Zone| request.zones.as_ref().is_none_or(|all| all.contains(it));
        let full = zones.iter().filter(meant).filter(|it| !has_room(state, &request, it));
        found.extend(
            full.map(|zone| Finding::FullZone { zone: (*zone).clone(), group: group.clone() }),
        );
    }
    found
}

/// Whether an instance of the zone could take one more task like this.
fn has_room(state: &State, request: &Request, zone: &Zone) -> bool {
    let there = Request { zones: Some(vec![zone.clone()]), ..request.clone() };
    placement::choose(state.capacity(), &there, 0).is_some()
}
