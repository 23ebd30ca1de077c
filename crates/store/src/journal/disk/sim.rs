//! A disk in memory that fails, crashes and forgets exactly as told.
//!
//! It tells what a running process sees from what is durable: bytes become durable when their
//! file is synced, names when the folder is. Every call that changes something is a [`Step`] with
//! a number, and each step can be made to fail. After a power cut a [`Loss`] says what of the
//! rest has survived.

mod loss;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};
pub use loss::Loss;
use loss::{Entry, Pending};

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Inner>>);

/// One call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A new file.
    Create,
    /// A write of so many bytes.
    Write(usize),
    /// A file cut to a size.
    Truncate,
    /// Space set aside.
    Preallocate,
    /// A file made durable.
    Sync,
    /// A new name.
    Rename,
    /// A file removed.
    Remove,
    /// The names made durable.
    SyncFolder,
}

/// What happens to a step instead of success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It does nothing and reports an input/output error.
    Error,
    /// It does nothing and reports that no space is left.
    NoSpace,
    /// The machine halts during it. Of a write, so many bytes have arrived; any other step has
    /// been done if this is not zero.
    Crash {
        /// How far the step came.
        done: usize,
    },
    /// A sync fails, and what it should have made durable never will be, although it can be read
    /// until the power goes: what Linux does with pages it could not write. Every handle of the
    /// file that was open then is told once.
    LostPages,
}

#[derive(Clone, Default)]
struct Inner {
    boot: u64,
    halted: bool,
    locked: bool,
    ignored: Vec<Step>,
    capacity: Option<u64>,
    failures: BTreeMap<u64, Failure>,
    history: Vec<Step>,
    files: BTreeMap<u64, Content>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<Entry>,
}

/// The bytes of one file.
#[derive(Clone, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
    reserved: u64,
    /// How often writes were lost.
    lost: u64,
}

struct SimFile {
    disk: SimDisk,
    boot: u64,
    id: u64,
    /// Of how many losses this handle has been told, or which came before it.
    told: u64,
}

struct Guard {
    disk: SimDisk,
    boot: u64,
}

impl SimDisk {
    /// An empty disk on which everything succeeds.
    pub fn new() -> Self {
        Self::default()
    }

    /// A second disk with the same content, power and faults as this one has now.
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.inner().clone())))
    }

    /// Makes the step of this number fail; the first step ever has number zero.
    pub fn fail_at(&self, step: usize, failure: Failure) {
        self.inner().failures.insert(step as u64, failure);
    }

    /// From now on everything succeeds, also the steps that were to fail.
    pub fn heal(&self) {
        self.inner().failures.clear();
        self.inner().ignored.clear();
    }

    /// Every step so far.
    pub fn history(&self) -> Vec<Step> {
        self.inner().history.clone()
    }

    /// How many steps there have been, which is the number of the next one.
    pub fn steps(&self) -> usize {
        self.inner().history.len()
    }

    /// Limits the bytes that all files together may hold or have set aside.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.inner().capacity = bytes;
    }

    /// From now on such steps report success and do nothing: a disk no journal can be safe on.
    pub fn ignore(&self, step: Step) {
        self.inner().ignored.push(step);
    }

    /// Ends the process that uses the disk. The machine runs on, so nothing is lost.
    pub fn end_process(&self) {
        self.inner().reboot();
    }

    /// Cuts the power and starts the machine again.
    pub fn cut_power(&self, loss: Loss) {
        let mut inner = self.inner();
        inner.lose(loss);
        inner.reboot();
    }

    /// What a file holds, as a running process would see it.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let inner = self.inner();
        Some(inner.files.get(inner.names.get(name)?)?.seen.clone())
    }

    /// Puts a durable file on the disk, or changes one behind everybody's back.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut inner = self.inner();
        let id = inner.new_file();
        let content = Content { seen: bytes.clone(), durable: bytes, ..Content::default() };
        inner.files.insert(id, content);
        inner.names.insert(name.to_owned(), id);
        inner.durable_names.insert(name.to_owned(), id);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        inner.check_power(inner.boot)?;
        let id = inner.find(name)?;
        let told = inner.content(id)?.lost;
        Ok(Box::new(SimFile { disk: self.clone(), boot: inner.boot, id, told }))
    }
}

/// How far a step goes: to its end, to where the machine halts, nowhere for ever, or nowhere
/// although it reports success.
enum Reach {
    Whole,
    Halt(usize),
    Forget,
    Ignore,
}

fn halted() -> io::Error {
    io::Error::other("the machine has halted")
}

fn io_error() -> io::Error {
    io::Error::other("simulated input/output error")
}

impl Inner {
    fn reboot(&mut self) {
        self.boot += 1;
        self.halted = false;
        self.locked = false;
    }

    fn check_power(&self, boot: u64) -> io::Result<()> {
        if self.halted || boot != self.boot {
            return Err(halted());
        }
        Ok(())
    }

