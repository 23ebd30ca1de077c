//! What stories do.

use store::journal::disk::Failure;
use types::Cpu;

use super::{Asked, Stage, milliseconds};
use crate::client::{Ask, definition};
use crate::event::{ClientId, Event, MachineEvent, MachineId, RegionEvent, Reply};
use crate::machine::{AgentRevision, Machine};
use crate::orders::{Kept, Order};
use crate::region::ZONES;
use crate::services;
use crate::violation::Checked;

/// The client that asks in stories.
const CLIENT: ClientId = 0;

/// What stories ask for.
const OPERATIONS: [&str; 26] = [
    "RunTask",
    "StartTask",
    "StopTask",
    "RegisterTaskDefinition",
    "DescribeTasks",
    "UpdateContainerInstancesState",
    "DeregisterContainerInstance",
    "PutAttributes",
    "CreateLoadBalancer",
    "CreateTargetGroup",
    "CreateListener",
    "ModifyListener",
    "RegisterTargets",
    "DeregisterTargets",
    "ConfigureHealthCheck",
    "ModifyLoadBalancerAttributes",
    "ModifyTargetGroupAttributes",
    "DeregisterInstancesFromLoadBalancer",
    "CreateService",
    "UpdateService",
    "DeleteService",
    "UpdateTaskProtection",
    "StopServiceDeployment",
    "DeregisterTaskDefinition",
    "PutMetricAlarm",
    "SetAlarmState",
];

fn said(done: Checked) -> Result<bool, String> {
    done.map(|()| true).map_err(|it| format!("{:?}: {}", it.invariant, it.detail))
}

fn number(word: &str) -> Result<u32, String> {
    word.parse().map_err(|_| format!("'{word}' is no number"))
}

