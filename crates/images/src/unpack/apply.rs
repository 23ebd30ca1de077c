//! Applies a layer's archive to the root directory, in the form that overlayfs mounts.
//!
//! Runs inside the confined helper, whose root is the layer: a path can lead nowhere else, so
//! links are followed as the image's own programs would follow them. The last part of a path is
//! never followed. A whiteout becomes a character device 0:0, an opaque directory gets the
//! attribute `trusted.overlay.opaque`.
//!
//! Source: OCI image specification, "Applying Changesets"; Linux, `filesystems/overlayfs`.

mod node;
mod path;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use tar::{Entry, EntryType};

use self::node::{Attributes, Existing};
use self::path::{Name, Step};
use super::Refusal;
use super::stream::{Archive, Meter};

/// Bytes copied at a time.
const COPY_BYTES: usize = 128 << 10;

/// Applies entries and remembers what can only be done when all are there.
pub(super) struct Applier {
    meter: Meter,
    entries_max: u64,
    entries: u64,
    bytes: u64,
    buffer: Vec<u8>,
    /// Times of directories, which every entry made inside would change.
    times: BTreeMap<Name, u64>,
}

impl Applier {
    pub(super) fn new(meter: Meter, entries_max: u64) -> Self {
        Self {
            meter,
            entries_max,
            entries: 0,
            bytes: 0,
            buffer: vec![0; COPY_BYTES],
            times: BTreeMap::new(),
        }
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Applies every entry of the archive, in order: a later one replaces an earlier one.
    pub(super) fn apply(&mut self, archive: &mut Archive) -> Result<(), Refusal> {
        let damaged = |it: std::io::Error| Refusal::Damaged(it.to_string());
        let mut archive = tar::Archive::new(archive);
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            self.entries += 1;
            if self.entries > self.entries_max {
                return Err(Refusal::Limit { limit: "entries".into(), allowed: self.entries_max });
            }
            let shown = String::from_utf8_lossy(&entry.path_bytes()).chars().take(200).collect();
            self.apply_entry(&mut entry).map_err(|problem| problem.about(shown))?;
        }
        Ok(())
    }

    /// Sets the times of directories, innermost last to change.
    pub(super) fn finish(&mut self) -> Result<(), Refusal> {
        for (name, mtime) in std::mem::take(&mut self.times) {
            // A directory that a later entry replaced has no time to keep.
            if node::existing(&name).is_ok_and(|it| matches!(it, Existing::Directory)) {
                node::set_time(&name, mtime).map_err(|it| it.about(name.to_string()))?;
            }
        }
        Ok(())
    }

    fn apply_entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), Problem> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let attributes = node::attributes(entry)?;
        let bytes = entry.path_bytes();
        let is_directory = kind.is_dir() || (kind == EntryType::Regular && bytes.ends_with(b"/"));
        let step = path::step(&bytes)?;
        drop(bytes);
        match step {
            Step::Root if is_directory => {
                self.times.insert(Name::root(), attributes.mtime);
                node::set_attributes(&Name::root(), &attributes)
            }
            Step::Root => Err(Problem::said("would replace the root directory")),
            Step::Skip => Ok(()),
            Step::Opaque(parent) => {
                node::make_parents(&parent.child())?;
                node::set_opaque(&parent)
            }
            Step::Whiteout(name) => whiteout(&name),
            Step::Make(name) => {
                node::make_parents(&name)?;
                if is_directory {
                    self.times.insert(name.clone(), attributes.mtime);
                    return directory(&name, &attributes);
                }
                self.make(entry, kind, &name, &attributes)
            }
        }
    }

    fn make<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        kind: EntryType,
        name: &Name,
        attributes: &Attributes,
    ) -> Result<(), Problem> {
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                node::clear(name)?;
                self.file(entry, name)?;
            }
            EntryType::Link => {
                // The target is looked up first: an entry may link to what it replaces.
                return node::link(&path::target(&link_name(entry)?)?, name);
            }
            EntryType::Symlink => {
                node::clear(name)?;
                node::symlink(&link_name(entry)?, name)?;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                node::clear(name)?;
                node::device(entry.header(), name)?;
            }
            _ => return Err(Problem::said("is of a type that layers do not have")),
        }
        node::set_attributes(name, attributes)?;
        node::set_time(name, attributes.mtime)
    }

    fn file<R: Read>(&mut self, entry: &mut Entry<'_, R>, name: &Name) -> Result<(), Problem> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(name.path())
            .map_err(Problem::failed("create it"))?;
        let size = entry.size();
        let mut copied = 0;
        loop {
            let count = entry
                .read(&mut self.buffer)
                .map_err(|it| Problem::Damaged(format!("in the middle of a file: {it}")))?;
            let Some(some) = self.buffer.get(..count).filter(|it| !it.is_empty()) else { break };
            copied += count as u64;
            self.bytes += count as u64;
            self.meter.check(self.bytes).map_err(Problem::Other)?;
            file.write_all(some).map_err(Problem::failed("write it"))?;
        }
        // A sparse file's size is that of its data in the header, of its expansion when read.
        if copied < size {
            return Err(Problem::Damaged("it ends in the middle of a file".into()));
        }
        Ok(())
    }
}

/// Hides a name of the layers below.
///
/// A whiteout never hides what its own layer holds, whichever comes first in the archive: a
/// directory of this layer shows alone, a file hides what is below by being there.
fn whiteout(name: &Name) -> Result<(), Problem> {
    node::make_parents(name)?;
    match node::existing(name)? {
        Existing::Nothing => node::make_whiteout(name),
        Existing::Directory => node::set_opaque(name),
        Existing::Whiteout | Existing::Other => Ok(()),
    }
}

/// Makes a directory, or gives the one that is there its attributes.
fn directory(name: &Name, attributes: &Attributes) -> Result<(), Problem> {
    match node::existing(name)? {
        Existing::Directory => {}
        Existing::Whiteout => node::replace_whiteout(name)?,
        Existing::Nothing => node::make_directory(name)?,
        Existing::Other => {
            node::clear(name)?;
            node::make_directory(name)?;
        }
    }
    node::set_attributes(name, attributes)
}

fn link_name<R: Read>(entry: &Entry<'_, R>) -> Result<Vec<u8>, Problem> {
    match entry.link_name_bytes() {
        Some(it) if !it.is_empty() => Ok(it.into_owned()),
        _ => Err(Problem::said("is a link to nothing")),
    }
}

/// What is wrong with one entry; its name is added by who knows it.
#[derive(Debug)]
enum Problem {
    Said(String),
    Failed(&'static str, std::io::Error),
    Damaged(String),
    Other(Refusal),
}

impl Problem {
    fn said(text: &str) -> Self {
        Self::Said(text.to_owned())
    }

    fn failed(attempted: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |it| Self::Failed(attempted, it)
    }

    fn about(self, path: String) -> Refusal {
        use std::io::ErrorKind as Kind;
        match self {
            Self::Said(problem) => Refusal::Entry { path, problem },
            Self::Damaged(text) => Refusal::Damaged(text),
            Self::Other(refusal) => refusal,
            Self::Failed(what, it)
                if matches!(
                    it.kind(),
                    Kind::StorageFull | Kind::QuotaExceeded | Kind::ReadOnlyFilesystem
                ) =>
            {
                Refusal::Machine { attempted: format!("{what} ({path})"), problem: it.to_string() }
            }
            Self::Failed(what, it) => {
                Refusal::Entry { path, problem: format!("cannot be made: {what}: {it}") }
            }
        }
    }
}
