//! Content by digest: `blobs/sha256/<hex>`, written once, never changed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::claim::{Afterwards, Claim};
use super::durable;
use super::error::{StoreError, failed};
use super::scratch::Scratch;
use crate::Digest;
use crate::digest::Hashing;

/// The blobs of a store.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    directory: PathBuf,
    work: PathBuf,
}

/// A blob that is written but has no name yet; removed unless it gets one.
#[derive(Debug)]
pub(crate) struct Loose {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    path: PathBuf,
}

impl Loose {
    /// Opens it, wherever it lies.
    pub(crate) fn open(&self) -> Result<File, StoreError> {
        File::open(&self.path).map_err(failed("open", &self.path))
    }
}

impl Drop for Loose {
    fn drop(&mut self) {
        // Gone when it got its name; else garbage, which the collector finds if this fails.
        let _ = fs::remove_file(&self.path);
    }
}

impl Blobs {
    pub(crate) fn new(root: &Path) -> Self {
        Self { directory: root.join("blobs/sha256"), work: root.join("work") }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(digest.hex())
    }

    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    /// Opens a blob of any size; its bytes were checked when they came.
    pub(crate) fn open(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.path(digest);
        File::open(&path).map_err(|it| match it.kind() {
            io::ErrorKind::NotFound => missing(digest),
            _ => failed("open", &path)(it),
        })
    }

    /// Reads a small blob whole and checks it again: it decides what runs.
    pub(crate) fn read(&self, digest: &Digest, most: u64) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.open(digest)?
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(failed("read", &self.path(digest)))?;
        if Digest::of(&bytes) != *digest {
            return Err(StoreError::Broken {
                digest: *digest,
                problem: "has changed on disk".into(),
            });
        }
        Ok(bytes)
    }

    /// Keeps a small document.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        if !path.exists() {
            durable::replace(&path, &self.work, bytes).map_err(failed("write", &path))?;
        }
        Ok(digest)
    }

    /// Writes a stream to a file in `scratch`; [`Blobs::name`] makes it a blob.
    pub(crate) fn stage(from: &mut dyn Read, scratch: &Scratch) -> Result<Loose, StoreError> {
        Self::stage_by(&mut |mut to| io::copy(from, &mut to).map(|_| ()), scratch)
    }

    /// The same for what is not read but made.
    pub(crate) fn stage_by(
        make: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        scratch: &Scratch,
    ) -> Result<Loose, StoreError> {
        let within = scratch.path();
        let (path, file) =
            durable::fresh_file(within, "loose").map_err(failed("write in", within))?;
        // From here on the file goes with the value.
        let mut loose = Loose { digest: Digest::of(b""), size: 0, path };
        let write = || -> io::Result<Hashing<BufWriter<File>>> {
            let mut to = Hashing::new(BufWriter::with_capacity(256 << 10, file));
            make(&mut to)?;
            to.flush()?;
            to.inner.get_ref().sync_all()?;
            Ok(to)
        };
        let written = write().map_err(failed("write", &loose.path))?;
        loose.size = written.hasher.bytes;
        loose.digest = written.hasher.finish();
        Ok(loose)
    }

    /// Gives a staged blob its name.
    pub(crate) fn name(&self, loose: &Loose) -> Result<(), StoreError> {
        let path = self.path(&loose.digest);
        if path.exists() {
            return Ok(());
        }
        durable::rename(&loose.path, &path).map_err(failed("keep", &path))
    }

    /// Waits to be the one who downloads a blob. The claim's file holds what came so far.
    pub(crate) async fn claim_download(&self, digest: &Digest) -> Result<Claim, StoreError> {
        let path = self.work.join(format!("{}.part", digest.hex()));
        Claim::ask(&path, Afterwards::Keep).await.map_err(failed("claim", &path))
    }

    /// Gives a finished download its name.
    pub(crate) fn name_download(&self, claim: &Claim, digest: &Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        durable::place(&claim.file, claim.path(), &path).map_err(failed("keep", &path))
    }
}

fn missing(digest: &Digest) -> StoreError {
    StoreError::Broken { digest: *digest, problem: "is missing".into() }
}
