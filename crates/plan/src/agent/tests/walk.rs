//! Seeded random walks: a made-up machine and control plane, an agent that dies at any moment.
//!
//! Messages are lost, repeated and late; steps take their time and fail; containers end when they
//! like; the agent loses every row that it did not insist on. After every step the world is checked.
//! Then the faults stop, everything is told to stop, and nothing may be left.

mod life;
mod machine;
mod region;
mod tasks;

use core::time::Duration;
use std::collections::BTreeMap;

use state::Dice;
use types::Timestamp;

use super::bench::settings;
use crate::agent::{
    Action, Core, Effect, Input, Output, Row, ServerMessage, SessionEvent, Step, SubmissionId,
    Submitted, TaskArn,
};
use machine::{Machine, Said};
use region::{Region, Sender};

/// A bug planted between the agent and its world, to see that the checks find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// The agent is not told of dependencies.
    DependenciesUnknown,
    /// Resources count as given back when that is asked for.
    ReleasedEarly,
    /// Effects do not wait for rows.
    VisibleBeforeDurable,
    /// The machine is said to be empty after a restart.
    RecoveryBlind,
    /// Reports that get lost count as acknowledged.
    ReportsForgotten,
    /// Tasks that shall stop are told to run.
    StopsTwisted,
    /// Some rows never reach the disk.
    RowsLost,
    /// Ends without an exit code are shown as 0.
    UnknownIsZero,
    /// Stop verifications are not answered.
    NothingVerified,
}

/// What the world may do on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Anything may go wrong.
    Faults,
    /// Nothing goes wrong any more.
    Healed,
}

#[derive(Debug)]
enum Event {
    /// Something reaches the agent, if it is still the one it was meant for.
    Tell { incarnation: u32, input: Input },
    /// A message reaches the agent, if its session still stands.
    Message { session: u32, message: ServerMessage },
    /// A step is carried out, or its command is lost with the agent that gave it.
    Do { incarnation: u32, step: Step },
    /// A container's own end.
    End { task: TaskArn, container: String, run: u32 },
    /// A report reaches the control plane.
    Report {
        incarnation: u32,
        id: SubmissionId,
        request: Box<shapes::ecs::SubmitTaskStateChangeRequest>,
    },
    /// A session stands.
    Opened { incarnation: u32 },
    /// The agent comes back.
    Boot,
}

struct World {
    core: Option<Core>,
    dice: Dice,
    /// What the world throws: apart, so that the agent's throws do not move the world's.
    fate: Dice,
    now: Timestamp,
    phase: Phase,
    bug: Option<Bug>,
    machine: Machine,
    region: Region,
    disk: BTreeMap<String, Vec<u8>>,
    unsafe_rows: Vec<Row>,
    events: BTreeMap<(Timestamp, u64), Event>,
    next_event: u64,
    incarnation: u32,
    session: Option<u32>,
    sessions: u32,
    /// When the machine is done with the steps of each task so far.
    free_at: BTreeMap<TaskArn, Timestamp>,
    trace: u64,
}

impl World {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self {
            core: Some(Core::new(settings())),
            dice: Dice::of(seed),
            fate: Dice::of(seed ^ 0x5eed),
            now: Timestamp(1_000_000),
            phase: Phase::Faults,
            bug,
            machine: Machine::default(),
            region: Region::default(),
            disk: BTreeMap::new(),
            unsafe_rows: Vec::new(),
            events: BTreeMap::new(),
            next_event: 0,
            incarnation: 0,
            session: None,
            sessions: 0,
            free_at: BTreeMap::new(),
            trace: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Whether something with this chance in a thousand happens; nothing does once healed.
    fn fault(&mut self, chance: u64) -> bool {
        self.phase == Phase::Faults && self.fate.below(1000) < chance
    }

    fn soon(&mut self, most: u64) -> Timestamp {
        let wait = if self.fault(50) { most * 20 } else { most };
        self.now.after(Duration::from_millis(self.fate.below(wait.max(1))))
    }

    fn plan(&mut self, at: Timestamp, event: Event) {
        self.next_event += 1;
        self.events.insert((at, self.next_event), event);
    }

