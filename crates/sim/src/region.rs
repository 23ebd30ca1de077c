//! The control plane: the real core, operations and reconcilers behind a simulated journal.
//!
//! Wired as production wires it: an input is decided at once, what was decided since the last
//! commit goes into the next one, and an answer leaves when all that it has seen is durable.

mod answer;
mod process;
mod storage;
mod upgrade;

use std::collections::{BTreeMap, VecDeque};

use plan::assignments::Assignments;
use plan::names::is_about_names;
use plan::routing::session::Report;
use plan::session::FromAgent;
use reconcilers::{Due, Queue};
use state::{Caller, Change, InstanceStatus, RegionRow, State};
use std::sync::Arc;
use store::journal::{Commit, Room};
use store::{Begun, Core, Load, Pipeline, Transaction};
use types::{AccountId, Home, InstanceId, Region as RegionName, Timestamp};

pub(crate) use storage::Storage;

use crate::balancing::{LineRelease, Lines};
use crate::clock::Clock;
use crate::event::{CallId, Event, Party, RegionEvent, Reply, WireId};
use crate::hub::Hub;
use crate::plant::Plant;
use crate::swarm::Naming;
use crate::tally::Trial;
use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

/// Reviews between two looks at the inbox, as in production.
const REVIEWS_MAX: usize = 32;

/// The zones of the region.
pub(crate) const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];

/// The control plane's machine: what outlives its process, and the process.
pub(crate) struct Region {
    pub(crate) home: Home,
    pub(crate) clock: Clock,
    pub(crate) life: u64,
    pub(crate) storage: Storage,
    pub(crate) process: Option<Process>,
    /// What is durable, by all that the simulator has seen committed.
    pub(crate) shadow: State,
    /// What was on its way to the journal when its process ended.
    pub(crate) uncertain: Vec<Decided>,
    pub(crate) registry: api::Registry,
}

/// One transaction, and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) transaction: Transaction,
    pub(crate) at: Timestamp,
    pub(crate) cause: Cause,
    /// What the journal is given in its place, by a planted bug.
    falsified: Option<Transaction>,
}

impl AsRef<Transaction> for Decided {
    fn as_ref(&self) -> &Transaction {
        self.falsified.as_ref().unwrap_or(&self.transaction)
    }
}

/// A sync under way.
pub(crate) struct UnderWay {
    pub(crate) commit: Commit,
    pub(crate) batches: usize,
}

/// Which input decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cause {
    /// The first start.
    Start,
    /// A request.
    Operation { name: &'static str, from: Party, variant: u64, refused: bool },
    /// A session stands.
    Connect,
    /// A session is lost.
    Lost,
    /// A reconciler.
    Review,
    /// A health report.
    Health,
    /// A balancer has called, or is gone, or this one has reported that.
    Balancer(Option<(Arc<str>, Arc<Report>)>),
    /// What is over leaves the state.
    Archivist,
    /// Alarms were evaluated, by what there was to read at that time.
    Measured(Timestamp),
}

/// What happens with an answer once it may be seen.
#[derive(Debug)]
pub(crate) enum Release {
    /// To whoever asked over HTTP.
    Answer { to: Party, call: CallId, reply: Reply },
    /// An agent is let in, or not.
    Admit { wire: WireId, standing: Option<InstanceStatus> },
    /// An agent's session stands.
    Connected { wire: WireId },
    /// What an instance should hold.
    Told { wire: WireId, heard: Option<FromAgent>, told: Option<Told> },
    /// An instance has been marked as lost.
    Lost { instance: InstanceId },
    /// An instance that was marked as lost and has called meanwhile is marked as back.
    Back,
    /// What may leave the state.
    Due(Due),
    /// It has left; more will be due then.
    Forgotten { again_at: Option<Timestamp> },
    /// To the session of a balancer.
    Line(LineRelease),
    /// Nobody waits.
    Nothing,
}

