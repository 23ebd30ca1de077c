//! The only way of the journal to files: one flat folder, as little of it as the journal needs.
//!
//! [`RealDisk`] is a folder of this machine, [`SimDisk`] one in memory that crashes and fails as
//! told, [`SlowDisk`] one whose syncs take a given time.

mod real;
mod sim;
mod slow;

use std::io;

pub use real::RealDisk;
pub use sim::{Failure, Loss, SimDisk, Step};
pub use slow::SlowDisk;

/// A folder of files.
///
/// A new, renamed or removed name is durable after [`Disk::sync_folder`], and not before.
pub trait Disk: Send + Sync {
    /// Makes a new, empty file; an error if there is one of this name.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read it.
    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read and write it.
    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, taking the place of a file that had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all files, in order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes durable which names there are.
    fn sync_folder(&self) -> io::Result<()>;

    /// Keeps other processes out until the guard is dropped; `WouldBlock` if one is in already.
    fn lock(&self) -> io::Result<Box<dyn Send>>;
}

/// An open file. What was written is durable after [`DiskFile::sync`], and not before.
pub trait DiskFile: Send {
    /// Its size in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Fills the buffer from an offset; `UnexpectedEof` if the file ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes at an offset, all of it.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to a size.
    fn truncate(&mut self, size: u64) -> io::Result<()>;

    /// Makes sure that the file can grow to a size without running out of space. Does not change
    /// its size.
    fn preallocate(&mut self, size: u64) -> io::Result<()>;

    /// Makes durable what was written.
    fn sync(&mut self) -> io::Result<()>;
}
