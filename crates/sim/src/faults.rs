//! Faults that come at a time of their own, and how they end.

use crate::event::{Event, MachineEvent, MachineId};
use crate::machine::Disk;
use crate::swarm::Fault;
use crate::violation::Checked;
use crate::world::World;

impl World {
    /// The next fault happens.
    pub(crate) fn fault(&mut self) -> Checked {
        let Some(fault) = self.lots.faults.pick(&self.swarm.faults).copied() else {
            return Ok(());
        };
        let every = self.swarm.fault_every;
        let wait = self.lots.faults.between(every / 4, every * 2);
        self.agenda.after(wait, Event::Fault);
        let there: Vec<MachineId> =
            self.machines.iter().filter(|(_, it)| it.exists).map(|(id, _)| *id).collect();
        let Some(id) = self.lots.faults.pick(&there).copied() else { return Ok(()) };
        self.say(format_args!("fault: {fault:?} (machine {id})"));
        match fault {
            Fault::CrashRegion => {
                self.end_region();
                Ok(())
            }
            Fault::CrashAgent => self.restart_agent(id),
            Fault::Reboot => self.reboot(id),
            Fault::Wipe => self.wipe(id),
            Fault::Freeze => {
                let until = self.agenda.now() + self.lots.faults.between(1_000, 150_000);
                let now = self.agenda.now();
                if let Some(it) = self.machines.get_mut(&id).filter(|it| it.frozen_until <= now) {
                    it.frozen_until = until;
                }
                Ok(())
            }
            Fault::Partition => {
                self.partition(id);
                Ok(())
            }
            Fault::KillShim => {
                self.kill_shim(id);
                Ok(())
            }
            Fault::CutWire => {
                let wire = self.machines.get(&id).and_then(|it| it.agent.as_ref()?.wire);
                if let Some(wire) = wire {
                    self.break_wire(wire);
                }
                Ok(())
            }
            Fault::Clone => {
                self.copy_machine(id);
                Ok(())
            }
            Fault::RegionClock => {
                let step = self.step_of(90_000);
                self.region.clock.step(step);
                Ok(())
            }
            Fault::DiskFails => {
                self.region.storage.fail_soon(&mut self.lots.faults);
                Ok(())
            }
            Fault::DiskFull => {
                let free = self.lots.faults.below(40_000);
                self.region.storage.set_room(Some(self.region.storage.used() + free));
                let wait = self.lots.faults.between(1_000, 60_000);
                self.agenda.after(wait, Event::Room);
                Ok(())
            }
            Fault::Storm => {
                for id in there {
                    self.partition(id);
                }
                Ok(())
            }
            Fault::Upgrade => {
                self.upgrade();
                Ok(())
            }
            Fault::LongClock => {
                let step = 3_600_000 + self.step_of(1_800_000);
                self.region.clock.step(step);
                Ok(())
            }
            Fault::MachineClock => {
                let step = self.step_of(200_000);
                if let Some(it) = self.machines.get_mut(&id) {
                    it.clock.step(step);
                }
                Ok(())
            }
        }
    }

    /// The control plane ends, and the next process is of a newer release.
    pub(crate) fn upgrade(&mut self) {
        self.end_region();
        let upgraded = self.region.storage.upgrade(&mut self.lots.faults);
        if let Err(error) = upgraded {
            self.say(format_args!("region: an older release ends with {error}"));
            self.region.storage.crash(&mut self.lots.region);
        }
    }

    /// How far a clock steps, forwards or backwards, in milliseconds.
    fn step_of(&mut self, most: u64) -> i64 {
        let far = i64::try_from(self.lots.faults.between(1, most)).unwrap_or(0);
        if self.lots.faults.below(2) == 0 { far } else { -far }
    }

    /// The machine boots again with an empty disk.
    pub(crate) fn wipe(&mut self, id: MachineId) -> Checked {
        self.reboot(id)?;
        if let Some(it) = self.machines.get_mut(&id) {
            it.disk = Disk::default();
            it.runtime.ended.clear();
        }
        Ok(())
    }

    /// Nothing passes between a machine and the region for a while; neither end is told.
    fn partition(&mut self, id: MachineId) {
        let until = self.agenda.now() + self.lots.faults.between(1_000, 150_000);
        self.cut_off(id, until);
    }

    /// Nothing passes between a machine and the region until then.
    pub(crate) fn cut_off(&mut self, id: MachineId, until: u64) {
        let Some(it) = self.machines.get_mut(&id) else { return };
        it.cut_off_until = until;
        if let Some(wire) = it.agent.as_ref().and_then(|it| it.wire) {
            self.break_wire(wire);
        }
    }

    /// A second machine with the same identity appears.
    pub(crate) fn copy_machine(&mut self, id: MachineId) {
        if self.machines.values().any(|it| it.copy_of.is_some()) {
            return;
        }
        let copy_id = u32::try_from(self.machines.len()).unwrap_or(u32::MAX);
        let Some(copy) = self.machines.get(&id).map(|it| it.copy(copy_id)) else { return };
        self.copied = true;
        self.machines.insert(copy_id, copy);
        self.agenda.after(100, Event::Machine(copy_id, MachineEvent::Start));
    }

    /// Faults end: copies go, everybody can be reached. What is frozen thaws in its time.
    pub(crate) fn heal(&mut self) -> Checked {
        self.swarm.heal();
        self.region.storage.heal();
        self.healing = true;
        self.heal_balancing();
        self.heal_services();
        self.say(format_args!("faults end"));
        let copies: Vec<MachineId> = self
            .machines
            .iter()
            .filter(|(_, it)| it.copy_of.is_some())
            .map(|(id, _)| *id)
            .collect();
        for id in copies {
            self.end_agent(id)?;
            if let Some(it) = self.machines.get_mut(&id) {
                it.exists = false;
                it.runtime.tasks.clear();
            }
        }
        for it in self.machines.values_mut() {
            it.cut_off_until = 0;
        }
        if self.swarm.services > 0 {
            let ids: Vec<MachineId> = self.machines.keys().copied().collect();
            for id in ids {
                self.plan_publication(id);
            }
        }
        Ok(())
    }
}