    /// Folds what the agent gave out into the trace of the walk.
    fn note(&mut self, output: &Output) {
        let rows = output
            .rows
            .iter()
            .flat_map(|it| it.key.bytes().chain(it.value.clone().unwrap_or_default()));
        let counts = [output.effects.len().to_le_bytes(), self.now.0.to_le_bytes()];
        for byte in rows.chain(counts.into_iter().flatten()) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn run(&mut self, steps: u32) -> Result<(), String> {
        for _ in 0..steps {
            self.meddle();
            self.step()?;
        }
        self.phase = Phase::Healed;
        self.heal()
    }

    /// What people and bad luck do.
    fn meddle(&mut self) {
        match self.fate.below(100) {
            0..6 if self.region.tasks.len() < 12 => {
                let task = tasks::random(&mut self.fate, self.region.tasks.len());
                self.region.add(task);
                self.tell_all();
            }
            6..9 => {
                if let Some(arn) = self.pick() {
                    self.region.stop(&arn);
                    self.tell_all();
                }
            }
            9 => {
                if let Some(arn) = self.pick() {
                    self.region.give_up(&arn);
                }
            }
            10 => self.close_session(),
            11 => self.crash(),
            12 => self.lose_a_shim(),
            13..15 => self.tell_all(),
            _ => {}
        }
    }

    fn pick(&mut self) -> Option<TaskArn> {
        let all: Vec<_> = self.region.tasks.keys().cloned().collect();
        let at = self.fate.below(all.len().max(1) as u64);
        all.get(usize::try_from(at).expect("small")).cloned()
    }

    /// One thing happens: the next event, or a timer of the agent.
    fn step(&mut self) -> Result<(), String> {
        let timer = self.core.as_ref().and_then(Core::next_timer);
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        match (timer, event) {
            (None, None) => {}
            (Some(timer), event) if event.is_none_or(|it| timer <= it) => {
                self.now = self.now.max(timer);
                self.give(Input::Tick)?;
            }
            _ => {
                let Some(((at, _), event)) = self.events.pop_first() else { return Ok(()) };
                self.now = self.now.max(at);
                self.happen(event)?;
            }
        }
        self.machine.check()
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Tell { incarnation, input } if incarnation == self.incarnation => {
                self.give(input)
            }
            Event::Message { session, message } if self.session == Some(session) => {
                self.give(Input::Server(message))
            }
            Event::Do { incarnation, step } => {
                // A command given before the agent died may have got through.
                if incarnation == self.incarnation || self.fate.below(2) == 0 {
                    self.carry_out(&step)?;
                }
                Ok(())
            }
            Event::End { task, container, run } => {
                let code = i32::try_from(self.fate.below(3)).expect("small");
                if let Some(said) = self.machine.end(&task, &container, run, Some(code), self.now) {
                    self.tell(&task, said);
                }
                Ok(())
            }
            Event::Report { incarnation, id, request } => {
                let lost = self.fault(100);
                if !lost {
                    let dead = incarnation < self.incarnation;
                    let sender = if dead { Sender::Dead } else { Sender::Living };
                    self.region.report(&request, sender, &self.machine)?;
                }
                let forgotten = self.bug == Some(Bug::ReportsForgotten);
                let outcome = if (lost || self.fault(50)) && !forgotten {
                    Submitted::Failed
                } else {
                    Submitted::Acknowledged
                };
                let at = self.soon(50);
                self.plan(at, Event::Tell { incarnation, input: Input::Submitted { id, outcome } });
                Ok(())
            }
            Event::Opened { incarnation } if incarnation == self.incarnation => {
                self.sessions += 1;
                self.session = Some(self.sessions);
                self.region.reconnected();
                self.give(Input::Session(SessionEvent::Opened))?;
                let manifest = self.region.manifest();
                self.say(ServerMessage::TaskManifest(manifest));
                self.tell_all();
                Ok(())
            }
            Event::Boot => self.boot(),
            Event::Tell { .. } | Event::Message { .. } | Event::Opened { .. } => Ok(()),
        }
    }

    /// What the agent has not acknowledged is said again.
    fn tell_all(&mut self) {
        for message in self.region.payloads(self.bug) {
            self.say(ServerMessage::Payload(Box::new(message)));
        }
    }

    fn say(&mut self, message: ServerMessage) {
        let Some(session) = self.session else { return };
        if self.fault(50) {
            return;
        }
        if self.fault(100) {
            let at = self.soon(500);
            self.plan(at, Event::Message { session, message: message.clone() });
        }
        let at = self.soon(50);
        self.plan(at, Event::Message { session, message });
    }

    fn tell(&mut self, task: &TaskArn, said: Said) {
        let incarnation = self.incarnation;
        if self.core.is_some() {
            let at = self.soon(50);
            let input = Input::Task { task: task.clone(), happened: said };
            self.plan(at, Event::Tell { incarnation, input });
        }
    }

    fn give(&mut self, input: Input) -> Result<(), String> {
        let Some(core) = &mut self.core else { return Ok(()) };
        let output = core.handle(self.now, &mut self.dice, input);
        self.note(&output);
        self.take(output)
    }

