//! A client's connection: one request after the other, answered in order.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::rc::Rc;

use plan::routing::attributes::BalancerAttributes;
use tokio::io::AsyncWrite as _;
use tokio::time::Instant;

use super::body::Framing;
use super::carry::Carriage;
use super::desync::{Admission, admission};
use super::pump::{Broken, Coding};
use super::request_head;
use super::work::Work;
use crate::answer::{Fault, Made, Way};
use crate::choose::{Asked, Fate, Over, choose};
use crate::counters::Metric;
use crate::http1::field::Name;
use crate::limits;
use crate::listeners::Door;
use crate::record::{Caller, Done, Record};
use crate::stream::{Stream, poll_read};
use crate::thread::{Sleeper, Thread};
use crate::timer::Timer;
use crate::trace::trace;
use crate::view::Serving;

/// A client's connection.
pub(crate) struct Connection {
    pub(super) thread: Rc<Thread>,
    door: Rc<Door>,
    pub(super) stream: Stream,
    pub(super) caller: Caller,
    pub(super) timer: Timer,
    pub(super) sleeper: Sleeper,
    began: Instant,
}

/// Why a connection ends.
pub(super) enum Ending {
    /// Nothing more is to be said.
    Close,
    /// What the client still sends must be read, or it may not see its answer.
    Linger,
}

impl Connection {
    pub(crate) fn new(sleeper: Sleeper, door: Rc<Door>, stream: Stream, caller: Caller) -> Self {
        Self {
            thread: Rc::clone(sleeper.thread()),
            door,
            stream,
            caller,
            timer: Timer::default(),
            sleeper,
            began: Instant::now(),
        }
    }

    /// Serves the connection until it ends.
    pub(crate) async fn serve(mut self) {
        let mut pipelined = None;
        loop {
            let work = match pipelined.take() {
                Some(work) => Some(work),
                None => self.first_bytes().await,
            };
            let Some(mut work) = work else { break };
            match self.request(&mut work).await {
                None if work.input.is_empty() => self.thread.give_work(work),
                None => pipelined = Some(work),
                Some(ending) => {
                    self.thread.give_work(work);
                    self.end(ending).await;
                    break;
                }
            }
        }
    }

    pub(super) fn idle(&self) -> Duration {
        self.door.last_serving().entrance.balanced.attributes.timeout_idle
    }

