//! What is left of a cluster if any one of its instances or zones fails (handbook 11.1).
//!
//! Nothing is estimated: each failure is carried out on a copy of the state, and every task that it
//! takes is placed again by [`placement::choose`] among the instances that are left.

mod finding;
mod headroom;
mod loss;
mod survey;

use std::collections::{BTreeMap, BTreeSet};

use state::State;
use types::{ClusterName, Cpu, Group, InstanceId, MemoryMib, Zone};

pub use finding::Finding;
pub use headroom::{Headroom, headroom};
pub use loss::{Domain, Loss, Part};
pub use survey::{Tasks, ZoneShare};

/// What is known of the availability of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// The cluster.
    pub cluster: ClusterName,
    /// Its zones, by name: those where it has instances.
    pub zones: Vec<ZoneShare>,
    /// Its living tasks, by group.
    pub groups: BTreeMap<Group, Tasks>,
    /// What each zone's failure takes, by name of the zone.
    pub zone_losses: Vec<Loss>,
    /// What each instance's failure takes, the worst first.
    pub instance_losses: Vec<Loss>,
    /// How many instances of the cluster's mean size its living tasks fill.
    pub load: u32,
    /// What should be looked at, the gravest first.
    pub findings: Vec<Finding>,
}

impl Availability {
    /// How many instances take tasks.
    pub fn hosts(&self) -> u32 {
        self.zones.iter().map(|it| it.hosts).sum()
    }

    /// The failure of an instance that is worst for a group: it leaves most without a place, or takes
    /// most.
    pub fn worst_instance(&self, group: &Group) -> Option<(&Loss, &Part)> {
        worst(&self.instance_losses, group)
    }

    /// The failure of a zone that is worst for a group.
    pub fn worst_zone(&self, group: &Group) -> Option<(&Loss, &Part)> {
        worst(&self.zone_losses, group)
    }
}

fn worst<'a>(losses: &'a [Loss], group: &Group) -> Option<(&'a Loss, &'a Part)> {
    let parts = losses.iter().filter_map(|it| Some((it, it.parts.get(group)?)));
    // Of several that are equally bad the first is told.
    parts.rev().max_by_key(|(_, it)| (it.stranded(), it.lost))
}

/// What each failure would take from a cluster, and whether the rest could take it over.
///
/// Changes the copy of the state that it is given, and leaves it as it was. Costs what exists, and
/// a placement for each living task twice: no work for the writer's thread.
pub fn availability(copy: &mut State, cluster: &ClusterName) -> Availability {
    let survey = survey::survey(copy, cluster);
    let mut zone_losses = Vec::new();
    for zone in survey.zones.iter().map(|it| &it.zone) {
        let members = survey.members(zone);
        zone_losses.push(loss::suffer(copy, Domain::Zone(zone.clone()), &members));
    }
    let mut instance_losses = Vec::new();
    for (id, zone) in &survey.instances {
        let domain = Domain::Instance { id: *id, name: loss::name(copy, *id), zone: zone.clone() };
        instance_losses.push(loss::suffer(copy, domain, &BTreeSet::from([*id])));
    }
    instance_losses.sort_by_key(|it| core::cmp::Reverse((it.stranded(), it.lost())));
    let mut all = Availability {
        cluster: cluster.clone(),
        load: survey.load(),
        zones: survey.zones,
        groups: survey.groups,
        zone_losses,
        instance_losses,
        findings: Vec::new(),
    };
    all.findings = finding::findings(copy, &all);
    all
}

/// CPU units and memory, of which something may be free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// CPU units.
    pub cpu: Cpu,
    /// Memory.
    pub memory: MemoryMib,
}

/// Instances with their zones.
type Seats = BTreeMap<InstanceId, Zone>;

#[cfg(test)]
mod tests;
