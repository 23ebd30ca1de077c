//! A folder in memory that fails and crashes as told, for tests and simulations.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, Files};

/// What becomes of the step that is told to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing of it happens; later steps work again.
    Refused,
    /// A write stops half way; anything else is refused. Later steps work again.
    Half,
    /// No space is left from this step on: nothing can be written, what is there can be cut,
    /// removed and synced.
    Full,
    /// From this step on everything fails until [`MemoryFiles::crash`].
    Dead,
}

/// A folder in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(Arc<Mutex<Folder>>);

#[derive(Debug, Default)]
struct Folder {
    names: BTreeMap<String, u64>,
    names_synced: BTreeMap<String, u64>,
    contents: BTreeMap<u64, Content>,
    next: u64,
    steps: u64,
    fails_at: Option<(u64, Failure)>,
    state: Health,
}

#[derive(Debug, Default, Clone)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Health {
    #[default]
    Well,
    Full,
    Dead,
}

/// Whether a step needs space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Space,
    Nothing,
}

impl MemoryFiles {
    /// How many steps that change something have been taken.
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Has the step after so many more fail.
    pub fn fail_after(&self, steps: u64, failure: Failure) {
        let mut folder = self.lock();
        folder.fails_at = Some((folder.steps + steps, failure));
    }

    /// Everything works again.
    pub fn heal(&self) {
        let mut folder = self.lock();
        folder.fails_at = None;
        folder.state = Health::Well;
    }

    /// The machine loses power. Of each file's bytes that no sync has made durable, so many out of
    /// 256 stay; names that no sync has made durable stay with the same fortune.
    pub fn crash(&self, kept: u8) {
        let mut folder = self.lock();
        if kept < 128 {
            folder.names = folder.names_synced.clone();
        } else {
            folder.names_synced = folder.names.clone();
        }
        for content in folder.contents.values_mut() {
            let more = content.bytes.len().saturating_sub(content.synced.len());
            let more = more * usize::from(kept) / 256;
            let end = content.synced.len() + more;
            let common = content.bytes.starts_with(&content.synced);
            content.bytes = match content.bytes.get(..end) {
                Some(bytes) if common => bytes.to_vec(),
                _ => content.synced.clone(),
            };
            content.synced = content.bytes.clone();
        }
        folder.fails_at = None;
        folder.state = Health::Well;
    }

    fn lock(&self) -> MutexGuard<'_, Folder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folder {
    /// Counts a step; `Ok(true)` if it goes half way only.
    fn step(&mut self, needs: Needs) -> io::Result<bool> {
        let number = self.steps;
        self.steps += 1;
        if let Some((_, failure)) = self.fails_at.filter(|(at, _)| *at == number) {
            match failure {
                Failure::Half if needs == Needs::Space => return Ok(true),
                Failure::Refused | Failure::Half => {
                    return Err(io::Error::other("refused as told"));
                }
                Failure::Full => self.state = Health::Full,
                Failure::Dead => self.state = Health::Dead,
            }
        }
        match self.state {
            Health::Well => Ok(false),
            Health::Full if needs == Needs::Nothing => Ok(false),
            Health::Full => Err(io::ErrorKind::StorageFull.into()),
            Health::Dead => Err(io::Error::other("the disk is dead")),
        }
    }

    fn content(&mut self, id: u64) -> io::Result<&mut Content> {
        self.contents.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Files for MemoryFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut folder = self.lock();
        if folder.step(Needs::Space)? {
            return Err(io::Error::other("refused as told"));
        }
        let id = folder.next;
        folder.next += 1;
        folder.contents.insert(id, Content::default());
        folder.names.insert(name.to_owned(), id);
        Ok(Box::new(MemoryFile { folder: self.clone(), id }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let folder = self.lock();
        let id = *folder.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(MemoryFile { folder: self.clone(), id }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut folder = self.lock();
        folder.step(Needs::Nothing)?;
        folder.names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut folder = self.lock();
        folder.step(Needs::Nothing)?;
        folder.names_synced = folder.names.clone();
        Ok(())
    }
}

struct MemoryFile {
    folder: MemoryFiles,
    id: u64,
}

impl File for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.folder.lock().content(self.id)?.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut folder = self.folder.lock();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = &folder.content(self.id)?.bytes;
        let found = bytes.get(start..start + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut folder = self.folder.lock();
        let half = folder.step(Needs::Space)?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = if half { bytes.split_at(bytes.len() / 2).0 } else { bytes };
        let content = &mut folder.content(self.id)?.bytes;
        let end = start + bytes.len();
        content.resize(content.len().max(end), 0);
        if let Some(place) = content.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
        if half { Err(io::Error::other("half of it, as told")) } else { Ok(()) }
    }

    fn cut(&mut self, size: u64) -> io::Result<()> {
        let mut folder = self.folder.lock();
        folder.step(Needs::Nothing)?;
        let size = usize::try_from(size).map_err(io::Error::other)?;
        folder.content(self.id)?.bytes.truncate(size);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut folder = self.folder.lock();
        folder.step(Needs::Nothing)?;
        let content = folder.content(self.id)?;
        content.synced = content.bytes.clone();
        Ok(())
    }
}