/// What an instance should hold, and what its words need.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) assignments: Assignments,
    pub(crate) region: Option<Arc<RegionRow>>,
}

/// An answer and how many transactions it has seen.
#[derive(Debug)]
pub(crate) struct Waiting {
    seen: u64,
    release: Release,
}

/// A running control plane.
pub(crate) struct Process {
    pub(crate) core: Core,
    pub(crate) queue: Queue,
    pub(crate) hub: Hub,
    pub(crate) lines: Lines,
    pipeline: Pipeline<Decided, Waiting>,
    /// By the number of the event that ends them.
    syncs: BTreeMap<u64, UnderWay>,
    syncs_at_once: usize,
    /// Where the fresh transactions of the core come from, in their order.
    causes: VecDeque<(Timestamp, Cause)>,
    waiting: VecDeque<Waiting>,
    decided: u64,
    durable: u64,
    wake_at: u64,
}

/// Whose region is simulated.
pub(crate) fn home() -> Home {
    Home {
        region: RegionName::parse("us-east-1").expect("a valid name"),
        account: AccountId::parse("123456789012").expect("twelve digits"),
    }
}

impl Region {
    pub(crate) fn new(files: bool) -> Self {
        let home = home();
        Self {
            shadow: State::new(home.clone()),
            home,
            clock: Clock::new(),
            life: 0,
            storage: Storage::new(files),
            process: None,
            uncertain: Vec::new(),
            registry: api::registry(),
        }
    }

    /// Whether nothing is on its way to the journal or waits for it.
    pub(crate) fn is_still(&self) -> bool {
        self.process.as_ref().is_some_and(|it| {
            it.pipeline.under_way() == 0 && it.waiting.is_empty() && it.core.fresh().is_empty()
        })
    }
}

impl Process {
    /// How much more the journal's disk can take.
    pub(crate) fn room(&self) -> Room {
        self.pipeline.room()
    }

    /// Everything that was decided and not handed to the journal yet, and who waits for it.
    fn take_load(&mut self, loses: bool) -> Load<Decided, Waiting> {
        let causes = core::mem::take(&mut self.causes);
        let decide =
            |(transaction, (at, cause))| Decided { transaction, at, cause, falsified: None };
        let mut transactions: Vec<_> =
            self.core.take().into_iter().zip(causes).map(decide).collect();
        if loses && let Some(last) = transactions.last_mut() {
            last.falsified = Some(Transaction { id: last.transaction.id, changes: Vec::new() });
        }
        Load { transactions, releases: core::mem::take(&mut self.waiting) }
    }

    /// Notes where new transactions come from, and lets the reconcilers hear of them.
    fn note(&mut self, cause: &Cause, plant: Option<Plant>) {
        let known = self.causes.len();
        let now = self.core.now();
        for transaction in self.core.fresh().iter().skip(known) {
            self.causes.push_back((now, cause.clone()));
            self.decided += 1;
            for change in &transaction.changes {
                if !crate::planted::is_unheard(plant, change) {
                    self.queue.hear(change, now);
                }
            }
        }
    }
}

impl World {
    /// An input for the control plane: decides, and says what to do once that is durable.
    pub(crate) fn job(
        &mut self,
        cause: Cause,
        decide: impl FnOnce(&mut Core) -> Release,
    ) -> Checked {
        let (now, plant) = (self.region_clock(), self.plant);
        let Some(process) = &mut self.region.process else { return Ok(()) };
        process.core.advance(now);
        let release = decide(&mut process.core);
        process.note(&cause, plant);
        let waiting = Waiting { seen: process.decided, release };
        if plant == Some(Plant::AnswersEarly) {
            self.release(waiting)?;
        } else {
            process.waiting.push_back(waiting);
        }
        self.review();
        self.commit()
    }

