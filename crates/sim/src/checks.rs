//! What must hold of the whole world after a step.

use core::time::Duration;
use std::collections::BTreeMap;

use plan::session::ToAgent;
use state::{Caller, Desired, InstanceStatus, State, Status};
use types::{ClusterName, Group, TaskId};

use crate::balancing::check_registered;
use crate::holdings::check_told_holdings;
use crate::plant::Plant;
use crate::services::check_found;
use crate::services::check_glances;
use crate::swarm::Naming;
use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

/// Reviews that are due within this may have found already what they are due for.
const SOON: Duration = Duration::from_secs(1);

/// A session may be dead for so long before it is noticed, in milliseconds.
const UNHEARD_MAX: u64 = 20_000;

impl World {
    /// What is cheap enough for every step.
    pub(crate) fn check_step(&self) -> Checked {
        self.check_flights()?;
        let Some(process) = &self.region.process else { return Ok(()) };
        // A copy of a machine publishes ports of its own choice under the same name.
        let mut wrong = plan::placement::verify(process.core.state()).into_iter();
        match wrong.find(|it| !self.copied || !it.contains("hold port 3")) {
            Some(wrong) => broken(Invariant::NoOvercommit, wrong),
            None => Ok(()),
        }
    }

    /// What costs as much as there is.
    pub(crate) fn check_all(&mut self) -> Checked {
        self.check_addresses()?;
        self.check_history()?;
        self.check_shown()?;
        let still = self.region.is_still();
        let Some(process) = &self.region.process else { return Ok(()) };
        let state = process.core.state();
        check_apart(state)?;
        if self.plant == Some(Plant::StaleIndex) {
            let mut behind = state.clone();
            let first = state.tasks().keys().next().copied();
            if let Some(id) = first {
                behind.apply(state::Change::Task(id, None));
            }
            check_indexes(&behind, state)?;
        }
        check_indexes(state, state)?;
        check_glances(state, process.core.now(), self.plant)?;
        if still && *state != self.region.shadow {
            return broken(Invariant::Replay, "what is in memory is not what was made durable");
        }
        self.check_heard()?;
        self.check_quiet()
    }

    /// An instance whose session stands does not count as disconnected for long.
    fn check_heard(&mut self) -> Checked {
        let now = self.agenda.now();
        let Some(process) = &self.region.process else { return Ok(()) };
        let state = process.core.state();
        let silent = process.hub.sessions.keys().filter(|id| {
            let row = state.container_instance(**id);
            row.is_some_and(|it| !it.connected && it.status != InstanceStatus::Inactive)
        });
        let silent: BTreeMap<_, _> =
            silent.map(|id| (*id, self.unheard.get(id).copied().unwrap_or(now))).collect();
        self.unheard = silent;
        match self.unheard.iter().find(|(_, since)| now > **since + UNHEARD_MAX) {
            Some((id, _)) => {
                let detail = format!("the session of {id} stands, and it counts as disconnected");
                broken(Invariant::Standing, detail)
            }
            None => Ok(()),
        }
    }

    /// The journal's rows, read back, are what was made durable.
    pub(crate) fn check_rows(&self) -> Checked {
        let Some(rows) = self.region.storage.rows() else { return Ok(()) };
        if self.region.process.is_none() {
            return Ok(());
        }
        let mut replayed = State::new(self.region.home.clone());
        for row in rows {
            match state::decode(row.table, &row.value) {
                Ok(change) => drop(replayed.apply(change)),
                Err(error) => return broken(Invariant::Replay, error.to_string()),
            }
        }
        if replayed != self.region.shadow {
            return broken(Invariant::Replay, "the journal's rows are not what was made durable");
        }
        Ok(())
    }

    /// Where no review is due soon, none would change anything now.
    fn check_quiet(&mut self) -> Checked {
        let policy = self.policy();
        let Some(process) = &mut self.region.process else { return Ok(()) };
        if process.queue.due() <= process.core.now().after(SOON) {
            return Ok(());
        }
        check_registered(process.core.state())?;
        crate::services::check_alarms_heard(process.core.state())?;
        crate::services::check_tripped(process.core.state())?;
        if self.swarm.naming == Naming::Named {
            check_found(process.core.state(), &mut self.ledger.count.tried)?;
        }
        let found = process.core.write(Caller::region(), 0, |draft, context| {
            let mut found = None;
            for reconciler in reconcilers::registry(&policy) {
                for subject in reconciler.subjects(draft.state()) {
                    reconciler.review(draft, &subject, context);
                    if let Some(change) = draft.changes().first() {
                        found.get_or_insert_with(|| {
                            format!("{} at {subject:?}: {change:?}", reconciler.name())
                        });
                    }
                    draft.undo();
                }
            }
            found
        });
        match found {
            Some(found) => broken(Invariant::Quiet, found),
            None => Ok(()),
        }
    }

    /// What an agent is told is durable.
    pub(crate) fn check_told(&self, message: &ToAgent) -> Checked {
        let ToAgent::Payload(payload) = message else { return Ok(()) };
        for task in payload.tasks.iter().flatten() {
            let name = task.arn.as_deref().and_then(|it| it.rsplit('/').next());
            let Some(id) = name.and_then(|it| TaskId::parse(it).ok()) else { continue };
            let row = self.region.shadow.task(id);
            let stop = task.desired_status.as_deref() == Some("STOPPED");
            // Its row may go between the question and the answer, once its time has come.
            let durable = match row {
                Some(it) => !stop || it.desired == Desired::Stopped,
                None => self.ledger.is_past(id),
            };
            if !durable {
                let detail = format!("an agent is told of task {id} as it is not durable");
                return broken(Invariant::Durability, detail);
            }
            if stop && row.is_some_and(|it| it.last == Status::Deactivating) {
                let detail = format!("an agent is told to stop task {id}, which is a target still");
                return broken(Invariant::Drained, detail);
            }
            if let Some(row) = row.filter(|_| !stop) {
                check_told_holdings(row, task)?;
            }
        }
        Ok(())
    }
}

fn check_indexes(state: &State, of: &State) -> Checked {
    if *state.indexes() == of.recomputed_indexes() {
        return Ok(());
    }
    broken(Invariant::Indexes, "an index is not what one computes from the tables")
}

/// The group `apart` is only ever launched with `distinctInstance`.
fn check_apart(state: &State) -> Checked {
    let (Ok(cluster), Ok(group)) = (ClusterName::parse("default"), Group::parse("apart")) else {
        return Ok(());
    };
    match plan::placement::doubled(state, &cluster, &group).first() {
        Some(instance) => {
            broken(Invariant::Constraints, format!("two tasks of one group are on {instance}"))
        }
        None => Ok(()),
    }
}
