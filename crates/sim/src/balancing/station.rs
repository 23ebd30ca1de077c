//! A balancer's process, wired as `balancer::station` is, without sockets and threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::balancing::Rotation;
use plan::routing::session::{FromBalancer, Report, TargetReport, ToBalancer};
use plan::routing::{Compiled, Reception, RoutingTable, Stay, stay};
use plan::target_health::{Roster, Subject, first_wait};
use state::{TargetHealth, TargetKey};
use types::{Timestamp, Zone};

use super::lines::frame_of;
use super::{Balancer, BalancerEvent, BalancerId, BalancingEvent, LineEvent, LineId, Wire};
use crate::event::{Event, RegionEvent};
use crate::plant::Plant;
use crate::violation::Checked;
use crate::world::{World, world_error};

/// How long changes are gathered before they are said, in milliseconds.
const GATHER: u64 = 20;
/// How often everything is said again.
const REPORT_EVERY: u64 = 5_000;
/// Between two calls of the region.
const AGAIN_AFTER: u64 = 250;
/// How long a process that has ended is away.
const AWAY_MAX: u64 = 3_000;

/// A running balancer of one thread.
#[derive(Debug, Default)]
pub(crate) struct Station {
    /// As it was told.
    pub(crate) table: RoutingTable,
    pub(crate) compiled: Compiled,
    pub(crate) roster: Roster,
    /// By the group's number in the table, and zone.
    pub(crate) rotations: BTreeMap<(usize, Option<Zone>), Rotation>,
    /// Targets that finish what they have, and when that is ended.
    pub(crate) ends: BTreeMap<TargetKey, u64>,
    pub(crate) flights: BTreeMap<u64, Flight>,
    /// Whom it asks, and how.
    asked: BTreeMap<TargetKey, Subject>,
    /// Its websocket, and whether that stands.
    pub(crate) line: Option<LineId>,
    pub(crate) open: bool,
    said: Option<(Report, u64)>,
    say_at: u64,
}

/// A request that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) key: TargetKey,
    pub(crate) zone: Option<Zone>,
}

impl Station {
    pub(crate) fn in_flight(&self, key: &TargetKey) -> usize {
        self.flights.values().filter(|it| it.key == *key).count()
    }

    /// What is under way to a target, and to those that are checked as it is.
    pub(crate) fn carried_for(&self, key: &TargetKey) -> usize {
        let is_checked_so = |it: &TargetKey| {
            let group = self.table.groups.iter().find(|group| group.arn == it.group);
            it.id == key.id && group.is_some_and(|it| it.checked_in.as_ref() == Some(&key.group))
        };
        let of = |it: &&Flight| it.key == *key || is_checked_so(&it.key);
        self.flights.values().filter(of).count()
    }

    /// The number of a target's group in the table, and its own in the group.
    pub(crate) fn number_of(&self, key: &TargetKey) -> Option<(usize, u32)> {
        let group = self.compiled.group_number(&key.group)?;
        let targets = &self.compiled.groups.get(group)?.told.targets;
        let place = targets.iter().position(|it| it.id == key.id && it.port == key.port)?;
        Some((group, u32::try_from(place).ok()?))
    }

    /// The rotation over a group's targets, as healthy as they are now.
    pub(crate) fn rotation(
        &mut self,
        group: usize,
        zone: Option<Zone>,
        now: Timestamp,
    ) -> Option<&mut Rotation> {
        let ready = self.compiled.groups.get(group)?;
        let roster = &self.roster;
        let healths = |number: u32| {
            let target = ready.told.targets.get(number as usize);
            target.is_some_and(|it| {
                let (group, id) = (ready.told.arn.clone(), it.id.clone());
                roster.health(&TargetKey { group, id, port: it.port }) == TargetHealth::Healthy
            })
        };
        let fresh = || Rotation::new(ready, zone.as_ref(), &healths, now, None);
        let rotation = self.rotations.entry((group, zone.clone())).or_insert_with(fresh);
        rotation.refresh(ready, zone.as_ref(), &healths, now);
        Some(rotation)
    }

    /// A request is over; where it went.
    pub(super) fn end(&mut self, flight: u64) -> Option<TargetKey> {
        let Flight { key, zone } = self.flights.remove(&flight)?;
        if let Some((group, number)) = self.number_of(&key)
            && let Some(rotation) = self.rotations.get_mut(&(group, zone))
        {
            rotation.ended(number);
        }
        Some(key)
    }

