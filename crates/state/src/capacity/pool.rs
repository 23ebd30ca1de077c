//! The instances of one cluster: zones, hosts and groups, kept in step.
#![expect(clippy::indexing_slicing, reason = "positions are handed out by the pool itself")]

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{Group as GroupName, InstanceId, Zone as ZoneName};

use super::bits::Seat;
use super::block::{Known, Room, Rows};
use super::group::{Group, Shape};
use super::host::{Host, Presence};
use super::ports_held;
use super::traits::Marks;
use super::zone::Zone;
use crate::record::{ContainerInstance, Task};

/// The instances of one cluster.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    pub(super) hosts: Vec<Host>,
    pub(super) by_id: BTreeMap<InstanceId, u32>,
    spare_hosts: Vec<u32>,
    pub(super) zones: Vec<Zone>,
    zone_positions: BTreeMap<ZoneName, usize>,
    pub(super) groups: Vec<Group>,
    pub(super) group_positions: BTreeMap<GroupName, u32>,
    spare_groups: Vec<u32>,
}

impl Pool {
    /// Its zones by position; one may be empty.
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// Positions of its zones in the order of their names.
    pub fn zones_by_name(&self) -> impl Iterator<Item = usize> {
        self.zone_positions.values().copied()
    }

    /// A host by position.
    pub fn host(&self, at: u32) -> &Host {
        &self.hosts[at as usize]
    }

    /// The seat of an instance that can take tasks: position of the zone, seat.
    pub fn seat(&self, id: InstanceId) -> Option<(usize, Seat)> {
        self.hosts[*self.by_id.get(&id)? as usize].seat
    }

    /// The seat of a host that can take tasks.
    pub fn seat_of(&self, host: u32) -> Option<(usize, Seat)> {
        self.hosts[host as usize].seat
    }

    /// A group with living tasks, and its position.
    pub fn group(&self, name: &GroupName) -> Option<(u32, &Group)> {
        let at = *self.group_positions.get(name)?;
        Some((at, &self.groups[at as usize]))
    }

    /// The group of that name, if it has living tasks.
    pub fn group_named(&self, name: &str) -> Option<&Group> {
        self.group_positions.get(name).map(|at| &self.groups[*at as usize])
    }

