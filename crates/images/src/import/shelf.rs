//! The files of an archive, staged where the store can take them over without another copy.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::ImportError;
use crate::Digest;
use crate::manifest::{Document, MANIFEST_BYTES_MAX};
use crate::store::{Blobs, Loose, Progress, Scratch, Store};
use crate::unpack::Compression;

/// Most entries of an archive.
const ENTRIES_MAX: u64 = 100_000;
/// Most bytes of an archive, uncompressed.
const ARCHIVE_BYTES_MAX: u64 = 256 << 30;
/// Most links from name to name; old archives have one.
const LINKS_MAX: usize = 4;

/// What lies under a name.
enum Item {
    Content(Rc<Loose>),
    /// Another name.
    Link(String),
}

/// The files of one archive or directory.
///
/// Archives have their documents before or after what these name, and compressed ones cannot be
/// read twice, so every file is staged as it comes; what no image needs goes when the shelf does.
pub(super) struct Shelf<'a> {
    store: &'a Store,
    path: PathBuf,
    scratch: Scratch,
    items: RefCell<BTreeMap<String, Item>>,
    by_digest: RefCell<BTreeMap<Digest, Rc<Loose>>>,
    /// Set for a directory, whose files are staged when they are asked for.
    directory: Option<PathBuf>,
    bytes_read: Rc<Cell<u64>>,
    bytes_total: u64,
}

impl<'a> Shelf<'a> {
    /// Reads a whole archive, or looks at a directory.
    pub(super) fn fill(
        store: &'a Store,
        path: &Path,
        progress: &dyn Fn(Progress),
    ) -> Result<Self, ImportError> {
        let read = |source| ImportError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        let mut shelf = Self {
            store,
            path: path.to_owned(),
            scratch: store.scratch("import")?,
            items: RefCell::default(),
            by_digest: RefCell::default(),
            directory: metadata.is_dir().then(|| path.to_owned()),
            bytes_read: Rc::default(),
            bytes_total: 0,
        };
        if shelf.directory.is_none() {
            shelf.bytes_total = metadata.len();
            shelf.stage_archive(file, progress)?;
        }
        Ok(shelf)
    }

    pub(super) fn progress(&self) -> Progress {
        let bytes_done = self.bytes_read.get().min(self.bytes_total);
        Progress { bytes_done, bytes_total: self.bytes_total, ..Progress::default() }
    }