    /// Counts a step and says how it goes.
    fn step(&mut self, boot: u64, step: Step) -> io::Result<Reach> {
        self.check_power(boot)?;
        let number = self.history.len() as u64;
        self.history.push(step);
        match self.failures.get(&number) {
            None if self.ignored.contains(&step) => Ok(Reach::Ignore),
            None => Ok(Reach::Whole),
            Some(Failure::Error) => Err(io_error()),
            Some(Failure::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
            Some(Failure::LostPages) => Ok(Reach::Forget),
            Some(&Failure::Crash { done }) => {
                self.halted = true;
                Ok(Reach::Halt(done))
            }
        }
    }

    /// Does a step that is done whole or not at all.
    fn whole_step(
        &mut self,
        boot: u64,
        step: Step,
        act: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.step(boot, step)? {
            Reach::Whole => act(self),
            Reach::Halt(done) => {
                if done > 0 {
                    act(self)?;
                }
                Err(halted())
            }
            Reach::Forget => Err(io_error()),
            Reach::Ignore => Ok(()),
        }
    }

    fn new_file(&self) -> u64 {
        self.files.last_key_value().map_or(0, |(id, _)| id + 1)
    }

    fn find(&self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn content(&mut self, id: u64) -> io::Result<&mut Content> {
        self.files.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Refuses a file to need more than it has when there is no more.
    fn check_space(&self, id: u64, size: u64) -> io::Result<()> {
        let Some(capacity) = self.capacity else { return Ok(()) };
        let others: u64 = self
            .names
            .values()
            .filter(|it| **it != id)
            .filter_map(|it| self.files.get(it))
            .map(Content::space)
            .sum();
        let own = self.files.get(&id).map_or(0, Content::space);
        if size > own && others + size > capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let id = self.find(from)?;
        self.names.remove(from);
        self.names.insert(to.to_owned(), id);
        self.pending_names.push(Entry::Rename { id, from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn write(&mut self, id: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_space(id, offset + bytes.len() as u64)?;
        let order = self.history.len();
        let content = self.content(id)?;
        let write = Pending::Write { order, offset, bytes: bytes.to_vec() };
        write.apply(&mut content.seen);
        content.pending.push(write);
        Ok(())
    }

    fn truncate(&mut self, id: u64, size: u64) -> io::Result<()> {
        let order = self.history.len();
        let content = self.content(id)?;
        let cut = Pending::Cut { order, size };
        cut.apply(&mut content.seen);
        content.pending.push(cut);
        content.reserved = content.reserved.min(size);
        Ok(())
    }

    fn sync(&mut self, id: u64) -> io::Result<()> {
        let content = self.content(id)?;
        for change in core::mem::take(&mut content.pending) {
            change.apply(&mut content.durable);
        }
        Ok(())
    }

    fn sync_folder(&mut self) {
        self.durable_names.clone_from(&self.names);
        self.pending_names.clear();
    }
}

impl Content {
    fn space(&self) -> u64 {
        self.reserved.max(self.seen.len() as u64)
    }
}

impl Disk for SimDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        let boot = inner.boot;
        let id = inner.new_file();
        inner.whole_step(boot, Step::Create, |inner| {
            if inner.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            inner.files.insert(id, Content::default());
            inner.names.insert(name.to_owned(), id);
            inner.pending_names.push(Entry::Create { id, name: name.to_owned() });
            Ok(())
        })?;
        Ok(Box::new(SimFile { disk: self.clone(), boot, id, told: 0 }))
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.open(name)
    }

    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner();
        let boot = inner.boot;
        inner.whole_step(boot, Step::Rename, |inner| inner.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        let boot = inner.boot;
        inner.whole_step(boot, Step::Remove, |inner| {
            let id = inner.find(name)?;
            inner.names.remove(name);
            inner.pending_names.push(Entry::Remove { id, name: name.to_owned() });
            Ok(())
        })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let inner = self.inner();
        inner.check_power(inner.boot)?;
        Ok(inner.names.keys().cloned().collect())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut inner = self.inner();
        let boot = inner.boot;
        inner.whole_step(boot, Step::SyncFolder, |inner| {
            inner.sync_folder();
            Ok(())
        })
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        let mut inner = self.inner();
        inner.check_power(inner.boot)?;
        if inner.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        inner.locked = true;
        Ok(Box::new(Guard { disk: self.clone(), boot: inner.boot }))
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        let mut inner = self.disk.inner();
        inner.check_power(self.boot)?;
        Ok(inner.content(self.id)?.seen.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.check_power(self.boot)?;
        let seen = &inner.content(self.id)?.seen;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = seen
            .get(from..)
            .and_then(|rest| rest.get(..buffer.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.inner();
        match inner.step(self.boot, Step::Write(bytes.len()))? {
            Reach::Whole => inner.write(self.id, offset, bytes),
            Reach::Halt(done) => {
                let arrived = bytes.get(..done).unwrap_or(bytes);
                inner.write(self.id, offset, arrived)?;
                Err(halted())
            }
            Reach::Forget => Err(io_error()),
            Reach::Ignore => Ok(()),
        }
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.whole_step(self.boot, Step::Truncate, |inner| inner.truncate(self.id, size))
    }

    fn preallocate(&mut self, size: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.whole_step(self.boot, Step::Preallocate, |inner| {
            inner.check_space(self.id, size)?;
            inner.content(self.id)?.reserved = size;
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        match inner.step(self.boot, Step::Sync)? {
            Reach::Whole => inner.sync(self.id)?,
            Reach::Halt(done) => {
                if done > 0 {
                    inner.sync(self.id)?;
                }
                return Err(halted());
            }
            Reach::Forget => {
                let content = inner.content(self.id)?;
                content.pending.clear();
                content.lost += 1;
            }
            Reach::Ignore => {}
        }
        let lost = inner.content(self.id)?.lost;
        if core::mem::replace(&mut self.told, lost) < lost { Err(io_error()) } else { Ok(()) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut inner = self.disk.inner();
        if inner.boot == self.boot {
            inner.locked = false;
        }
    }
}
