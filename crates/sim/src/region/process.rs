//! How the control plane's process starts, finds out what is durable, and ends.

use std::collections::{BTreeMap, VecDeque};

use reconcilers::Queue;
use state::{Caller, State};
use store::{Pipeline, SYNCS_AT_ONCE, Transaction};
use types::{InstanceId, Zone};

use super::{Cause, Decided, Process, ZONES};
use crate::balancing::Lines;
use crate::event::{Event, RegionEvent};
use crate::hub::Hub;
use crate::plant::Plant;
use crate::swarm::Naming;
use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

impl World {
    pub(super) fn start_region(&mut self) -> Checked {
        if self.region.process.is_some() {
            return Ok(());
        }
        let dice = self.lots.region.dice();
        let opened = self.region.storage.open(&self.region.home, dice);
        let (mut core, epoch, mut journal) = match opened {
            Ok(it) => it,
            Err(error) => {
                self.say(format_args!("region: cannot start: {error}"));
                self.agenda.after(1_000, Event::Region(RegionEvent::Start));
                return Ok(());
            }
        };
        self.resolve(core.state())?;
        self.region.clock.begin(self.agenda.now());
        core.advance(self.region_clock());
        let is_small = self.balancing.balancers.is_empty() && self.swarm.naming == Naming::Nameless;
        let plan = api::region::RegionPlan {
            zones: ZONES.iter().filter_map(|it| Zone::parse(it).ok()).collect(),
            vpc_base: 0xac1f_0000,
            // Small, so that addresses run out and come back; load balancers and endpoints of Service
            // Connect need larger subnets.
            vpc_prefix: if is_small { 24 } else { 16 },
        };
        let founded = core.write(Caller::region(), 0, |draft, context| {
            api::region::first_start(draft, context, &plan)
        });
        if let Err(error) = founded {
            return broken(Invariant::World, error.to_string());
        }
        let first = core.take();
        let batches: Vec<_> = first.iter().map(Transaction::batch).collect();
        if let Err(error) = journal.commit(epoch, &batches) {
            self.say(format_args!("region: cannot start: {error}"));
            self.agenda.after(1_000, Event::Region(RegionEvent::Start));
            return Ok(());
        }
        let now = self.region_clock();
        for transaction in first {
            let cause = Cause::Start;
            self.make_durable(&Decided { transaction, at: now, cause, falsified: None })?;
        }
        self.region.life += 1;
        let connected: Vec<InstanceId> = core
            .state()
            .container_instances()
            .values()
            .filter(|it| it.connected)
            .map(|it| it.id)
            .collect();
        self.say(format_args!("region: starts, {} rows of tasks", core.state().tasks().len()));
        let balancers = core.state().balancers().values().filter(|it| it.connected);
        let epoch_told = if self.plant == Some(Plant::OneEpoch) { 1 } else { epoch.0 };
        let lines = Lines::new(epoch_told, balancers.map(|it| it.name.clone()));
        let queue = Queue::new(reconcilers::registry(&self.policy()), core.state(), now);
        let beside = self.lots.region.below(SYNCS_AT_ONCE as u64);
        let syncs_at_once = 1 + usize::try_from(beside).unwrap_or_default();
        self.region.process = Some(Process {
            core,
            queue,
            hub: Hub::new(connected, now),
            lines,
            pipeline: Pipeline::new(journal, epoch),
            syncs: BTreeMap::new(),
            syncs_at_once,
            causes: VecDeque::new(),
            waiting: VecDeque::new(),
            decided: 0,
            durable: 0,
            wake_at: 0,
        });
        let life = self.region.life;
        self.agenda.after(1_000, Event::Region(RegionEvent::Watch { life }));
        if self.swarm.archives {
            self.agenda.after(1, Event::Region(RegionEvent::LookBack { life }));
        }
        self.open_lines()?;
        self.review();
        self.commit()
    }

    /// Finds out how much of what was on its way the journal has: a prefix, each batch whole.
    fn resolve(&mut self, loaded: &State) -> Checked {
        let uncertain = core::mem::take(&mut self.region.uncertain);
        let all = uncertain.len();
        let mut rest = uncertain.into_iter();
        let mut found = 0;
        while *loaded != self.region.shadow {
            let Some(next) = rest.next() else {
                let detail = format!("what was replayed is no prefix of the {all} last commits");
                return broken(Invariant::Replay, detail);
            };
            self.make_durable(&next)?;
            found += 1;
        }
        if all > 0 {
            self.say(format_args!("region: {found} of {all} uncertain transactions are durable"));
        }
        Ok(())
    }

    /// The process ends here and now.
    pub(crate) fn end_region(&mut self) {
        let Some(mut process) = self.region.process.take() else { return };
        self.end_syncs(core::mem::take(&mut process.syncs).into_values().collect());
        self.region.uncertain = process.pipeline.abandon();
        self.region.storage.crash(&mut self.lots.region);
        self.archive.crash(&mut self.lots.region);
        self.say(format_args!("region: ends"));
        self.cut_all_wires();
        self.cut_all_lines();
        if let Some(wait) = self.down_time() {
            self.agenda.after(wait, Event::Region(RegionEvent::Start));
        }
    }

    /// Looks whether the journal's disk has space again where it had none.
    pub(crate) fn look_for_room(&mut self) {
        let Some(process) = &mut self.region.process else { return };
        if let Err(error) = process.pipeline.look_for_room() {
            self.say(format_args!("region: looking for room fails: {error}"));
            self.end_region();
        }
    }
}
