//! The state and what of it the journal has not seen yet: no threads, no clock.

use state::{Caller, Change, Context, Dice, Draft, State, StoredRow};
use types::{Home, Timestamp};

use crate::journal::{Batch, Epoch, Journal, JournalError, Op, OperationId, Row};

/// The changes of one input, on their way to the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// Its name in the journal.
    pub id: OperationId,
    /// In order; never empty.
    pub changes: Vec<Change>,
}

impl Transaction {
    /// As the journal stores it.
    pub fn batch(&self) -> Batch {
        Batch { id: self.id, ops: self.changes.iter().map(op).collect() }
    }
}

impl AsRef<Transaction> for Transaction {
    fn as_ref(&self) -> &Transaction {
        self
    }
}

fn op(change: &Change) -> Op {
    let StoredRow { table, key, value } = state::encode(change);
    match value {
        Some(value) => Op::Put(Row { table, key, value }),
        None => Op::Delete { table, key },
    }
}

/// The state under its one writer.
///
/// Production runs it on a thread ([`crate::Writer`]), the simulator steps it; both must show
/// nothing of a change before [`Core::take`] has given it out and the journal has it.
#[derive(Debug)]
pub struct Core {
    state: State,
    dice: Dice,
    now: Timestamp,
    fresh: Vec<Transaction>,
}

impl Core {
    /// Takes over a region: acquires its journal and builds the state from its rows.
    ///
    /// # Errors
    ///
    /// The journal cannot be acquired or read, or holds a row this version cannot read.
    pub fn open(
        home: Home,
        dice: Dice,
        journal: &mut dyn Journal,
    ) -> Result<(Self, Epoch), JournalError> {
        let epoch = journal.acquire()?;
        let mut state = State::new(home);
        journal.load(&mut |row| {
            let change =
                state::decode(row.table, &row.value).map_err(|cause| JournalError::Damaged {
                    file: format!("row {:02x?} of table {}", row.key, row.table),
                    offset: cause.position().map_or(0, |at| at as u64),
                    what: cause.to_string(),
                })?;
            state.apply(change);
            Ok(())
        })?;
        Ok((Self { state, dice, now: Timestamp::default(), fresh: Vec::new() }, epoch))
    }

    /// The latest state, durable or not.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The time of the latest input.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass; a clock that jumps back stands still here instead.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Decides on the latest state; what the draft holds afterwards takes effect together.
    ///
    /// An input that is refused undoes its draft before it answers.
    pub fn write<T>(
        &mut self,
        caller: Caller,
        request_id: u128,
        decide: impl FnOnce(&mut Draft<'_>, &mut Context<'_>) -> T,
    ) -> T {
        let now = self.now;
        let mut context = Context { now, caller, request_id, dice: &mut self.dice };
        let mut draft = Draft::new(&mut self.state);
        let answer = decide(&mut draft, &mut context);
        let changes = draft.keep();
        if !changes.is_empty() {
            let id = OperationId(self.dice.bits());
            self.fresh.push(Transaction { id, changes });
        }
        answer
    }

    /// Looks at the latest state. What is seen may be shown once all of it is durable.
    pub fn read<T>(
        &mut self,
        caller: Caller,
        request_id: u128,
        look: impl FnOnce(&State, &Context<'_>) -> T,
    ) -> T {
        let context = Context { now: self.now, caller, request_id, dice: &mut self.dice };
        look(&self.state, &context)
    }

    /// What has been decided since the last call and is not durable yet.
    pub fn fresh(&self) -> &[Transaction] {
        &self.fresh
    }

    /// Gives out what the journal must see next.
    pub fn take(&mut self) -> Vec<Transaction> {
        core::mem::take(&mut self.fresh)
    }
}