    fn review(&mut self) {
        let plant = self.plant;
        let Some(process) = &mut self.region.process else { return };
        for _ in 0..REVIEWS_MAX {
            let queue = &mut process.queue;
            let reviewed = process.core.write(Caller::region(), 0, |draft, context| {
                let reviewed = queue.turn(draft, context);
                crate::planted::tamper_review(plant, draft, context.now);
                reviewed
            });
            process.note(&Cause::Review, plant);
            if reviewed.is_none() {
                break;
            }
        }
        let wait = process.queue.due().since(process.core.now()).as_millis();
        let at = self.agenda.now() + u64::try_from(wait).unwrap_or(u64::MAX);
        if process.wake_at <= self.agenda.now() || at < process.wake_at {
            process.wake_at = at;
            let life = self.region.life;
            self.agenda.at(at, Event::Region(RegionEvent::Wake { life }));
        }
    }

    /// Hands what was decided to the journal, unless it is busy.
    fn commit(&mut self) -> Checked {
        let Some(process) = &mut self.region.process else { return Ok(()) };
        if process.syncs.len() >= process.syncs_at_once {
            return Ok(());
        }
        let loses = self.plant == Some(Plant::LosesBatch) && self.agenda.now().is_multiple_of(17);
        let load = process.take_load(loses);
        let batches = load.transactions.len();
        if batches > 0 && self.lots.region.hits(self.swarm.commit_fails) {
            self.region.storage.fail_next(batches, &mut self.lots.region);
        }
        match process.pipeline.begin(load) {
            Ok(Begun::Sync(commit)) => {
                let stalls = self.lots.region.hits(self.swarm.stall);
                let most = if stalls { 8_000 } else { self.swarm.sync };
                let wait = self.lots.region.between(1, most);
                let sync = process.decided;
                process.syncs.insert(sync, UnderWay { commit, batches });
                let life = self.region.life;
                self.agenda.after(wait, Event::Region(RegionEvent::Committed { life, sync }));
                Ok(())
            }
            Ok(Begun::Joined) => Ok(()),
            Ok(Begun::Free(waiting)) => self.release_all(waiting),
            Err(error) => {
                self.say(format_args!("region: a commit cannot begin: {error}"));
                self.end_region();
                Ok(())
            }
        }
    }

    /// A sync under way ends, one way or another, perhaps before earlier ones.
    fn committed(&mut self, sync: u64) -> Checked {
        let Some(process) = &mut self.region.process else { return Ok(()) };
        let Some(it) = process.syncs.remove(&sync) else { return Ok(()) };
        let loads = match process.pipeline.settle(it.commit.sync()) {
            Ok(loads) => loads,
            Err(error) => {
                self.say(format_args!("region: a commit fails: {error}"));
                self.end_region();
                return Ok(());
            }
        };
        let mut waiting = VecDeque::new();
        for load in loads {
            if let Some(process) = &mut self.region.process {
                process.durable += load.transactions.len() as u64;
            }
            for it in &load.transactions {
                self.make_durable(it)?;
            }
            waiting.push_back(load);
        }
        for load in &waiting {
            self.tell_sessions(&load.transactions)?;
            self.note_told(&load.transactions)?;
        }
        self.answer(waiting.into_iter().flat_map(|it| it.releases).collect())
    }

    /// Gives out what is durable, unless the process ends before or meanwhile.
    fn answer(&mut self, mut waiting: VecDeque<Waiting>) -> Checked {
        let crash = self.lots.region.hits(self.swarm.commit_crashes);
        if crash {
            let answered = self.lots.region.below(waiting.len() as u64 + 1);
            waiting.truncate(usize::try_from(answered).unwrap_or(usize::MAX));
        }
        let answered = waiting.len();
        self.release_all(waiting)?;
        if crash {
            self.say(format_args!("region: ends after a commit and {answered} answers"));
            self.end_region();
            return Ok(());
        }
        self.review();
        self.commit()
    }

