//! How an agent process begins and ends, and how its machine does.

use std::collections::{BTreeMap, BTreeSet};

use plan::agent::spec::TaskArn;
use plan::agent::{Core, Input, Settings};

use super::{Agent, RESERVED_PORTS};
use crate::event::{AgentCall, Event, MachineEvent, MachineId, Party, RegionEvent, Reply};
use crate::plant::Plant;
use crate::swarm::Naming;
use crate::violation::{Checked, Invariant, broken};
use crate::world::{World, world_error};

/// What a machine of ours can do, as agents register it.
const CAPABILITIES: [&str; 14] = [
    "com.amazonaws.ecs.capability.docker-remote-api.1.17",
    "com.amazonaws.ecs.capability.docker-remote-api.1.18",
    "com.amazonaws.ecs.capability.docker-remote-api.1.19",
    "com.amazonaws.ecs.capability.docker-remote-api.1.20",
    "com.amazonaws.ecs.capability.docker-remote-api.1.21",
    "com.amazonaws.ecs.capability.docker-remote-api.1.22",
    "com.amazonaws.ecs.capability.docker-remote-api.1.24",
    "com.amazonaws.ecs.capability.docker-remote-api.1.25",
    "com.amazonaws.ecs.capability.docker-remote-api.1.29",
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.container-restart-policy",
    "ecs.capability.task-eni",
];

impl World {
    /// The agent process starts and asks to be registered.
    pub(crate) fn start_agent(&mut self, id: MachineId) {
        let dice = self.lots.machines.dice();
        let Some(machine) = self.machines.get_mut(&id).filter(|it| it.exists) else { return };
        if machine.agent.is_some() {
            return;
        }
        machine.life += 1;
        machine.clock.begin(self.agenda.now());
        machine.agent = Some(Agent {
            core: None,
            dice,
            unsafe_rows: Vec::new(),
            wire: None,
            open: false,
            calls: BTreeMap::new(),
            steps: BTreeMap::new(),
            next_step: 0,
            tick_at: 0,
        });
        let life = machine.life;
        self.say(format_args!("machine {id}: agent life {life} starts"));
        self.register(id, life);
    }

