//! Dice of the simulator: a stream of its own for each component, so that a new fault does not
//! reshuffle the work.

use state::Dice;

/// One stream.
#[derive(Debug, Clone)]
pub(crate) struct Lot(Dice);

/// Chances are counted in ten thousandths.
pub(crate) type Chance = u32;

/// What always happens.
const ALWAYS: u64 = 10_000;

impl Lot {
    /// The stream of a component under a seed.
    pub(crate) fn new(seed: u64, component: u64) -> Self {
        Self(Dice::of(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ component))
    }

    /// A number below the bound; zero if the bound is.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound.max(1))
    }

    /// A number from one to another, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Whether something of this chance happens. What never happens costs no throw.
    pub(crate) fn hits(&mut self, chance: Chance) -> bool {
        chance > 0 && self.0.below(ALWAYS) < u64::from(chance)
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let at = self.below(all.len() as u64);
        all.get(usize::try_from(at).unwrap_or(0))
    }

    /// 128 random bits.
    pub(crate) fn bits(&mut self) -> u128 {
        self.0.bits()
    }

    /// Dice of their own for something with dice inside.
    pub(crate) fn dice(&mut self) -> Dice {
        Dice::of(self.0.below(u64::MAX))
    }
}

impl From<Dice> for Lot {
    fn from(dice: Dice) -> Self {
        Self(dice)
    }
}

/// The streams of a run.
#[derive(Debug, Clone)]
pub(crate) struct Lots {
    /// What clients ask for.
    pub(crate) work: Lot,
    /// What becomes of messages.
    pub(crate) network: Lot,
    /// Which faults happen when.
    pub(crate) faults: Lot,
    /// What becomes of containers.
    pub(crate) machines: Lot,
    /// Ids and ties of the control plane, and its disk.
    pub(crate) region: Lot,
}

impl Lots {
    /// The streams of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            work: Lot::new(seed, 1),
            network: Lot::new(seed, 2),
            faults: Lot::new(seed, 3),
            machines: Lot::new(seed, 4),
            region: Lot::new(seed, 5),
        }
    }
}
