//! A region for tests: no server, no clock, no network.

use state::{Caller, Context, Dice, Draft, State};
use types::{AccountId, Home, Region, Timestamp, Zone};

use crate::region::{RegionPlan, first_start};
use crate::registry::{ReadFn, WriteFn};

/// 2023-11-14T22:13:20Z: when tests happen.
pub(crate) const NOON: i64 = 1_700_000_000_000;

/// A state, and what inputs bring along.
pub(crate) struct Fixture {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    dice: Dice,
}

pub(crate) fn home() -> Home {
    Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    }
}

/// A region after its first start, with three zones.
pub(crate) fn region() -> Fixture {
    let mut fixture = Fixture::of(State::new(home()));
    let zones = ["us-east-1a", "us-east-1b", "us-east-1c"];
    let plan = RegionPlan {
        zones: zones.map(|it| Zone::parse(it).expect("valid")).into(),
        vpc_base: 0xac1f_0000,
        vpc_prefix: 16,
    };
    fixture.step(|draft, context| first_start(draft, context, &plan)).expect("starts");
    fixture
}

impl Fixture {
    pub(crate) fn of(state: State) -> Self {
        Self { state, now: Timestamp(NOON), dice: Dice::of(1) }
    }

    /// One input as the writer runs it: what the draft holds afterwards is kept.
    pub(crate) fn step<T>(
        &mut self,
        decide: impl FnOnce(&mut Draft<'_>, &mut Context<'_>) -> T,
    ) -> T {
        let mut context = Context {
            now: self.now,
            caller: root(),
            request_id: self.dice.bits(),
            dice: &mut self.dice,
        };
        decide(&mut Draft::new(&mut self.state), &mut context)
    }

    /// A write; a refused one must leave the state as it was.
    pub(crate) fn write<I, O, E>(&mut self, operation: WriteFn<I, O, E>, ask: I) -> Result<O, E> {
        let before = self.state.clone();
        let answer = self.step(|draft, context| {
            let answer = operation(draft, ask, context);
            if answer.is_err() {
                draft.undo();
            }
            answer
        });
        if answer.is_err() {
            assert!(self.state == before, "a refused request changed the state");
        }
        assert_eq!(self.state.recomputed_indexes(), *self.state.indexes());
        answer
    }

    /// A read.
    pub(crate) fn read<I, O, E>(&self, operation: ReadFn<I, O, E>, ask: I) -> Result<O, E> {
        let mut dice = self.dice.clone();
        let context = Context { now: self.now, caller: root(), request_id: 1, dice: &mut dice };
        operation(&self.state, ask, &context)
    }
}

fn root() -> Caller {
    Caller {
        arn: "arn:aws:iam::123456789012:root".into(),
        access_key: "AKIAEXAMPLE".into(),
        source_ip: "127.0.0.1".into(),
        user_agent: "test".into(),
    }
}
