//! Who needs which image: `holds/<holder>`, one file for each task, and pins for work under way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable;
use super::error::{StoreError, failed};
use crate::Digest;

/// Longest name of a holder.
const HOLDER_BYTES_MAX: usize = 128;

/// One image that a holder needs. The layers are written down too, so that they stay even if
/// the documents that name them are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    /// Names of directories.
    pub(crate) layers: Vec<String>,
}

/// All that a holder needs, by image name as asked.
pub(crate) type Holding = BTreeMap<String, Held>;

/// The holds of a store. Writers hold the store's lock.
#[derive(Debug, Clone)]
pub(crate) struct Holds {
    directory: PathBuf,
    pins: PathBuf,
    work: PathBuf,
}

/// Keeps content from being collected while it is not yet named; ends with its owner.
#[derive(Debug)]
pub(crate) struct Pin {
    path: PathBuf,
    _locked: File,
}

impl Drop for Pin {
    fn drop(&mut self) {
        // If this fails the collector removes it: its lock is gone with us.
        let _ = fs::remove_file(&self.path);
    }
}

impl Holds {
    pub(crate) fn new(root: &Path) -> Self {
        Self { directory: root.join("holds"), pins: root.join("pins"), work: root.join("work") }
    }

    /// A holder's file, if the name will do.
    fn path(&self, holder: &str) -> Result<PathBuf, StoreError> {
        let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-');
        let fits = !holder.is_empty()
            && holder.len() <= HOLDER_BYTES_MAX
            && !holder.starts_with('.')
            && holder.bytes().all(plain);
        fits.then(|| self.directory.join(holder)).ok_or_else(|| StoreError::Holder(holder.into()))
    }

    /// What a holder holds; nothing if it is unknown.
    pub(crate) fn read(&self, holder: &str) -> Result<Holding, StoreError> {
        let path = self.path(holder)?;
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|it| StoreError::Table { path: path.clone(), problem: it.to_string() }),
            Err(it) if it.kind() == io::ErrorKind::NotFound => Ok(Holding::new()),
            Err(it) => Err(failed("read", &path)(it)),
        }
    }

    pub(crate) fn write(&self, holder: &str, holding: &Holding) -> Result<(), StoreError> {
        let path = self.path(holder)?;
        let bytes = serde_json::to_vec(holding).expect("plain values");
        durable::replace(&path, &self.work, &bytes).map_err(failed("write", &path))
    }

    pub(crate) fn remove(&self, holder: &str) -> Result<(), StoreError> {
        let path = self.path(holder)?;
        match fs::remove_file(&path) {
            Ok(()) => {
                durable::sync_directory(&self.directory).map_err(failed("sync", &self.directory))
            }
            Err(it) if it.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(it) => Err(failed("remove", &path)(it)),
        }
    }

    /// Everyone who holds something, in order.
    pub(crate) fn holders(&self) -> Result<Vec<String>, StoreError> {
        names(&self.directory)
    }

    /// Pins digests. Taken under the store's lock, before the content is there.
    pub(crate) fn pin(&self, digests: &[Digest]) -> Result<Pin, StoreError> {
        let (path, file) =
            durable::fresh_file(&self.pins, "pin").map_err(failed("write in", &self.pins))?;
        let lines: Vec<_> = digests.iter().map(Digest::to_string).collect();
        // No sync: a pin does not outlive its process.
        file.lock().map_err(failed("lock", &path))?;
        fs::write(&path, lines.join("\n")).map_err(failed("write", &path))?;
        Ok(Pin { path, _locked: file })
    }

    /// Digests pinned by the living; pins of the dead are removed. Under the store's lock.
    pub(crate) fn pinned(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let mut pinned = BTreeSet::new();
        for name in names(&self.pins)? {
            let path = self.pins.join(name);
            let Ok(file) = File::open(&path) else { continue };
            if file.try_lock().is_ok() {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
                continue;
            }
            let text = match fs::read_to_string(&path) {
                Ok(it) => it,
                Err(it) if it.kind() == io::ErrorKind::NotFound => continue,
                Err(it) => return Err(failed("read", &path)(it)),
            };
            pinned.extend(text.lines().filter_map(|it| Digest::parse(it).ok()));
        }
        Ok(pinned)
    }
}

/// The names in a directory, in order.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed("list", directory))? {
        let entry = entry.map_err(failed("list", directory))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}
