//! The control plane's end of all balancers' sessions, wired as `link::balancers` is, without sockets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use plan::routing::session::{FromBalancer, Report, ToBalancer};
use plan::routing::{Generation, Publisher, RoutingTable, is_told, seal, told};
use state::Caller;

use super::station::unreadable;
use super::{BalancerEvent, LineId};
use crate::event::{Event, RegionEvent};
use crate::plant::Plant;
use crate::region::{Cause, Decided, Release};
use crate::violation::Checked;
use crate::world::World;

/// The shortest time between two tables, in milliseconds.
const TICK: u64 = 20;
/// A balancer that has not called for so long after the start is gone.
const SILENCE: u64 = 15_000;

/// All sessions of a process.
pub(crate) struct Lines {
    publisher: Publisher,
    /// The newest table as a frame.
    told: Option<Arc<[u8]>>,
    sessions: BTreeMap<Arc<str>, LineId>,
    talks: BTreeMap<LineId, Talk>,
    /// Balancers that the state believes connected and that have not called yet.
    awaited: BTreeSet<String>,
    /// Something that the table is made of has changed.
    changed: bool,
    /// A table is being made, or was made less than a tick ago.
    busy: bool,
}

/// One conversation.
struct Talk {
    name: Arc<str>,
    inbox: VecDeque<FromBalancer>,
    reported: Option<Report>,
    /// A question to the writer is under way.
    asking: bool,
    /// That it has called is durable: tables are told.
    stands: bool,
    ended: bool,
}

/// Something that happens to the control plane's end.
#[derive(Debug)]
pub(crate) enum LineEvent {
    /// A balancer calls.
    Dialled { line: LineId },
    /// It has said something.
    Heard { line: LineId, frame: Arc<[u8]> },
    /// A websocket was found broken or closed.
    HungUp { line: LineId },
    /// The region was overloaded: it is told again that a balancer has called.
    CalledAgain { life: u64, line: LineId },
    /// A tick after a table is over.
    Tick { life: u64 },
    /// Who has not called yet is gone.
    Lookout { life: u64 },
}

/// What happens once something is durable.
#[derive(Debug)]
pub(crate) enum LineRelease {
    Called { line: LineId },
    Gone { name: Arc<str> },
    Back,
    Reported { line: LineId, report: Arc<Report>, rest: api::Rest },
    Table(RoutingTable),
}

impl Lines {
    /// Sessions that nobody has opened yet.
    pub(crate) fn new(epoch: u64, connected: impl Iterator<Item = String>) -> Self {
        Self {
            publisher: Publisher::new(epoch),
            told: None,
            sessions: BTreeMap::new(),
            talks: BTreeMap::new(),
            awaited: connected.collect(),
            changed: false,
            busy: true,
        }
    }
}

impl World {
    fn lines(&mut self) -> Option<&mut Lines> {
        self.region.process.as_mut().map(|it| &mut it.lines)
    }

    fn talk(&mut self, line: LineId) -> Option<&mut Talk> {
        self.lines()?.talks.get_mut(&line)
    }

    /// The process has started.
    pub(crate) fn open_lines(&mut self) -> Checked {
        if self.balancing.balancers.is_empty() {
            return Ok(());
        }
        self.plan_line(SILENCE, LineEvent::Lookout { life: self.region.life });
        self.make_table()
    }

    fn plan_line(&mut self, wait: u64, event: LineEvent) {
        self.agenda.after(wait, Event::Region(RegionEvent::Line(event)));
    }

