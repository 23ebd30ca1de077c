//! The life of the agent in its world: keeps its rows, lets it die, brings it back.

use super::{Bug, Event, World};
use crate::agent::tests::bench::settings;
use crate::agent::{Core, Flush, Found, Input, Output};

impl World {
    /// Keeps the rows and carries out the effects of an output, if the agent lives to do so.
    pub(super) fn take(&mut self, output: Output) -> Result<(), String> {
        let Output { rows, flush, effects } = output;
        if self.fault(3) {
            self.crash();
            return Ok(());
        }
        let lossy = self.bug == Some(Bug::RowsLost);
        self.unsafe_rows.extend(rows.into_iter().filter(|_| !lossy || self.fate.below(20) > 0));
        let careless = self.bug == Some(Bug::VisibleBeforeDurable);
        if flush == Flush::BeforeEffects && !careless {
            self.keep_rows();
            self.check_memory()?;
        }
        let survives = if self.fault(5) { self.fate.below(4) } else { u64::MAX };
        for (index, effect) in effects.into_iter().enumerate() {
            if index as u64 >= survives {
                self.crash();
                return Ok(());
            }
            self.effect(effect)?;
        }
        Ok(())
    }

    pub(super) fn keep_rows(&mut self) {
        for row in core::mem::take(&mut self.unsafe_rows) {
            match row.value {
                Some(value) => self.disk.insert(row.key, value),
                None => self.disk.remove(&row.key),
            };
        }
    }

    pub(super) fn restored(&self) -> Core {
        let rows = self.disk.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        Core::restore(settings(), rows).expect("its own rows")
    }

    /// With all rows safe, a memory put together from them is the memory that gave them out.
    fn check_memory(&mut self) -> Result<(), String> {
        let restored = self.restored();
        let Some(core) = &self.core else { return Ok(()) };
        core.same_memory(&restored)
    }

    /// The agent dies; of the rows it did not insist on, some made it.
    pub(super) fn crash(&mut self) {
        if self.core.take().is_none() {
            return;
        }
        let made_it = self.fate.below(self.unsafe_rows.len() as u64 + 1);
        self.unsafe_rows.truncate(usize::try_from(made_it).expect("small"));
        self.keep_rows();
        self.incarnation += 1;
        self.session = None;
        let at = self.soon(1000);
        self.plan(at, Event::Boot);
    }

    pub(super) fn boot(&mut self) -> Result<(), String> {
        // What was commanded before has got through by now, or never will.
        let old: Vec<_> = self
            .events
            .iter()
            .filter(|(_, it)| matches!(it, Event::Do { incarnation, .. } if *incarnation < self.incarnation))
            .map(|(key, _)| *key)
            .collect();
        for key in old {
            if let Some(event) = self.events.remove(&key) {
                self.happen(event)?;
            }
        }
        self.free_at.clear();
        let core = self.restored();
        self.region.check_remembered(&core)?;
        let before = core.clone();
        let mut arns: Vec<_> = core.awaiting_recovery().cloned().collect();
        arns.extend(self.machine.tasks.keys().filter(|it| core.task(it).is_none()).cloned());
        self.core = Some(core);
        self.give(Input::Tick)?;
        for task in arns {
            let blind = self.bug == Some(Bug::RecoveryBlind);
            let found = if blind { Found::default() } else { self.machine.found(&task) };
            self.give(Input::Recovered { task, found })?;
        }
        match &self.core {
            Some(core) => self.machine.check_going_on(&before, core),
            None => Ok(()),
        }
    }
}
