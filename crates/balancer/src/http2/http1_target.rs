//! A stream of an HTTP/2 client, carried to a target that speaks HTTP/1.1.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::Write as _;

use bytes::{Bytes, BytesMut};
use h2::SendStream;
use tokio::io::AsyncWrite as _;
use tokio::time::Instant;

use super::exchange::{Carriage, End, pass_early, pooled};
use super::fields;
use super::server::ClientStream;
use crate::answer::Fault;
use crate::connect::{ConnectError, connect};
use crate::http1::answer_head::{Asked, Malformed};
use crate::http1::body::{Decoder, Framing};
use crate::http1::work::Work;
use crate::limits;
use crate::record::Record;
use crate::rewrite;
use crate::stream::{Stream, poll_read};
use crate::timer::Timer;
use crate::view::Flight;

/// Carries a request to a target. `flight` says to which, and whether a kept connection may be used.
pub(super) async fn carry(
    stream: &mut ClientStream<'_>,
    work: &mut Work,
    record: &mut Record,
    carriage: &Carriage<'_>,
    (flight, may_reuse): (&Flight, bool),
) -> Result<End, ConnectError> {
    let mut head = core::mem::take(work.up.head());
    head.clear();
    let passage = carriage.passage(stream);
    if let Err(fault) = rewrite::request(&mut head, &work.head, &work.head_bytes, &passage) {
        return Ok(End::Fault(fault));
    }
    let kept = if may_reuse { pooled(flight).await } else { None };
    let was_kept = kept.is_some();
    let mut target = match kept {
        Some(target) => target,
        None => {
            let address = flight.target.shared.address.ok_or(ConnectError::Timeout)?;
            let protocol = carriage.forward.group.group.ready.told.protocol;
            let tls = &stream.session.thread.shared.connector.http1;
            connect(address, protocol, tls, limits::connect_within(carriage.attempt)).await?
        }
    };
    work.answer_input.clear();
    let mut exchange = Exchange {
        carriage,
        flight,
        stream,
        target: &mut target,
        work,
        record,
        timer: Timer::default(),
        active: Instant::now(),
        up: Up {
            backlog: head,
            written: 0,
            state: Sending::Body,
            is_untouched: true,
            has_begun: false,
        },
        down: None,
    };
    let end = poll_fn(|cx| exchange.poll(cx)).await;
    let has_uploaded = exchange.up.state == Sending::Done;
    let may_repeat = exchange.up.is_untouched
        && (!exchange.up.has_begun || exchange.work.head.is_idempotent(&exchange.work.head_bytes));
    let backlog = core::mem::take(&mut exchange.up.backlog);
    let sent = exchange.down.as_ref().map_or(0, |it| it.sent);
    record.sent += sent;
    *work.up.head() = backlog;
    let is_clean = has_uploaded && work.answer_input.is_empty() && work.answer.keep_alive;
    if end == End::Answered && is_clean && !flight.target.shared.is_gone() {
        flight.target.pool.give(target, Instant::now());
    }
    match end {
        End::Closed if was_kept && may_repeat => Ok(End::Closed),
        End::Closed => Ok(End::Fault(Fault::BadGateway)),
        end => Ok(end),
    }
}

/// What of the request is to be written.
struct Up {
    backlog: Vec<u8>,
    written: usize,
    state: Sending,
    /// Whether nothing of the client's body has been taken.
    is_untouched: bool,
    /// Whether the target has been sent anything.
    has_begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Body,
    /// All is in the backlog.
    Rest,
    Done,
    /// The target takes no more.
    Failed,
}

/// What of the answer is to be sent.
struct Down {
    send: SendStream<Bytes>,
    decoder: Decoder,
    waiting: BytesMut,
    sent: u64,
}

struct Exchange<'a, 'b> {
    carriage: &'a Carriage<'a>,
    flight: &'a Flight,
    stream: &'a mut ClientStream<'b>,
    target: &'a mut Stream,
    work: &'a mut Work,
    record: &'a mut Record,
    timer: Timer,
    active: Instant,
    up: Up,
    down: Option<Down>,
}

/// What is kept of an answer that its client takes slowly.
const WAITING: usize = 64 * 1024;

