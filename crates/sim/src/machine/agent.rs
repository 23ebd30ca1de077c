//! The agent process: inputs for the real core, its rows on disk, its effects in the world.

use std::collections::BTreeMap;

use plan::agent::spec::TaskArn;
use plan::agent::{
    AgentMessage, Closed, Effect, Flush, Input, ServerMessage, SessionEvent, Submitted,
};
use plan::lifecycle::{Desired, Health as Found};
use plan::session::FromAgent;
use state::Health;
use types::TaskId;

use crate::event::{
    AgentCall, CallId, Event, MachineEvent, MachineId, Party, RegionEvent, Reply, Wire, WireId,
};
use crate::machine::AgentRevision;
use crate::plant::Plant;
use crate::violation::Checked;
use crate::world::World;

/// Between two publications of how containers are, in milliseconds.
const PUBLISH_EVERY: u64 = 20_000;

impl World {
    /// Something happens to a machine.
    pub(crate) fn machine_event(&mut self, id: MachineId, event: MachineEvent) -> Checked {
        let Some(machine) = self.machines.get(&id).filter(|it| it.exists) else { return Ok(()) };
        if let MachineEvent::Exit { boot, task, container, run, exit } = event {
            if boot != machine.boot {
                return Ok(());
            }
            self.exit(id, task, &container, run, exit);
            return Ok(());
        }
        if machine.frozen_until > self.agenda.now() {
            self.agenda.at(machine.frozen_until, Event::Machine(id, event));
            return Ok(());
        }
        let mine = |life: u64| life == machine.life && machine.agent.is_some();
        match event {
            MachineEvent::Start => {
                self.start_agent(id);
                Ok(())
            }
            MachineEvent::Register { life } if mine(life) => {
                self.register(id, life);
                Ok(())
            }
            MachineEvent::Tick { life } if mine(life) => self.agent_input(id, Input::Tick),
            MachineEvent::Up { life, wire } if mine(life) => self.wire_up(id, wire),
            MachineEvent::Down { life, wire, closed } if mine(life) => {
                self.wire_down(id, wire, closed)
            }
            MachineEvent::Told { life, wire, message } if mine(life) => {
                self.agent_told(id, wire, *message)
            }
            MachineEvent::Answered { life, call, reply } if mine(life) => {
                self.agent_answered(id, life, call, reply)
            }
            MachineEvent::Step { life, number } if mine(life) => self.step_done(id, number),
            MachineEvent::Notice { life, task, happened } if mine(life) => {
                self.notice(id, &task, *happened)
            }
            MachineEvent::Publish => {
                self.publish_health(id);
                self.plan_publication(id);
                Ok(())
            }
            MachineEvent::Flush { life } if mine(life) => {
                self.flush(id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One input for the agent's core, and everything that follows from it.
    pub(crate) fn agent_input(&mut self, id: MachineId, input: Input) -> Checked {
        let now = self.agenda.now();
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(()) };
        let (local, life) = (machine.clock.steady(now), machine.life);
        let Some(agent) = &mut machine.agent else { return Ok(()) };
        let Some(core) = &mut agent.core else { return Ok(()) };
        let output = core.handle(local, &mut agent.dice, input);
        let due = core.next_timer();
        let safe = output.flush == Flush::BeforeEffects;
        let late = !output.rows.is_empty();
        agent.unsafe_rows.extend(output.rows);
        let crashes = self.lots.machines.hits(self.swarm.agent_crashes);
        let effects = output.effects.len() as u64;
        // Where it ends: within the rows, or before one of the effects.
        let mut left = match crashes {
            true if self.lots.machines.below(3) == 0 => {
                self.flush_some(id);
                return self.restart_agent(id);
            }
            true => self.lots.machines.below(effects + 1),
            false => u64::MAX,
        };
        if safe {
            self.flush(id);
        } else if late {
            let wait = self.lots.machines.between(1, 2_000);
            self.agenda.after(wait, Event::Machine(id, MachineEvent::Flush { life }));
        }
        for effect in output.effects {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(1);
            self.effect(id, life, effect)?;
        }
        if crashes {
            return self.restart_agent(id);
        }
        if let Some(due) = due {
            self.plan_tick(id, life, due.since(local).as_millis());
        }
        Ok(())
    }

    fn plan_tick(&mut self, id: MachineId, life: u64, wait: u128) {
        let now = self.agenda.now();
        let at = now.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX));
        let agent = self.machines.get_mut(&id).and_then(|it| it.agent.as_mut());
        let Some(agent) = agent else { return };
        // An earlier tick than the one already planned, or a first one.
        if agent.tick_at <= now || at < agent.tick_at {
            agent.tick_at = at;
            self.agenda.at(at, Event::Machine(id, MachineEvent::Tick { life }));
        }
    }

    /// All rows reach the disk.
    fn flush(&mut self, id: MachineId) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let Some(agent) = &mut machine.agent else { return };
        for row in agent.unsafe_rows.drain(..) {
            match row.value {
                Some(value) => machine.disk.rows.insert(row.key, value),
                None => machine.disk.rows.remove(&row.key),
            };
        }
    }

