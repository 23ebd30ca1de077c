//! The control plane's end of all agent sessions, wired as the link's hub is, without sockets.

use std::collections::{BTreeMap, VecDeque};

use plan::agent::{Closed, ServerMessage};
use plan::liveness::{Liveness, SILENCE_MAX};
use plan::payload::Surroundings;
use plan::session::{FromAgent, Session, ToAgent};
use plan::{assignments, instances};
use state::{Caller, Change, InstanceStatus};
use types::{InstanceId, Timestamp};

use crate::event::{Event, MachineEvent, RegionEvent, WireId};
use crate::machine::AgentRevision;
use crate::plant::Plant;
use crate::region::{Cause, Decided, Release, Told};
use crate::violation::Checked;
use crate::world::World;

/// How often silence is looked for, in milliseconds.
const LOOK_EVERY: u64 = 1_000;

/// All sessions of a process.
pub(crate) struct Hub {
    pub(crate) conversations: BTreeMap<WireId, Conversation>,
    /// The conversation of each instance that counts.
    pub(crate) sessions: BTreeMap<InstanceId, WireId>,
    liveness: Liveness,
    losing: VecDeque<InstanceId>,
}

/// Whether a conversation is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Not,
    /// By the agent: once all that it said is heard.
    Closed,
    /// By the region, at once.
    HangUp,
}

/// One conversation.
pub(crate) struct Conversation {
    instance: InstanceId,
    session: Option<Session>,
    inbox: VecDeque<FromAgent>,
    changed: bool,
    /// A question to the writer is under way.
    asking: bool,
    ending: Ending,
    /// When it is looked at next by itself.
    planned_at: u64,
}

impl Hub {
    /// A hub that nobody has called yet.
    pub(crate) fn new(connected: Vec<InstanceId>, now: Timestamp) -> Self {
        let mut liveness = Liveness::default();
        for instance in connected {
            liveness.hear(instance, now);
        }
        Self {
            conversations: BTreeMap::new(),
            sessions: BTreeMap::new(),
            liveness,
            losing: VecDeque::new(),
        }
    }
}

impl World {
    fn hub(&mut self) -> Option<&mut Hub> {
        self.region.process.as_mut().map(|it| &mut it.hub)
    }

    fn conversation(&mut self, wire: WireId) -> Option<&mut Conversation> {
        self.hub()?.conversations.get_mut(&wire)
    }

    /// An agent opens a websocket.
    pub(crate) fn dialled(&mut self, wire: WireId) -> Checked {
        if self.region.process.is_none() {
            self.close_to_agent(wire, Closed::Failed);
            return Ok(());
        }
        let Some(instance) = self.wires.get(&wire).map(|it| it.instance) else { return Ok(()) };
        self.job(Cause::Review, |core| {
            let standing = core.state().container_instance(instance).map(|it| it.status);
            Release::Admit { wire, standing }
        })
    }

    /// What the region knows of an instance that calls is durable.
    pub(crate) fn admit(&mut self, wire: WireId, standing: Option<InstanceStatus>) -> Checked {
        let Some(it) = self.wires.get(&wire) else { return Ok(()) };
        let (machine, life, instance) = (it.machine, it.life, it.instance);
        if standing.is_none_or(|it| it == InstanceStatus::Inactive) {
            self.close_to_agent(wire, Closed::InactiveInstance);
            return Ok(());
        }
        let now = self.region_clock();
        self.down(wire, |life| MachineEvent::Up { life, wire });
        self.say(format_args!("hub: wire {wire} of machine {machine} life {life} is let in"));
        if let Some(hub) = self.hub() {
            let conversation = Conversation {
                instance,
                session: None,
                inbox: VecDeque::new(),
                changed: false,
                asking: true,
                ending: Ending::Not,
                planned_at: 0,
            };
            hub.conversations.insert(wire, conversation);
            hub.liveness.hear(instance, now);
        }
        self.job(Cause::Connect, |core| {
            core.write(Caller::region(), 0, |draft, context| {
                instances::connect(draft, instance, context.now);
            });
            Release::Connected { wire }
        })
    }

