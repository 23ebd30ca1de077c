//! Everything that can happen in the simulated world.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::agent::{Closed, Exit, Happened, ServerMessage, SubmissionId};
use plan::session::FromAgent;
use reconcilers::Due;
use state::Health;
use types::{ContainerName, InstanceId, TaskId};

use crate::balancing::{BalancingEvent, LineEvent};
use crate::services::ServiceEvent;

/// A machine: one that runs an agent, or a copy of one.
pub(crate) type MachineId = u32;
/// A websocket between an agent and the region.
pub(crate) type WireId = u64;
/// A request over HTTP.
pub(crate) type CallId = u64;
/// A client.
pub(crate) type ClientId = u32;

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// To the control plane.
    Region(RegionEvent),
    /// To a machine.
    Machine(MachineId, MachineEvent),
    /// To a client.
    Client(ClientId, ClientEvent),
    /// The next fault is due.
    Fault,
    /// The region's disk has room again.
    Room,
    /// The control plane's process ends, as a story has ordered.
    End,
    /// To balancers, and around them.
    Balancing(BalancingEvent),
    /// To whoever looks after services.
    Service(ServiceEvent),
}

/// Something that happens to the control plane. `life` tells its processes apart.
#[derive(Debug)]
pub(crate) enum RegionEvent {
    /// The process starts.
    Start,
    /// The commit under way ends.
    Committed { life: u64, sync: u64 },
    /// A review is due.
    Wake { life: u64 },
    /// Silence is looked for.
    Watch { life: u64 },
    /// The archivist looks what is due.
    LookBack { life: u64 },
    /// What was due is durable in the history.
    Kept { life: u64, due: Box<Due> },
    /// A conversation has something to say by itself.
    Converse { life: u64, wire: WireId },
    /// An agent opens a websocket.
    Dialled { wire: WireId },
    /// An agent said something.
    Heard { wire: WireId, message: FromAgent },
    /// A websocket was found broken or closed.
    HungUp { wire: WireId },
    /// A request arrives.
    Asked(Call),
    /// Something happens to the sessions of balancers.
    Line(LineEvent),
    /// An agent publishes health over its telemetry connection.
    Checked { health: BTreeMap<TaskId, Vec<(String, Health)>> },
}

/// A request over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) from: Party,
    pub(crate) operation: &'static str,
    pub(crate) body: Arc<str>,
    /// What the request means, where checks need to know: equal for equal parameters.
    pub(crate) variant: u64,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Party {
    Client(ClientId),
    Agent {
        machine: MachineId,
        life: u64,
    },
    /// Whoever looks after the load balancers.
    Operator,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// The answer's body.
    Done(Arc<[u8]>),
    /// A refusal.
    Refused { code: String, message: String, resources: Vec<String> },
    /// Nothing that says what became of it: no connection, no answer in time.
    Unknown,
}

/// Something that happens to a machine. `life` tells its agent processes apart, `boot` its boots.
#[derive(Debug)]
pub(crate) enum MachineEvent {
    /// The agent process starts.
    Start,
    /// The agent asks again to be registered.
    Register { life: u64 },
    /// The agent's timer.
    Tick { life: u64 },
    /// A websocket stands.
    Up { life: u64, wire: WireId },
    /// A websocket has ended or could not be opened.
    Down { life: u64, wire: WireId, closed: Closed },
    /// The control plane said something.
    Told { life: u64, wire: WireId, message: Box<ServerMessage> },
    /// An answer to a call.
    Answered { life: u64, call: CallId, reply: Reply },
    /// A step that the agent asked for is done.
    Step { life: u64, number: u64 },
    /// The agent learns what became of a task.
    Notice { life: u64, task: String, happened: Box<Happened> },
    /// A container ends.
    Exit { boot: u64, task: String, container: ContainerName, run: u32, exit: Exit },
    /// Rows that may be late reach the disk.
    Flush { life: u64 },
    /// The agent says again how its containers are.
    Publish,
}

/// What an agent waits for an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentCall {
    Register,
    Submit(SubmissionId),
}

/// Something that happens to a client.
#[derive(Debug)]
pub(crate) enum ClientEvent {
    /// It thinks of something to do.
    Act,
    /// An answer to a call.
    Answered { call: CallId, reply: Reply },
    /// It asks again what it could not get an answer to.
    Again { call: CallId },
}

/// The wire's other end.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) machine: MachineId,
    pub(crate) life: u64,
    pub(crate) instance: InstanceId,
    /// Nothing passes any more, and neither end knows.
    pub(crate) dead: bool,
    /// When the last message on its way arrives: what follows arrives later.
    pub(crate) down_at: u64,
    pub(crate) up_at: u64,
}