    fn stage_archive(&self, file: File, progress: &dyn Fn(Progress)) -> Result<(), ImportError> {
        let damaged = |it: io::Error| ImportError::Damaged {
            path: self.path.clone(),
            problem: it.to_string(),
        };
        let counted = Counted { inner: file, bytes: self.bytes_read.clone() };
        let mut buffered = BufReader::with_capacity(256 << 10, counted);
        let start = buffered.fill_buf().map_err(damaged)?;
        let plain = Compression::sniff(start).decode(buffered).map_err(damaged)?;
        let mut archive = tar::Archive::new(plain.take(ARCHIVE_BYTES_MAX));
        let mut entries = 0;
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            entries += 1;
            if entries > ENTRIES_MAX {
                return Err(ImportError::Limit { limit: "entries", allowed: ENTRIES_MAX });
            }
            if let Some((name, item)) = self.stage_entry(&mut entry)? {
                self.items.borrow_mut().insert(name, item);
            }
            progress(self.progress());
        }
        if archive.into_inner().limit() == 0 {
            return Err(ImportError::Limit { limit: "bytes", allowed: ARCHIVE_BYTES_MAX });
        }
        Ok(())
    }

    fn stage_entry<R: Read>(
        &self,
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<Option<(String, Item)>, ImportError> {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(name) = plain_name(Path::new(&name)) else { return Ok(None) };
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name_bytes().unwrap_or_default();
            let target = PathBuf::from(String::from_utf8_lossy(&target).into_owned());
            // A symbolic link starts at its own directory, a hard link at the root.
            let beside = Path::new(&name).parent().unwrap_or(Path::new(""));
            let target = if kind.is_symlink() { beside.join(target) } else { target };
            return Ok(plain_name(&target).map(|it| (name, Item::Link(it))));
        }
        if !kind.is_file() {
            return Ok(None);
        }
        let size = entry.size();
        let damaged = |problem| ImportError::Damaged { path: self.path.clone(), problem };
        let mut noting = Noting { inner: entry, failure: None };
        let staged = Blobs::stage(&mut noting, &self.scratch);
        if let Some(failure) = noting.failure {
            return Err(damaged(format!("in {name}: {failure}")));
        }
        let loose = staged?;
        if loose.size < size {
            return Err(damaged(format!("it ends in the middle of {name}")));
        }
        Ok(Some((name, Item::Content(self.remember(loose)))))
    }

    fn remember(&self, loose: Loose) -> Rc<Loose> {
        let loose = Rc::new(loose);
        self.by_digest.borrow_mut().insert(loose.digest, loose.clone());
        loose
    }

    /// Whether there is something under this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.items.borrow().contains_key(name)
            || self.directory.as_ref().is_some_and(|it| it.join(name).is_file())
    }

    /// What lies under a name, links followed.
    pub(super) fn named(&self, name: &str) -> Result<Rc<Loose>, ImportError> {
        let missing = |name: &str| ImportError::Content {
            name: name.chars().take(200).collect(),
            problem: "is missing".into(),
        };
        let mut at = plain_name(Path::new(name)).ok_or_else(|| missing(name))?;
        for _ in 0..=LINKS_MAX {
            let next = match self.items.borrow().get(&at) {
                Some(Item::Content(loose)) => return Ok(loose.clone()),
                Some(Item::Link(next)) => next.clone(),
                None => break,
            };
            at = next;
        }
        let directory = self.directory.as_ref().ok_or_else(|| missing(name))?;
        let mut file = File::open(directory.join(&at)).map_err(|_| missing(name))?;
        let loose = self.remember(Blobs::stage(&mut file, &self.scratch)?);
        self.items.borrow_mut().insert(at, Item::Content(loose.clone()));
        Ok(loose)
    }

    /// A document under a name.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, ImportError> {
        self.bytes(&*self.named(name)?)
    }

    /// Adds a document that the archive does not have.
    pub(super) fn add(&self, document: &[u8]) -> Result<Digest, ImportError> {
        let loose = Blobs::stage(&mut Cursor::new(document), &self.scratch)?;
        Ok(self.remember(loose).digest)
    }

    /// An index or manifest by its digest.
    pub(super) fn document(&self, digest: &Digest) -> Result<Document, ImportError> {
        Ok(Document::parse(&self.bytes(&*self.content(digest)?)?)?)
    }

    /// Makes content a blob of the store.
    pub(super) fn keep(&self, digest: &Digest) -> Result<(), ImportError> {
        if self.store.blobs().has(digest) {
            return Ok(());
        }
        Ok(self.store.blobs().name(&*self.content(digest)?)?)
    }

    fn content(&self, digest: &Digest) -> Result<Rc<Loose>, ImportError> {
        if let Some(found) = self.by_digest.borrow().get(digest) {
            return Ok(found.clone());
        }
        let name = format!("blobs/sha256/{}", digest.hex());
        let loose = self.named(&name)?;
        if loose.digest == *digest {
            return Ok(loose);
        }
        let problem = format!("is not what its name says: its digest is {}", loose.digest);
        Err(ImportError::Content { name, problem })
    }

    fn bytes(&self, loose: &Loose) -> Result<Vec<u8>, ImportError> {
        if loose.size > MANIFEST_BYTES_MAX {
            let allowed = MANIFEST_BYTES_MAX;
            return Err(ImportError::Limit { limit: "bytes in a document", allowed });
        }
        let read = |source| ImportError::Read { path: self.path.clone(), source };
        let mut bytes = Vec::new();
        loose.open()?.read_to_end(&mut bytes).map_err(read)?;
        Ok(bytes)
    }
}

/// A path without `.` and `..`; none if it leads out.
fn plain_name(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(it) => parts.push(it.to_str()?),
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Notes that reading failed, which is the archive's fault; writing is the machine's.
struct Noting<R> {
    inner: R,
    failure: Option<String>,
}

impl<R: Read> Read for Noting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|it| self.failure = Some(it.to_string()))
    }
}

/// Counts what is read of the file, for the progress.
struct Counted<R> {
    inner: R,
    bytes: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes.set(self.bytes.get() + count as u64);
        Ok(count)
    }
}
