//! Gathers what is written until its connection has done all it can do now: many small frames leave
//! in one record of TLS and one call of the system.
//!
//! `h2` flushes each frame of data by itself, so a flush it asks for is not one here. Who polls the
//! connection calls [`Flusher::poll`] afterwards.

use core::cell::RefCell;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};
use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::Stream;

/// How much is gathered at most: what TLS puts into one record.
const GATHERED: usize = 16 * 1024;

/// A stream that gathers what is written.
pub(super) struct Gather(Rc<RefCell<Gathered>>);

/// Writes what was gathered.
pub(super) struct Flusher(Rc<RefCell<Gathered>>);

struct Gathered {
    stream: Stream,
    bytes: Vec<u8>,
    written: usize,
}

/// A stream that gathers, and what lets go of what it has gathered.
pub(super) fn gather(stream: Stream) -> (Gather, Flusher) {
    let gathered = Rc::new(RefCell::new(Gathered { stream, bytes: Vec::new(), written: 0 }));
    (Gather(Rc::clone(&gathered)), Flusher(gathered))
}

impl Flusher {
    /// Writes what was gathered, and flushes.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gathered = &mut *self.0.borrow_mut();
        ready!(gathered.poll_gathered(cx))?;
        Pin::new(&mut gathered.stream).poll_flush(cx)
    }
}

impl Gathered {
    fn poll_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            let rest = self.bytes.get(self.written..).unwrap_or_default();
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.bytes.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gather {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gather {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let gathered = &mut *self.0.borrow_mut();
        if gathered.bytes.len() >= GATHERED {
            ready!(gathered.poll_gathered(cx))?;
        }
        let mut count = 0;
        for part in parts {
            let room = GATHERED.saturating_sub(gathered.bytes.len());
            let taken = part.get(..room.min(part.len())).unwrap_or_default();
            gathered.bytes.extend_from_slice(taken);
            count += taken.len();
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The flusher does it, once.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gathered = &mut *self.0.borrow_mut();
        ready!(gathered.poll_gathered(cx))?;
        Pin::new(&mut gathered.stream).poll_shutdown(cx)
    }
}
