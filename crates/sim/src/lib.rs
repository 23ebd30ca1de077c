//! The whole control plane and its agents in one thread on made-up time.
//!
//! Doors are replaced, decisions never: the region is the real writer's core, operations,
//! reconcilers and sessions over a journal that fails; machines are the real agent core over made-up
//! containers; between them a network that loses, delays and breaks. One seed draws everything, so
//! one command replays any run. See `docs/decisions/0009-simulator.md`.

mod agenda;
mod archivist;
mod balancing;
mod checks;
mod client;
mod clock;
mod event;
mod faults;
mod holdings;
mod hub;
mod ledger;
mod losses;
mod lot;
mod machine;
mod orders;
mod plant;
mod planted;
mod region;
mod services;
mod settle;
mod story;
mod swarm;
mod tally;
mod trace;
mod violation;
mod world;

pub use ledger::Count;
pub use plant::Plant;
pub use story::Story;
pub use swarm::Kind;
pub use tally::{Tally, Trial};
pub use violation::{Invariant, Violation};

use violation::{Checked, broken};
use world::World;

/// Steps between two looks at everything; a look costs about as much as so many steps.
const LOOK_EVERY: u64 = 16;
/// Steps between two readings of the journal.
const READ_EVERY: u64 = 512;
/// How long the world may take to settle once faults have ended, in milliseconds.
const SETTLES_WITHIN: u64 = 15 * 60 * 1_000;
/// The same where two machines had one identity: what one of them said of the other's tasks is put
/// right when the agent renews its session.
const SETTLES_WITHIN_AFTER_COPIES: u64 = 40 * 60 * 1_000;
/// How often it is looked at meanwhile.
const SETTLE_LOOK: u64 = 2_000;

/// What to simulate.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Draws everything.
    pub seed: u64,
    /// Events of the phase with faults.
    pub steps: u64,
    /// What the world is about; drawn with the rest if that is not said.
    pub kind: Option<Kind>,
    /// A bug that should be found.
    pub plant: Option<Plant>,
    /// Takes every line of the story.
    pub follow: Option<fn(&str)>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Hash of the whole story: equal seeds give equal stories.
    pub hash: u64,
    /// Events in all.
    pub steps: u64,
    /// How much happened.
    pub count: Count,
    /// The broken promise, if one was, and the last lines of the story.
    pub failure: Option<(Violation, Vec<String>)>,
}

/// Simulates one seed.
pub fn run(options: Options) -> Outcome {
    let mut world = World::new(&options);
    let mut steps = 0;
    let end = both_phases(&mut world, options.steps, &mut steps);
    Outcome {
        hash: world.trace.hash(),
        steps,
        count: world.ledger.count,
        failure: end.err().map(|violation| (violation, world.trace.tail())),
    }
}

fn both_phases(world: &mut World, most: u64, steps: &mut u64) -> Checked {
    while *steps < most {
        step(world, steps)?;
    }
    world.heal()?;
    let begun = world.agenda.now();
    let mut look_at = begun;
    loop {
        step(world, steps)?;
        let now = world.agenda.now();
        if now < look_at {
            continue;
        }
        look_at = now + SETTLE_LOOK;
        world.rejoin()?;
        let Some(unsettled) = world.unsettled() else { break };
        let within = if world.copied { SETTLES_WITHIN_AFTER_COPIES } else { SETTLES_WITHIN };
        if now > begun + within {
            return broken(Invariant::Convergence, unsettled);
        }
    }
    world.check_all()?;
    world.check_rows()
}

fn step(world: &mut World, steps: &mut u64) -> Checked {
    if !world.step()? {
        return broken(Invariant::World, "nothing is planned any more");
    }
    *steps += 1;
    world.check_step()?;
    if steps.is_multiple_of(LOOK_EVERY) {
        world.check_all()?;
    }
    if steps.is_multiple_of(READ_EVERY) {
        world.check_rows()?;
    }
    Ok(())
}
