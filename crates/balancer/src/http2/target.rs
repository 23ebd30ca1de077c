//! Sessions with targets that are spoken to in HTTP/2.

use core::cell::RefCell;

use bytes::Bytes;
use h2::client::SendRequest;

/// Sessions with one target that stand.
#[derive(Default)]
pub(crate) struct Sessions {
    open: RefCell<Vec<SendRequest<Bytes>>>,
    /// Which one is next, so that their streams are spread.
    turn: core::cell::Cell<usize>,
}

/// Sessions that one thread keeps to one target; each carries many streams.
const SESSIONS: usize = 4;

impl Sessions {
    /// A session, if there are as many as there may be, or one is enough.
    pub(crate) fn take(&self, in_flight: u32) -> Option<SendRequest<Bytes>> {
        let open = self.open.borrow();
        let wanted = usize::try_from(in_flight / 64).unwrap_or(SESSIONS) + 1;
        if open.len() < wanted.min(SESSIONS) {
            return None;
        }
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        open.get(turn.checked_rem(open.len())?).cloned()
    }

    pub(crate) fn put(&self, session: SendRequest<Bytes>) {
        self.open.borrow_mut().push(session);
    }

    /// Forgets all: those that have ended, or those of a target that is gone.
    pub(crate) fn clear(&self) {
        self.open.borrow_mut().clear();
    }
}
