//! What must hold of balancers and targets.

use std::collections::BTreeMap;

use api::Entry;
use plan::routing::attributes::GroupAttributes;
use plan::routing::{Group, RoutingTable, seal, told};
use plan::targets;
use shapes::elbv2;
use state::{
    Caller, Change, ClassicInstance, Context, Dice, State, Target, TargetHealth, TargetKey,
    classic_name,
};
use types::Zone;

use super::BalancerId;
use super::station::{Flight, Station};
use crate::region::{Cause, Decided};
use crate::violation::{Checked, Invariant, broken};
use crate::world::{World, world_error};

/// Waits the whole delay, as AWS does.
const EXACT: &str = "landfall.deregistration_delay.exact";

/// What the checks remember.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// When all requests to a target must be over on a balancer, by the tables that it has taken.
    deadlines: BTreeMap<(BalancerId, TargetKey), u64>,
}

impl World {
    /// A balancer is about to serve a table.
    pub(super) fn check_taken(&mut self, id: BalancerId, table: &RoutingTable) -> Checked {
        let now = self.agenda.now();
        let Some(it) = self.balancing.balancers.get(&id) else { return Ok(()) };
        if table.generation < it.newest {
            let (was, is) = (it.newest, table.generation);
            let detail = format!("balancer {id} serves {is:?} after {was:?}");
            return broken(Invariant::Generations, detail);
        }
        let Some(station) = &it.station else { return Ok(()) };
        let deadlines = &mut self.balancing.ledger.deadlines;
        if station.table.generation == plan::routing::Generation::default() {
            // A new process: what the one before carried ended with it.
            deadlines.retain(|(of, _), _| *of != id);
        }
        let mut known: Vec<TargetKey> =
            deadlines.keys().filter(|it| it.0 == id).map(|it| it.1.clone()).collect();
        known.extend(station.flights.values().map(|it| it.key.clone()));
        for group in &table.groups {
            for target in &group.targets {
                let (id, port) = (target.id.clone(), target.port);
                known.push(TargetKey { group: group.arn.clone(), id, port });
            }
        }
        let millis = |it: core::time::Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        for key in known {
            let place = (id, key);
            let group = group_of(table, &place.1.group);
            let target = group.map(|it| target_of(it, &place.1));
            match target {
                Some(Some(told)) => match told.draining {
                    None => drop(deadlines.remove(&place)),
                    Some(it) => {
                        let within = millis(it.until.since(it.since));
                        deadlines.entry(place).or_insert_with(|| now.saturating_add(within));
                    }
                },
                Some(None) => {
                    let at = deadlines.entry(place).or_insert(now);
                    *at = now.min(*at);
                }
                None => {
                    let before = group_of(&station.table, &place.1.group);
                    let delay = before.map(|it| GroupAttributes::of(&it.attributes));
                    let within = delay.map_or(0, |it| millis(it.deregistration_delay));
                    deadlines.entry(place).or_insert_with(|| now.saturating_add(within));
                }
            }
        }
        Ok(())
    }

    /// A request goes to a target that is registered, takes requests, and is healthy or no better
    /// than the others.
    pub(super) fn check_routed(&self, id: BalancerId, flight: &Flight) -> Checked {
        let it = self.balancing.balancers.get(&id).and_then(|it| it.station.as_ref());
        let Some(station) = it else { return Ok(()) };
        let key = &flight.key;
        let wrong = |what: &str| {
            let detail = format!("balancer {id} sends a request to {}, which {what}", key.id);
            broken(Invariant::Routed, detail)
        };
        let Some(group) = group_of(&station.table, &key.group) else {
            return wrong("is of no group that it was told of");
        };
        let Some(target) = target_of(group, key) else { return wrong("is not registered") };
        if target.draining.is_some() {
            return wrong("drains");
        }
        let zone = flight.zone.as_ref();
        if !is_in(target.zone.as_ref(), zone) {
            return wrong("is in another zone");
        }
        let is_healthy = station.roster.health(key) == TargetHealth::Healthy;
        if !is_healthy && !opens(station, group, zone) {
            return wrong("is not healthy, while enough others are");
        }
        Ok(())
    }

    /// Nothing is under way to a target for longer than it has time to finish.
    pub(crate) fn check_flights(&self) -> Checked {
        let now = self.agenda.now();
        for (id, balancer) in &self.balancing.balancers {
            for flight in balancer.station.iter().flat_map(|it| it.flights.values()) {
                let place = (*id, flight.key.clone());
                if self.balancing.ledger.deadlines.get(&place).is_some_and(|it| *it < now) {
                    let detail =
                        format!("balancer {id} has a request to {} beyond its time", flight.key.id);
                    return broken(Invariant::Drained, detail);
                }
            }
        }
        Ok(())
    }

