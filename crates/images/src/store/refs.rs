//! The table of names: `refs.json`, one file, replaced whole.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable;
use super::error::{StoreError, failed};
use crate::{Digest, Reference};

/// Where an image came from; it decides whether the collector may take it away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// From a registry, which will have it again.
    Pulled,
    /// Loaded from a file or made here. Kept until removed by name: in a place without a
    /// registry nothing could bring it back.
    Loaded,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Index or manifest, as the registry or the archive had it.
    pub(crate) digest: Digest,
    pub(crate) origin: Origin,
    /// Milliseconds since 1970.
    pub(crate) added: i64,
    /// When the tag that meant this came to mean another image: what runs of it, and what is to
    /// run the same, names it by its digest from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) superseded: Option<i64>,
}

/// All names, full form.
pub(crate) type Refs = BTreeMap<String, Entry>;

#[derive(Default, Serialize, Deserialize)]
struct Document {
    /// Of the form of this file.
    version: u32,
    images: Refs,
}

/// The table's form that this program writes.
const VERSION: u32 = 1;

/// The table on disk. Writers hold the store's lock.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    path: PathBuf,
    work: PathBuf,
}

impl Table {
    pub(crate) fn new(root: &Path) -> Self {
        Self { path: root.join("refs.json"), work: root.join("work") }
    }

    pub(crate) fn read(&self) -> Result<Refs, StoreError> {
        let bytes = match fs::read(&self.path) {
            Ok(it) => it,
            Err(it) if it.kind() == io::ErrorKind::NotFound => return Ok(Refs::new()),
            Err(it) => return Err(failed("read", &self.path)(it)),
        };
        let unreadable = |problem: String| StoreError::Table { path: self.path.clone(), problem };
        let document: Document =
            serde_json::from_slice(&bytes).map_err(|it| unreadable(it.to_string()))?;
        if document.version > VERSION {
            return Err(unreadable(format!(
                "it is of form {}, newer than this program",
                document.version
            )));
        }
        Ok(document.images)
    }

    pub(crate) fn write(&self, images: Refs) -> Result<(), StoreError> {
        let document = Document { version: VERSION, images };
        let bytes = serde_json::to_vec_pretty(&document).expect("plain values");
        durable::replace(&self.path, &self.work, &bytes).map_err(failed("write", &self.path))
    }
}

/// Makes a name mean an image. A tag that meant another one leaves that under its digest, until the
/// collector finds it long unused: tasks that are to run the very same may come still.
pub(crate) fn set(refs: &mut Refs, reference: &Reference, entry: Entry) {
    let name = reference.to_string();
    let exact = |digest| reference.exactly(digest).to_string();
    if !matches!(reference.version(), crate::Version::Digest(_)) {
        // It has a tag again.
        let again = exact(entry.digest);
        if refs.get(&again).is_some_and(|it| it.superseded.is_some()) {
            refs.remove(&again);
        }
        if let Some(before) = refs.get(&name).filter(|it| it.digest != entry.digest).cloned() {
            let kept = Entry { superseded: Some(entry.added), ..before };
            refs.entry(exact(kept.digest)).or_insert(kept);
        }
    }
    refs.insert(name, entry);
}

/// What a reference means in this table: its own name, or, if it names a digest, any name of the
/// same repository that has this digest.
pub(crate) fn find<'a>(refs: &'a Refs, reference: &Reference) -> Option<(&'a String, &'a Entry)> {
    if let Some(found) = refs.get_key_value(&reference.to_string()) {
        return Some(found);
    }
    let crate::Version::Digest(digest) = reference.version() else { return None };
    let repository = reference.name();
    refs.iter().find(|(name, entry)| {
        entry.digest == *digest
            && name.strip_prefix(&repository).is_some_and(|it| it.starts_with([':', '@']))
    })
}
