//! A disk whose syncs take a given time, for measuring what group commit hides.

use core::time::Duration;
use std::io;
use std::sync::Arc;

use super::{Disk, DiskFile};

/// Another disk, but a sync takes exactly the given time and makes nothing durable.
///
/// For benches only: with zero it is an instant disk, with 4 ms a busy one.
pub struct SlowDisk {
    inner: Arc<dyn Disk>,
    sync: Duration,
}

struct SlowFile {
    inner: Box<dyn DiskFile>,
    sync: Duration,
}

impl SlowDisk {
    /// The same files, with syncs that take this long.
    pub fn new(inner: Arc<dyn Disk>, sync: Duration) -> Self {
        Self { inner, sync }
    }

    fn slow(&self, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(SlowFile { inner, sync: self.sync })
    }
}

/// Takes as long as a sync would. Zero does not even yield.
fn wait(time: Duration) {
    if !time.is_zero() {
        std::thread::sleep(time);
    }
}

impl Disk for SlowDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.slow(self.inner.create(name)?))
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.inner.open_to_read(name)
    }

    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.slow(self.inner.open_to_write(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn sync_folder(&self) -> io::Result<()> {
        wait(self.sync);
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        self.inner.lock()
    }
}

impl DiskFile for SlowFile {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.inner.truncate(size)
    }

    fn preallocate(&mut self, size: u64) -> io::Result<()> {
        self.inner.preallocate(size)
    }

    fn sync(&mut self) -> io::Result<()> {
        wait(self.sync);
        Ok(())
    }
}