    /// The groups with living tasks, in order of name.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.group_positions.values().map(|at| &self.groups[*at as usize])
    }

    /// Name of the group at a position.
    pub fn group_name(&self, at: u32) -> &GroupName {
        &self.groups[at as usize].name
    }

    pub(super) fn instance(&mut self, id: InstanceId, after: Option<&Arc<ContainerInstance>>) {
        let host = self.host_position(id);
        let at = host as usize;
        if let (Some(before), Some(after)) = (&self.hosts[at].record, after)
            && places_alike(before, after)
        {
            self.hosts[at].record = Some(after.clone());
            return;
        }
        self.unseat(host);
        let before = self.hosts[at].record.take();
        for port in before.iter().flat_map(|it| &it.resources.ports) {
            self.hosts[at].free_port(*port);
        }
        for port in after.iter().flat_map(|it| &it.resources.ports) {
            self.hosts[at].hold_port(*port);
        }
        self.hosts[at].set_record(after.cloned());
        self.reopen(host);
        self.seat_if_ready(host);
        self.forget_if_idle(host);
    }

    pub(super) fn leave(&mut self, task: &Task) -> u32 {
        let host = self.host_position(task.instance);
        let it = &mut self.hosts[host as usize];
        it.tasks -= 1;
        it.running -= u32::from(task.last.runs());
        if !task.released {
            it.free(task);
            for port in ports_held(task) {
                let it = &mut self.hosts[host as usize];
                if it.free_port(port)
                    && let Some((zone, seat)) = it.seat
                {
                    self.zones[zone].traits.take_port(port, seat);
                }
            }
        }
        if super::is_living(task) {
            self.uncount(host, task);
        }
        host
    }

    pub(super) fn join(&mut self, task: &Task) -> u32 {
        let host = self.host_position(task.instance);
        let it = &mut self.hosts[host as usize];
        it.tasks += 1;
        it.running += u32::from(task.last.runs());
        if !task.released {
            it.hold(task);
            for port in ports_held(task) {
                let it = &mut self.hosts[host as usize];
                if it.hold_port(port)
                    && let Some((zone, seat)) = it.seat
                {
                    self.zones[zone].traits.put_port(port, seat);
                }
            }
        }
        if super::is_living(task) {
            self.count(host, task);
        }
        host
    }

    /// Brings everything that follows from what a host has left up to date.
    pub(super) fn refresh(&mut self, host: u32) {
        let it = &self.hosts[host as usize];
        if let Some((zone, seat)) = it.seat {
            let left = it.left();
            let zone = &mut self.zones[zone];
            let before = zone.rows.set(seat, left.0, left.1);
            if before != left {
                let ids = |at: u32| self.hosts[at as usize].id;
                zone.unshelve(host, before, ids);
                zone.shelve(host, left, ids);
            }
            if it.limits.gpus > 0 {
                zone.traits.set_gpu(seat, it.gpus_left() > 0);
            }
            if it.limits.interfaces.is_some() {
                zone.traits.set_interface(seat, it.has_interface());
            }
        }
        self.reopen(host);
        self.forget_if_idle(host);
    }

    /// Moves each group's presence on a host between open and closed.
    fn reopen(&mut self, host: u32) {
        let it = &mut self.hosts[host as usize];
        if it.is_at_ease() {
            return;
        }
        let mut ease = Some((0, 0));
        for at in 0..it.groups.len() {
            let presence = it.groups[at];
            let group = &mut self.groups[presence.group as usize];
            let open = group.shape.as_ref().is_none_or(|shape| it.fits(shape));
            ease = harder(ease, group.shape.as_ref(), open);
            if open == presence.open {
                continue;
            }
            it.groups[at].open = open;
            if let Some((zone, seat)) = it.seat {
                let share = group.share_mut(zone);
                share.close(seat, presence.count, presence.open);
                share.put(seat, presence.count, open);
            }
        }
        it.ease = ease;
    }

    fn count(&mut self, host: u32, task: &Task) {
        let at = self.group_position(&task.group);
        let zone = self.zone_of(host, &task.zone);
        let group = &mut self.groups[at as usize];
        group.living += 1;
        group.share_mut(zone).living += 1;
        if group.note(&task.demand) {
            self.reshape(at);
        }
        let it = &mut self.hosts[host as usize];
        let shape = self.groups[at as usize].shape.as_ref();
        let open = shape.is_none_or(|shape| it.fits(shape));
        it.ease = harder(it.ease, shape, open);
        let place = it.groups.iter().position(|it| it.group == at);
        let count = place.map_or(0, |place| it.groups[place].count) + 1;
        self.set_presence(host, place, Presence { group: at, count, open });
        if count == 1
            && let Some((zone, _)) = self.hosts[host as usize].seat
        {
            self.learn(at, zone);
        }
    }

    fn learn(&mut self, group: u32, zone: usize) {
        let group = &mut self.groups[group as usize];
        let room = group.shape.as_ref().map_or((0, 0), Shape::room);
        let share = group.share_mut(zone);
        share.known = self.zones[zone].rows.learn(share.known, room, share.members());
    }

    fn uncount(&mut self, host: u32, task: &Task) {
        let at = self.group_position(&task.group);
        let zone = self.zone_of(host, &task.zone);
        let group = &mut self.groups[at as usize];
        group.living -= 1;
        group.share_mut(zone).living -= 1;
        let presences = &self.hosts[host as usize].groups;
        if let Some(place) = presences.iter().position(|it| it.group == at) {
            let before = presences[place];
            self.set_presence(host, Some(place), Presence { count: before.count - 1, ..before });
        }
        if self.groups[at as usize].living == 0 {
            let name = self.groups[at as usize].name.clone();
            self.group_positions.remove(&name);
            self.groups[at as usize] = Group::new(name);
            self.spare_groups.push(at);
        }
    }

    /// Notes a presence in the place of an earlier one of the same group, if there is one.
    fn set_presence(&mut self, host: u32, place: Option<usize>, after: Presence) {
        let it = &mut self.hosts[host as usize];
        let before = place.map(|place| it.groups[place]);
        let group = &mut self.groups[after.group as usize];
        match it.seat {
            Some((zone, seat)) => {
                let share = group.share_mut(zone);
                if let Some(before) = before {
                    share.close(seat, before.count, before.open);
                }
                if after.count > 0 {
                    share.put(seat, after.count, after.open);
                } else {
                    share.take(seat, 0, after.open);
                    share.known.label = share.known.label.min(seat.label);
                }
            }
            None if after.count > 0 => {
                group.away.insert(host, after.count);
            }
            None => {
                group.away.remove(&host);
            }
        }
        match place {
            Some(place) if after.count == 0 => {
                it.groups.swap_remove(place);
            }
            Some(place) => it.groups[place] = after,
            None => it.groups.push(after),
        }
    }

    /// Looks at every member of a group again, after its shape has become smaller.
    fn reshape(&mut self, group: u32) {
        let mut members = Vec::new();
        for (share, zone) in self.groups[group as usize].shares.iter_mut().zip(&self.zones) {
            share.known = Known::default();
            for (label, word) in share.members().words() {
                let block = zone.rows.block(*label).expect("members have seats");
                members.extend(block.ordered(*word).map(|bit| block.host(bit)));
            }
        }
        members.extend(self.groups[group as usize].away.keys());
        for host in members {
            self.reopen(host);
        }
    }

    fn seat_if_ready(&mut self, host: u32) {
        let it = &self.hosts[host as usize];
        let Some(record) = it.record.as_ref().filter(|_| it.is_ready()) else { return };
        let (id, left) = (it.id, it.left());
        let name = record.zone.clone();
        let zone = self.zone_position(&name);
        self.make_room(zone, id);
        let at = &mut self.zones[zone];
        let Room::Block(block) = at.rows.room(id) else { unreachable!("room was made") };
        let seat = at.rows.put(block, id, host);
        at.shelve(host, left, |at| self.hosts[at as usize].id);
        self.mark(host, zone, seat);
        for presence in self.hosts[host as usize].groups.clone() {
            self.groups[presence.group as usize].away.remove(&host);
        }
    }

    fn unseat(&mut self, host: u32) {
        let Some((zone, seat)) = self.hosts[host as usize].seat else { return };
        self.unmark(host);
        let it = &self.hosts[host as usize];
        let left = it.left();
        let zone = &mut self.zones[zone];
        zone.unshelve(host, left, |at| self.hosts[at as usize].id);
        zone.rows.tidy(seat.label);
        for presence in &it.groups {
            self.groups[presence.group as usize].away.insert(host, presence.count);
        }
    }

    /// Splits blocks or deals new labels until there is a seat for this instance.
    fn make_room(&mut self, zone: usize, id: InstanceId) {
        loop {
            match self.zones[zone].rows.room(id) {
                Room::Block(_) => return,
                Room::Split(at, moved) => {
                    for host in &moved {
                        self.unmark(*host);
                    }
                    let first = moved.first().map_or(id, |it| self.hosts[*it as usize].id);
                    let block = self.zones[zone].rows.split(at, first);
                    self.reseat(zone, block, &moved);
                }
                Room::Relabel => self.relabel(zone),
            }
        }
    }

    fn reseat(&mut self, zone: usize, block: usize, hosts: &[u32]) {
        for host in hosts {
            let id = self.hosts[*host as usize].id;
            let seat = self.zones[zone].rows.put(block, id, *host);
            self.mark(*host, zone, seat);
        }
    }

    /// Seats everybody anew, with room between the labels.
    fn relabel(&mut self, zone: usize) {
        let blocks = self.zones[zone].rows.blocks().iter();
        let everybody: Vec<Vec<u32>> =
            blocks.map(|it| it.ordered(it.used()).map(|bit| it.host(bit)).collect()).collect();
        everybody.iter().flatten().for_each(|host| self.unmark(*host));
        self.zones[zone].rows = Rows::default();
        for (at, hosts) in everybody.iter().filter(|it| !it.is_empty()).enumerate() {
            let first = self.hosts[hosts[0] as usize].id;
            let block = self.zones[zone].rows.split(at.saturating_sub(1), first);
            self.reseat(zone, block, hosts);
        }
    }

    /// Enters a seated host into every set.
    fn mark(&mut self, host: u32, zone: usize, seat: Seat) {
        let it = &mut self.hosts[host as usize];
        it.seat = Some((zone, seat));
        let (cpu, memory) = it.left();
        self.zones[zone].rows.set(seat, cpu, memory);
        self.zones[zone].traits.put(seat, marks(it));
        for presence in &it.groups {
            let share = self.groups[presence.group as usize].share_mut(zone);
            share.put(seat, presence.count, presence.open);
        }
    }

    /// Takes a host from every set and from its seat.
    fn unmark(&mut self, host: u32) {
        let it = &mut self.hosts[host as usize];
        let Some((zone, seat)) = it.seat.take() else { return };
        self.zones[zone].traits.take(seat, marks(it));
        self.zones[zone].rows.take(seat);
        for presence in &it.groups {
            let share = self.groups[presence.group as usize].share_mut(zone);
            share.take(seat, presence.count, presence.open);
        }
    }

    fn host_position(&mut self, id: InstanceId) -> u32 {
        if let Some(at) = self.by_id.get(&id) {
            return *at;
        }
        let at = if let Some(at) = self.spare_hosts.pop() {
            self.hosts[at as usize] = Host::new(id);
            at
        } else {
            self.hosts.push(Host::new(id));
            position(self.hosts.len() - 1)
        };
        self.by_id.insert(id, at);
        at
    }

    fn forget_if_idle(&mut self, host: u32) {
        if self.hosts[host as usize].is_idle() {
            self.by_id.remove(&self.hosts[host as usize].id);
            self.spare_hosts.push(host);
        }
    }

    fn group_position(&mut self, name: &GroupName) -> u32 {
        if let Some(at) = self.group_positions.get(name) {
            return *at;
        }
        let group = Group::new(name.clone());
        let at = if let Some(at) = self.spare_groups.pop() {
            self.groups[at as usize] = group;
            at
        } else {
            self.groups.push(group);
            position(self.groups.len() - 1)
        };
        self.group_positions.insert(name.clone(), at);
        at
    }

    /// Position of the zone of a task on a host: nearly always where the host sits.
    fn zone_of(&mut self, host: u32, name: &ZoneName) -> usize {
        match self.hosts[host as usize].seat {
            Some((zone, _)) if self.zones[zone].name == *name => zone,
            _ => self.zone_position(name),
        }
    }

    fn zone_position(&mut self, name: &ZoneName) -> usize {
        if let Some(at) = self.zone_positions.get(name) {
            return *at;
        }
        self.zones.push(Zone::new(name.clone()));
        self.zone_positions.insert(name.clone(), self.zones.len() - 1);
        self.zones.len() - 1
    }
}

/// What must be left so that one more group is open as a matter of course.
fn harder(ease: Option<(u32, u32)>, shape: Option<&Shape>, open: bool) -> Option<(u32, u32)> {
    let before = ease.filter(|_| open)?;
    let Some(shape) = shape else { return Some(before) };
    let more = shape.plain()?;
    Some((before.0.max(more.0), before.1.max(more.1)))
}

fn position(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than 2^32 instances or groups")
}

fn marks(host: &Host) -> Marks<'_> {
    Marks {
        record: host.record.as_deref().expect("a seat is for an instance that is there"),
        ports: &host.ports,
        has_gpu: host.gpus_left() > 0,
        has_interface: host.has_interface(),
    }
}

/// Whether two versions of a record are the same to placement.
fn places_alike(one: &ContainerInstance, other: &ContainerInstance) -> bool {
    let facts = |it: &ContainerInstance| (it.status, it.listens(), it.id);
    facts(one) == facts(other)
        && one.zone == other.zone
        && one.resources == other.resources
        && one.agent_version == other.agent_version
        && one.ec2_instance_id == other.ec2_instance_id
        && one.attributes == other.attributes
}
