//! Reading pipes of containers without waiting for them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

/// How much is read before others get their turn.
const TURN: usize = 256 * 1024;

/// The reading end of a pipe.
#[derive(Debug)]
pub(super) struct Pipe(OwnedFd);

/// Whether more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    /// It may.
    Perhaps,
    /// Nobody holds the other end any more.
    Never,
}

impl Pipe {
    /// A pipe, and the end to write to.
    pub(super) fn new() -> io::Result<(Self, OwnedFd)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok((Self::of(read)?, write))
    }

    /// Something else to read from in the same way.
    pub(super) fn of(read: OwnedFd) -> io::Result<Self> {
        fcntl_setfl(&read, OFlags::NONBLOCK)?;
        Ok(Self(read))
    }

    /// For the poll set.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Hands over what is there, up to one turn.
    pub(super) fn copy(&self, mut take: impl FnMut(&[u8])) -> More {
        let mut chunk = [0; 16 * 1024];
        let mut copied = 0;
        while copied < TURN {
            match rustix::io::read(&self.0, &mut chunk) {
                Ok(0) => return More::Never,
                Ok(count) => {
                    take(chunk.get(..count).unwrap_or_default());
                    copied += count;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return More::Perhaps,
                Err(_) => return More::Never,
            }
        }
        More::Perhaps
    }

    /// Hands over all that is there. For pipes whose writers have ended: others that still
    /// hold the end cannot keep this going for longer than the pipe is large, many times over.
    pub(super) fn drain(&self, mut take: impl FnMut(&[u8])) {
        let mut left = DRAIN_LIMIT;
        loop {
            let mut got = 0;
            let more = self.copy(|bytes| {
                got += bytes.len();
                take(bytes);
            });
            left = left.saturating_sub(got);
            if more == More::Never || got == 0 || left == 0 {
                return;
            }
        }
    }
}

/// Bytes after which draining stops.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;