    /// Takes one transaction into what is known to be durable.
    pub(crate) fn make_durable(&mut self, it: &Decided) -> Checked {
        self.check_kept(&it.transaction.changes)?;
        self.check_targets(it)?;
        self.check_services(it)?;
        self.check_measured(it)?;
        let tally = &mut self.ledger.count.tried;
        crate::services::check_alarms(&self.region.shadow, it, tally)?;
        crate::services::check_kept(&self.region.shadow, it, tally)?;
        crate::losses::check(&self.region.shadow, it, tally)?;
        self.ledger.check(&self.region.shadow, &self.machines, it)?;
        for change in &it.transaction.changes {
            self.region.shadow.apply(change.clone());
            self.services.desk.hear(change, self.plant);
            let is_found = matches!(change, Change::DiscoveryInstance(_, Some(_)));
            self.ledger.count.tried.count(Trial::Found, usize::from(is_found));
        }
        if self.swarm.naming == Naming::Named && it.transaction.changes.iter().any(is_about_names) {
            self.check_names()?;
        }
        Ok(())
    }

    fn release_all(&mut self, waiting: VecDeque<Waiting>) -> Checked {
        for it in waiting {
            if self.region.process.is_some() {
                self.release(it)?;
            }
        }
        Ok(())
    }

    fn release(&mut self, it: Waiting) -> Checked {
        let durable = self.region.process.as_ref().map_or(u64::MAX, |process| process.durable);
        if it.seen > durable {
            let detail = format!(
                "{:?} has seen {} transactions, {durable} are durable",
                it.release, it.seen
            );
            return broken(Invariant::Durability, detail);
        }
        match it.release {
            Release::Answer { to, call, reply } => {
                self.check_answer(to, call, &reply)?;
                self.reply(to, call, reply);
                Ok(())
            }
            Release::Admit { wire, standing } => self.admit(wire, standing),
            Release::Connected { wire } => self.connected(wire),
            Release::Told { wire, heard, told } => self.turn(wire, heard, told),
            Release::Lost { instance } => self.is_lost(instance),
            Release::Back => self.lose_next(),
            Release::Due(due) => self.keep(due),
            Release::Forgotten { again_at } => {
                self.forgotten(again_at);
                Ok(())
            }
            Release::Line(release) => self.line_release(release),
            Release::Nothing => Ok(()),
        }
    }

    /// Something happens to the control plane.
    pub(crate) fn region_event(&mut self, event: RegionEvent) -> Checked {
        let mine = |life: u64| life == self.region.life && self.region.process.is_some();
        match event {
            RegionEvent::Start => self.start_region(),
            RegionEvent::Committed { life, sync } if mine(life) => self.committed(sync),
            RegionEvent::Wake { life } if mine(life) => {
                let now = self.region_clock();
                if let Some(process) = &mut self.region.process {
                    process.core.advance(now);
                }
                self.review();
                self.commit()
            }
            RegionEvent::Watch { life } if mine(life) => self.watch(),
            RegionEvent::Converse { life, wire } if mine(life) => self.converse(wire),
            RegionEvent::LookBack { life } if mine(life) => self.look_back(),
            RegionEvent::Kept { life, due } if mine(life) => self.kept(*due),
            RegionEvent::Committed { .. }
            | RegionEvent::Wake { .. }
            | RegionEvent::Watch { .. }
            | RegionEvent::LookBack { .. }
            | RegionEvent::Kept { .. }
            | RegionEvent::Converse { .. } => Ok(()),
            RegionEvent::Dialled { wire } => self.dialled(wire),
            RegionEvent::Heard { wire, message } => self.region_heard(wire, message),
            RegionEvent::HungUp { wire } => self.hung_up(wire),
            RegionEvent::Line(event) => self.line_event(event),
            RegionEvent::Asked(call) => self.asked(&call),
            RegionEvent::Checked { health } => self.health(health),
        }
    }
}