    /// That a session stands is durable.
    pub(crate) fn connected(&mut self, wire: WireId) -> Checked {
        let (now, id) = (self.region_clock(), self.lots.region.bits());
        let Some(hub) = self.hub() else { return Ok(()) };
        let Some(it) = hub.conversations.get_mut(&wire) else { return Ok(()) };
        let instance = it.instance;
        it.session = Some(Session::open(instance, id, now));
        it.changed = true;
        it.asking = false;
        hub.liveness.hear(instance, now);
        let older = hub.sessions.insert(instance, wire);
        if let Some(older) = older {
            if let Some(it) = hub.conversations.get_mut(&older) {
                it.ending = Ending::HangUp;
            }
            self.converse(older)?;
        }
        self.converse(wire)
    }

    /// Does the next thing of a conversation, unless it waits for the writer.
    pub(crate) fn converse(&mut self, wire: WireId) -> Checked {
        let now = self.region_clock();
        let Some(it) = self.conversation(wire) else { return Ok(()) };
        if it.asking {
            return Ok(());
        }
        let ends = match it.ending {
            Ending::Not => false,
            Ending::Closed => it.inbox.is_empty(),
            Ending::HangUp => true,
        };
        if ends {
            self.end_conversation(wire);
            return Ok(());
        }
        let Some(session) = &it.session else { return Ok(()) };
        let due = session.due();
        let heard = it.inbox.pop_front();
        if heard.is_none() && !it.changed && due > now {
            let wait = u64::try_from(due.since(now).as_millis()).unwrap_or(u64::MAX);
            self.plan_conversation(wire, wait);
            return Ok(());
        }
        if heard.is_none() {
            it.changed = false;
        }
        it.asking = true;
        let instance = it.instance;
        self.job(Cause::Review, |core| {
            let region = core.state().region().get(&()).cloned();
            let assignments = assignments::of(core.state(), instance);
            let told = assignments.map(|assignments| Told { assignments, region });
            Release::Told { wire, heard, told }
        })
    }

    /// A conversation is to be looked at after a wait, unless it will be before.
    fn plan_conversation(&mut self, wire: WireId, wait: u64) {
        let (now, life) = (self.agenda.now(), self.region.life);
        let at = now.saturating_add(wait);
        let Some(it) = self.conversation(wire) else { return };
        if it.planned_at <= now || at < it.planned_at {
            it.planned_at = at;
            self.agenda.at(at, Event::Region(RegionEvent::Converse { life, wire }));
        }
    }

    /// What an instance should hold is durable: says what its agent does not know.
    pub(crate) fn turn(
        &mut self,
        wire: WireId,
        heard: Option<FromAgent>,
        told: Option<Told>,
    ) -> Checked {
        let now = self.region_clock();
        let Some(it) = self.conversation(wire) else { return Ok(()) };
        it.asking = false;
        let stands = |it: &Told| it.assignments.instance.status != InstanceStatus::Inactive;
        let Some(told) = told.filter(stands) else {
            self.end_conversation(wire);
            return Ok(());
        };
        let home = self.region.home.clone();
        let around = Surroundings { home: &home, region: told.region.as_deref() };
        let all = &told.assignments;
        let silent = self.plant == Some(Plant::NeverRepeats);
        let Some(hub) = self.hub() else { return Ok(()) };
        let Some(it) = hub.conversations.get_mut(&wire) else { return Ok(()) };
        let Some(session) = &mut it.session else { return Ok(()) };
        let mut said = Vec::new();
        if let Some(message) = heard {
            hub.liveness.hear(it.instance, now);
            said.extend(session.hear(&message, around, all, now));
        }
        said.extend(session.tick(around, all, now));
        if silent {
            for message in &said {
                if let ToAgent::Payload(it) = message {
                    let ack = shapes::acs::AckRequest {
                        message_id: it.message_id.clone(),
                        ..Default::default()
                    };
                    session.hear(&FromAgent::Ack(ack), around, all, now);
                }
            }
        }
        for mut message in said {
            crate::planted::tamper_told(self.plant, &mut message);
            self.check_told(&message)?;
            self.say_to_agent(wire, &message);
        }
        self.converse(wire)
    }