    fn report(&self) -> Report {
        let mut targets = Vec::new();
        for group in self.table.groups.iter().filter(|it| it.checked_in.is_none()) {
            for told in &group.targets {
                let (id, port) = (told.id.clone(), told.port);
                let key = TargetKey { group: group.arn.clone(), id, port };
                let (health, in_flight) = (self.roster.health(&key), self.carried_for(&key));
                targets.push(TargetReport::new(&group.arn, told, health, in_flight));
            }
        }
        let applied = self.table.generation;
        Report { applied, targets, refused: Vec::new(), addresses: Vec::new() }
    }

    /// Serves another table from now on. Answers who is asked from now on.
    fn take(
        &mut self,
        table: RoutingTable,
        plant: Option<Plant>,
        (now, clock): (u64, Timestamp),
    ) -> Vec<(TargetKey, Subject)> {
        let mut served = table.clone();
        crate::planted::tamper_served(plant, &mut served);
        let compiled = Compiled::new(served, Some(&self.compiled));
        let mut known: Vec<TargetKey> = self.ends.keys().cloned().collect();
        known.extend(self.flights.values().map(|it| it.key.clone()));
        known.extend(keys_of(&table));
        for key in known {
            match stay(&key, &self.compiled, &compiled) {
                Stay::Serves => drop(self.ends.remove(&key)),
                Stay::Finishes(within) => {
                    let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
                    self.ends.entry(key).or_insert_with(|| now.saturating_add(within));
                }
                // Of a group that left before the one that is served now.
                Stay::Gone
                    if compiled.group_number(&key.group).is_none()
                        && self.ends.contains_key(&key) => {}
                Stay::Gone => {
                    self.ends.remove(&key);
                    self.flights.retain(|_, it| it.key != key);
                }
            }
        }
        let before = core::mem::replace(&mut self.compiled, compiled);
        self.table = table;
        let settled = self.roster.settle(&self.compiled);
        for key in &settled.ended {
            self.asked.remove(key);
        }
        self.asked.extend(settled.begun.iter().cloned());
        self.carry_rotations(&before, clock);
        settled.begun
    }

    fn carry_rotations(&mut self, before: &Compiled, clock: Timestamp) {
        let unknown = |_: u32| false;
        for ((number, zone), rotation) in core::mem::take(&mut self.rotations) {
            let Some(old) = before.groups.get(number) else { continue };
            let number = self.compiled.group_number(&old.told.arn);
            let Some((number, ready)) =
                number.and_then(|it| Some((it, self.compiled.groups.get(it)?)))
            else {
                continue;
            };
            let carried = match Arc::ptr_eq(old, ready) {
                true => rotation,
                false => {
                    Rotation::new(ready, zone.as_ref(), &unknown, clock, Some((old, &rotation)))
                }
            };
            self.rotations.insert((number, zone), carried);
        }
    }
}

fn keys_of(table: &RoutingTable) -> impl Iterator<Item = TargetKey> {
    table.groups.iter().flat_map(|group| {
        let key = |id: &str, port| TargetKey { group: group.arn.clone(), id: id.into(), port };
        group.targets.iter().map(move |it| key(&it.id, it.port))
    })
}

impl World {
    pub(crate) fn station(&mut self, id: BalancerId) -> Option<&mut Station> {
        self.balancing.balancers.get_mut(&id)?.station.as_mut()
    }

    /// Something happens to a balancer.
    pub(super) fn balancer_event(&mut self, id: BalancerId, event: BalancerEvent) -> Checked {
        let now = self.agenda.now();
        let Some(it) = self.balancing.balancers.get(&id) else { return Ok(()) };
        let mine = |life: u64| life == it.life && it.station.is_some();
        match event {
            BalancerEvent::Start => self.start_balancer(id),
            BalancerEvent::Dial { life } if mine(life) => {
                self.dial_region(id);
                Ok(())
            }
            BalancerEvent::Opened { life, line } if mine(life) => {
                let Some(it) = self.station(id).filter(|it| it.line == Some(line)) else {
                    return Ok(());
                };
                (it.open, it.said) = (true, None);
                self.say_soon(id, GATHER);
                Ok(())
            }
            BalancerEvent::Told { life, frame } if mine(life) => self.balancer_told(id, &frame),
            BalancerEvent::Closed { life, line } if mine(life) => {
                let Some(it) = self.station(id).filter(|it| it.line == Some(line)) else {
                    return Ok(());
                };
                (it.line, it.open) = (None, false);
                self.plan_balancer(AGAIN_AFTER, id, BalancerEvent::Dial { life });
                Ok(())
            }
            BalancerEvent::Say { life } if mine(life) && it.says_at(now) => {
                self.say_findings(id);
                Ok(())
            }
            BalancerEvent::Asked { life, key, subject } if mine(life) => {
                self.target_asked(id, &key, *subject);
                Ok(())
            }
            BalancerEvent::Done { life, flight } if mine(life) => {
                self.request_over(id, flight);
                Ok(())
            }
            BalancerEvent::Overdue { life } if mine(life) => {
                self.end_overdue(id);
                Ok(())
            }
            BalancerEvent::Dial { .. }
            | BalancerEvent::Opened { .. }
            | BalancerEvent::Told { .. }
            | BalancerEvent::Closed { .. }
            | BalancerEvent::Say { .. }
            | BalancerEvent::Asked { .. }
            | BalancerEvent::Done { .. }
            | BalancerEvent::Overdue { .. } => Ok(()),
        }
    }

