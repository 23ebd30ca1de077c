//! The state under one input.

use crate::{Change, State};

/// Most changes that one write should carry: journals bound the size of a transaction (etcd: 128
/// operations).
///
/// Those with more to do mark what is to be done, do a part, and a reconciler does the rest. What
/// must take effect as a whole carries more, up to the limit of its own operation (1,000 changes of a
/// Route 53 batch, 1,000 targets of a group); the embedded journal takes them in one entry.
pub const CHANGES_MAX: usize = 100;

/// The state under one input: reads see the input's own changes, and nothing of it stays if the
/// input is refused.
#[derive(Debug)]
pub struct Draft<'a> {
    state: &'a mut State,
    changes: Vec<Change>,
    undo: Vec<Change>,
    replays: Option<Replay>,
}

/// The input that another one repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Its audit row.
    pub audit: u64,
    /// ARNs of what it made.
    pub resources: Vec<String>,
}

impl<'a> Draft<'a> {
    /// Starts an input on this state.
    pub fn new(state: &'a mut State) -> Self {
        Self { state, changes: Vec::new(), undo: Vec::new(), replays: None }
    }

    /// The state as this input has changed it so far.
    pub fn state(&self) -> &State {
        self.state
    }

    /// Makes one change, visible at once to this input.
    pub fn change(&mut self, change: Change) {
        self.undo.push(self.state.apply(change.clone()));
        self.changes.push(change);
    }

    /// Says that this input is a repeat of that one.
    pub fn replay(&mut self, of: Replay) {
        self.replays = Some(of);
    }

    /// The input that this one repeats.
    pub fn replays(&self) -> Option<&Replay> {
        self.replays.as_ref()
    }

    /// What has changed so far, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// How many more changes this write should carry.
    pub fn room(&self) -> usize {
        CHANGES_MAX.saturating_sub(self.changes.len())
    }

    /// What has changed so far, in order: each change, and the one that would take it back.
    pub fn steps(&self) -> impl Iterator<Item = (&Change, &Change)> {
        self.changes.iter().zip(&self.undo)
    }

    /// Keeps everything and gives it out for the journal.
    pub fn keep(self) -> Vec<Change> {
        self.changes
    }

    /// Puts the state back as it was before the input.
    pub fn undo(&mut self) {
        while let Some(inverse) = self.undo.pop() {
            self.state.apply(inverse);
        }
        self.changes.clear();
        self.replays = None;
    }
}

#[cfg(test)]
mod tests {
    use types::{AccountId, ClusterName, Home, Region, Timestamp};

    use super::*;
    use crate::{Cluster, ClusterStatus};

    fn cluster(name: &str) -> Cluster {
        Cluster {
            name: ClusterName::parse(name).expect("valid"),
            status: ClusterStatus::Active,
            spec: Vec::new(),
            tags: Vec::new(),
            created_at: Timestamp(1),
            inactive_at: None,
        }
    }

    fn region() -> State {
        State::new(Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        })
    }

    #[test]
    fn an_undone_draft_leaves_no_trace() {
        let mut state = region();
        state.apply(cluster("kept").into());
        let before = state.clone();

        let mut draft = Draft::new(&mut state);
        draft.change(cluster("new").into());
        draft.change(Cluster { status: ClusterStatus::Inactive, ..cluster("kept") }.into());
        assert_eq!(draft.state().clusters().len(), 2);
        draft.undo();

        assert_eq!(draft.keep(), []);
        assert_eq!(state, before);
        assert_eq!(state.recomputed_indexes(), *state.indexes());
    }

    #[test]
    fn a_kept_draft_is_what_the_journal_gets() {
        let mut state = region();
        let mut draft = Draft::new(&mut state);
        draft.change(cluster("new").into());
        let changes = draft.keep();

        let mut replayed = region();
        for change in &changes {
            let row = crate::encode(change);
            let value = row.value.expect("a put");
            replayed.apply(crate::decode(row.table, &value).expect("readable"));
        }
        assert_eq!(replayed, state);
    }
}
