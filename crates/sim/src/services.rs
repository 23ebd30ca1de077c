//! Services in the simulated world: an operator who makes, changes, scales and deletes them under the
//! swarm's faults, and what must hold of each of them at every transaction.
//!
//! Decisions are the product's: the API writes rows, the reconciler of services starts and stops tasks.
//! What must hold is reckoned here once more, from the rows alone.

mod alarms;
mod bounds;
mod checks;
mod classics;
mod digests;
mod kept;
mod measured;
mod names;
mod operator;
mod rollouts;
mod settled;
mod spoil;

pub(crate) use alarms::{check as check_alarms, check_heard as check_alarms_heard};
pub(crate) use checks::Ledger;
pub(crate) use digests::digest_of;
pub(crate) use kept::{check_glances, check_kept};
pub(crate) use measured::unsettled as unsettled_alarms;
pub(crate) use names::{Desk, check_found};
pub(crate) use operator::definition;
pub(crate) use rollouts::check_tripped;
pub(crate) use settled::unsettled;
pub(crate) use spoil::{fill, tamper, tamper_names};

use measured::Meter;
use plan::alarms::Finding;
use types::{Home, Timestamp};

use crate::event::Event;
use crate::lot::Lot;
use crate::plant::Plant;
use crate::swarm::{Naming, Swarm};
use crate::violation::Checked;
use crate::world::World;

/// Everything of services.
pub(crate) struct Services {
    lot: Lot,
    /// What becomes of alarms.
    alarms: Lot,
    /// How many there may be.
    most: u32,
    /// Whether they are found by name.
    named: bool,
    /// Whether some are behind Classic Load Balancers.
    has_classics: bool,
    meter: Meter,
    pub(crate) ledger: Ledger,
    pub(crate) desk: Desk,
}

/// Something that happens.
#[derive(Debug)]
pub(crate) enum ServiceEvent {
    /// The operator thinks of something.
    Act,
    /// The operator puts everything right, one thing at a time, as faults have ended.
    Mend,
    /// It is looked whether alarms are due.
    Look,
    /// What alarms were found to be, at that time by a process of that number, is written down.
    Write { life: u64, at: Timestamp, found: Vec<Finding> },
}

impl Services {
    pub(crate) fn new(seed: u64, swarm: &Swarm, home: &Home) -> Self {
        Self {
            lot: Lot::new(seed, 7),
            alarms: Lot::new(seed, 11),
            most: swarm.services,
            named: swarm.naming == Naming::Named,
            has_classics: swarm.has_fronts(),
            meter: Meter::new(seed),
            ledger: Ledger::default(),
            desk: Desk::new(home),
        }
    }
}

impl Plant {
    /// Whether a bug shows only where there are services.
    pub(crate) fn is_of_services(self) -> bool {
        matches!(
            self,
            Self::StopsHealthy
                | Self::StartsTooMany
                | Self::StopsProtected
                | Self::CountsTwice
                | Self::ForgetsFailures
                | Self::CompletesEarly
                | Self::StopsDaemons
                | Self::ForgetsSpread
                | Self::RollsBackAnywhere
                | Self::SleepsThroughAlarms
                | Self::FailsUnmonitored
                | Self::SkipsBakeTime
                | Self::KeepsServices
                | Self::DoublesDaemons
                | Self::FillsInstances
                | Self::FollowsTags
        ) || self.is_of_names()
    }

    /// Whether a bug shows only where alarms look at what was measured.
    pub(crate) fn is_of_fronts(self) -> bool {
        self == Self::Misreads
    }

    /// Whether a bug shows only where services are found by name.
    pub(crate) fn is_of_names(self) -> bool {
        matches!(
            self,
            Self::KeepsFound
                | Self::FindsIll
                | Self::ForgetsNames
                | Self::ReachesLeaving
                | Self::LeavesOut
                | Self::ReachesIll
        )
    }
}

impl World {
    /// The operator comes.
    pub(crate) fn plan_services(&mut self) {
        if self.services.most > 0 && self.clients.answers.is_none() {
            self.plan_operator();
        }
        if self.swarm.has_fronts() {
            self.agenda.after(1, Event::Service(ServiceEvent::Look));
        }
    }

    fn plan_operator(&mut self) {
        let wait = self.services.lot.between(1, self.swarm.acts_every);
        self.agenda.after(wait, Event::Service(ServiceEvent::Act));
    }

    /// Something happens.
    pub(crate) fn service_event(&mut self, event: ServiceEvent) -> Checked {
        match event {
            ServiceEvent::Act if self.healing => {}
            ServiceEvent::Act => {
                self.manage_services();
                self.plan_operator();
            }
            ServiceEvent::Mend => self.mend_services(),
            ServiceEvent::Look => self.look_at_alarms(),
            ServiceEvent::Write { life, at, found } => return self.write_alarms(life, at, found),
        }
        Ok(())
    }

    /// Nothing goes wrong any more: the operator puts everything right.
    pub(crate) fn heal_services(&mut self) {
        self.services.meter.calm(self.region.clock.steady(self.agenda.now()));
        if self.services.most > 0 && self.clients.answers.is_none() {
            self.agenda.after(1_000, Event::Service(ServiceEvent::Mend));
        }
    }
}
