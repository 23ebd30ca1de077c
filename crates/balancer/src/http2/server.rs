//! Clients that speak HTTP/2.
//!
//! A stream's head is written as HTTP/1.1 has it and read like any other head, so that one reading
//! decides what is forwarded, and where.

use core::cell::Cell;
use core::future::poll_fn;
use core::task::{Context, Poll};
use std::rc::Rc;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::time::{Instant, timeout};

use super::exchange;
use super::fields::HeaderFields;
use super::gather::{Flusher, Gather, gather};
use crate::answer::{Fault, Made, SERVER};
use crate::choose::{Asked, Fate, Over, choose};
use crate::http1::desync::{Admission, admission};
use crate::http1::field::Name;
use crate::http1::work::Work;
use crate::limits;
use crate::listeners::Door;
use crate::record::{Caller, Done, Record};
use crate::rewrite::{Fields as _, host_name};
use crate::stream::Stream;
use crate::thread::{Sleeper, Thread};
use crate::timer::Timer;
use crate::trace::trace;
use crate::view::Serving;

/// What a stream may have under way before the client is told that there is room again.
const WINDOW_STREAM: u32 = 256 * 1024;

/// The same for all streams of a connection.
const WINDOW_CONNECTION: u32 = 1024 * 1024;

/// What is kept for a stream whose client takes its answer slowly.
const SEND_BUFFER: usize = 256 * 1024;

