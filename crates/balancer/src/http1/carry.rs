//! One request of a connection: the targets it is tried with, and what a target may become.

use core::future::poll_fn;
use core::task::{Context, Poll};
use std::rc::Rc;

use tokio::time::Instant;

use super::body::Framing;
use super::connection::{Connection, Ending};
use super::exchange::{End, Exchange, State};
use super::pump::Coding;
use super::request_head::Version;
use super::work::Work;
use crate::answer::Fault;
use crate::choose::Forward;
use crate::connect::{ConnectError, connect};
use crate::counters::Metric;
use crate::limits;
use crate::record::Record;
use crate::rewrite::{self, Passage};
use crate::stream::Stream;
use crate::thread::Thread;
use crate::view::{Flight, Serving};

impl Connection {
    pub(super) async fn carry(
        &mut self,
        work: &mut Work,
        record: &mut Record,
        mut carriage: Carriage<'_>,
    ) -> Option<Ending> {
        let meter = &carriage.forward.group.meter;
        meter.add(Metric::Requests, 1);
        record.forwarded(&carriage.forward);
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
                None => carriage.connect((&flight, attempts), &thread).await,
            };
            let mut target = match stream {
                Ok(stream) => stream,
                Err(error) => {
                    tried.push(carriage.forward.number);
                    let now = thread.time(Instant::now());
                    let is_last = attempts >= limits::ATTEMPTS;
                    let other =
                        !is_last && carriage.forward.choose_again(&tried, thread.dice(), now);
                    if !other && !is_last && matches!(error, ConnectError::Timeout) {
                        // There is nobody else: it has the rest of the time.
                        attempts = limits::ATTEMPTS - 1;
                        continue;
                    }
                    let fault = carriage.note_error(&error, &flight);
                    if other {
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
                    flight.target.shared.failed();
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
pub(super) struct Carriage<'a> {
    pub(super) forward: Box<Forward>,
    pub(super) serving: &'a Serving,
    pub(super) trace: String,
    /// Whether the client's connection may go on afterwards.
    pub(super) keep_alive: bool,
    /// Whether nothing may come after it on the target's connection.
    pub(super) alone: bool,
}

impl Carriage<'_> {
    async fn pooled(&self, flight: &Flight) -> Option<Stream> {
        poll_fn(|cx| Poll::Ready(flight.target.pool.take(cx))).await
    }

    async fn connect(
        &self,
        (flight, attempt): (&Flight, u32),
        thread: &Thread,
    ) -> Result<Stream, ConnectError> {
        let address = flight.target.shared.address.ok_or(ConnectError::Timeout)?;
        let protocol = self.forward.group.group.ready.told.protocol;
        let within = limits::connect_within(attempt);
        connect(address, protocol, &thread.shared.connector.http1, within).await
    }

    fn note_error(&self, error: &ConnectError, flight: &Flight) -> Fault {
        let (metric, fault) = match error {
            ConnectError::Timeout => (Metric::TargetConnectionErrors, Fault::GatewayTimeout),
            ConnectError::Refused(_) => (Metric::TargetConnectionErrors, Fault::BadGateway),
            ConnectError::Tls(_) => (Metric::TargetTlsErrors, Fault::BadGateway),
        };
        self.forward.group.meter.add(metric, 1);
        flight.target.shared.failed();
        fault
    }

    fn may_pool(&self, flight: &Flight) -> bool {
        !self.alone && !flight.target.shared.is_gone()
    }
}

/// Whether a request may be sent once more, on another connection: if nothing of it was sent, or if
/// it is whole and doing it twice is as doing it once.
fn is_repeatable(work: &Work) -> bool {
    let is_idempotent = work.head.is_idempotent(&work.head_bytes);
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
