//! What stories do with balancers, and look at of them.

use super::facts::differs;
use super::{Stage, milliseconds};
use crate::balancing::{BalancerEvent, BalancerId, Host, found};

impl Stage {
    /// Does what a sentence says of balancers; false if it says nothing of the kind.
    pub(super) fn balancing_deed(&mut self, words: &[&str]) -> Result<bool, String> {
        let world = &mut self.world;
        match words {
            ["balancers", _] => {}
            ["send", label, "to", name, "for", time] => {
                let (id, takes) = (balancer(name)?, milliseconds(time)?);
                let sent = world.send_one(id, takes);
                let sent = sent.map_err(|it| format!("{:?}: {}", it.invariant, it.detail))?;
                let number = sent.ok_or_else(|| format!("{name} sends it nowhere"))?;
                self.sent.insert((*label).to_owned(), (id, number));
            }
            ["end", name] if balancer(name).is_ok() => world.crash_balancer(balancer(name)?),
            ["start", name] if balancer(name).is_ok() => {
                world.plan_balancer(0, balancer(name)?, BalancerEvent::Start);
            }
            ["cut", name, "for", time] if balancer(name).is_ok() => {
                let until = world.agenda.now() + milliseconds(time)?;
                world.cut_balancer_off(balancer(name)?, until);
            }
            ["host", id, how @ ("well" | "ill")] => {
                let host = if *how == "ill" { Host::Ill } else { Host::Well };
                world.balancing.hosts.insert((*id).to_owned(), host);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What a name of load balancing stands for: the VPC, the first listener, or the load balancer or
    /// target group of that name.
    pub(super) fn balancing_name(&self, name: &str) -> Option<String> {
        let state = &self.world.region.shadow;
        match name {
            "vpc" => state.region().get(&()).map(|it| it.vpc.clone()),
            "listener" => state.listeners().keys().next().cloned(),
            _ => {
                let groups = state.target_groups().values().map(|it| (&it.name, &it.arn));
                let all = state.load_balancers().values().map(|it| (&it.name, &it.arn));
                all.chain(groups).find(|it| it.0 == name).map(|it| it.1.clone())
            }
        }
    }

    pub(super) fn target_fact(&self, id: &str, wanted: &str) -> Result<Option<String>, String> {
        let process = self.world.region.process.as_ref().ok_or("the region is down")?;
        let state = process.core.state();
        let row = state.targets().values().find(|it| it.key.id == id);
        Ok(differs(wanted, row.map_or("gone", |it| found(state, it))))
    }

    pub(super) fn balancer_fact(
        &self,
        name: &str,
        fact: &[&str],
    ) -> Result<Option<String>, String> {
        let row = self.world.balancing.balancers.get(&balancer(name)?);
        let row = row.ok_or("there is no such balancer")?;
        Ok(match fact {
            [standing @ ("connected" | "disconnected")] => {
                let noted = self.world.region.shadow.balancers().get(&*row.name);
                let is = noted.is_some_and(|it| it.connected);
                differs(standing, if is { "connected" } else { "disconnected" })
            }
            ["sends", "to", targets @ ..] => {
                let station = row.station.as_ref().ok_or("it is down")?;
                let told = station.compiled.groups.iter().flat_map(|it| &it.told.targets);
                let serving = told.filter(|it| it.draining.is_none()).map(|it| it.id.as_str());
                let serving: Vec<&str> = serving.collect();
                (serving != targets).then(|| format!("it sends to {serving:?}"))
            }
            _ => return Err("nobody understands this of a balancer".into()),
        })
    }

    pub(super) fn request_fact(&self, label: &str, wanted: &str) -> Result<Option<String>, String> {
        let (id, number) = self.sent.get(label).ok_or("nobody has sent that")?;
        let station = self.world.balancing.balancers.get(id).and_then(|it| it.station.as_ref());
        let open = station.is_some_and(|it| it.flights.contains_key(number));
        Ok(differs(wanted, if open { "open" } else { "over" }))
    }
}

/// The balancer of a number, as `b0`.
pub(super) fn balancer(name: &str) -> Result<BalancerId, String> {
    let number = name.strip_prefix('b').and_then(|it| it.parse().ok());
    number.ok_or_else(|| format!("'{name}' is no balancer"))
}
