//! Carries a body from one connection to another.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice, Write as _};

use tokio::io::AsyncWrite as _;

use super::body::{Decoder, Framing, Malformed};
use super::input::Input;
use crate::limits;
use crate::stream::{Stream, poll_read};

/// How much is read at once for someone who takes it slowly, so that many of them cost little.
const SLOW_READ: usize = 16 * 1024;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Coding {
    /// As it is.
    #[default]
    Plain,
    /// In chunks, with trailers.
    Chunked,
}

/// Why a body did not come through.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Who sends it is gone or has failed, or ended too early.
    From,
    /// Who takes it is gone or has failed.
    To,
    /// It says something that it must not.
    Malformed,
}

/// Carries one body, and the head before it.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub(crate) struct Pump {
    decoder: Decoder,
    coding: Coding,
    /// What is to be written first: the head, then what could not be written at once.
    backlog: Vec<u8>,
    written: usize,
    has_ended: bool,
    is_slow: bool,
    has_early: bool,
    /// Bytes written, head included.
    pub(crate) carried: u64,
    /// Whether bytes have moved since that was last asked.
    moved: bool,
}

impl Default for Pump {
    fn default() -> Self {
        Self {
            decoder: Decoder::new(Framing::Empty),
            coding: Coding::Plain,
            backlog: Vec::new(),
            written: 0,
            has_ended: false,
            is_slow: false,
            has_early: false,
            carried: 0,
            moved: false,
        }
    }
}

impl Pump {
    /// Begins with another message. The head is what [`Self::head`] then takes.
    pub(crate) fn begin(&mut self, framing: Framing, coding: Coding) {
        let mut backlog = core::mem::take(&mut self.backlog);
        backlog.clear();
        let has_ended = framing == Framing::Empty;
        *self =
            Self { decoder: Decoder::new(framing), coding, backlog, has_ended, ..Self::default() };
    }

    /// Goes on with another message after what is still to be written.
    pub(crate) fn go_on(&mut self, framing: Framing, coding: Coding) {
        self.decoder = Decoder::new(framing);
        self.coding = coding;
        self.has_ended = framing == Framing::Empty;
    }

    /// Where the message's head is to be written, before the pump is polled.
    pub(crate) fn head(&mut self) -> &mut Vec<u8> {
        &mut self.backlog
    }

    /// Whether nothing has been written, nor is to be written before the message itself.
    pub(crate) fn is_untouched(&self) -> bool {
        self.carried == 0 && !self.has_early
    }

    /// Notes that what is to be written now comes before the message itself.
    pub(crate) fn note_early(&mut self) {
        self.has_early = true;
    }

    /// Whether only its sender can bring the body on.
    pub(crate) fn is_waiting_to_read(&self) -> bool {
        !self.decoder.is_done() && self.written >= self.backlog.len()
    }