impl Exchange<'_, '_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let thread = std::rc::Rc::clone(&self.stream.session.thread);
        let mut scratch = thread.scratch.borrow_mut();
        if let Some(end) = self.step(cx, &mut scratch) {
            return Poll::Ready(end);
        }
        let reset = match &mut self.down {
            Some(down) => down.send.poll_reset(cx),
            None => self.stream.respond.poll_reset(cx),
        };
        if reset.is_ready() {
            return Poll::Ready(End::ClientGone);
        }
        if self.flight.target.shared.is_gone() {
            return Poll::Ready(self.broken(Fault::BadGateway));
        }
        let idle = self.carriage.serving.entrance.balanced.attributes.timeout_idle;
        if self.timer.has_passed(self.active + idle, cx) {
            let fault = match self.up.state {
                Sending::Body if self.up.backlog.is_empty() => Fault::RequestTimeout,
                Sending::Body | Sending::Rest | Sending::Done | Sending::Failed => {
                    Fault::GatewayTimeout
                }
            };
            return Poll::Ready(self.broken(fault));
        }
        Poll::Pending
    }

    fn broken(&self, fault: Fault) -> End {
        if self.down.is_none() { End::Fault(fault) } else { End::Cut }
    }

    fn step(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<End> {
        if let Some(end) = self.upload(cx) {
            return Some(end);
        }
        if self.down.is_none()
            && let Some(end) = self.await_head(cx, scratch)
        {
            return Some(end);
        }
        self.download(cx, scratch)
    }

    fn upload(&mut self, cx: &mut Context<'_>) -> Option<End> {
        loop {
            if matches!(self.up.state, Sending::Done | Sending::Failed) {
                return None;
            }
            while self.up.written < self.up.backlog.len() {
                let rest = self.up.backlog.get(self.up.written..).unwrap_or_default();
                match Pin::new(&mut *self.target).poll_write(cx, rest) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(count)) if count > 0 => {
                        self.up.written += count;
                        self.up.has_begun = true;
                    }
                    Poll::Ready(_) => {
                        self.up.state = Sending::Failed;
                        return None;
                    }
                }
                self.active = Instant::now();
            }
            self.up.backlog.clear();
            self.up.written = 0;
            if Pin::new(&mut *self.target).poll_flush(cx).is_pending() {
                return None;
            }
            if self.up.state == Sending::Rest || self.work.head.framing == Framing::Empty {
                self.up.state = Sending::Done;
                self.record.sent_on.get_or_insert_with(Instant::now);
                return None;
            }
            match self.take_body(cx) {
                Poll::Pending => return None,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(end)) => return Some(end),
            }
        }
    }

    /// Takes what has come of the client's body.
    fn take_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let body = &mut self.stream.body;
        let is_chunked = self.work.head.framing == Framing::Chunked;
        if let Some(data) = core::task::ready!(body.poll_data(cx)) {
            let Ok(data) = data else { return Poll::Ready(Err(End::ClientGone)) };
            self.active = Instant::now();
            self.up.is_untouched = false;
            // The window is given back at once: what waits is limited by what is read.
            let _ = body.flow_control().release_capacity(data.len());
            self.record.received += data.len() as u64;
            if is_chunked && !data.is_empty() {
                // Writing into memory does not fail.
                let _ = write!(self.up.backlog, "{:x}\r\n", data.len());
            }
            self.up.backlog.extend_from_slice(&data);
            if is_chunked && !data.is_empty() {
                self.up.backlog.extend_from_slice(b"\r\n");
            }
            return Poll::Ready(Ok(()));
        }
        let Ok(trailers) = core::task::ready!(body.poll_trailers(cx)) else {
            return Poll::Ready(Err(End::ClientGone));
        };
        if is_chunked {
            self.up.backlog.extend_from_slice(b"0\r\n");
            if let Some(trailers) = trailers {
                let trailers = fields::trailing(&trailers);
                self.up.backlog.extend_from_slice(&fields::lines(&trailers));
            }
            self.up.backlog.extend_from_slice(b"\r\n");
        }
        self.up.state = Sending::Rest;
        Poll::Ready(Ok(()))
    }

    fn await_head(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<End> {
        while self.down.is_none() {
            let Poll::Ready(read) = poll_read(self.target, cx, scratch) else { return None };
            let count = match read {
                Ok(count) if count > 0 => count,
                _ if self.work.answer_input.is_empty() => return Some(End::Closed),
                _ => return Some(End::Fault(Fault::BadGateway)),
            };
            self.active = Instant::now();
            self.work.answer_input.push(scratch.get(..count).unwrap_or_default());
            if let Err(end) = self.take_heads() {
                return Some(end);
            }
        }
        None
    }

    fn take_heads(&mut self) -> Result<(), End> {
        let asked = match self.work.head.method.of(&self.work.head_bytes) {
            b"HEAD" => Asked::Head,
            _ => Asked::Other,
        };
        while self.down.is_none() {
            let Work { answer, answer_input, .. } = &mut *self.work;
            match answer.read(answer_input.rest(), asked) {
                Err(Malformed) => return Err(End::Fault(Fault::BadGateway)),
                Ok(false) => return Ok(()),
                Ok(true) => {}
            }
            let len = answer.len;
            match answer.status {
                101 => return Err(End::Fault(Fault::BadGateway)),
                100..=199 => {
                    let Work { answer, answer_input, .. } = &*self.work;
                    pass_early(&mut self.stream.respond, answer, answer_input.rest());
                }
                _ => self.begin_answer()?,
            }
            self.work.answer_input.advance(len);
        }
        Ok(())
    }

    fn begin_answer(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let Work { answer, answer_input, .. } = &*self.work;
        self.record.sent_on.get_or_insert(now);
        self.record.answered = Some(now);
        self.record.target_status = Some(answer.status);
        self.record.status = answer.status;
        let response = self.carriage.response(self.stream, answer, answer_input.rest());
        let response = response.ok_or(End::Fault(Fault::BadGateway))?;
        let decoder = Decoder::new(answer.framing);
        let ends = decoder.is_done();
        match self.stream.respond.send_response(response, ends) {
            Ok(send) => {
                self.down = Some(Down { send, decoder, waiting: BytesMut::new(), sent: 0 });
                Ok(())
            }
            Err(_) => Err(End::ClientGone),
        }
    }

    fn download(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<End> {
        let down = self.down.as_mut()?;
        if self.work.answer.framing == Framing::Empty {
            return Some(End::Answered);
        }
        loop {
            if !self.work.answer_input.is_empty() && !down.decoder.is_done() {
                let used = match down.take(self.work.answer_input.rest()) {
                    Ok(used) => used,
                    Err(end) => return Some(end),
                };
                self.work.answer_input.advance(used);
            }
            match down.poll_send(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(end)) => return Some(end),
                Poll::Pending => return None,
            }
            if down.decoder.is_done() {
                return Some(End::Answered);
            }
            let room = WAITING.min(down.decoder.read_limit());
            let space = scratch.get_mut(..room).unwrap_or_default();
            let Poll::Ready(read) = poll_read(self.target, cx, space) else { return None };
            self.active = Instant::now();
            match read {
                Ok(count) if count > 0 => {
                    self.work.answer_input.push(scratch.get(..count).unwrap_or_default());
                }
                _ if down.decoder.may_end() => {
                    let ended = down.send.send_data(Bytes::new(), true);
                    return Some(if ended.is_ok() { End::Answered } else { End::ClientGone });
                }
                _ => return Some(End::Cut),
            }
        }
    }
}