    /// Asks to be registered.
    pub(crate) fn register(&mut self, id: MachineId, life: u64) {
        let Some(machine) = self.machines.get(&id) else { return };
        let ports: Vec<_> = RESERVED_PORTS.iter().map(|it| format!("\"{it}\"")).collect();
        let known = CAPABILITIES.iter().filter(|it| machine.agent_revision.knows(it));
        let mut attributes: Vec<_> = known.map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
        let gpus: Vec<_> = machine.host.gpus.iter().map(|it| format!("\"{it}\"")).collect();
        let gpus = match gpus.is_empty() {
            true => String::new(),
            false => format!(
                r#",{{"name":"GPU","type":"STRINGSET","stringSetValue":[{}]}}"#,
                gpus.join(",")
            ),
        };
        if machine.ssd {
            attributes.push(r#"{"name":"disk","value":"ssd"}"#.to_owned());
        }
        if self.swarm.naming == Naming::Named || self.swarm.has_fronts() {
            // Where tasks are found that have no address of their own.
            let address =
                format!(r#"{{"name":"landfall.address","value":"172.31.0.{}"}}"#, id + 10);
            attributes.push(address);
        }
        if let Some(address) = &machine.address {
            attributes.push(format!(r#"{{"name":"landfall.address","value":"{address}"}}"#));
        }
        let arn = machine.disk.arn.as_ref();
        let arn = arn.map(|it| format!(r#""containerInstanceArn":"{it}","#)).unwrap_or_default();
        let body = format!(
            r#"{{"cluster":"default","clientToken":"{id}-{life}",{arn}"instanceIdentityDocument":"{{\"instanceId\":\"{}\",\"availabilityZone\":\"{}\"}}","totalResources":[{{"name":"CPU","type":"INTEGER","integerValue":{}}},{{"name":"MEMORY","type":"INTEGER","integerValue":{}}},{{"name":"PORTS","type":"STRINGSET","stringSetValue":[{}]}}{gpus}],"attributes":[{}]}}"#,
            machine.ec2,
            machine.zone,
            machine.host.cpu.0,
            machine.host.memory.0,
            ports.join(","),
            attributes.join(","),
        );
        let body = machine.agent_revision.speaks(body);
        let from = Party::Agent { machine: id, life };
        let call = self.call(from, "RegisterContainerInstance", &body, 0);
        if let Some(agent) = self.machines.get_mut(&id).and_then(|it| it.agent.as_mut()) {
            agent.calls.insert(call, AgentCall::Register);
        }
    }

    /// The answer to a registration.
    pub(crate) fn registered(&mut self, id: MachineId, life: u64, reply: Reply) -> Checked {
        let again = MachineEvent::Register { life };
        match reply {
            Reply::Unknown => {
                let wait = self.lots.network.between(500, 3_000);
                self.agenda.after(wait, Event::Machine(id, again));
                Ok(())
            }
            Reply::Refused { code, .. } if code == "ServerException" => {
                self.agenda.after(1_000, Event::Machine(id, again));
                Ok(())
            }
            Reply::Refused { code, message, .. } => {
                self.say(format_args!("machine {id}: not registered: {code} {message}"));
                let Some(machine) = self.machines.get_mut(&id) else { return Ok(()) };
                if machine.disk.arn.take().is_none() {
                    return Err(world_error(format!("machine {id}: {code}: {message}")));
                }
                self.agenda.after(1_000, Event::Machine(id, again));
                Ok(())
            }
            Reply::Done(body) => {
                let mut answer = shapes::ecs::RegisterContainerInstanceResponse::default();
                shapes::json::decode(&body, &mut answer)
                    .map_err(|error| world_error(error.to_string()))?;
                let arn = answer.container_instance.and_then(|it| it.container_instance_arn);
                let arn = arn.ok_or_else(|| world_error("a registration without ARN"))?;
                self.begin(id, arn)
            }
        }
    }

    /// The agent knows who it is: it takes over what it finds, then goes on.
    fn begin(&mut self, id: MachineId, arn: String) -> Checked {
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(()) };
        machine.disk.arn = Some(arn.clone());
        let settings = Settings::new("default".into(), arn, machine.host.clone());
        let rows = machine.disk.rows.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        let core = match Core::restore(settings, rows) {
            Ok(core) => core,
            Err(error) => return broken(Invariant::Replay, format!("machine {id}: {error}")),
        };
        let mut known: BTreeSet<TaskArn> = core.awaiting_recovery().cloned().collect();
        known.extend(machine.runtime.tasks.keys().filter_map(|it| TaskArn::parse(it)));
        let Some(agent) = &mut machine.agent else { return Ok(()) };
        agent.core = Some(core);
        let life = machine.life;
        for task in known {
            let Some(machine) = self.machines.get(&id) else { return Ok(()) };
            if machine.life != life || machine.agent.is_none() {
                return Ok(());
            }
            let held = machine.runtime.tasks.get(task.as_str());
            let found = held.map(super::runtime::Held::found).unwrap_or_default();
            self.agent_input(id, Input::Recovered { task, found })?;
        }
        self.agent_input(id, Input::Tick)
    }

    /// The agent process ends. Of the steps under way any number of each task's are still done.
    pub(crate) fn end_agent(&mut self, id: MachineId) -> Checked {
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(()) };
        let Some(agent) = machine.agent.take() else { return Ok(()) };
        let life = machine.life;
        self.say(format_args!("machine {id}: agent life {life} ends"));
        let mut stopped: BTreeSet<String> = BTreeSet::new();
        for step in agent.steps.into_values() {
            let task = step.task.to_string();
            if stopped.contains(&task) || self.lots.machines.below(2) == 0 {
                stopped.insert(task);
                continue;
            }
            self.perform(id, &step)?;
        }
        if self.plant == Some(Plant::LosesRows)
            && let Some(machine) = self.machines.get_mut(&id)
        {
            machine.disk.rows.clear();
        }
        if let Some(wire) = agent.wire {
            let wait = self.delay();
            self.agenda.after(wait, Event::Region(RegionEvent::HungUp { wire }));
        }
        Ok(())
    }

    /// The agent ends and starts again some time later.
    pub(crate) fn restart_agent(&mut self, id: MachineId) -> Checked {
        self.end_agent(id)?;
        if !self.orders.stay_down {
            let wait = self.lots.faults.between(100, 25_000);
            self.agenda.after(wait, Event::Machine(id, MachineEvent::Start));
        }
        Ok(())
    }

    /// The machine boots again: no container survives.
    pub(crate) fn reboot(&mut self, id: MachineId) -> Checked {
        self.end_agent(id)?;
        if let Some(machine) = self.machines.get_mut(&id) {
            machine.boot += 1;
            machine.runtime.tasks.clear();
        }
        self.say(format_args!("machine {id}: reboots"));
        if !self.orders.stay_down {
            let wait = self.lots.faults.between(5_000, 60_000);
            self.agenda.after(wait, Event::Machine(id, MachineEvent::Start));
        }
        Ok(())
    }
}