    /// The process starts, and serves what its disk has before it talks to anybody.
    fn start_balancer(&mut self, id: BalancerId) -> Checked {
        let Some(it) = self.balancing.balancers.get_mut(&id) else { return Ok(()) };
        if it.station.is_some() {
            return Ok(());
        }
        it.life += 1;
        it.station = Some(Station::default());
        let (life, kept) = (it.life, it.kept.clone());
        self.say(format_args!("balancer {id}: starts"));
        if let Some(bytes) = kept {
            self.take_table(id, minicbor::decode(&bytes).map_err(unreadable)?)?;
        }
        self.plan_balancer(1, id, BalancerEvent::Dial { life });
        Ok(())
    }

    /// The process ends here and now, and what it carries with it.
    pub(crate) fn crash_balancer(&mut self, id: BalancerId) {
        let Some(it) = self.balancing.balancers.get_mut(&id) else { return };
        let Some(station) = it.station.take() else { return };
        self.say(format_args!("balancer {id}: ends"));
        if let Some(line) = station.line {
            self.break_line(line);
        }
        if !self.orders.stay_down {
            let wait = self.balancing.lot.between(10, AWAY_MAX);
            self.plan_balancer(wait, id, BalancerEvent::Start);
        }
    }

    fn dial_region(&mut self, id: BalancerId) {
        let now = self.agenda.now();
        let Some(it) = self.balancing.balancers.get(&id) else { return };
        let (life, reachable) = (it.life, it.cut_off_until <= now);
        self.balancing.next_line += 1;
        let line = self.balancing.next_line;
        let wire = Wire { balancer: id, life, dead: !reachable, down_at: 0, up_at: 0 };
        self.balancing.wires.insert(line, wire);
        if let Some(it) = self.station(id) {
            (it.line, it.open) = (Some(line), false);
        }
        if reachable {
            let wait = self.balancing.lot.between(1, self.swarm.delay);
            self.agenda.after(wait, Event::Region(RegionEvent::Line(LineEvent::Dialled { line })));
        } else {
            let wait = self.balancing.lot.between(1, 5_000);
            self.plan_balancer(wait, id, BalancerEvent::Closed { life, line });
        }
    }

    /// A frame of the region has come, perhaps late.
    fn balancer_told(&mut self, id: BalancerId, frame: &[u8]) -> Checked {
        match minicbor::decode(frame).map_err(unreadable)? {
            ToBalancer::Told(table) => {
                let Some(it) = self.station(id) else { return Ok(()) };
                let mut reception = table.generation.beside(it.table.generation);
                if self.plant == Some(Plant::AppliesOlder) && reception == Reception::Older {
                    reception = Reception::Newer;
                }
                if reception != Reception::Newer {
                    return Ok(());
                }
                if let Some(it) = self.balancing.balancers.get_mut(&id) {
                    it.kept = Some(frame_of(&table));
                }
                self.take_table(id, table)?;
                self.say_soon(id, GATHER);
                Ok(())
            }
            ToBalancer::Reserve { question, .. } => {
                self.say_to_region(id, &FromBalancer::Reserved { question, refused: None });
                Ok(())
            }
        }
    }