    fn say_to_agent(&mut self, wire: WireId, message: &ToAgent) {
        let machine = self.wires.get(&wire).map(|it| it.machine);
        let revision = machine.map_or(AgentRevision::Current, |it| self.revision(it));
        let bytes = self.lots.network.hits(self.swarm.bytes) || revision == AgentRevision::Older;
        let message = match bytes {
            true => reread(message, revision),
            false => plain(message),
        };
        self.down(wire, |life| MachineEvent::Told { life, wire, message: Box::new(message) });
    }

    /// Puts something on its way to the agent's end of a wire. What follows comes later.
    fn down(&mut self, wire: WireId, event: impl FnOnce(u64) -> MachineEvent) {
        let wait = self.delay();
        let cut = self.mishap(self.swarm.cut);
        let now = self.agenda.now();
        let Some(it) = self.wires.get_mut(&wire).filter(|it| !it.dead) else { return };
        if cut {
            self.break_wire(wire);
            return;
        }
        it.down_at = it.down_at.max(now + wait);
        let (at, event) = (it.down_at, Event::Machine(it.machine, event(it.life)));
        self.agenda.at(at, event);
    }

    /// Nothing passes a wire any more; its ends notice some time, or never.
    pub(crate) fn break_wire(&mut self, wire: WireId) {
        let Some(it) = self.wires.get_mut(&wire).filter(|it| !it.dead) else { return };
        it.dead = true;
        let (machine, life) = (it.machine, it.life);
        self.say(format_args!("wire {wire}: breaks"));
        if self.lots.network.below(2) == 0 {
            let wait = self.lots.network.between(1, 30_000);
            let closed = Closed::Code(1006);
            let event = MachineEvent::Down { life, wire, closed };
            self.agenda.after(wait, Event::Machine(machine, event));
        }
        if self.lots.network.below(2) == 0 {
            let wait = self.lots.network.between(1, 30_000);
            self.agenda.after(wait, Event::Region(RegionEvent::HungUp { wire }));
        }
    }

    /// The region closes its end.
    fn close_to_agent(&mut self, wire: WireId, closed: Closed) {
        self.down(wire, |life| MachineEvent::Down { life, wire, closed });
        if let Some(it) = self.wires.get_mut(&wire) {
            it.dead = true;
        }
    }

    /// The region's process is gone: its end of every websocket closes.
    pub(crate) fn cut_all_wires(&mut self) {
        let all: Vec<_> = self.wires.keys().copied().collect();
        for wire in all {
            self.close_to_agent(wire, Closed::Code(1006));
        }
        self.wires.clear();
    }

    fn end_conversation(&mut self, wire: WireId) {
        self.say(format_args!("hub: wire {wire} ends"));
        self.close_to_agent(wire, Closed::Code(1000));
        self.wires.remove(&wire);
        let Some(hub) = self.hub() else { return };
        if let Some(it) = hub.conversations.remove(&wire)
            && hub.sessions.get(&it.instance) == Some(&wire)
        {
            hub.sessions.remove(&it.instance);
        }
    }

    /// An agent said something.
    pub(crate) fn region_heard(&mut self, wire: WireId, message: FromAgent) -> Checked {
        if self.wires.get(&wire).is_none_or(|it| it.dead) {
            return Ok(());
        }
        if let Some(it) = self.conversation(wire) {
            it.inbox.push_back(message);
        }
        self.converse(wire)
    }

    /// The agent's end is closed, or the wire was found broken.
    pub(crate) fn hung_up(&mut self, wire: WireId) -> Checked {
        if let Some(it) = self.conversation(wire) {
            it.ending = it.ending.max(Ending::Closed);
        }
        self.converse(wire)
    }