    /// One transaction, before it is applied to what is durable.
    pub(crate) fn check_targets(&mut self, it: &Decided) -> Checked {
        self.check_members(it)?;
        for change in &it.transaction.changes {
            let (key, after) = match change {
                Change::Target(key, after) => (key.clone(), after.as_deref().cloned()),
                Change::ClassicInstance(key, after) => {
                    (key.as_target(), after.as_deref().map(ClassicInstance::as_target))
                }
                _ => continue,
            };
            let before = targets::get(&self.region.shadow, &key);
            match (before.as_deref(), after.as_ref()) {
                (Some(before), None) => self.check_gone(it, before)?,
                (before, Some(after)) => check_seen(it, before, after)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// A target that drains goes when its time is over, or nobody has anything under way to it.
    fn check_gone(&mut self, it: &Decided, target: &Target) -> Checked {
        if !matches!(it.cause, Cause::Review) {
            return Ok(());
        }
        let state = &self.region.shadow;
        // The group has gone before its targets.
        let group = state.target_groups().get(&target.key.group);
        let classic = classic_name(&target.key.group);
        let classic = classic.and_then(|it| state.classic_load_balancers().get(it));
        let id = &target.key.id;
        let may_go = match (group, classic) {
            (Some(group), _) => self.may_go_at_once(group, target),
            (None, Some(it)) => !it.attributes.connection_draining || self.is_left(target),
            (None, None) => true,
        };
        if may_go {
            return Ok(());
        }
        let Some(draining) = target.draining else {
            return broken(Invariant::Drained, format!("{id} goes and was not deregistered"));
        };
        self.ledger.count.drained += 1;
        let is_named =
            classic.is_some() || state.indexes().rules_of_group(&target.key.group).next().is_some();
        if draining.until <= it.at || !is_named {
            return Ok(());
        }
        if group.is_some_and(|it| it.attributes.get(EXACT).is_some_and(|it| it == "true")) {
            return broken(Invariant::Drained, format!("{id} goes before its exact time"));
        }
        for (number, balancer) in &self.balancing.balancers {
            // One that has not been there for an hour counts as dead.
            let is_known = state.balancers().contains_key(&*balancer.name);
            let Some(station) = balancer.station.as_ref().filter(|_| is_known) else { continue };
            let told = group_of(&station.table, &target.key.group);
            let told = told.and_then(|it| target_of(it, &target.key));
            let is_it = told.is_some_and(|it| it.registered_at == target.registered_at);
            if is_it && station.carried_for(&target.key) > 0 {
                let detail = format!("{id} goes early, and balancer {number} is busy with it");
                return broken(Invariant::Drained, detail);
            }
        }
        Ok(())
    }

    /// What is shown of targets is what the balancers that are there have found.
    pub(crate) fn check_shown(&self) -> Checked {
        let Some(process) = &self.region.process else { return Ok(()) };
        let state = process.core.state();
        for rule in state.rules().values() {
            if !state.listeners().contains_key(&rule.listener) {
                return broken(Invariant::Seen, format!("{} is a rule of no listener", rule.arn));
            }
        }
        state.target_groups().keys().try_for_each(|it| self.check_described(state, it))
    }

    /// What `DescribeTargetHealth` says of a group.
    fn check_described(&self, state: &State, arn: &str) -> Checked {
        let operation = "DescribeTargetHealth";
        let Ok(Entry::Read(entry)) = self.region.registry.find(&elbv2::SERVICE, operation) else {
            return Err(world_error("nobody describes targets"));
        };
        let body = format!(r#"{{"TargetGroupArn":"{arn}"}}"#);
        let fill =
            &mut |shape: &mut dyn shapes::Shape| shapes::json::decode(body.as_bytes(), shape);
        let read = entry.prepare(fill).map_err(|it| world_error(it.to_string()))?;
        let mut dice = Dice::of(0);
        let now = self.region_clock();
        let context = Context { now, caller: Caller::region(), request_id: 0, dice: &mut dice };
        let answer = read.run(state, &context).map_err(|it| world_error(it.to_string()))?;
        let mut said = elbv2::DescribeTargetHealthOutput::default();
        shapes::json::decode(&shapes::json::encode(&*answer), &mut said)
            .map_err(|it| world_error(it.to_string()))?;
        for one in said.target_health_descriptions.into_iter().flatten() {
            let id = one.target.and_then(|it| it.id).unwrap_or_default();
            let shown = one.target_health.and_then(|it| it.state);
            let shown = shown.as_ref().map_or("", |it| it.as_str());
            let key = TargetKey { group: arn.to_owned(), id, port: 80 };
            let Some(target) = state.targets().get(&key) else { continue };
            let found = found(state, target);
            if shown != found {
                let detail = format!("{} is shown as {shown}, and is {found}", key.id);
                return broken(Invariant::Seen, detail);
            }
        }
        Ok(())
    }

    /// What is not yet as it should be with balancers, if anything is not.
    pub(crate) fn unsettled_balancing(&self, state: &State) -> Option<String> {
        for (id, balancer) in &self.balancing.balancers {
            let Some(station) = &balancer.station else {
                return Some(format!("balancer {id} is down"));
            };
            let row = state.balancers().get(&*balancer.name);
            if !station.open || !row.is_some_and(|it| it.connected) {
                return Some(format!("balancer {id} is not connected"));
            }
            let wanted = told(state, station.table.generation, seal(state));
            if station.table != wanted {
                return Some(format!("balancer {id} serves something else than the state says"));
            }
            for group in wanted.groups.iter().filter(|it| it.checked_in.is_none()) {
                for told in group.targets.iter().filter(|it| it.draining.is_none()) {
                    let (arn, id, port) = (group.arn.clone(), told.id.clone(), told.port);
                    let key = TargetKey { group: arn, id, port };
                    let target = targets::get(state, &key);
                    let seen = target.as_ref().and_then(|it| it.seen.get(&*balancer.name));
                    let health = station.roster.health(&key);
                    if seen.is_none_or(|it| it.health != health) {
                        let id = key.id;
                        return Some(format!("{id} is {health:?}, and {seen:?} is noted of it"));
                    }
                    if health != TargetHealth::Healthy {
                        return Some(format!("{} is well and found {health:?}", key.id));
                    }
                }
            }
        }
        let draining = state.indexes().draining();
        draining.first().map(|it| format!("{} drains still", it.1.id))
    }
}

/// How a target is, by what the balancers that are there have said.
pub(crate) fn found(state: &State, target: &Target) -> &'static str {
    if target.draining.is_some() {
        return "draining";
    }
    if state.indexes().rules_of_group(&target.key.group).next().is_none() {
        return "unused";
    }
    let there = state.balancers().values().filter(|it| it.connected);
    let said: Vec<_> = there.filter_map(|it| Some(&target.seen.get(&it.name)?.health)).collect();
    if said.contains(&&TargetHealth::Healthy) {
        "healthy"
    } else if said.iter().any(|it| **it != TargetHealth::Initial) {
        "unhealthy"
    } else {
        "initial"
    }
}

/// Only a report says what a balancer has seen, and only of what it has seen itself.
fn check_seen(it: &Decided, before: Option<&Target>, after: &Target) -> Checked {
    let same = before.filter(|it| it.registered_at == after.registered_at);
    let by = match &it.cause {
        Cause::Balancer(Some(by)) => Some(by),
        _ => None,
    };
    for (name, seen) in &after.seen {
        if same.is_some_and(|it| it.seen.get(name) == Some(seen)) {
            continue;
        }
        let said = by.filter(|it| *it.0 == **name).and_then(|by| {
            let key = &after.key;
            by.1.targets.iter().find(|it| {
                (&it.group, &it.id, it.port) == (&key.group, &key.id, key.port)
                    && it.registered_at == after.registered_at
            })
        });
        if said.is_none_or(|it| it.health != seen.health || it.is_busy != seen.busy) {
            let detail = format!("{name} has not said that {} is {seen:?}", after.key.id);
            return broken(Invariant::Seen, detail);
        }
    }
    Ok(())
}

fn group_of<'a>(table: &'a RoutingTable, arn: &str) -> Option<&'a Group> {
    table.groups.iter().find(|it| it.arn == arn)
}

fn target_of<'a>(group: &'a Group, key: &TargetKey) -> Option<&'a plan::routing::Target> {
    group.targets.iter().find(|it| it.id == key.id && it.port == key.port)
}

fn is_in(own: Option<&Zone>, wanted: Option<&Zone>) -> bool {
    wanted.is_none_or(|wanted| own.is_none_or(|own| own == wanted))
}

/// Whether too few targets of a group are healthy, so that all of them are asked.
fn opens(station: &Station, group: &Group, zone: Option<&Zone>) -> bool {
    let takes = |it: &&plan::routing::Target| {
        it.draining.is_none() && it.address.is_some() && is_in(it.zone.as_ref(), zone)
    };
    let all: Vec<_> = group.targets.iter().filter(takes).collect();
    let is_healthy = |it: &&&plan::routing::Target| {
        let key = TargetKey { group: group.arn.clone(), id: it.id.clone(), port: it.port };
        station.roster.health(&key) == TargetHealth::Healthy
    };
    let healthy = all.iter().filter(is_healthy).count();
    let open = GroupAttributes::of(&group.attributes).fail_open;
    open.is_some_and(|open| {
        healthy < open.count.max(1) as usize
            || healthy * 100 < all.len() * open.percentage.unwrap_or(0) as usize
    })
}