    /// Something happens to a session.
    pub(crate) fn line_event(&mut self, event: LineEvent) -> Checked {
        let mine = |life: u64| life == self.region.life && self.region.process.is_some();
        match event {
            LineEvent::Dialled { line } => self.balancer_dialled(line),
            LineEvent::Heard { line, frame } => {
                let alive = self.balancing.wires.get(&line).is_some_and(|it| !it.dead);
                if let Some(it) = self.talk(line).filter(|_| alive) {
                    it.inbox.push_back(minicbor::decode(&frame).map_err(unreadable)?);
                }
                self.hear_line(line)
            }
            LineEvent::HungUp { line } => {
                if let Some(it) = self.talk(line) {
                    it.ended = true;
                }
                self.hear_line(line)
            }
            LineEvent::CalledAgain { life, line } if mine(life) => self.note_called(line),
            LineEvent::Tick { life } if mine(life) => {
                let Some(lines) = self.lines() else { return Ok(()) };
                lines.busy = lines.changed;
                if lines.busy { self.make_table() } else { Ok(()) }
            }
            LineEvent::Lookout { life } if mine(life) => {
                let Some(lines) = self.lines() else { return Ok(()) };
                let silent = core::mem::take(&mut lines.awaited);
                silent.into_iter().try_for_each(|it| self.note_gone(it.into()))
            }
            LineEvent::CalledAgain { .. } | LineEvent::Tick { .. } | LineEvent::Lookout { .. } => {
                Ok(())
            }
        }
    }

    fn balancer_dialled(&mut self, line: LineId) -> Checked {
        let Some(wire) = self.balancing.wires.get(&line).filter(|it| !it.dead) else {
            return Ok(());
        };
        let id = wire.balancer;
        let name = self.balancing.balancers.get(&id).map(|it| it.name.clone());
        let Some((lines, name)) = self.lines().zip(name) else {
            self.hang_up(line);
            return Ok(());
        };
        lines.awaited.remove(&*name);
        let talk = Talk {
            name: name.clone(),
            inbox: VecDeque::new(),
            reported: None,
            asking: true,
            stands: false,
            ended: false,
        };
        lines.talks.insert(line, talk);
        let older = lines.sessions.insert(name, line);
        self.line_down(line, |life| BalancerEvent::Opened { life, line });
        if let Some(older) = older {
            self.hang_up(older);
            if let Some(it) = self.talk(older) {
                it.ended = true;
                it.inbox.clear();
            }
            self.hear_line(older)?;
        }
        self.note_called(line)
    }

    fn overloaded(&mut self) -> bool {
        let chance = self.balancing.trouble.overload;
        self.balancing.lot.hits(chance)
    }

    fn note_called(&mut self, line: LineId) -> Checked {
        let overloaded = self.overloaded();
        let life = self.region.life;
        let Some(talk) = self.talk(line) else { return Ok(()) };
        let name = talk.name.clone();
        if overloaded && !talk.ended {
            self.plan_line(TICK, LineEvent::CalledAgain { life, line });
            return Ok(());
        }
        self.balancer_job(|draft, now| {
            api::balancer_called(draft, &name, now);
            LineRelease::Called { line }
        })
    }

    fn note_gone(&mut self, name: Arc<str>) -> Checked {
        self.say(format_args!("lines: {name} is gone"));
        self.balancer_job(|draft, now| {
            api::balancer_gone(draft, &name, now);
            LineRelease::Gone { name: name.clone() }
        })
    }