    /// Some rows reach the disk, in their order, and then no more do.
    fn flush_some(&mut self, id: MachineId) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let Some(agent) = &mut machine.agent else { return };
        let kept = self.lots.machines.below(agent.unsafe_rows.len() as u64 + 1);
        agent.unsafe_rows.truncate(usize::try_from(kept).unwrap_or(0));
        self.flush(id);
    }

    fn effect(&mut self, id: MachineId, life: u64, effect: Effect) -> Checked {
        match effect {
            Effect::Send(message) => {
                self.agent_says(id, &message);
                Ok(())
            }
            Effect::Submit(it) => {
                let body = shapes::json::encode(&it.request);
                let body = String::from_utf8_lossy(&body).into_owned();
                let body = self.revision(id).speaks(body);
                let from = Party::Agent { machine: id, life };
                let call = self.call(from, "SubmitTaskStateChange", &body, 0);
                if let Some(agent) = self.machines.get_mut(&id).and_then(|it| it.agent.as_mut()) {
                    agent.calls.insert(call, AgentCall::Submit(it.id));
                }
                Ok(())
            }
            Effect::Step(step) => self.plan_step(id, life, step),
            Effect::PublishHealth => {
                self.publish_health(id);
                Ok(())
            }
            Effect::OpenSession { .. } => {
                self.dial(id, life);
                Ok(())
            }
            Effect::CloseSession => {
                let wire = self.machines.get(&id).and_then(|it| it.agent.as_ref()?.wire);
                match wire {
                    Some(wire) => self.wire_down_soon(id, life, wire),
                    None => {
                        let closed = MachineEvent::Down { life, wire: 0, closed: Closed::Failed };
                        self.agenda.after(1, Event::Machine(id, closed));
                    }
                }
                Ok(())
            }
        }
    }

    fn dial(&mut self, id: MachineId, life: u64) {
        let now = self.agenda.now();
        let Some(machine) = self.machines.get(&id) else { return };
        let (Some(instance), reachable) = (machine.instance(), machine.cut_off_until <= now) else {
            return;
        };
        let wire =
            self.wire(Wire { machine: id, life, instance, dead: false, down_at: 0, up_at: 0 });
        if let Some(agent) = self.machines.get_mut(&id).and_then(|it| it.agent.as_mut()) {
            agent.wire = Some(wire);
            agent.open = false;
        }
        if reachable && !self.mishap(self.swarm.lost) {
            let wait = self.delay();
            self.agenda.after(wait, Event::Region(RegionEvent::Dialled { wire }));
        } else {
            self.wires.remove(&wire);
        }
        // Whoever gets no answer gives up.
        let failed = MachineEvent::Down { life, wire, closed: Closed::Failed };
        let patience = self.lots.network.between(5_000, 10_000);
        self.agenda.after(patience, Event::Machine(id, failed));
    }

    fn wire_up(&mut self, id: MachineId, wire: WireId) -> Checked {
        let agent = self.machines.get_mut(&id).and_then(|it| it.agent.as_mut());
        let Some(agent) = agent.filter(|it| it.wire == Some(wire)) else { return Ok(()) };
        agent.open = true;
        self.agent_input(id, Input::Session(SessionEvent::Opened))
    }

    fn wire_down(&mut self, id: MachineId, wire: WireId, closed: Closed) -> Checked {
        let agent = self.machines.get_mut(&id).and_then(|it| it.agent.as_mut());
        let Some(agent) = agent.filter(|it| wire == 0 || it.wire == Some(wire)) else {
            return Ok(());
        };
        if agent.open && closed == Closed::Failed {
            // The patience of an attempt that succeeded.
            return Ok(());
        }
        agent.wire = None;
        agent.open = false;
        if wire != 0 {
            let wait = self.delay();
            self.agenda.after(wait, Event::Region(RegionEvent::HungUp { wire }));
        }
        self.agent_input(id, Input::Session(SessionEvent::Closed(closed)))
    }

    fn wire_down_soon(&mut self, id: MachineId, life: u64, wire: WireId) {
        let closed = MachineEvent::Down { life, wire, closed: Closed::Code(1000) };
        self.agenda.after(1, Event::Machine(id, closed));
    }

    fn agent_told(&mut self, id: MachineId, wire: WireId, message: ServerMessage) -> Checked {
        let agent = self.machines.get(&id).and_then(|it| it.agent.as_ref());
        if agent.is_none_or(|it| it.wire != Some(wire)) {
            return Ok(());
        }
        let mut message = message;
        let mut stops = Vec::new();
        if let ServerMessage::Payload(it) = &mut message {
            let all = it.tasks.iter_mut().flatten();
            for task in all.filter(|it| it.desired_status.as_deref() == Some("STOPPED")) {
                if self.plant == Some(Plant::IgnoresStop) {
                    task.desired_status = Some("RUNNING".into());
                }
                stops.extend(task.arn.clone());
            }
        }
        if matches!(message, ServerMessage::Payload(_) | ServerMessage::TaskManifest(_)) {
            self.say(format_args!("machine {id}: told {}", brief(&message)));
        }
        if matches!(message, ServerMessage::Payload(_))
            && self.plant == Some(Plant::NeverRepeats)
            && self.lots.network.below(2) == 0
        {
            return Ok(());
        }
        self.agent_input(id, Input::Server(message))?;
        self.note_ended(id, stops);
        Ok(())
    }

    /// Tasks that an agent has been told to stop, and has kept that it was.
    fn note_ended(&mut self, id: MachineId, stops: Vec<String>) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let Some(core) = machine.agent.as_ref().and_then(|it| it.core.as_ref()) else { return };
        let stopped = stops.into_iter().filter(|arn| {
            let task =
                TaskArn::parse(arn).and_then(|it| core.task(&it).map(plan::agent::Task::record));
            task.is_some_and(|it| it.desired == Desired::Stopped)
        });
        machine.runtime.ended.extend(stopped);
    }

    fn agent_answered(&mut self, id: MachineId, life: u64, call: CallId, reply: Reply) -> Checked {
        let agent = self.machines.get_mut(&id).and_then(|it| it.agent.as_mut());
        let Some(asked) = agent.and_then(|it| it.calls.remove(&call)) else { return Ok(()) };
        let submission = match asked {
            AgentCall::Register => return self.registered(id, life, reply),
            AgentCall::Submit(submission) => submission,
        };
        let outcome = match reply {
            Reply::Done(_) => Submitted::Acknowledged,
            Reply::Refused { .. } => Submitted::Refused,
            Reply::Unknown => Submitted::Failed,
        };
        self.agent_input(id, Input::Submitted { id: submission, outcome })
    }

    fn agent_says(&mut self, id: MachineId, message: &AgentMessage) {
        let wire = self.machines.get(&id).and_then(|it| it.agent.as_ref()?.wire);
        let Some(wire) = wire else { return };
        let wait = self.delay();
        let cut = self.mishap(self.swarm.cut);
        let now = self.agenda.now();
        let Some(it) = self.wires.get_mut(&wire).filter(|it| !it.dead) else { return };
        if cut {
            self.break_wire(wire);
            return;
        }
        it.up_at = it.up_at.max(now + wait);
        let at = it.up_at;
        let revision = self.revision(id);
        let message =
            match self.lots.network.hits(self.swarm.bytes) || revision == AgentRevision::Older {
                true => reread(message, revision),
                false => plain(message),
            };
        self.agenda.at(at, Event::Region(RegionEvent::Heard { wire, message }));
    }

    /// Which revision of the protocol a machine's agent speaks.
    pub(crate) fn revision(&self, id: MachineId) -> AgentRevision {
        self.machines.get(&id).map_or(AgentRevision::Current, |it| it.agent_revision)
    }

    /// Agents say every 20 seconds how their containers are. Here that begins once faults have ended;
    /// before, what is lost on its way stays lost for longer.
    pub(crate) fn plan_publication(&mut self, id: MachineId) {
        self.agenda.after(PUBLISH_EVERY, Event::Machine(id, MachineEvent::Publish));
    }

    fn publish_health(&mut self, id: MachineId) {
        let Some(machine) = self.machines.get(&id) else { return };
        let core = machine.agent.as_ref().and_then(|it| it.core.as_ref());
        let mut health: BTreeMap<TaskId, Vec<(String, Health)>> = BTreeMap::new();
        for report in core.into_iter().flat_map(plan::agent::Core::health_reports) {
            let Ok(task) = TaskId::parse(report.task.id()) else { continue };
            let found = match report.health {
                Found::Unknown => Health::Unknown,
                Found::Healthy => Health::Healthy,
                Found::Unhealthy => Health::Unhealthy,
            };
            health.entry(task).or_default().push((report.container.to_string(), found));
        }
        if machine.cut_off_until <= self.agenda.now() && !self.mishap(self.swarm.lost) {
            let wait = self.delay();
            self.agenda.after(wait, Event::Region(RegionEvent::Checked { health }));
        }
    }
}

