//! Alarms that look at what was measured: a clock that evaluates them as the gateway's does, metrics
//! that are made up, and what an alarm has to be by them.
//!
//! Which alarms are due, over which time and what comes of it is decided by `plan::alarms`. What is
//! wired in `gateway::metrics::AlarmClock` is repeated here: change both.

use plan::alarms::{self, Finding};
use state::{Alarm, AlarmState, Caller, Change, State};
use types::Timestamp;

use crate::event::Event;
use crate::lot::Lot;
use crate::plant::Plant;
use crate::region::{Cause, Decided, Release};
use crate::tally::Trial;
use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

use super::ServiceEvent;

/// Between two looks whether alarms are due, in milliseconds.
const LOOK_EVERY: u64 = 1_000;
/// The longest time between reading what was measured and writing what comes of it, in milliseconds.
const READS_FOR: u64 = 3_000;
/// So many seconds at a time a metric is of one mood.
const MOOD: i64 = 40;
/// What is measured where all is well, and where it is not; alarms go off above one.
const VALUES: (f64, f64) = (0.0, 3.0);
/// Periods before those that an alarm looks at whose data may stand in for missing ones.
const SPARE: i64 = 2;
/// What comes in later than this after the end of a period of ten seconds is not seen, in
/// milliseconds.
const LATE: i64 = 1_000;

/// What is measured, and when it was last looked at.
#[derive(Debug)]
pub(super) struct Meter {
    seed: u64,
    /// From this second on all is well.
    calm_from: i64,
    /// By which process, and when.
    looked_at: Option<(u64, Timestamp)>,
}

impl Meter {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, calm_from: i64::MAX, looked_at: None }
    }

    pub(super) fn calm(&mut self, now: Timestamp) {
        self.calm_from = now.0.div_euclid(1_000);
    }

    /// What a metric came to in the period that begins at a second.
    fn value(&self, metric: &str, at: i64) -> Option<f64> {
        if at >= self.calm_from {
            return Some(VALUES.0);
        }
        let of_name = metric.bytes().fold(0_u64, |sum, it| sum * 31 + u64::from(it));
        let mood = at.div_euclid(MOOD).unsigned_abs();
        let mut lot = Lot::new(self.seed ^ of_name ^ (mood << 20), 13);
        match lot.below(8) {
            0 => Some(VALUES.1),
            1 => None,
            2 => (at.div_euclid(10) % 2 == 0).then_some(VALUES.1),
            3 => (at.div_euclid(10) % 2 == 0).then_some(VALUES.0),
            _ => Some(VALUES.0),
        }
    }
}

impl World {
    /// Alarms that are due are evaluated; what comes of it is written down some time later.
    pub(super) fn look_at_alarms(&mut self) {
        self.agenda.after(LOOK_EVERY, Event::Service(ServiceEvent::Look));
        let (now, life) = (self.region_clock(), self.region.life);
        let meter = &mut self.services.meter;
        let Some(process) = &self.region.process else { return };
        let last = meter.looked_at.filter(|it| it.0 == life).map(|it| it.1);
        let state = process.core.state();
        let early = if self.plant == Some(Plant::Misreads) { MOOD } else { 0 };
        let due = alarms::due(state, last, now);
        let rows = due.iter().filter_map(|it| state.alarms().get(it));
        let one = |it: &Alarm| {
            let value = |at: i64| meter.value(&it.terms.metric, at - early);
            alarms::evaluate(it, now, value)
        };
        let found: Vec<Finding> = rows.filter_map(|it| one(it)).collect();
        meter.looked_at = Some((life, now));
        if !found.is_empty() {
            let wait = self.services.alarms.between(1, READS_FOR);
            self.agenda.after(wait, Event::Service(ServiceEvent::Write { life, at: now, found }));
        }
    }

    pub(super) fn write_alarms(
        &mut self,
        life: u64,
        at: Timestamp,
        found: Vec<Finding>,
    ) -> Checked {
        if self.region.life != life {
            return Ok(());
        }
        self.job(Cause::Measured(at), |core| {
            core.write(Caller::region(), 0, |draft, context| {
                for it in found {
                    alarms::note(draft, it, context.now);
                }
            });
            Release::Nothing
        })
    }

    /// Checks one transaction: what was found of an alarm is what its datapoints say.
    pub(crate) fn check_measured(&mut self, it: &Decided) -> Checked {
        let Cause::Measured(at) = it.cause else { return Ok(()) };
        for change in &it.transaction.changes {
            let Change::Alarm(name, Some(is)) = change else { continue };
            if !is_right(is, &self.services.meter, at) {
                let detail = format!("{name} is found {:?}, which nothing says", is.state);
                return broken(Invariant::Measured, detail);
            }
            self.ledger.count.tried.note(Trial::Evaluated);
        }
        Ok(())
    }
}

/// Whether what an alarm looked at then can make it what it is.
fn is_right(alarm: &Alarm, meter: &Meter, at: Timestamp) -> bool {
    let period = i64::try_from(alarm.terms.period.as_secs()).unwrap_or(10);
    let last = (at.0 - LATE).div_euclid(period * 1_000) * period;
    let periods = i64::from(alarm.terms.periods);
    let of = |count: i64| {
        let all = (1..=count).map(move |it| last - it * period);
        all.filter_map(|it| meter.value(&alarm.terms.metric, it)).collect::<Vec<f64>>()
    };
    let (near, far) = (of(periods), of(periods + SPARE));
    let is_bad = |it: &f64| *it > alarm.terms.threshold;
    match alarm.state {
        AlarmState::Alarm => near.iter().all(is_bad) && far.iter().any(is_bad),
        AlarmState::Ok => !far.iter().all(is_bad),
        AlarmState::InsufficientData => far.is_empty(),
    }
}

/// An alarm that is not what it should be, now that all is well.
pub(crate) fn unsettled(state: &State) -> Option<String> {
    let mut alarms = state.alarms().values();
    let wrong = alarms.find(|it| it.state != AlarmState::Ok);
    wrong.map(|it| format!("alarm {} is {:?}, and all is well", it.name, it.state))
}