/// What streams of one connection share.
pub(super) struct Session {
    pub(super) thread: Rc<Thread>,
    pub(super) door: Rc<Door>,
    pub(super) caller: Caller,
    /// Streams that are under way.
    under_way: Cell<u32>,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(sleeper: Sleeper, door: Rc<Door>, stream: Stream, caller: Caller) {
    let mut sleeper = sleeper;
    let thread = Rc::clone(sleeper.thread());
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(limits::STREAMS)
        .max_header_list_size(u32::try_from(limits::REQUEST_HEAD).unwrap_or(u32::MAX))
        .max_concurrent_reset_streams(limits::STREAMS_RESET)
        .max_pending_accept_reset_streams(limits::STREAMS_RESET)
        .max_send_buffer_size(SEND_BUFFER)
        .initial_window_size(WINDOW_STREAM)
        .initial_connection_window_size(WINDOW_CONNECTION);
    let (stream, flusher) = gather(stream);
    let shaking = timeout(limits::HANDSHAKE, builder.handshake::<_, Bytes>(stream));
    let Ok(Ok(connection)) = Box::pin(shaking).await else { return };
    let session = Rc::new(Session { thread, door, caller, under_way: Cell::new(0) });
    let mut keeper = Keeper {
        session: Rc::clone(&session),
        flusher,
        began: Instant::now(),
        active: Instant::now(),
        timer: Timer::default(),
        taken: 0,
        is_closing: false,
    };
    let mut connection = Box::new(connection);
    loop {
        let next = poll_fn(|cx| {
            sleeper.remember(cx.waker());
            keeper.poll(cx, &mut connection)
        });
        let Some(Ok((request, respond))) = next.await else { break };
        let session = Rc::clone(&session);
        session.under_way.set(session.under_way.get() + 1);
        tokio::task::spawn_local(async move {
            answer(&session, request, respond).await;
            session.under_way.set(session.under_way.get() - 1);
        });
    }
}

/// Watches over a connection: how long it has been idle, and when it has had enough.
struct Keeper {
    session: Rc<Session>,
    flusher: Flusher,
    began: Instant,
    active: Instant,
    timer: Timer,
    taken: u64,
    is_closing: bool,
}

type Taken = Option<Result<(Request<RecvStream>, SendResponse<Bytes>), h2::Error>>;

impl Keeper {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection<Gather, Bytes>,
    ) -> Poll<Taken> {
        let serving = self.session.door.serving();
        let attributes = serving.as_ref().map(|it| &it.entrance.balanced.attributes);
        let is_over = self.session.thread.is_draining()
            || attributes.is_none_or(|it| self.began.elapsed() >= it.client_keep_alive)
            || self.taken >= limits::STREAMS_TOTAL;
        if is_over && !self.is_closing {
            self.is_closing = true;
            connection.graceful_shutdown();
        }
        let accepted = connection.poll_accept(cx);
        if accepted.is_pending() && matches!(self.flusher.poll(cx), Poll::Ready(Err(_))) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(taken) = accepted {
            self.taken += 1;
            self.active = Instant::now();
            return Poll::Ready(taken);
        }
        if self.session.under_way.get() > 0 {
            self.active = Instant::now();
        }
        let idle = attributes.map_or(limits::LINGER, |it| it.timeout_idle);
        if self.timer.has_passed(self.active + idle, cx) {
            if self.is_closing {
                return Poll::Ready(None);
            }
            self.is_closing = true;
            self.active = Instant::now();
            connection.graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// One request of a client.
async fn answer(session: &Session, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
    let thread = &session.thread;
    let serving = session.door.last_serving();
    let mut work = thread.take_work();
    let mut record = Record::new(Instant::now());
    let (parts, body) = request.into_parts();
    let written = write_head(&mut work.head_bytes, &parts, body.is_end_stream());
    let mut stream = ClientStream { respond, body, session };
    match written {
        Ok(()) => Box::pin(carry(&mut stream, &mut work, &mut record, &serving)).await,
        Err(fault) => stream.refuse(fault, &mut record),
    }
    record.finish(thread, &serving, &session.caller);
    work.clear();
    session.thread.give_work(work);
}

/// A client's stream.
pub(super) struct ClientStream<'a> {
    pub(super) respond: SendResponse<Bytes>,
    pub(super) body: RecvStream,
    pub(super) session: &'a Session,
}

/// Writes a stream's head as HTTP/1.1 has it.
fn write_head(
    out: &mut Vec<u8>,
    parts: &http::request::Parts,
    has_no_body: bool,
) -> Result<(), Fault> {
    out.clear();
    let target = parts.uri.path_and_query().ok_or(Fault::BadRequest)?;
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_str().as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut lines = crate::rewrite::Lines(out);
    lines.put(b"host", host(parts)?);
    let mut cookies: Vec<u8> = Vec::new();
    for (name, value) in &parts.headers {
        match name.as_str() {
            "host" => {}
            "cookie" => {
                if !cookies.is_empty() {
                    cookies.extend_from_slice(b"; ");
                }
                cookies.extend_from_slice(value.as_bytes());
            }
            name => lines.put(name.as_bytes(), value.as_bytes()),
        }
    }
    if !cookies.is_empty() {
        lines.put(b"cookie", &cookies);
    }
    if !has_no_body && !parts.headers.contains_key(http::header::CONTENT_LENGTH) {
        lines.put(b"transfer-encoding", b"chunked");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The host that a stream is for. One that says two is for none. Source: RFC 9113, 8.3.1.
fn host(parts: &http::request::Parts) -> Result<&[u8], Fault> {
    let authority = parts.uri.authority().map(|it| it.as_str().as_bytes());
    let fields = parts.headers.get_all(http::header::HOST);
    let mut all = authority.into_iter().chain(fields.iter().map(HeaderValue::as_bytes));
    let host = all.next().ok_or(Fault::BadRequest)?;
    let is_same = |other: &[u8]| host_name(other).eq_ignore_ascii_case(host_name(host));
    if all.all(is_same) { Ok(host) } else { Err(Fault::BadRequest) }
}

async fn carry(
    stream: &mut ClientStream<'_>,
    work: &mut Work,
    record: &mut Record,
    serving: &Rc<Serving>,
) {
    let session = stream.session;
    let attributes = &serving.entrance.balanced.attributes;
    let read = work.head.read(&work.head_bytes);
    // A body without a length is nothing unusual here.
    record.found = work
        .head
        .found
        .filter(|it| *it != crate::http1::desync::Reason::UndefinedTransferEncodingSemantics);
    record.received = work.head.len as u64;
    if let Err(refusal) = read {
        return stream.refuse(refusal.into(), record);
    }
    if admission(attributes.desync, record.found) == Admission::Refuse {
        return stream.refuse(Fault::BadRequest, record);
    }
    let came = work.head.fields.iter().find(|it| it.meaning == Name::TraceId);
    let came = came.and_then(|it| core::str::from_utf8(it.value.of(&work.head_bytes)).ok());
    let trace = trace(came, &session.thread.fresh_trace(record.began));
    if attributes.access_logs {
        let head = (&work.head, work.head_bytes.as_slice());
        record.keep_text(head, &trace, serving, (session.caller.tls.as_ref(), true));
    }
    let asked = Asked {
        head: &work.head,
        buffer: &work.head_bytes,
        client: session.caller.client.ip(),
        over: Over::Http2,
    };
    let now = session.thread.time(record.began);
    let decision = choose(serving, asked, session.thread.dice(), now);
    record.priority = Some(decision.priority.unwrap_or(0));
    match decision.fate {
        Fate::Forward(forward) => {
            exchange::run(stream, work, record, serving, forward, &trace).await;
        }
        Fate::Redirect(made) => {
            record.done = Done::Redirect(made.location.clone().unwrap_or_default());
            stream.answer(made, record);
        }
        Fate::Fixed(made) => {
            record.done = Done::Fixed;
            stream.answer(made, record);
        }
        Fate::Fault(fault) => stream.refuse(fault, record),
    }
}

impl ClientStream<'_> {
    /// Answers with one of the load balancer's own pages.
    pub(super) fn refuse(&mut self, fault: Fault, record: &mut Record) {
        if fault == Fault::ClientClosed {
            record.status = fault.status();
            self.respond.send_reset(Reason::CANCEL);
            return;
        }
        self.answer(Made::page(fault.status()), record);
    }

    fn answer(&mut self, made: Made, record: &mut Record) {
        record.status = made.status;
        let mut headers = HeaderMap::new();
        let mut fields = HeaderFields(&mut headers);
        fields.put(b"server", SERVER.as_bytes());
        fields.put(b"date", self.session.thread.date(Instant::now()).as_bytes());
        if let Some(content_type) = made.content_type.filter(|_| !made.body.is_empty()) {
            fields.put(b"content-type", content_type.as_bytes());
        }
        fields.put(b"content-length", made.body.len().to_string().as_bytes());
        if let Some(location) = made.location {
            fields.put(b"location", location.as_bytes());
        }
        let mut response = Response::new(());
        // Statuses of our own are three digits, all of them.
        *response.status_mut() = made.status.try_into().unwrap_or_default();
        *response.headers_mut() = headers;
        record.sent = made.body.len() as u64;
        let has_no_body = made.body.is_empty();
        if let Ok(mut body) = self.respond.send_response(response, has_no_body)
            && !has_no_body
        {
            body.reserve_capacity(made.body.len());
            // The pages are smaller than any window; a client without one does not want them.
            let _ = body.send_data(Bytes::from(made.body), true);
        }
        // What still comes of the request is not wanted: `h2` says so when the stream is dropped,
        // after the answer.
    }
}
