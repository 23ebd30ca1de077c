//! What a pool says, apart from how it is laid out: for comparing two of them.

use std::collections::{BTreeMap, BTreeSet};

use types::{ClusterName, InstanceId};

use super::bits::Bits;
use super::pool::Pool;
use super::zone::Zone;
use super::{Capacity, Host};

/// Everything a capacity index says, in words; and everything that contradicts itself in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    hosts: BTreeMap<(ClusterName, InstanceId), String>,
    zones: BTreeMap<(ClusterName, String), Vec<String>>,
    groups: BTreeMap<(ClusterName, String), Vec<String>>,
    faults: Vec<String>,
}

impl PartialEq for Capacity {
    fn eq(&self, other: &Self) -> bool {
        self.picture() == other.picture()
    }
}

impl Eq for Capacity {}

impl Capacity {
    pub(super) fn picture(&self) -> Picture {
        let mut picture = Picture {
            hosts: BTreeMap::new(),
            zones: BTreeMap::new(),
            groups: BTreeMap::new(),
            faults: Vec::new(),
        };
        for (cluster, pool) in &self.pools {
            for id in pool.by_id.keys() {
                let host = pool.host_of(*id).expect("listed");
                picture.hosts.insert((cluster.clone(), *id), host_line(pool, host));
            }
            for (at, zone) in pool.zones.iter().enumerate() {
                let lines = zone_lines(pool, zone);
                if !lines.is_empty() {
                    picture.zones.insert((cluster.clone(), zone.name.to_string()), lines);
                }
                picture.faults.extend(faults(pool, at, zone));
            }
            for group in pool.groups() {
                let key = (cluster.clone(), group.name().to_string());
                picture.groups.insert(key, group_lines(pool, group));
            }
        }
        picture
    }
}

fn host_line(pool: &Pool, host: &Host) -> String {
    let groups: BTreeMap<_, _> =
        host.groups.iter().map(|it| (pool.group_name(it.group).to_string(), it.count)).collect();
    format!(
        "{:?} cpu {} memory {} gpus {} interfaces {} running {} tasks {} ports {:?} groups {:?} zone {:?}",
        host.record.as_ref().map(|it| (it.id, it.status, it.connected, &it.attributes)),
        host.cpu,
        host.memory,
        host.gpus,
        host.interfaces,
        host.running,
        host.tasks,
        host.ports,
        groups,
        host.seat.map(|(zone, _)| pool.zones().get(zone).map(Zone::name)),
    )
}

/// The instances of a set, in order.
fn members(zone: &Zone, bits: &Bits) -> Vec<InstanceId> {
    let blocks =
        bits.words().iter().filter_map(|(label, word)| Some((zone.rows().block(*label)?, word)));
    blocks.flat_map(|(block, word)| block.ordered(*word).map(|bit| block.id(bit))).collect()
}

fn zone_lines(pool: &Pool, zone: &Zone) -> Vec<String> {
    let mut lines = Vec::new();
    for block in zone.rows().blocks() {
        for bit in block.ordered(block.used()) {
            lines.push(format!("{} left {:?}", block.id(bit), block.left(bit)));
        }
    }
    let mut set = |what: String, bits: &Bits| {
        if !bits.is_empty() {
            lines.push(format!("{what}: {:?}", members(zone, bits)));
        }
    };
    let traits = zone.traits();
    for (name, values) in traits.each_attribute() {
        set(format!("has {name}"), values.all());
        values.each().for_each(|(value, bits)| set(format!("{name}={value}"), bits));
    }
    traits.agent_versions().each().for_each(|(value, bits)| set(format!("agent {value}"), bits));
    traits.machines().each().for_each(|(value, bits)| set(format!("machine {value}"), bits));
    traits.each_port().for_each(|(port, bits)| set(format!("{port:?}"), bits));
    set("gpu".to_owned(), traits.gpus());
    set("no interface".to_owned(), traits.no_interface());
    let book = |it: &super::Book| (it.left, pool.host(it.host).id(), it.other);
    let order: Vec<_> = zone.by_cpu().from(0, 0).map(book).collect();
    lines.extend((!order.is_empty()).then(|| format!("by cpu {order:?}")));
    let order: Vec<_> = zone.by_memory().from(0, 0).map(book).collect();
    lines.extend((!order.is_empty()).then(|| format!("by memory {order:?}")));
    lines
}

fn group_lines(pool: &Pool, group: &super::GroupPlaces) -> Vec<String> {
    let mut lines = vec![format!("living {}", group.living)];
    for (share, zone) in group.shares.iter().zip(pool.zones()) {
        if share.living() > 0 || !share.members().is_empty() {
            let name = zone.name();
            lines.push(format!("{name} {}: {:?}", share.living(), members(zone, share.members())));
        }
    }
    let away: BTreeSet<_> =
        group.away().map(|(host, count)| (pool.host(host).id(), count)).collect();
    lines.push(format!("away {away:?}"));
    lines.sort();
    lines
}

/// What contradicts itself: seats, levels and chunks against what the hosts say.
fn faults(pool: &Pool, at: usize, zone: &Zone) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = Vec::new();
    for (place, block) in zone.rows().blocks().iter().enumerate() {
        for bit in block.ordered(block.used()) {
            let host = pool.host(block.host(bit));
            let (cpu, memory) = host.left();
            ids.push(block.id(bit));
            let seat = super::Seat { label: block.label(), bit };
            if host.id() != block.id(bit) || host.seat != Some((at, seat)) {
                faults.push(format!("{} does not sit where it is", block.id(bit)));
            }
            if !zone.rows().may_fit(place, cpu, memory) || block.left(bit) != (cpu, memory) {
                faults.push(format!("{} has other room", host.id()));
            }
        }
    }
    let values = zone.traits().each_attribute().map(|it| it.1);
    let counted = |it: &super::Values| members(zone, it.all()).len() == it.count();
    if zone.rows().seated() != ids.len() || !values.into_iter().all(counted) {
        faults.push(format!("{} is miscounted", zone.name()));
    }
    let ranked = (0..).map_while(|it| zone.rows().at_rank(it)).map(|(block, bit)| block.id(bit));
    if !ranked.eq(ids.iter().copied()) {
        faults.push(format!("{} has other ranks", zone.name()));
    }
    if !ids.is_sorted() {
        faults.push(format!("{} is out of order", zone.name()));
    }
    for group in pool.groups() {
        let Some(share) = group.share(at) else { continue };
        let open = |host: &Host| group.shape.as_ref().is_none_or(|it| host.fits(it));
        let room = group.shape.as_ref().map_or((0, 0), super::Shape::room);
        if !zone.rows().confirms(share.known(), room, share.members()) {
            faults.push(format!("{} knows what is not so", group.name()));
        }
        let (position, _) = pool.group(group.name()).expect("listed");
        let mut seen = 0;
        for (level, bits) in (1_u32..).zip(share.levels()) {
            for id in members(zone, bits) {
                seen += 1;
                let host = pool.host_of(id).expect("members are hosts");
                if host.count(position) != level || !open(host) {
                    faults.push(format!("{id} is at the wrong level {level} of {}", group.name()));
                }
            }
        }
        let expected = members(zone, share.members())
            .iter()
            .filter(|id| pool.host_of(**id).is_some_and(open))
            .count();
        if seen != expected {
            faults.push(format!("{} of {expected} are open in {}", seen, group.name()));
        }
    }
    faults
}