    /// Waits for the first bytes of a request. `None`: there will be none.
    async fn first_bytes(&mut self) -> Option<Box<Work>> {
        let mut deadline = Instant::now() + self.idle();
        let mut is_last = false;
        let thread = Rc::clone(&self.thread);
        poll_fn(|cx| {
            self.sleeper.remember(cx.waker());
            let mut scratch = thread.scratch.borrow_mut();
            let space = scratch.get_mut(..limits::HEAD_BUFFER).unwrap_or_default();
            match poll_read(&mut self.stream, cx, space) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    let mut work = thread.take_work();
                    work.input.push(scratch.get(..count).unwrap_or_default());
                    return Poll::Ready(Some(work));
                }
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            if !is_last && (thread.is_draining() || self.door.serving().is_none()) {
                is_last = true;
                deadline = deadline.min(Instant::now() + limits::LAST_WORDS);
            }
            if self.timer.has_passed(deadline, cx) { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// Carries one request. `None`: the connection goes on.
    async fn request(&mut self, work: &mut Work) -> Option<Ending> {
        let mut record = Record::new(Instant::now());
        let head = self.read_head(work, record.began).await;
        // A listener that is gone serves what has begun by what it was.
        let serving = self.door.last_serving();
        let ending = match head {
            Ok(true) => self.read_and_carry(work, &mut record, &serving).await,
            Ok(false) => return Some(Ending::Close),
            Err(fault) => {
                record.received = work.input.rest().len() as u64;
                self.refuse(fault, &mut record, work, false).await
            }
        };
        record.finish(&self.thread, &serving, &self.caller);
        ending
    }

    /// Reads until a whole head is there. `false`: the client has gone before.
    async fn read_head(&mut self, work: &mut Work, began: Instant) -> Result<bool, Fault> {
        let mut searched = 0;
        let deadline = began + self.idle().min(limits::HEAD);
        let thread = Rc::clone(&self.thread);
        poll_fn(|cx| {
            loop {
                let come = work.input.rest();
                if let Some(len) = request_head::end(come, &mut searched) {
                    work.head_bytes.clear();
                    work.input.move_to(len, &mut work.head_bytes);
                    return Poll::Ready(Ok(true));
                }
                if let Some(refusal) = request_head::too_large(come) {
                    return Poll::Ready(Err(refusal.into()));
                }
                let mut scratch = thread.scratch.borrow_mut();
                let space = scratch.get_mut(..limits::HEAD_BUFFER).unwrap_or_default();
                match poll_read(&mut self.stream, cx, space) {
                    Poll::Ready(Ok(count)) if count > 0 => {
                        work.input.push(scratch.get(..count).unwrap_or_default());
                    }
                    Poll::Ready(_) => return Poll::Ready(Ok(false)),
                    Poll::Pending if self.timer.has_passed(deadline, cx) => {
                        return Poll::Ready(Err(Fault::RequestTimeout));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    async fn read_and_carry(
        &mut self,
        work: &mut Work,
        record: &mut Record,
        serving: &Rc<Serving>,
    ) -> Option<Ending> {
        let attributes = &serving.entrance.balanced.attributes;
        let read = work.head.read(&work.head_bytes);
        record.found = work.head.found;
        record.received = work.head.len as u64;
        let admitted = admission(attributes.desync, work.head.found);
        let fault = match (read, admitted) {
            (Err(refusal), _) => Some(refusal.into()),
            (Ok(()), Admission::Refuse) => Some(Fault::BadRequest),
            (Ok(()), Admission::Forward | Admission::ForwardAlone) => None,
        };
        if let Some(fault) = fault {
            return self.refuse(fault, record, work, false).await;
        }
        Self::note_odd_names(work, attributes, serving);
        let trace = self.trace(work, record);
        if attributes.access_logs {
            let head = (&work.head, work.head_bytes.as_slice());
            record.keep_text(head, &trace, serving, (self.caller.tls.as_ref(), false));
        }
        let asked = Asked {
            head: &work.head,
            buffer: &work.head_bytes,
            client: self.caller.client.ip(),
            over: Over::Http1,
        };
        let now = self.thread.time(record.began);
        let decision = choose(serving, asked, self.thread.dice(), now);
        record.priority = Some(decision.priority.unwrap_or(0));
        let may_go_on = work.head.keep_alive && work.head.framing == Framing::Empty;
        match decision.fate {
            Fate::Forward(forward) => {
                let alone = admitted == Admission::ForwardAlone;
                let may_go_on = self.may_go_on(attributes, record.began);
                let keep_alive = work.head.keep_alive && !alone && may_go_on;
                let carriage = Carriage { forward, serving, trace, keep_alive, alone };
                self.carry(work, record, carriage).await
            }
            Fate::Redirect(made) => {
                record.done = Done::Redirect(made.location.clone().unwrap_or_default());
                self.answer(made, record, work, may_go_on).await
            }
            Fate::Fixed(made) => {
                record.done = Done::Fixed;
                self.answer(made, record, work, may_go_on).await
            }
            Fate::Fault(fault) => self.refuse(fault, record, work, may_go_on).await,
        }
    }

    fn note_odd_names(work: &Work, attributes: &BalancerAttributes, serving: &Serving) {
        if work.head.fields.iter().any(|it| it.meaning == Name::Odd) {
            let metric = match attributes.drop_invalid_header_fields {
                true => Metric::DroppedInvalidHeaders,
                false => Metric::ForwardedInvalidHeaders,
            };
            serving.meter.add(metric, 1);
        }
    }

    /// Whether the connection may have another request after this one, which is of `now`.
    fn may_go_on(&self, attributes: &BalancerAttributes, now: Instant) -> bool {
        !self.thread.is_draining()
            && now.duration_since(self.began) < attributes.client_keep_alive
            && self.door.serving().is_some()
    }

    fn trace(&self, work: &Work, record: &Record) -> String {
        let came = work.head.fields.iter().find(|it| it.meaning == Name::TraceId);
        let came = came.and_then(|it| core::str::from_utf8(it.value.of(&work.head_bytes)).ok());
        trace(came, &self.thread.fresh_trace(record.began))
    }

    /// Answers with one of the load balancer's own pages.
    pub(super) async fn refuse(
        &mut self,
        fault: Fault,
        record: &mut Record,
        work: &mut Work,
        keep_alive: bool,
    ) -> Option<Ending> {
        if fault == Fault::ClientClosed {
            record.status = fault.status();
            return Some(Ending::Close);
        }
        self.answer(Made::page(fault.status()), record, work, keep_alive).await
    }

    async fn answer(
        &mut self,
        made: Made,
        record: &mut Record,
        work: &mut Work,
        keep_alive: bool,
    ) -> Option<Ending> {
        let is_head = work.head.method.of(&work.head_bytes) == b"HEAD";
        let serving = self.door.last_serving();
        let now = Instant::now();
        let keep_alive = keep_alive && self.may_go_on(&serving.entrance.balanced.attributes, now);
        record.status = made.status;
        work.down.begin(Framing::Empty, Coding::Plain);
        let date = self.thread.date(now);
        made.write(work.down.head(), &date, Way { keep_alive, with_body: !is_head });
        record.sent = work.down.head().len() as u64;
        match self.flush(work).await {
            Err(()) => Some(Ending::Close),
            Ok(()) if keep_alive => None,
            Ok(()) => Some(Ending::Linger),
        }
    }

    /// Writes what is to be written.
    async fn flush(&mut self, work: &mut Work) -> Result<(), ()> {
        let deadline = Instant::now() + self.idle().min(limits::HEAD);
        poll_fn(|cx| match work.down.poll_flush(cx, &mut self.stream) {
            Poll::Ready(flushed) => Poll::Ready(flushed.map_err(|_: Broken| ())),
            Poll::Pending if self.timer.has_passed(deadline, cx) => Poll::Ready(Err(())),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    async fn end(&mut self, ending: Ending) {
        if let Ending::Linger = ending {
            self.linger().await;
        }
        if matches!(self.stream, Stream::Server(_)) {
            let deadline = Instant::now() + limits::LINGER;
            poll_fn(|cx| match Pin::new(&mut self.stream).poll_shutdown(cx) {
                Poll::Pending if !self.timer.has_passed(deadline, cx) => Poll::Pending,
                _ => Poll::Ready(()),
            })
            .await;
        }
    }

    /// Says that nothing more will come, and reads for a while what the client still sends: a socket
    /// that is closed with bytes unread resets its connection, and the answer may be lost.
    async fn linger(&mut self) {
        let deadline = Instant::now() + limits::LINGER;
        let thread = Rc::clone(&self.thread);
        let mut read = 0;
        let mut has_shut_down = false;
        poll_fn(|cx: &mut Context<'_>| {
            if !has_shut_down && Pin::new(&mut self.stream).poll_shutdown(cx).is_ready() {
                has_shut_down = true;
            }
            let mut scratch = thread.scratch.borrow_mut();
            while let Poll::Ready(outcome) = poll_read(&mut self.stream, cx, &mut scratch) {
                match outcome {
                    Ok(count) if count > 0 && read < limits::LINGER_BYTES => read += count,
                    _ => return Poll::Ready(()),
                }
            }
            if self.timer.has_passed(deadline, cx) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
