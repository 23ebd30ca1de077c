//! Who needs which image, and when it was last needed: `holds/<holder>`, `used/<hex>`; and pins
//! for work under way.
//!
//! None of this is synced: a task that holds an image does not outlive the machine either, and
//! starting one should not wait for the disk. What a power cut leaves unreadable is said, and
//! goes with the next [`Holds::remove`].

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::durable;
use super::error::{StoreError, failed};
use crate::Digest;

/// Longest name of a holder.
const HOLDER_BYTES_MAX: usize = 128;

/// One image that a holder needs. The layers are written down too, so that they stay even if
/// the documents that name them are lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    /// Names of directories.
    pub(crate) layers: Vec<String>,
}

/// All that a holder needs. One name may stand for several images, if it came to mean another
/// while the holder was at it.
pub(crate) type Holding = BTreeSet<Held>;

/// The holds of a store. Writers hold the store's lock.
#[derive(Debug, Clone)]
pub(crate) struct Holds {
    directory: PathBuf,
    pins: PathBuf,
    used: PathBuf,
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
        Self {
            directory: root.join("holds"),
            pins: root.join("pins"),
            used: root.join("used"),
            work: root.join("work"),
        }
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
        durable::replace_unsynced(&path, &self.work, &bytes).map_err(failed("write", &path))
    }

    pub(crate) fn remove(&self, holder: &str) -> Result<(), StoreError> {
        let path = self.path(holder)?;
        match fs::remove_file(&path) {
            Err(it) if it.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(it)),
            _ => Ok(()),
        }
    }

    /// Notes that an image is used: in the time of an empty file, which is the cheapest write
    /// there is.
    pub(crate) fn touch(&self, digest: &Digest, now: Timestamp) -> Result<(), StoreError> {
        let path = self.used.join(digest.hex());
        let since = Duration::from_millis(u64::try_from(now.0).unwrap_or(0));
        File::create(&path)
            .and_then(|it| it.set_modified(UNIX_EPOCH + since))
            .map_err(failed("touch", &path))
    }

    /// When an image was last used; none if that is not known any more.
    pub(crate) fn used(&self, digest: &Digest) -> Option<Timestamp> {
        let changed = fs::metadata(self.used.join(digest.hex())).ok()?.modified().ok()?;
        let since = changed.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(Timestamp)
    }

    /// Forgets the use of images that have no name any more.
    pub(crate) fn forget(&self, named: &BTreeSet<Digest>) -> Result<(), StoreError> {
        for name in names(&self.used)? {
            if !Digest::from_hex(&name).is_some_and(|it| named.contains(&it)) {
                let path = self.used.join(name);
                fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(())
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