    /// Whether all of the message is in the backlog, so that it may be written once more.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.has_ended && self.carried <= self.backlog.len() as u64
    }

    /// Begins again from the first byte.
    pub(crate) fn repeat(&mut self) {
        self.written = 0;
        self.carried = 0;
    }

    /// Whether all of the body has been read.
    pub(crate) fn has_read_all(&self) -> bool {
        self.decoder.is_done()
    }

    /// Whether bytes have moved since the last question.
    pub(crate) fn take_moved(&mut self) -> bool {
        core::mem::take(&mut self.moved)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.backlog.capacity()
    }

    /// Gives back memory that an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.written >= self.backlog.len() {
            self.backlog = Vec::new();
            self.written = 0;
        }
    }

    /// Carries until all is written, or nothing can be done now. `input` is what of the sender's
    /// bytes has been read already; what comes after the body is left in it.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        input: &mut Input,
        to: &mut Stream,
        scratch: &mut [u8],
    ) -> Poll<Result<(), Broken>> {
        loop {
            if !input.is_empty() && !self.decoder.is_done() {
                let used = self.take(cx, input.rest(), to)?;
                input.advance(used);
                continue;
            }
            if self.decoder.is_done() && !self.has_ended {
                self.end();
            }
            ready!(self.poll_backlog(cx, to))?;
            if self.has_ended {
                ready!(Pin::new(to).poll_flush(cx)).map_err(|_| Broken::To)?;
                return Poll::Ready(Ok(()));
            }
            let room = if self.is_slow { SLOW_READ } else { scratch.len() };
            let room = room.min(self.decoder.read_limit());
            let space = scratch.get_mut(..room).unwrap_or_default();
            let count = match poll_read(from, cx, space) {
                Poll::Ready(read) => read.map_err(|_| Broken::From)?,
                Poll::Pending => {
                    // What is written must leave, also where TLS keeps it.
                    ready!(Pin::new(to).poll_flush(cx)).map_err(|_| Broken::To)?;
                    return Poll::Pending;
                }
            };
            self.moved = true;
            if count == 0 {
                if !self.decoder.may_end() {
                    return Poll::Ready(Err(Broken::From));
                }
                self.end();
                continue;
            }
            let read = scratch.get(..count).unwrap_or_default();
            let used = self.take(cx, read, to)?;
            input.push(read.get(used..).unwrap_or_default());
        }
    }

    /// Takes what of `read` belongs to the body, writes what can be written, keeps the rest of it.
    /// Answers how many bytes belong to the body.
    pub(crate) fn take(
        &mut self,
        cx: &mut Context<'_>,
        read: &[u8],
        to: &mut Stream,
    ) -> Result<usize, Broken> {
        let mut at = 0;
        while at < read.len() {
            let rest = read.get(at..).unwrap_or_default();
            let (used, data) = self.decoder.next(rest).map_err(|Malformed| Broken::Malformed)?;
            if used == 0 {
                break;
            }
            at += used;
            let data = rest.get(data).unwrap_or_default();
            if data.is_empty() {
                continue;
            }
            match self.coding {
                Coding::Plain => self.write(cx, data, to)?,
                Coding::Chunked => {
                    write!(self.backlog, "{:x}\r\n", data.len()).map_err(|_| Broken::To)?;
                    self.backlog.extend_from_slice(data);
                    self.backlog.extend_from_slice(b"\r\n");
                }
            }
        }
        Ok(at)
    }

    fn end(&mut self) {
        self.has_ended = true;
        if self.coding == Coding::Chunked {
            self.backlog.extend_from_slice(b"0\r\n");
            self.backlog.extend_from_slice(self.decoder.trailers());
            self.backlog.extend_from_slice(b"\r\n");
        }
    }

    /// Writes data after the backlog, in one call if that goes; keeps what does not go now.
    fn write(&mut self, cx: &mut Context<'_>, data: &[u8], to: &mut Stream) -> Result<(), Broken> {
        let waiting = self.backlog.get(self.written..).unwrap_or_default();
        let parts = [IoSlice::new(waiting), IoSlice::new(data)];
        let outcome = match waiting.is_empty() {
            true => Pin::new(to).poll_write(cx, data),
            false => Pin::new(to).poll_write_vectored(cx, &parts),
        };
        let count = self.count(outcome)?;
        let of_backlog = count.min(waiting_len(&self.backlog, self.written));
        self.written += of_backlog;
        if self.written >= self.backlog.len() {
            self.backlog.clear();
            self.written = 0;
        }
        let rest = data.get(count - of_backlog..).unwrap_or_default();
        self.is_slow |= !rest.is_empty();
        self.backlog.extend_from_slice(rest);
        Ok(())
    }

    fn count(&mut self, outcome: Poll<io::Result<usize>>) -> Result<usize, Broken> {
        match outcome {
            Poll::Ready(Ok(0) | Err(_)) => Err(Broken::To),
            Poll::Ready(Ok(count)) => {
                self.moved = true;
                self.carried += count as u64;
                Ok(count)
            }
            Poll::Pending => Ok(0),
        }
    }

    /// Writes what is to be written, and nothing more.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Stream,
    ) -> Poll<Result<(), Broken>> {
        ready!(self.poll_backlog(cx, to))?;
        Pin::new(to).poll_flush(cx).map_err(|_| Broken::To)
    }

    fn poll_backlog(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<Result<(), Broken>> {
        while self.written < self.backlog.len() {
            let waiting = self.backlog.get(self.written..).unwrap_or_default();
            let outcome = ready!(Pin::new(&mut *to).poll_write(cx, waiting));
            self.written += self.count(Poll::Ready(outcome))?;
        }
        // A message that may have to be repeated is kept until its answer comes.
        if !self.has_ended {
            self.backlog.clear();
            self.written = 0;
            self.backlog.shrink_to(limits::HEAD_BUFFER);
        }
        Poll::Ready(Ok(()))
    }
}

fn waiting_len(backlog: &[u8], written: usize) -> usize {
    backlog.len() - written.min(backlog.len())
}
