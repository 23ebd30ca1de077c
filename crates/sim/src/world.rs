//! The simulated world: everything there is, and what an event does to it.

use std::collections::BTreeMap;

use store::journal::Room;
use types::{InstanceId, Timestamp};

use crate::Options;
use crate::agenda::Agenda;
use crate::archivist::Archive;
use crate::balancing::Balancing;
use crate::client::Clients;
use crate::event::{Call, CallId, Event, MachineEvent, MachineId, Party, Reply, Wire, WireId};
use crate::event::{ClientEvent, RegionEvent};
use crate::ledger::Ledger;
use crate::lot::{Chance, Lots};
use crate::machine::{AgentRevision, Machine};
use crate::orders::Orders;
use crate::plant::Plant;
use crate::region::{Region, Storage};
use crate::services::Services;
use crate::swarm::{Kind, Naming, Swarm};
use crate::trace::Trace;
use crate::violation::{Checked, Violation};

/// How long callers wait for an answer, in milliseconds.
const PATIENCE: (u64, u64) = (2_000, 8_000);

/// Everything there is.
pub(crate) struct World {
    pub(crate) swarm: Swarm,
    pub(crate) plant: Option<Plant>,
    pub(crate) agenda: Agenda,
    pub(crate) trace: Trace,
    pub(crate) lots: Lots,
    pub(crate) region: Region,
    pub(crate) wires: BTreeMap<WireId, Wire>,
    pub(crate) machines: BTreeMap<MachineId, Machine>,
    pub(crate) clients: Clients,
    pub(crate) ledger: Ledger,
    /// The history of what is over.
    pub(crate) archive: Archive,
    /// Balancers, and whom they balance.
    pub(crate) balancing: Balancing,
    /// Services, and who looks after them.
    pub(crate) services: Services,
    pub(crate) healing: bool,
    /// Faults at exact points, in stories.
    pub(crate) orders: Orders,
    /// Whether there ever was a second machine of one identity.
    pub(crate) copied: bool,
    /// Instances with a session that count as disconnected, and since when.
    pub(crate) unheard: BTreeMap<InstanceId, u64>,
    calls: CallId,
    next_wire: WireId,
}

impl World {
    /// A region that has not started and machines that have not booted.
    pub(crate) fn new(options: &Options) -> Self {
        let Options { seed, plant, kind, follow, .. } = *options;
        let mut swarm = Swarm::draw(seed);
        let of_plant = plant.filter(|it| it.is_of_fronts()).map(|_| Kind::Fronts);
        if let Some(kind) = kind.or(of_plant) {
            (swarm.balancers, swarm.services, swarm.naming) = (0, 0, Naming::Nameless);
            swarm.become_one_of(kind, seed);
        }
        Self::of(swarm, seed, plant, Trace::new(follow))
    }

    /// A world of this much.
    pub(crate) fn of(swarm: Swarm, seed: u64, plant: Option<Plant>, trace: Trace) -> Self {
        let of_disks = [Some(Plant::IgnoresFailedSync), Some(Plant::SkipsMigration)];
        let files = swarm.files || of_disks.contains(&plant);
        let archives = swarm.archives || plant == Some(Plant::ForgetsUnkept);
        let services = match plant.is_some_and(Plant::is_of_services) {
            true => 3,
            false => swarm.services,
        };
        let is_named = plant.is_some_and(Plant::is_of_names);
        let (naming, balancers) =
            if is_named { (Naming::Named, 0) } else { (swarm.naming, swarm.balancers) };
        let swarm = Swarm { archives, balancers, services, naming, ..swarm };
        let mut lots = Lots::new(seed);
        let mut machines: BTreeMap<_, _> =
            (0..swarm.machines).map(|id| (id, Machine::new(id, &mut lots))).collect();
        for (_, machine) in machines.iter_mut().filter(|(id, _)| swarm.skew && *id % 2 == 0) {
            machine.agent_revision = AgentRevision::Older;
        }
        let mut balancing = Balancing::new(seed, swarm.balancers);
        balancing.has_services |= swarm.has_fronts();
        let region = Region { storage: Storage::new(files).with(plant), ..Region::new(false) };
        let services = Services::new(seed, &swarm, &region.home);
        let mut world = Self {
            region,
            clients: Clients::new(swarm.clients),
            swarm,
            plant,
            agenda: Agenda::default(),
            trace,
            lots,
            wires: BTreeMap::new(),
            machines,
            ledger: Ledger::default(),
            archive: Archive::default(),
            balancing,
            services,
            healing: false,
            orders: Orders::default(),
            copied: false,
            unheard: BTreeMap::new(),
            calls: 0,
            next_wire: 0,
        };
        world.ledger.keep_for(world.policy().stopped_kept);
        world.plan_the_beginning();
        world
    }

    fn plan_the_beginning(&mut self) {
        self.agenda.after(0, Event::Region(RegionEvent::Start));
        for id in 0..self.swarm.machines {
            let wait = self.lots.faults.between(10, 3_000);
            self.agenda.after(wait, Event::Machine(id, MachineEvent::Start));
        }
        for id in 0..self.swarm.clients {
            let wait = self.lots.work.between(10, 5_000);
            self.agenda.after(wait, Event::Client(id, ClientEvent::Act));
        }
        self.plan_balancing();
        self.plan_services();
        if !self.swarm.faults.is_empty() {
            self.agenda.after(self.swarm.fault_every, Event::Fault);
        }
    }