impl Stage {
    /// Does what a sentence says; false if it says nothing of the kind.
    pub(super) fn deed(&mut self, line: &str, words: &[&str]) -> Result<bool, String> {
        match words {
            [label, "=", "again", of] => {
                let asked =
                    self.asked.get(*of).ok_or_else(|| format!("nobody asked for '{of}'"))?;
                let asked = asked.clone();
                self.ask(label, asked);
            }
            [label, "=", operation, "as", of, ..] => {
                let variant = self.asked.get(*of).map(|it| it.variant);
                let variant = variant.ok_or_else(|| format!("nobody asked for '{of}'"))?;
                self.request(label, operation, line, variant)?;
            }
            [label, "=", operation, ..] => {
                let variant = self.world.agenda.now() << 8 | self.asked.len() as u64;
                self.request(label, operation, line, variant)?;
            }
            ["machines", count, size @ ..] => self.machines(count, size)?,
            ["register", family] => self.register(family)?,
            ["lose", "the", "request", "of", operation] => {
                self.world.orders.add(operation, Order::LoseRequest);
            }
            ["lose", "the", "answer", "of", operation] => {
                self.world.orders.add(operation, Order::LoseAnswer);
            }
            ["repeat", operation, "after", time] => {
                let late = Order::RepeatLate(milliseconds(time)?);
                self.world.orders.add(operation, late);
            }
            ["end", "region", "before", "the", "answer", "of", operation] => {
                self.world.orders.add(operation, Order::EndBeforeAnswer);
            }
            [
                "end",
                "region",
                "while",
                "it",
                "writes",
                operation,
                kept @ ("nothing" | "all"),
                "kept",
            ] => {
                let kept = if *kept == "all" { Kept::All } else { Kept::Nothing };
                self.world.orders.add(operation, Order::EndAtRequest(kept));
            }
            ["end", "region"] => self.world.end_region(),
            ["start", "region"] => {
                self.world.agenda.after(0, Event::Region(RegionEvent::Start));
            }
            ["journal", "in", "files"] => {}
            ["the", "next", "write", "finds", "no", "space"] => {
                self.world.region.storage.fail_step(0, Failure::NoSpace);
            }
            ["the", "next", "write", "is", "cut", "after", bytes, "bytes"] => {
                let done = number(bytes)? as usize;
                self.world.region.storage.fail_step(0, Failure::Crash { done });
            }
            ["the", "next", "sync", "fails"] => {
                self.world.region.storage.fail_step(1, Failure::LostPages);
            }
            ["disk", "has", "no", "room"] => {
                let storage = &self.world.region.storage;
                storage.set_room(Some(storage.used()));
            }
            ["disk", "has", "room"] => self.world.region.storage.set_room(None),
            ["upgrade"] => self.world.upgrade(),
            ["pulls", "take", time] => self.world.orders.pulls = Some(milliseconds(time)?),
            ["clock", "of", whose, way @ ("forward" | "back"), time] => {
                let far = i64::try_from(milliseconds(time)?).unwrap_or(0);
                let step = if *way == "back" { -far } else { far };
                match *whose {
                    "region" => self.world.region.clock.step(step),
                    machine => {
                        let id = self.machine(machine)?.id;
                        self.with(id, |it| it.clock.step(step));
                    }
                }
            }
            [verb, machine, rest @ ..] => return self.machine_deed(verb, machine, rest),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn machine_deed(&mut self, verb: &str, word: &str, rest: &[&str]) -> Result<bool, String> {
        if !["end", "start", "reboot", "wipe", "copy", "freeze", "cut"].contains(&verb) {
            return Ok(false);
        }
        let id = self.machine(word)?.id;
        let world = &mut self.world;
        match (verb, rest) {
            ("end", []) => said(world.end_agent(id)),
            ("start", []) => {
                world.agenda.after(0, Event::Machine(id, MachineEvent::Start));
                Ok(true)
            }
            ("reboot", []) => said(world.reboot(id)),
            ("wipe", []) => said(world.wipe(id)),
            ("copy", []) => {
                world.copy_machine(id);
                Ok(true)
            }
            ("freeze" | "cut", ["for", time]) => {
                let until = world.agenda.now() + milliseconds(time)?;
                match verb {
                    "freeze" => self.with(id, |it| it.frozen_until = until),
                    _ => world.cut_off(id, until),
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn with(&mut self, id: MachineId, change: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.world.machines.get_mut(&id) {
            change(machine);
        }
    }

    /// Machines of one size, one zone after another; waits until all have joined.
    fn machines(&mut self, count: &str, size: &[&str]) -> Result<(), String> {
        let count = number(count)?;
        let (cpu, revision) = match size {
            [] => (1024, AgentRevision::Current),
            ["older"] => (1024, AgentRevision::Older),
            ["cpu", cpu] => (number(cpu)?, AgentRevision::Current),
            _ => return Err("machines are not like that".into()),
        };
        for id in 0..count {
            let zone = ZONES.iter().cycle().nth(id as usize).copied().unwrap_or_default();
            let mut machine = Machine::plain(id, zone, Cpu(cpu), &mut self.world.lots);
            machine.agent_revision = revision;
            self.world.machines.insert(id, machine);
            self.world.agenda.after(10, Event::Machine(id, MachineEvent::Start));
        }
        for id in 0..count {
            self.until(&[&format!("m{id}"), "connected"], 20_000)?;
        }
        Ok(())
    }

    /// A client registers a task definition of the simulator's own.
    fn register(&mut self, family: &str) -> Result<(), String> {
        let body = definition(family).or_else(|| services::definition(family));
        let body = body.ok_or_else(|| format!("nobody knows '{family}'"))?;
        let label = format!("definition of {family}");
        let asked = Asked { operation: "RegisterTaskDefinition", body, variant: 0, call: 0 };
        self.ask(&label, asked);
        self.heard(&label)?;
        match self.answer(&label)? {
            Some(Reply::Done(_)) => Ok(()),
            other => Err(format!("'{family}' is not registered: {other:?}")),
        }
    }

    fn request(
        &mut self,
        label: &str,
        operation: &str,
        line: &str,
        variant: u64,
    ) -> Result<(), String> {
        self.world.look_for_subnets();
        let operation = OPERATIONS.iter().find(|it| **it == operation).copied();
        let operation = operation.ok_or_else(|| "stories do not ask for that".to_owned())?;
        let body = line.find('{').and_then(|at| line.get(at..)).unwrap_or("{}");
        let body = self.filled(body)?;
        self.ask(label, Asked { operation, body, variant, call: 0 });
        Ok(())
    }

    fn ask(&mut self, label: &str, asked: Asked) {
        let ask = Ask::once(asked.operation, asked.body.clone(), asked.variant);
        let call = self.world.ask(CLIENT, ask);
        self.asked.insert(label.to_owned(), Asked { call, ..asked });
    }

    /// A body with the names of the story replaced by what they stand for.
    fn filled(&self, body: &str) -> Result<String, String> {
        let mut parts = body.split('$');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find('"').ok_or("a name ends with a quotation mark")?;
            let (name, rest) = part.split_at(end);
            filled.push_str(&self.stands_for(name)?);
            filled.push_str(rest);
        }
        Ok(filled)
    }

    /// What `a.0` or `m0` stands for.
    pub(super) fn stands_for(&self, name: &str) -> Result<String, String> {
        if let Some((label, number)) = name.split_once('.') {
            let number: usize = number.parse().map_err(|_| format!("'{name}' is no task"))?;
            let (tasks, _) = self.launched(label)?;
            return tasks.get(number).cloned().ok_or_else(|| format!("there is no task {name}"));
        }
        if let Some(number) = name.strip_prefix("subnet") {
            let subnet = self.world.clients.subnets.get(number.parse().unwrap_or(usize::MAX));
            return subnet.cloned().ok_or_else(|| format!("there is no {name}"));
        }
        if let Some(arn) = self.balancing_name(name) {
            return Ok(arn);
        }
        let arn = self.machine(name)?.disk.arn.clone();
        arn.ok_or_else(|| format!("{name} has not joined"))
    }

    /// Everybody who is down starts.
    pub(super) fn wake_everybody(&mut self) {
        let agenda = &mut self.world.agenda;
        agenda.after(0, Event::Region(RegionEvent::Start));
        for (id, machine) in &self.world.machines {
            if machine.agent.is_none() {
                agenda.after(1_000, Event::Machine(*id, MachineEvent::Start));
            }
        }
    }
}