    /// Sessions whose instances should hold something else now.
    pub(crate) fn tell_sessions(&mut self, decided: &[Decided]) -> Checked {
        let changes = decided.iter().flat_map(|it| &it.transaction.changes);
        let touched: Vec<_> = changes
            .filter_map(|it| match it {
                Change::ContainerInstance(id, _) => Some(*id),
                _ => None,
            })
            .collect();
        for instance in touched {
            let Some(hub) = self.hub() else { return Ok(()) };
            let Some(wire) = hub.sessions.get(&instance).copied() else { continue };
            if let Some(it) = hub.conversations.get_mut(&wire) {
                it.changed = true;
            }
            self.converse(wire)?;
        }
        Ok(())
    }

    /// Looks for the silent, each second.
    pub(crate) fn watch(&mut self) -> Checked {
        self.look_for_room();
        let now = self.region_clock();
        let Some(hub) = self.hub() else { return Ok(()) };
        hub.losing.extend(hub.liveness.lost(now, SILENCE_MAX));
        self.lose_next()
    }

    /// That an instance is lost is durable; it may have called meanwhile.
    pub(crate) fn is_lost(&mut self, instance: InstanceId) -> Checked {
        if !self.hub().is_some_and(|it| it.liveness.hears(instance)) {
            return self.lose_next();
        }
        self.job(Cause::Connect, |core| {
            core.write(Caller::region(), 0, |draft, context| {
                instances::connect(draft, instance, context.now);
            });
            Release::Back
        })
    }

    /// Marks the next silent instance as lost; once there is none, rests for a second.
    pub(crate) fn lose_next(&mut self) -> Checked {
        let Some(hub) = self.hub() else { return Ok(()) };
        let Some(instance) = hub.losing.pop_front() else {
            let life = self.region.life;
            self.agenda.after(LOOK_EVERY, Event::Region(RegionEvent::Watch { life }));
            return Ok(());
        };
        let session = hub.sessions.remove(&instance);
        let conversation = session.and_then(|wire| hub.conversations.get_mut(&wire));
        if let Some(it) = conversation {
            it.ending = Ending::HangUp;
        }
        self.say(format_args!("hub: instance {instance} is silent"));
        self.job(Cause::Lost, |core| {
            core.write(Caller::region(), 0, |draft, context| {
                instances::disconnect(draft, instance, context.now);
            });
            Release::Lost { instance }
        })?;
        match session {
            Some(wire) => self.converse(wire),
            None => Ok(()),
        }
    }
}

/// A message as the agent takes it in.
fn plain(message: &ToAgent) -> ServerMessage {
    match message.clone() {
        ToAgent::Heartbeat(it) => ServerMessage::Heartbeat(it),
        ToAgent::Payload(it) => ServerMessage::Payload(Box::new(it)),
        ToAgent::Manifest(it) => ServerMessage::TaskManifest(it),
        ToAgent::StopVerified(it) => ServerMessage::TaskStopVerificationAck(it),
        ToAgent::Credentials(it) => ServerMessage::IamRoleCredentials(it),
    }
}

/// A message as the agent takes it in, by way of its bytes.
fn reread(message: &ToAgent, revision: AgentRevision) -> ServerMessage {
    fn read<T: shapes::Shape + Default>(message: &ToAgent, revision: AgentRevision) -> Option<T> {
        let mut shape = T::default();
        let text = String::from_utf8_lossy(&shapes::json::encode(message.body())).into_owned();
        shapes::json::decode(revision.speaks(text).as_bytes(), &mut shape).ok()?;
        Some(shape)
    }
    let read = match message {
        ToAgent::Heartbeat(_) => read(message, revision).map(ServerMessage::Heartbeat),
        ToAgent::Payload(_) => {
            read(message, revision).map(|it| ServerMessage::Payload(Box::new(it)))
        }
        ToAgent::Manifest(_) => read(message, revision).map(ServerMessage::TaskManifest),
        ToAgent::StopVerified(_) => {
            read(message, revision).map(ServerMessage::TaskStopVerificationAck)
        }
        ToAgent::Credentials(_) => read(message, revision).map(ServerMessage::IamRoleCredentials),
    };
    read.expect("what one end writes the other reads")
}