    /// The next event happens; false if there is none, which cannot be.
    pub(crate) fn step(&mut self) -> Checked<bool> {
        let Some(event) = self.agenda.next() else { return Ok(false) };
        match event {
            Event::Region(RegionEvent::Asked(call)) => {
                if self.is_full_for(call.operation) {
                    let message = "The region's disk is full.".to_owned();
                    let code = "ServerException".to_owned();
                    let full = Reply::Refused { code, message, resources: Vec::new() };
                    self.reply(call.from, call.id, full);
                    return Ok(true);
                }
                self.asked(&call)?;
                self.end_at_request(call.operation);
            }
            Event::Region(event) => self.region_event(event)?,
            Event::Machine(id, event) => self.machine_event(id, event)?,
            Event::Client(id, event) => self.client_event(id, event)?,
            Event::Fault => self.fault()?,
            Event::Room => self.region.storage.set_room(None),
            Event::End => self.end_region(),
            Event::Balancing(event) => self.balancing_event(event)?,
            Event::Service(event) => self.service_event(event)?,
        }
        Ok(true)
    }

    /// Whether the disk has only its reserve left and an operation is not one of those that free
    /// something: the gateway refuses it then.
    fn is_full_for(&self, operation: &str) -> bool {
        let frees = ["Stop", "Delete", "Deregister", "Submit", "Describe", "List"];
        let process = self.region.process.as_ref();
        process.is_some_and(|it| it.room() == Room::ReserveOnly)
            && !frees.iter().any(|it| operation.starts_with(it))
    }

    /// Adds a line to the story.
    pub(crate) fn say(&mut self, what: core::fmt::Arguments<'_>) {
        let now = self.agenda.now();
        self.trace.line(now, what);
    }

    /// The control plane's clock.
    pub(crate) fn region_clock(&self) -> Timestamp {
        self.region.clock.steady(self.agenda.now())
    }

    /// How long a message travels.
    pub(crate) fn delay(&mut self) -> u64 {
        let usual = self.lots.network.between(1, self.swarm.delay);
        if self.lots.network.hits(self.swarm.late) {
            usual + self.lots.network.between(1_000, 20_000)
        } else {
            usual
        }
    }

    /// Whether something of that chance goes wrong on the network.
    pub(crate) fn mishap(&mut self, chance: Chance) -> bool {
        self.lots.network.hits(chance)
    }

    /// Sends a request; the caller hears of its end exactly once that matters, by the call's id.
    pub(crate) fn call(
        &mut self,
        from: Party,
        operation: &'static str,
        body: &str,
        variant: u64,
    ) -> CallId {
        self.calls += 1;
        let call = Call { id: self.calls, from, operation, body: body.into(), variant };
        self.repeat_late(&call);
        if self.reaches(from) && !self.mishap(self.swarm.lost) && !self.loses_request(operation) {
            // A registration and its repeat arrive in their order: agents use one connection for
            // them, and nothing tells a late one from that of a machine that has lost its disk.
            let wait = match operation {
                "RegisterContainerInstance" => self.lots.network.between(1, self.swarm.delay),
                _ => self.delay(),
            };
            if self.mishap(self.swarm.doubled) && operation == "RunTask" {
                let wait = self.delay();
                self.agenda.after(wait, Event::Region(RegionEvent::Asked(call.clone())));
            }
            self.agenda.after(wait, Event::Region(RegionEvent::Asked(call)));
        }
        let patience = self.lots.network.between(PATIENCE.0, PATIENCE.1);
        self.deliver(from, self.calls, Reply::Unknown, patience);
        self.calls
    }

    /// Sends an answer back.
    pub(crate) fn reply(&mut self, to: Party, call: CallId, reply: Reply) {
        if self.reaches(to) && !self.mishap(self.swarm.lost) && !self.loses_answer(to, call) {
            let wait = self.delay();
            self.deliver(to, call, reply, wait);
        }
    }

    fn deliver(&mut self, to: Party, call: CallId, reply: Reply, wait: u64) {
        let event = match to {
            Party::Client(id) => Event::Client(id, ClientEvent::Answered { call, reply }),
            Party::Agent { machine, life } => {
                Event::Machine(machine, MachineEvent::Answered { life, call, reply })
            }
            // It looks at what there is, and not at answers.
            Party::Operator => return,
        };
        self.agenda.after(wait, event);
    }

    /// Whether anything passes between a party and the region.
    fn reaches(&self, party: Party) -> bool {
        match party {
            Party::Client(_) | Party::Operator => true,
            Party::Agent { machine, .. } => {
                self.machines.get(&machine).is_some_and(|it| it.cut_off_until <= self.agenda.now())
            }
        }
    }

    /// A new websocket of an agent.
    pub(crate) fn wire(&mut self, wire: Wire) -> WireId {
        self.next_wire += 1;
        self.wires.insert(self.next_wire, wire);
        self.next_wire
    }
}

/// What the simulator itself relies on.
pub(crate) fn world_error(detail: impl Into<String>) -> Violation {
    Violation { invariant: crate::violation::Invariant::World, detail: detail.into() }
}
