//! Requests: from a head to a target, by the product's own choices.

use std::net::{IpAddr, Ipv4Addr};

use plan::routing::{Head, Headers, Port, Step};
use plan::stickiness::Claim;
use state::TargetKey;
use types::Zone;

use super::station::{Flight, Station};
use super::{BalancerEvent, BalancerId, Host};
use crate::plant::Plant;
use crate::violation::Checked;
use crate::world::World;

/// The longest ordinary request, and the longest of all, in milliseconds.
const TAKES: (u64, u64) = (400, 90_000);
/// After so long without a word a request has failed.
const IDLE: u64 = 60_000;
/// It is looked so often whether targets that finish are idle.
const LOOK_EVERY: u64 = 100;
/// What clients ask for.
const PATHS: [&str; 4] = ["/", "/a/1", "/b/2", "/c"];

struct NoFields;

impl Headers for NoFields {
    fn any(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
}

/// Where a client comes in: a listener, by its place in the table, and the zone of the address.
struct Door {
    load_balancer: usize,
    listener: usize,
    zone: Option<Zone>,
}

impl World {
    /// A client sends a request to a balancer.
    pub(super) fn request(&mut self) -> Checked {
        let lot = &mut self.balancing.lot;
        let ids: Vec<BalancerId> = self.balancing.balancers.keys().copied().collect();
        let (Some(id), Some(path)) = (lot.pick(&ids).copied(), lot.pick(&PATHS).copied()) else {
            return Ok(());
        };
        let (place, dice, stays) = (lot.bits(), lot.bits(), lot.bits());
        let dice = u64::try_from(dice & u128::from(u64::MAX)).unwrap_or_default();
        let Some(station) = self.station(id) else { return Ok(()) };
        let doors = doors(station);
        let door = usize::try_from(place % (doors.len().max(1) as u128)).unwrap_or(0);
        let Some(door) = doors.get(door) else { return Ok(()) };
        let Some(flight) = self.choose(id, door, path, (dice, stays)) else { return Ok(()) };
        let host = self.host_at(&flight.key.id);
        let short = if self.swarm.has_fronts() { 2 } else { 8 };
        let lot = &mut self.balancing.lot;
        let takes = match (host, lot.below(short)) {
            (Host::Dead, _) => 0,
            (Host::Mute, _) => IDLE,
            (_, 0) => lot.between(TAKES.0, TAKES.1),
            _ => lot.between(1, TAKES.0),
        };
        self.carry(id, flight, takes).map(drop)
    }

    /// A request that takes so long comes in at the first door of a balancer; its number, if it goes
    /// anywhere.
    pub(crate) fn send_one(&mut self, id: BalancerId, takes: u64) -> Checked<Option<u64>> {
        let doors = self.station(id).map(|it| doors(it)).unwrap_or_default();
        let flight = doors.first().and_then(|door| self.choose(id, door, "/", (0, 1)));
        flight.map(|it| self.carry(id, it, takes)).transpose()
    }

    /// Where a request goes.
    fn choose(
        &mut self,
        id: BalancerId,
        door: &Door,
        path: &str,
        (dice, stays): (u64, u128),
    ) -> Option<Flight> {
        let (now, plant) = (self.region_clock(), self.plant);
        let station = self.station(id)?;
        let head = Head {
            method: "GET",
            host: "lab",
            path,
            query: None,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            headers: &NoFields,
        };
        let port = port(station, door)?;
        // One client in four comes back with a cookie, of any target that there is.
        let claim = (stays % 4 == 0).then(|| claim(station, stays >> 8)).flatten();
        let route = port.route(&station.compiled, &head, claim.as_ref(), dice);
        let Some(Step::Forward { group, .. }) = route.map(|it| it.step) else { return None };
        let ready = station.compiled.groups.get(group).cloned()?;
        let balanced = station.compiled.load_balancers.get(door.load_balancer);
        let of_balancer = balanced.is_none_or(|it| it.attributes.cross_zone);
        let crosses = ready.attributes.cross_zone.unwrap_or(of_balancer);
        let zone = if crosses { None } else { door.zone.clone() };
        let sticky = ready.attributes.sticky.is_some();
        let kept = claim.filter(|_| sticky).and_then(|it| it.target_of(ready.mark));
        let kept = kept.and_then(|it| ready.target_number(it));
        let rotation = station.rotation(group, zone.clone(), now)?;
        let mut number = kept
            .filter(|it| rotation.is_eligible(*it))
            .or_else(|| rotation.next(dice.rotate_left(32), now));
        if plant == Some(Plant::RoutesAnywhere) && number.is_some() {
            number = u32::try_from(stays % (ready.told.targets.len() as u128)).ok();
        }
        let number = number?;
        rotation.began(number);
        let target = ready.told.targets.get(number as usize)?;
        let (host, port) = (target.id.clone(), target.port);
        let key = TargetKey { group: ready.told.arn.clone(), id: host, port };
        Some(Flight { key, zone })
    }

    /// A request is under way for so long.
    fn carry(&mut self, id: BalancerId, flight: Flight, takes: u64) -> Checked<u64> {
        self.check_routed(id, &flight)?;
        self.ledger.count.requests += 1;
        self.balancing.next_flight += 1;
        let number = self.balancing.next_flight;
        self.say(format_args!("request {number}: balancer {id} to {}", flight.key.id));
        let life = self.balancing.balancers.get(&id).map_or(0, |it| it.life);
        if let Some(station) = self.station(id) {
            station.flights.insert(number, flight);
        }
        self.plan_balancer(takes, id, BalancerEvent::Done { life, flight: number });
        Ok(number)
    }

    /// A request has come to its end.
    pub(super) fn request_over(&mut self, id: BalancerId, flight: u64) {
        let Some(station) = self.station(id) else { return };
        let Some(key) = station.end(flight) else { return };
        if station.ends.contains_key(&key) && station.in_flight(&key) == 0 {
            self.say_soon(id, LOOK_EVERY);
        }
    }
}

fn doors(station: &Station) -> Vec<Door> {
    let mut doors = Vec::new();
    for (load_balancer, it) in station.compiled.load_balancers.iter().enumerate() {
        for listener in 0..it.ports.len() {
            let zones = it.told.nodes.iter().map(|node| Some(node.0.clone()));
            let door = |zone| Door { load_balancer, listener, zone };
            doors.extend(zones.chain([None]).map(door));
        }
    }
    doors
}

fn port<'a>(station: &'a Station, door: &Door) -> Option<&'a Port> {
    let balanced = station.compiled.load_balancers.get(door.load_balancer)?;
    balanced.ports.get(door.listener).map(AsRef::as_ref)
}

/// What a client that was at some target before says.
fn claim(station: &Station, which: u128) -> Option<Claim> {
    let groups = &station.compiled.groups;
    let ready = groups.get(usize::try_from(which % (groups.len().max(1) as u128)).ok()?)?;
    let number = (which >> 16) % (ready.told.targets.len().max(1) as u128);
    let target = ready.target_mark(u32::try_from(number).ok()?);
    Some(Claim { group: ready.mark, target, until: types::Timestamp(i64::MAX) })
}