    fn take_table(&mut self, id: BalancerId, table: RoutingTable) -> Checked {
        let (now, clock, plant) = (self.agenda.now(), self.region_clock(), self.plant);
        self.check_taken(id, &table)?;
        let generation = table.generation;
        let Some(it) = self.balancing.balancers.get_mut(&id) else { return Ok(()) };
        it.newest = it.newest.max(generation);
        let life = it.life;
        let Some(station) = &mut it.station else { return Ok(()) };
        let begun = station.take(table, plant, (now, clock));
        if plant == Some(Plant::NeverEnds) {
            station.ends.values_mut().for_each(|it| *it = u64::MAX);
        }
        let next = station.ends.values().copied().filter(|it| *it >= now).min();
        let places = begun.len();
        self.say(format_args!(
            "balancer {id}: serves {}.{}, asks {places} anew",
            generation.epoch, generation.version
        ));
        if let Some(at) = next {
            let event = BalancingEvent::Balancer(id, BalancerEvent::Overdue { life });
            self.agenda.at(at, Event::Balancing(event));
        }
        for (key, subject) in begun {
            let place = self.balancing.lot.below(1 << 20);
            let wait = first_wait(&subject.settings, place).as_millis();
            let wait = u64::try_from(wait).unwrap_or(0) + self.balancing.lot.between(1, 500);
            let subject = Box::new(subject);
            self.plan_balancer(wait, id, BalancerEvent::Asked { life, key, subject });
        }
        Ok(())
    }

    /// A check has ended; the next one is due an interval later, if it is still to be asked.
    fn target_asked(&mut self, id: BalancerId, key: &TargetKey, subject: Subject) {
        let host = self.host_at(&key.id);
        let Some(it) = self.balancing.balancers.get_mut(&id) else { return };
        let life = it.life;
        let Some(station) = &mut it.station else { return };
        let stands = station.asked.get(key) == Some(&subject);
        let change = station.roster.take_in(key, &subject, host.check());
        if let Some((before, after)) = change {
            self.say(format_args!("balancer {id}: {} is {after:?}, was {before:?}", key.id));
            self.say_soon(id, GATHER);
        }
        if stands {
            let wait = u64::try_from(subject.settings.interval.as_millis()).unwrap_or(30_000);
            let (key, subject) = (key.clone(), Box::new(subject));
            self.plan_balancer(wait, id, BalancerEvent::Asked { life, key, subject });
        }
    }

    /// Ends what targets still have whose time is over.
    fn end_overdue(&mut self, id: BalancerId) {
        let now = self.agenda.now();
        let Some(station) = self.station(id) else { return };
        let over: Vec<TargetKey> =
            station.ends.iter().filter(|it| *it.1 <= now).map(|it| it.0.clone()).collect();
        let ended = |it: &Flight| over.contains(&it.key);
        let flights: Vec<u64> =
            station.flights.iter().filter(|it| ended(it.1)).map(|it| *it.0).collect();
        for flight in flights {
            station.end(flight);
        }
        let next = station.ends.values().copied().filter(|it| *it > now).min();
        if let Some(at) = next {
            let life = self.balancing.balancers.get(&id).map_or(0, |it| it.life);
            let event = BalancingEvent::Balancer(id, BalancerEvent::Overdue { life });
            self.agenda.at(at, Event::Balancing(event));
        }
        self.say_soon(id, GATHER);
    }

    /// It says what it finds after so long, unless it will before.
    pub(super) fn say_soon(&mut self, id: BalancerId, wait: u64) {
        let now = self.agenda.now();
        let Some(it) = self.balancing.balancers.get_mut(&id) else { return };
        let life = it.life;
        let Some(station) = &mut it.station else { return };
        let at = now + wait;
        if station.say_at <= now || at < station.say_at {
            station.say_at = at;
            self.plan_balancer(wait, id, BalancerEvent::Say { life });
        }
    }

    fn say_findings(&mut self, id: BalancerId) {
        let now = self.agenda.now();
        let idle = self.plant == Some(Plant::SaysIdle);
        let Some(station) = self.station(id) else { return };
        let mut report = station.report();
        if idle {
            report.targets.iter_mut().for_each(|it| it.is_busy = false);
        }
        let is_due = station
            .said
            .as_ref()
            .is_none_or(|(said, at)| *said != report || now >= *at + REPORT_EVERY);
        if is_due && station.open {
            station.said = Some((report.clone(), now));
            self.say_to_region(id, &FromBalancer::Report(report));
        }
        self.say_soon(id, REPORT_EVERY);
    }

    fn say_to_region(&mut self, id: BalancerId, message: &FromBalancer) {
        let line = self.station(id).and_then(|it| it.line);
        if let Some(line) = line {
            let frame = frame_of(message);
            self.line_up(line, frame);
        }
    }
}

impl Balancer {
    /// Whether it meant to say something at that time; an earlier plan may have overtaken it.
    fn says_at(&self, now: u64) -> bool {
        self.station.as_ref().is_some_and(|it| it.say_at <= now)
    }
}

pub(super) fn unreadable(error: impl core::fmt::Display) -> crate::Violation {
    world_error(format!("a frame cannot be read: {error}"))
}
