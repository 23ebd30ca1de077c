//! The only way of an archive to files: a folder of this machine, or one in memory that fails and
//! crashes as told.

mod memory;
mod real;

use std::io;

pub use memory::{Failure, MemoryFiles};
pub use real::RealFiles;

/// A folder. A new or removed name is durable after [`Files::sync_names`], and not before.
pub trait Files: Send {
    /// The names of all files, in order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file; takes the place of one that has the name.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Opens a file to read and write it.
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes durable which names there are.
    fn sync_names(&self) -> io::Result<()>;
}

/// An open file. What was written is durable after [`File::sync`], and not before.
pub trait File: Send {
    /// Its size in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Fills the buffer from an offset; `UnexpectedEof` if the file ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes at an offset, all of it.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to a size.
    fn cut(&mut self, size: u64) -> io::Result<()>;

    /// Makes durable what was written.
    fn sync(&mut self) -> io::Result<()>;
}
