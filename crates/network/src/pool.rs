//! Keeps slots ready: one thread makes a new one for each that is taken.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::element::Element;
use crate::error::{Doing, Error};
use crate::slot::{Kind, Slot, Workshop, lock};

/// Slots of every kind that this host can use, and the thread that makes them.
#[derive(Debug)]
pub(crate) struct Pool {
    shelf: Arc<Shelf>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shelf {
    workshop: Arc<Workshop>,
    stock: Mutex<Stock>,
    changed: Condvar,
    /// How many of each kind to keep.
    level: usize,
}

#[derive(Debug)]
struct Stock {
    piles: Vec<(Kind, VecDeque<Slot>)>,
    /// Making one failed. Who needs one makes it and sees why; then we try again.
    stalled: bool,
    closing: bool,
}

impl Pool {
    /// Starts to fill the shelf up to `level` of each kind.
    pub(crate) fn start(workshop: Arc<Workshop>, level: usize) -> Result<Self, Error> {
        let vpc = workshop.vpc.as_ref().map(|_| Kind::Vpc);
        let kinds = [Some(Kind::Bridge), vpc, Some(Kind::Isolated)];
        let piles = kinds.into_iter().flatten().map(|it| (it, VecDeque::new())).collect();
        let stock = Mutex::new(Stock { piles, stalled: false, closing: false });
        let shelf = Arc::new(Shelf { workshop, stock, changed: Condvar::new(), level });
        let thread = {
            let shelf = Arc::clone(&shelf);
            Builder::new()
                .name("network-pool".into())
                .spawn(move || shelf.keep_filled())
                .doing(|| "start a thread".into())?
        };
        Ok(Self { shelf, thread: Some(thread) })
    }

    /// A slot from the shelf, or a new one if none is ready.
    pub(crate) fn take(&self, kind: Kind) -> Result<Slot, Error> {
        let ready = {
            let mut stock = lock(&self.shelf.stock);
            stock.stalled = false;
            stock.pile(kind).and_then(VecDeque::pop_front)
        };
        self.shelf.changed.notify_all();
        match ready {
            Some(slot) => Ok(slot),
            None => self.shelf.workshop.make(kind),
        }
    }

    /// The elements that let the slots on the shelf speak.
    pub(crate) fn speakers(&self) -> Vec<Element> {
        let stock = lock(&self.shelf.stock);
        stock.piles.iter().flat_map(|it| &it.1).filter_map(Slot::speaker).collect()
    }

    /// Waits until the shelf is full, or making slots has failed.
    pub(crate) fn settle(&self) {
        let shelf = &self.shelf;
        let mut stock = lock(&shelf.stock);
        while stock.missing(shelf.level).is_some() && !stock.stalled {
            stock = shelf.changed.wait(stock).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shelf.stock).closing = true;
        self.shelf.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It only fails by a panic, which its own message has told.
            drop(thread.join());
        }
    }
}

impl Stock {
    fn pile(&mut self, kind: Kind) -> Option<&mut VecDeque<Slot>> {
        self.piles.iter_mut().find(|it| it.0 == kind).map(|it| &mut it.1)
    }

    fn put(&mut self, kind: Kind, slot: Slot) {
        if let Some(pile) = self.pile(kind) {
            pile.push_back(slot);
        }
    }

    /// The kind of which the shelf holds least, if any is short.
    fn missing(&self, level: usize) -> Option<Kind> {
        let shortest = self.piles.iter().min_by_key(|it| it.1.len());
        shortest.filter(|it| it.1.len() < level).map(|it| it.0)
    }
}

impl Shelf {
    fn keep_filled(&self) {
        let mut stock = lock(&self.stock);
        while !stock.closing {
            let wanted = if stock.stalled { None } else { stock.missing(self.level) };
            let Some(kind) = wanted else {
                stock = self.changed.wait(stock).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(stock);
            let made = self.workshop.make(kind);
            stock = lock(&self.stock);
            match made {
                Ok(slot) => stock.put(kind, slot),
                Err(_) => stock.stalled = true,
            }
            self.changed.notify_all();
        }
    }
}