fn brief(message: &ServerMessage) -> String {
    let short = |arn: Option<&String>| {
        arn.and_then(|it| it.rsplit('/').next()).unwrap_or("?").chars().take(6).collect::<String>()
    };
    match message {
        ServerMessage::Payload(it) => {
            let tasks = it.tasks.iter().flatten();
            let tasks = tasks.map(|it| {
                format!(
                    "{} {}",
                    short(it.arn.as_ref()),
                    it.desired_status.as_deref().unwrap_or("?")
                )
            });
            format!(
                "payload {} [{}]",
                it.timeline.unwrap_or(0),
                tasks.collect::<Vec<_>>().join(", ")
            )
        }
        ServerMessage::TaskManifest(it) => {
            let tasks = it.tasks.iter().flatten();
            let tasks = tasks.map(|it| {
                let desired = it.desired_status.as_deref().unwrap_or("?");
                format!("{} {desired}", short(it.task_arn.as_ref()))
            });
            format!(
                "manifest {} [{}]",
                it.timeline.unwrap_or(0),
                tasks.collect::<Vec<_>>().join(", ")
            )
        }
        _ => String::new(),
    }
}

/// A message as the region takes it in.
fn plain(message: &AgentMessage) -> FromAgent {
    match message.clone() {
        AgentMessage::Ack(it) => FromAgent::Ack(it),
        AgentMessage::Nack(_) => FromAgent::Other("NackRequest".into()),
        AgentMessage::HeartbeatAck(it) => FromAgent::HeartbeatAck(it),
        AgentMessage::CredentialsAck(it) => FromAgent::CredentialsAck(it),
        AgentMessage::TaskStopVerification(it) => FromAgent::StopVerification(it),
    }
}

/// A message as the region takes it in, by way of its bytes.
fn reread(message: &AgentMessage, revision: AgentRevision) -> FromAgent {
    fn read<T: shapes::Shape + Default>(message: &AgentMessage, revision: AgentRevision) -> T {
        let mut shape = T::default();
        let text = String::from_utf8_lossy(&shapes::json::encode(message.shape())).into_owned();
        let text = revision.speaks(text);
        shapes::json::decode(text.as_bytes(), &mut shape)
            .expect("what one end writes the other reads");
        shape
    }
    match message {
        AgentMessage::Ack(_) => FromAgent::Ack(read(message, revision)),
        AgentMessage::Nack(_) => FromAgent::Other("NackRequest".into()),
        AgentMessage::HeartbeatAck(_) => FromAgent::HeartbeatAck(read(message, revision)),
        AgentMessage::CredentialsAck(_) => FromAgent::CredentialsAck(read(message, revision)),
        AgentMessage::TaskStopVerification(_) => {
            FromAgent::StopVerification(read(message, revision))
        }
    }
}