impl Down {
    /// Takes what of `read` belongs to the body; answers how much that is.
    fn take(&mut self, read: &[u8]) -> Result<usize, End> {
        let mut at = 0;
        while at < read.len() {
            let rest = read.get(at..).unwrap_or_default();
            let (used, data) = self.decoder.next(rest).map_err(|_| End::Cut)?;
            if used == 0 {
                break;
            }
            at += used;
            self.waiting.extend_from_slice(rest.get(data).unwrap_or_default());
        }
        Ok(at)
    }

    /// Sends what waits, as far as the client's window allows; with the end if that is reached.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        while !self.waiting.is_empty() {
            self.send.reserve_capacity(self.waiting.len());
            let room = match core::task::ready!(self.send.poll_capacity(cx)) {
                Some(Ok(room)) => room.min(self.waiting.len()),
                Some(Err(_)) | None => return Poll::Ready(Err(End::ClientGone)),
            };
            let data = self.waiting.split_to(room).freeze();
            self.sent += data.len() as u64;
            let is_last = self.waiting.is_empty()
                && self.decoder.is_done()
                && self.decoder.trailers().is_empty();
            if self.send.send_data(data, is_last).is_err() {
                return Poll::Ready(Err(End::ClientGone));
            }
            if is_last {
                return Poll::Ready(Ok(()));
            }
        }
        if self.decoder.is_done() {
            let sent = match fields::from_lines(self.decoder.trailers()) {
                Some(trailers) => self.send.send_trailers(trailers),
                None => self.send.send_data(Bytes::new(), true),
            };
            return Poll::Ready(sent.map_err(|_| End::ClientGone));
        }
        Poll::Ready(Ok(()))
    }
}