    fn balancer_job(
        &mut self,
        decide: impl FnOnce(&mut state::Draft<'_>, types::Timestamp) -> LineRelease,
    ) -> Checked {
        self.job(Cause::Balancer(None), |core| {
            let release =
                core.write(Caller::region(), 0, |draft, context| decide(draft, context.now));
            Release::Line(release)
        })
    }

    /// Something that a session waits for is durable.
    pub(crate) fn line_release(&mut self, release: LineRelease) -> Checked {
        match release {
            LineRelease::Called { line } => {
                let told = self.lines().and_then(|it| it.told.clone());
                if let Some(it) = self.talk(line) {
                    (it.asking, it.stands) = (false, true);
                }
                if let Some(frame) = told {
                    self.tell_table(line, &frame);
                }
                self.hear_line(line)
            }
            LineRelease::Gone { name } => {
                // It may have called meanwhile, and what is noted last is what stays.
                if !self.lines().is_some_and(|it| it.sessions.contains_key(&name)) {
                    return Ok(());
                }
                self.balancer_job(|draft, now| {
                    api::balancer_called(draft, &name, now);
                    LineRelease::Back
                })
            }
            LineRelease::Back => Ok(()),
            LineRelease::Reported { line, report, rest: api::Rest::More } => {
                self.take_report(line, report)
            }
            LineRelease::Reported { line, report, rest: api::Rest::None } => {
                if let Some(it) = self.talk(line) {
                    it.asking = false;
                    it.reported = Some(report.as_ref().clone());
                }
                self.hear_line(line)
            }
            LineRelease::Table(table) => {
                self.publish(table);
                Ok(())
            }
        }
    }

    /// Does the next thing of a conversation, unless it waits for the writer.
    fn hear_line(&mut self, line: LineId) -> Checked {
        let Some(talk) = self.talk(line).filter(|it| !it.asking) else { return Ok(()) };
        match talk.inbox.pop_front() {
            Some(FromBalancer::Report(report)) if talk.reported.as_ref() == Some(&report) => {
                self.hear_line(line)
            }
            Some(FromBalancer::Report(report)) => {
                if self.overloaded() {
                    let forgets = self.plant == Some(Plant::LosesReports);
                    if let Some(it) = self.talk(line) {
                        it.reported = forgets.then_some(report);
                    }
                    return self.hear_line(line);
                }
                self.take_report(line, Arc::new(report))
            }
            Some(FromBalancer::Reserved { .. } | FromBalancer::Counted(_)) => self.hear_line(line),
            None if talk.ended => self.end_line(line),
            None => Ok(()),
        }
    }

    fn take_report(&mut self, line: LineId, report: Arc<Report>) -> Checked {
        let plant = self.plant;
        let Some(talk) = self.talk(line) else { return Ok(()) };
        talk.asking = true;
        let name = talk.name.clone();
        let cause = Cause::Balancer(Some((name.clone(), Arc::clone(&report))));
        self.job(cause, |core| {
            let rest = core.write(Caller::region(), 0, |draft, context| {
                let name = crate::planted::tamper_name(plant, draft.state(), &name);
                api::report_balancer(draft, &name, &report, context.now)
            });
            Release::Line(LineRelease::Reported { line, report, rest })
        })
    }

    fn end_line(&mut self, line: LineId) -> Checked {
        self.hang_up(line);
        self.balancing.wires.remove(&line);
        let Some(lines) = self.lines() else { return Ok(()) };
        let Some(talk) = lines.talks.remove(&line) else { return Ok(()) };
        if lines.sessions.get(&talk.name) != Some(&line) {
            return Ok(());
        }
        lines.sessions.remove(&talk.name);
        self.note_gone(talk.name)
    }

    /// Takes in durable changes.
    pub(crate) fn note_told(&mut self, decided: &[Decided]) -> Checked {
        let changed = decided.iter().flat_map(|it| &it.transaction.changes).any(is_told);
        let Some(lines) = self.lines().filter(|_| changed) else { return Ok(()) };
        lines.changed = true;
        if lines.busy {
            return Ok(());
        }
        lines.busy = true;
        self.make_table()
    }

    fn make_table(&mut self) -> Checked {
        if let Some(lines) = self.lines() {
            lines.changed = false;
        }
        self.job(Cause::Review, |core| {
            let state = core.state();
            Release::Line(LineRelease::Table(told(state, Generation::default(), seal(state))))
        })
    }

    fn publish(&mut self, table: RoutingTable) {
        self.plan_line(TICK, LineEvent::Tick { life: self.region.life });
        let Some(lines) = self.lines() else { return };
        let Some(fresh) = lines.publisher.publish(table) else { return };
        let frame = frame_of(&ToBalancer::Told(fresh.clone()));
        lines.told = Some(frame.clone());
        let standing: Vec<LineId> =
            lines.talks.iter().filter(|it| it.1.stands).map(|it| *it.0).collect();
        for line in standing {
            self.tell_table(line, &frame);
        }
    }

    /// A table is said again each second; here only what could differ: now and then twice, and now
    /// and then once more when others have been said since.
    fn tell_table(&mut self, line: LineId, frame: &Arc<[u8]>) {
        let again = |life| BalancerEvent::Told { life, frame: frame.clone() };
        self.line_down(line, again);
        let trouble = self.balancing.trouble;
        if self.balancing.lot.hits(trouble.doubled) {
            self.line_down(line, again);
        }
        if self.balancing.lot.hits(trouble.late)
            && let Some(wire) = self.balancing.wires.get(&line)
        {
            let (id, life) = (wire.balancer, wire.life);
            let wait = self.balancing.lot.between(100, 20_000);
            self.plan_balancer(wait, id, again(life));
        }
    }

    /// Puts something on its way to the balancer's end of a websocket. What follows comes later.
    fn line_down(&mut self, line: LineId, event: impl FnOnce(u64) -> BalancerEvent) {
        let Some(at) = self.line_moves(line, |it| &mut it.down_at) else { return };
        let Some(wire) = self.balancing.wires.get(&line) else { return };
        let (id, event) = (wire.balancer, event(wire.life));
        self.plan_balancer(at - self.agenda.now(), id, event);
    }

    /// Puts a frame on its way to the region.
    pub(super) fn line_up(&mut self, line: LineId, frame: Arc<[u8]>) {
        let Some(at) = self.line_moves(line, |it| &mut it.up_at) else { return };
        self.agenda.at(at, Event::Region(RegionEvent::Line(LineEvent::Heard { line, frame })));
    }

    /// When a frame arrives, if its websocket does not break on it.
    fn line_moves(
        &mut self,
        line: LineId,
        last: impl FnOnce(&mut super::Wire) -> &mut u64,
    ) -> Option<u64> {
        let now = self.agenda.now();
        let wait = self.balancing.lot.between(1, self.swarm.delay);
        let cut = self.balancing.trouble.cut;
        let cut = self.balancing.lot.hits(cut);
        let wire = self.balancing.wires.get_mut(&line).filter(|it| !it.dead)?;
        if cut {
            self.break_line(line);
            return None;
        }
        let last = last(wire);
        *last = (*last).max(now + wait);
        Some(*last)
    }

    /// Nothing passes a websocket any more; its ends notice when they have heard nothing for long.
    pub(super) fn break_line(&mut self, line: LineId) {
        let Some(it) = self.balancing.wires.get_mut(&line).filter(|it| !it.dead) else { return };
        it.dead = true;
        let (id, life) = (it.balancer, it.life);
        let wait = self.balancing.lot.between(1, 10_000);
        self.plan_balancer(wait, id, BalancerEvent::Closed { life, line });
        let wait = self.balancing.lot.between(1, SILENCE);
        self.plan_line(wait, LineEvent::HungUp { line });
    }

    /// The region closes its end.
    fn hang_up(&mut self, line: LineId) {
        self.line_down(line, |life| BalancerEvent::Closed { life, line });
        if let Some(it) = self.balancing.wires.get_mut(&line) {
            it.dead = true;
        }
    }

    /// The region's process is gone: its end of every websocket closes.
    pub(crate) fn cut_all_lines(&mut self) {
        let all: Vec<_> = self.balancing.wires.keys().copied().collect();
        for line in all {
            self.hang_up(line);
        }
        self.balancing.wires.retain(|_, it| !it.dead);
    }
}

/// A message or a table as it travels, or lies on a disk.
pub(super) fn frame_of<T: minicbor::Encode<()>>(message: &T) -> Arc<[u8]> {
    minicbor::to_vec(message).expect("memory takes any frame").into()
}