    fn effect(&mut self, effect: Effect) -> Result<(), String> {
        let incarnation = self.incarnation;
        match effect {
            Effect::Send(message) => {
                let lost = self.fault(50) || self.session.is_none();
                if !lost {
                    let answer = self.region.hear(&message, self.bug);
                    if let Some(answer) = answer {
                        self.say(answer);
                    }
                }
            }
            Effect::Submit(mut it) => {
                if self.bug == Some(Bug::UnknownIsZero) {
                    for change in it.request.containers.iter_mut().flatten() {
                        change.exit_code.get_or_insert(0);
                    }
                }
                let at = self.soon(50);
                let request = Box::new(it.request);
                self.plan(at, Event::Report { incarnation, id: it.id, request });
            }
            Effect::Step(step) => {
                self.region.check_step(&step, &self.machine)?;
                if self.bug == Some(Bug::ReleasedEarly) && step.action == Action::Release {
                    let input = Input::Task { task: step.task.clone(), happened: Said::Released };
                    self.plan(self.now, Event::Tell { incarnation, input });
                }
                let mut at = self.soon(200);
                if !matches!(step.action, Action::PullImage { .. } | Action::Probe { .. }) {
                    let free = self.free_at.entry(step.task.clone()).or_default();
                    at = at.max(*free);
                    *free = at;
                }
                self.plan(at, Event::Do { incarnation, step });
            }
            Effect::OpenSession { .. } => {
                let at = self.soon(100);
                self.plan(at, Event::Opened { incarnation });
            }
            Effect::CloseSession => self.close_session(),
            Effect::PublishHealth => {}
        }
        Ok(())
    }

    fn carry_out(&mut self, step: &Step) -> Result<(), String> {
        let fails = self.fault(60);
        let throw = self.fate.below(1000);
        let (said, starts) = self.machine.carry_out(step, fails, throw, self.now)?;
        if let Some((container, run)) = starts
            && throw < 600
        {
            let at = self.now.after(Duration::from_millis(self.fate.below(60_000)));
            self.plan(at, Event::End { task: step.task.clone(), container, run });
        }
        if let Some(said) = said {
            self.tell(&step.task, said);
        }
        Ok(())
    }

    fn close_session(&mut self) {
        if self.session.take().is_some() {
            let incarnation = self.incarnation;
            let closed = SessionEvent::Closed(crate::agent::Closed::Code(1006));
            let at = self.soon(10);
            self.plan(at, Event::Tell { incarnation, input: Input::Session(closed) });
        }
    }

    fn lose_a_shim(&mut self) {
        if let Some(arn) = self.pick()
            && self.machine.lose_shim(&arn)
        {
            self.tell(&arn, Said::ShimLost { text: "the shim is gone".into() });
        }
    }

    /// Everything shall stop, nothing goes wrong, and nothing may be left.
    fn heal(&mut self) -> Result<(), String> {
        self.region.stop_all();
        self.tell_all();
        for round in 0..40_000_u32 {
            if round.is_multiple_of(500) {
                self.tell_all();
            }
            self.step()?;
            if self.at_rest() {
                return self.check_removal();
            }
        }
        let left: Vec<_> = self.region.unfinished().collect();
        Err(format!("never at rest: {left:?}, machine {:?}", self.machine))
    }

    fn at_rest(&self) -> bool {
        let Some(core) = &self.core else { return false };
        let done = |it: &crate::agent::Task| {
            it.record().released && it.record().reported == crate::agent::Reported::Stopped
        };
        self.region.unfinished().next().is_none()
            && self.machine.is_idle()
            && core.tasks().all(done)
    }

    /// After some hours the agent has forgotten everything but how far it has come.
    fn check_removal(&mut self) -> Result<(), String> {
        let end = self.now.after(settings().cleanup_after).after(Duration::from_mins(1));
        while self.now < end {
            self.step()?;
        }
        self.keep_rows();
        let left: Vec<_> = self.disk.keys().filter(|it| *it != "sequence").collect();
        if left.is_empty() { Ok(()) } else { Err(format!("rows left behind: {left:?}")) }
    }
}

/// Steps of a walk before the faults stop.
const STEPS: u32 = 600;

/// Every one of these is walked in `make check`.
const SEEDS: core::ops::Range<u64> = 0..100;

fn walk(seed: u64, bug: Option<Bug>) -> Result<u64, String> {
    let mut world = World::new(seed, bug);
    let outcome = world.run(STEPS);
    outcome.map(|()| world.trace).map_err(|it| format!("seed {seed}: {it}"))
}

#[test]
fn every_task_of_a_random_walk_stops_once_and_leaves_nothing() {
    for seed in SEEDS {
        if let Err(broken) = walk(seed, None) {
            panic!("{broken}");
        }
    }
}

#[test]
fn a_walk_is_the_same_every_time() {
    for seed in 0..5 {
        assert_eq!(walk(seed, None), walk(seed, None));
    }
}

#[test]
fn planted_bugs_are_found() {
    for bug in [
        Bug::DependenciesUnknown,
        Bug::ReleasedEarly,
        Bug::VisibleBeforeDurable,
        Bug::RecoveryBlind,
        Bug::ReportsForgotten,
        Bug::StopsTwisted,
        Bug::RowsLost,
        Bug::UnknownIsZero,
        Bug::NothingVerified,
    ] {
        assert!((0..100).any(|seed| walk(seed, Some(bug)).is_err()), "{bug:?} went unseen");
    }
}
