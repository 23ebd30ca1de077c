//! The threads that sync: each takes what lies on the belt, begins it and syncs it.
//!
//! They take turns at the belt, so that loads are begun in the order in which they were decided;
//! their syncs run beside each other. Whoever ends the sync that the others' answers wait for
//! gives those out as well.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::belt::{Belt, Taken};
use super::{Hearer, Release};
use crate::journal::{Commit, JournalError, Room, Synced};
use crate::{Begun, Load, Pipeline, Transaction};

/// One of the threads.
pub(super) struct Syncer(Arc<Crew>);

/// What they share.
struct Crew {
    belt: Arc<Belt>,
    /// Held from waiting at the belt until what was taken has begun.
    turn: Mutex<()>,
    desk: Mutex<Desk>,
    reserve_only: Arc<AtomicBool>,
}

/// What only one of them at a time works at.
struct Desk {
    /// None once a sync has failed, or all is done.
    pipeline: Option<Pipeline<Transaction, Release>>,
    durable: Hearer,
    fatal: Box<dyn Fn(JournalError) + Send>,
    at_work: usize,
}

impl Syncer {
    /// So many threads to be.
    pub(super) fn crew(
        at_work: usize,
        belt: &Arc<Belt>,
        pipeline: Pipeline<Transaction, Release>,
        durable: Hearer,
        fatal: Box<dyn Fn(JournalError) + Send>,
        reserve_only: &Arc<AtomicBool>,
    ) -> Vec<Self> {
        let crew = Arc::new(Crew {
            belt: belt.clone(),
            turn: Mutex::new(()),
            desk: Mutex::new(Desk { pipeline: Some(pipeline), durable, fatal, at_work }),
            reserve_only: reserve_only.clone(),
        });
        (0..at_work).map(|_| Self(crew.clone())).collect()
    }

    /// Ends at the first failed commit: what memory holds may not be on disk, so nothing that was
    /// decided may be shown any more.
    pub(super) fn run(self) {
        while let Some(commit) = self.0.begin_next() {
            let synced = commit.sync();
            self.0.belt.synced();
            self.0.settle(synced);
        }
        self.0.leave();
    }
}

impl Crew {
    /// Waits for something that needs a sync; `None` if there will be nothing any more.
    fn begin_next(&self) -> Option<Commit> {
        let _turn = lock(&self.turn);
        loop {
            let load = match self.belt.take() {
                Taken::Load(load) => load,
                Taken::Nothing => {
                    self.look_for_room()?;
                    continue;
                }
                Taken::End => return None,
            };
            let mut desk = lock(&self.desk);
            match desk.pipeline.as_mut()?.begin(load) {
                Ok(Begun::Sync(commit)) => return Some(commit),
                Ok(Begun::Joined) => {}
                Ok(Begun::Free(releases)) => self.release(releases),
                Err(error) => {
                    desk.fail(error);
                    return None;
                }
            }
        }
    }

    /// On a full disk nothing is committed that would find out that there is space again.
    fn look_for_room(&self) -> Option<()> {
        if !self.reserve_only.load(Ordering::Relaxed) {
            return Some(());
        }
        let mut desk = lock(&self.desk);
        match desk.pipeline.as_mut()?.look_for_room() {
            Ok(room) => self.note(room),
            Err(error) => {
                desk.fail(error);
                return None;
            }
        }
        Some(())
    }

    fn note(&self, room: Room) {
        self.reserve_only.store(room == Room::ReserveOnly, Ordering::Relaxed);
    }

    fn settle(&self, synced: Synced) {
        let mut desk = lock(&self.desk);
        let Some(pipeline) = &mut desk.pipeline else { return };
        let loads = match pipeline.settle(synced) {
            Ok(loads) => loads,
            Err(error) => return desk.fail(error),
        };
        self.note(pipeline.room());
        for Load { transactions, releases } in loads {
            (desk.durable)(&transactions);
            self.release(releases);
        }
    }

    fn release(&self, releases: VecDeque<Release>) {
        self.belt.released(releases.len());
        for release in releases {
            release();
        }
    }

    /// The last one to leave closes the journal.
    fn leave(&self) {
        let mut desk = lock(&self.desk);
        desk.at_work -= 1;
        if desk.at_work == 0
            && let Some(pipeline) = desk.pipeline.take()
            && let Err(error) = pipeline.close()
        {
            desk.fail(error);
        }
    }
}

impl Desk {
    /// Nothing that is under way may be shown any more.
    fn fail(&mut self, error: JournalError) {
        (self.fatal)(error);
        self.pipeline = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
