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
use super::desync::{Admission, admission};
use super::exchange::{End, Exchange, State};
use super::pump::{Broken, Coding};
use super::request_head::{self, Version};
use super::work::Work;
use crate::answer::{Fault, Made, Way};
use crate::choose::{Asked, Fate, Forward, Over, choose};
use crate::connect::{ConnectError, connect};
use crate::counters::Metric;
use crate::http1::field::Name;
use crate::limits;
use crate::listeners::Door;
use crate::record::{Caller, Done, Record};
use crate::rewrite::{self, Passage, trace};
use crate::stream::{Stream, poll_read};
use crate::thread::{Sleeper, Thread};
use crate::timer::Timer;
use crate::view::{Flight, Serving};

/// A client's connection.
pub(crate) struct Connection {
    thread: Rc<Thread>,
    door: Rc<Door>,
    stream: Stream,
    caller: Caller,
    timer: Timer,
    sleeper: Sleeper,
    began: Instant,
}

/// Why a connection ends.
enum Ending {
    /// Nothing more is to be said.
    Close,
    /// What the client still sends must be read, or it may not see its answer.
    Linger,
}

impl Connection {
    pub(crate) fn new(thread: &Rc<Thread>, door: Rc<Door>, stream: Stream, caller: Caller) -> Self {
        Self {
            thread: Rc::clone(thread),
            door,
            stream,
            caller,
            timer: Timer::default(),
            sleeper: Sleeper::new(thread),
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
            // Boxed, so that a connection that waits does not hold the room of a request.
            let ending = Box::pin(self.request(&mut work)).await;
            match ending {
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

    fn idle(&self) -> Duration {
        match self.door.serving() {
            Some(serving) => serving.entrance.balanced.attributes.timeout_idle,
            None => Duration::ZERO,
        }
    }

    /// Waits for the first bytes of a request. `None`: there will be none.
    async fn first_bytes(&mut self) -> Option<Box<Work>> {
        let deadline = Instant::now() + self.idle();
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
            let is_over = thread.is_draining() || self.door.serving().is_none();
            if is_over || self.timer.has_passed(deadline, cx) {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }

    /// Carries one request. `None`: the connection goes on.
    async fn request(&mut self, work: &mut Work) -> Option<Ending> {
        let mut record = Record::new(Instant::now());
        let head = self.read_head(work).await;
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
    async fn read_head(&mut self, work: &mut Work) -> Result<bool, Fault> {
        let mut searched = 0;
        let deadline = Instant::now() + self.idle().min(limits::HEAD);
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
                let keep_alive = work.head.keep_alive && !alone && self.may_go_on(attributes);
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

    /// Whether the connection may have another request after this one.
    fn may_go_on(&self, attributes: &BalancerAttributes) -> bool {
        !self.thread.is_draining()
            && self.began.elapsed() < attributes.client_keep_alive
            && self.door.serving().is_some()
    }

    fn trace(&self, work: &Work, record: &Record) -> String {
        let came = work.head.fields.iter().find(|it| it.meaning == Name::TraceId);
        let came = came.and_then(|it| core::str::from_utf8(it.value.of(&work.head_bytes)).ok());
        trace(came, &self.thread.fresh_trace(record.began))
    }

    /// Answers with one of the load balancer's own pages.
    async fn refuse(
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
        let keep_alive = keep_alive && self.may_go_on(&serving.entrance.balanced.attributes);
        record.status = made.status;
        work.down.begin(Framing::Empty, Coding::Plain);
        let date = self.thread.date(Instant::now());
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

    async fn carry(
        &mut self,
        work: &mut Work,
        record: &mut Record,
        mut carriage: Carriage<'_>,
    ) -> Option<Ending> {
        let meter = &carriage.forward.group.meter;
        meter.add(Metric::Requests, 1);
        record.done = Done::Forward;
        record.group = Some(Rc::clone(&carriage.forward.group));
        let is_old = work.head.version == Version::Http10;
        let mut way = carriage.keep_alive;
        let outcome = self.attempts(work, record, &mut carriage, &mut way).await;
        record.received += work.up.carried;
        record.sent = work.down.carried;
        match outcome {
            End::Answered if way => None,
            End::Answered if is_old => Some(Ending::Close),
            End::Answered => Some(Ending::Linger),
            End::Upgraded | End::Cut => Some(Ending::Close),
            End::ClientGone | End::Closed => {
                if record.target_status.is_none() {
                    record.status = Fault::ClientClosed.status();
                }
                Some(Ending::Close)
            }
            End::Fault(fault) => {
                let may_go_on = way && work.up.has_read_all();
                self.refuse(fault, record, work, may_go_on).await
            }
        }
    }

    /// Tries targets until one has taken the request.
    async fn attempts(
        &mut self,
        work: &mut Work,
        record: &mut Record,
        carriage: &mut Carriage<'_>,
        keep_alive: &mut bool,
    ) -> End {
        let thread = Rc::clone(&self.thread);
        if let Err(fault) = self.write_request(work, carriage) {
            return End::Fault(fault);
        }
        let mut tried = Vec::new();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Some(flight) = carriage.forward.begin() else { return End::Fault(Fault::NoTarget) };
            record.target = Some(Rc::clone(&flight.target));
            let pooled = if attempts > 1 { None } else { carriage.pooled(&flight).await };
            let was_pooled = pooled.is_some();
            let stream = match pooled {
                Some(stream) => Ok(stream),
                None => carriage.connect(&flight, &thread).await,
            };
            let mut target = match stream {
                Ok(stream) => stream,
                Err(error) => {
                    let fault = carriage.note_error(&error);
                    tried.push(carriage.forward.number);
                    let now = thread.time(Instant::now());
                    let again = attempts < limits::ATTEMPTS
                        && !matches!(error, ConnectError::Timeout)
                        && carriage.forward.choose_again(&tried, thread.dice(), now);
                    if again {
                        continue;
                    }
                    return End::Fault(fault);
                }
            };
            work.down.begin(Framing::Empty, Coding::Plain);
            work.answer_input.clear();
            let mut going_on = *keep_alive;
            let mut exchange = Exchange {
                thread: &thread,
                serving: carriage.serving,
                forward: &carriage.forward,
                flight: &flight,
                client: &mut self.stream,
                target: &mut target,
                work,
                record,
                timer: &mut self.timer,
                idle: carriage.serving.entrance.balanced.attributes.timeout_idle,
                keep_alive: &mut going_on,
                state: State::new(Instant::now()),
            };
            let end = poll_fn(|cx| exchange.poll(cx)).await;
            let has_uploaded = exchange.state.has_uploaded();
            match end {
                End::Closed if was_pooled && is_repeatable(work) && attempts < limits::ATTEMPTS => {
                    // The target had closed the connection before it saw the request.
                    work.up.repeat();
                }
                End::Closed => {
                    carriage.forward.group.meter.add(Metric::TargetConnectionErrors, 1);
                    return End::Fault(Fault::BadGateway);
                }
                End::Upgraded => {
                    record.is_upgraded = true;
                    self.tunnel(work, &mut target, &flight).await;
                    return End::Upgraded;
                }
                End::Answered => {
                    *keep_alive = going_on && has_uploaded;
                    let is_clean = has_uploaded && work.answer_input.is_empty();
                    if work.answer.keep_alive && is_clean && carriage.may_pool(&flight) {
                        flight.target.pool.give(target, Instant::now());
                    }
                    return End::Answered;
                }
                End::Fault(_) | End::Cut | End::ClientGone => return end,
            }
        }
    }

    fn write_request(&self, work: &mut Work, carriage: &Carriage<'_>) -> Result<(), Fault> {
        let entrance = &carriage.serving.entrance;
        let passage = Passage {
            client: self.caller.client,
            port: entrance.port.told.port,
            tls: self.caller.tls.as_ref(),
            attributes: &entrance.balanced.attributes,
            listener: &entrance.attributes,
            trace: &carriage.trace,
            host: carriage.forward.transformed.host.as_deref(),
            target: carriage.forward.transformed.target.as_deref(),
        };
        let Work { up, head, head_bytes, .. } = work;
        let coding = match head.framing {
            Framing::Chunked => Coding::Chunked,
            _ => Coding::Plain,
        };
        up.begin(head.framing, coding);
        rewrite::request(up.head(), head, head_bytes, &passage)
    }

    /// Carries bytes both ways until one side has ended, or nothing has moved for too long.
    async fn tunnel(&mut self, work: &mut Work, target: &mut Stream, flight: &Flight) {
        let thread = Rc::clone(&self.thread);
        let mut tunnel = Tunnel::of(work);
        let idle = self.idle();
        let mut active = Instant::now();
        poll_fn(|cx| {
            self.sleeper.remember(cx.waker());
            let mut scratch = thread.scratch.borrow_mut();
            let ended = tunnel.poll(cx, &mut self.stream, target, &mut scratch);
            if ended.is_ready() || flight.target.shared.is_gone() {
                return Poll::Ready(());
            }
            if tunnel.take_moved() {
                active = Instant::now();
            }
            if self.timer.has_passed(active + idle, cx) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        tunnel.give_back(work);
    }
}

/// A request on its way.
struct Carriage<'a> {
    forward: Box<Forward>,
    serving: &'a Serving,
    trace: String,
    /// Whether the client's connection may go on afterwards.
    keep_alive: bool,
    /// Whether nothing may come after it on the target's connection.
    alone: bool,
}

impl Carriage<'_> {
    async fn pooled(&self, flight: &Flight) -> Option<Stream> {
        poll_fn(|cx| Poll::Ready(flight.target.pool.take(cx))).await
    }

    async fn connect(&self, flight: &Flight, thread: &Thread) -> Result<Stream, ConnectError> {
        let address = flight.target.shared.address.ok_or(ConnectError::Timeout)?;
        let protocol = self.forward.group.group.ready.told.protocol;
        connect(address, protocol, &thread.shared.connector.http1).await
    }

    fn note_error(&self, error: &ConnectError) -> Fault {
        let (metric, fault) = match error {
            ConnectError::Timeout => (Metric::TargetConnectionErrors, Fault::GatewayTimeout),
            ConnectError::Refused(_) => (Metric::TargetConnectionErrors, Fault::BadGateway),
            ConnectError::Tls(_) => (Metric::TargetTlsErrors, Fault::BadGateway),
        };
        self.forward.group.meter.add(metric, 1);
        fault
    }

    fn may_pool(&self, flight: &Flight) -> bool {
        !self.alone && !flight.target.shared.is_gone()
    }
}

/// Whether a request may be sent once more, on another connection: if nothing of it was sent, or if
/// it is whole and doing it twice is as doing it once.
fn is_repeatable(work: &Work) -> bool {
    let method = work.head.method.of(&work.head_bytes);
    let is_idempotent = matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE");
    work.up.is_repeatable() && (work.up.carried == 0 || is_idempotent)
}

/// Bytes both ways, without meaning.
struct Tunnel {
    parts: Box<Work>,
}

impl Tunnel {
    /// Takes what is to be written and what was read already.
    fn of(work: &mut Work) -> Self {
        let mut parts = Box::new(Work::default());
        core::mem::swap(&mut parts.input, &mut work.input);
        core::mem::swap(&mut parts.answer_input, &mut work.answer_input);
        core::mem::swap(&mut parts.up, &mut work.up);
        core::mem::swap(&mut parts.down, &mut work.down);
        parts.up.go_on(Framing::UntilClose, Coding::Plain);
        // A tunnel may stand for days, mostly idle.
        *work = Work::default();
        Self { parts }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Stream,
        target: &mut Stream,
        scratch: &mut [u8],
    ) -> Poll<()> {
        let Work { input, answer_input, up, down, .. } = &mut *self.parts;
        let upward = up.poll(cx, client, input, target, scratch);
        let downward = down.poll(cx, target, answer_input, client, scratch);
        up.shrink();
        down.shrink();
        // Either side's end is the end: what it sent before has been passed on.
        if upward.is_ready() || downward.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn take_moved(&mut self) -> bool {
        self.parts.up.take_moved() | self.parts.down.take_moved()
    }

    fn give_back(self, work: &mut Work) {
        let Work { up, down, .. } = *self.parts;
        work.up = up;
        work.down = down;
    }
}
