//! A stream of an HTTP/2 client, carried to a target that speaks HTTP/2 too, as gRPC has it.

use core::cell::Cell;
use core::future::{Future as _, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::rc::Rc;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Uri};
use tokio::time::{Instant, timeout};

use super::exchange::{Carriage, End, pass_early};
use super::fields::{self, HeaderFields};
use super::gather::gather;
use super::server::ClientStream;
use crate::answer::Fault;
use crate::connect::{ConnectError, connect};
use crate::http1::answer_head::AnswerHead;
use crate::http1::field::{Field, Name, Span};
use crate::http1::work::Work;
use crate::limits;
use crate::record::Record;
use crate::rewrite;
use crate::timer::Timer;
use crate::view::Flight;

/// Carries a request to a target.
pub(super) async fn carry(
    stream: &mut ClientStream<'_>,
    work: &mut Work,
    record: &mut Record,
    carriage: &Carriage<'_>,
    flight: &Flight,
) -> Result<End, ConnectError> {
    let request = match request(stream, work, carriage) {
        Ok(request) => request,
        Err(fault) => return Ok(End::Fault(fault)),
    };
    let session = session(stream, carriage, flight).await?;
    let Ok(ready) = timeout(limits::CONNECT, session.ready()).await else {
        return Ok(End::Fault(Fault::GatewayTimeout));
    };
    let Ok(mut session) = ready else {
        // It has ended since it was used last; the next attempt makes another.
        flight.target.pool.sessions.clear();
        return Ok(End::Closed);
    };
    let has_no_body = stream.body.is_end_stream();
    let Ok((answer, upward)) = session.send_request(request, has_no_body) else {
        flight.target.pool.sessions.clear();
        return Ok(End::Closed);
    };
    let moved = Rc::new(Cell::new(false));
    let mut up = Flow::new(&mut stream.body, upward, Rc::clone(&moved), has_no_body);
    record.sent_on = Some(Instant::now());
    let idle = carriage.serving.entrance.balanced.attributes.timeout_idle;
    let mut watch = Watch { timer: Timer::default(), active: Instant::now(), idle, moved, flight };

    let mut answer = pin!(answer);
    let respond = &mut stream.respond;
    let head = poll_fn(|cx| {
        match up.poll(cx) {
            Err(Side::From) => return Poll::Ready(Err(End::ClientGone)),
            // A target that takes no more may have answered all the same.
            Ok(_) | Err(Side::To) => {}
        }
        while let Poll::Ready(Some(Ok(early))) = answer.as_mut().poll_informational(cx) {
            let (head, text) = as_answer(&early.into_parts().0);
            pass_early(respond, &head, &text);
        }
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer.map_err(|error| {
                let may_repeat = has_not_begun(&error) && up.is_untouched();
                if may_repeat { End::Closed } else { End::Fault(Fault::BadGateway) }
            }));
        }
        if respond.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(End::ClientGone));
        }
        let fault = watch.poll(cx);
        fault.map(|fault| match fault {
            Fault::GatewayTimeout if up.is_waiting_to_read() => {
                Err(End::Fault(Fault::RequestTimeout))
            }
            fault => Err(End::Fault(fault)),
        })
    })
    .await;
    let (parts, mut body) = match head {
        Ok(response) => response.into_parts(),
        Err(end) => {
            if end == End::Closed {
                flight.target.pool.sessions.clear();
            }
            return Ok(end);
        }
    };
    let received = up.carried;
    let up_state = up.into_parts();
    record.answered = Some(Instant::now());
    record.target_status = Some(parts.status.as_u16());
    record.status = parts.status.as_u16();
    let (head, text) = as_answer(&parts);
    let Some(response) = carriage.response(stream, &head, &text) else {
        return Ok(End::Fault(Fault::BadGateway));
    };
    let ends = body.is_end_stream();
    let Ok(downward) = stream.respond.send_response(response, ends) else {
        return Ok(End::ClientGone);
    };
    if ends {
        record.received += received;
        return Ok(End::Answered);
    }
    let moved = Rc::clone(&watch.moved);
    let mut up = Flow::resume(&mut stream.body, up_state, Rc::clone(&moved));
    let mut down = Flow::new(&mut body, downward, moved, false);
    let end = poll_fn(|cx| {
        // What the target does not take any more does not keep its answer from coming.
        let _ = up.poll(cx);
        match down.poll(cx) {
            Ok(true) => return Poll::Ready(End::Answered),
            Ok(false) => {}
            Err(Side::From) => return Poll::Ready(End::Cut),
            Err(Side::To) => return Poll::Ready(End::ClientGone),
        }
        if down.to.poll_reset(cx).is_ready() {
            return Poll::Ready(End::ClientGone);
        }
        watch.poll(cx).map(|_| End::Cut)
    })
    .await;
    record.received += up.carried;
    record.sent += down.carried;
    Ok(end)
}

/// Whether the target says that it has done nothing for the request. Source: RFC 9113, 8.7.
fn has_not_begun(error: &h2::Error) -> bool {
    let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (is_refused || error.is_go_away())
}

/// The request as the target gets it.
fn request(
    stream: &ClientStream<'_>,
    work: &Work,
    carriage: &Carriage<'_>,
) -> Result<Request<()>, Fault> {
    let passage = carriage.passage(stream);
    let mut headers = HeaderMap::with_capacity(work.head.fields.len() + 5);
    let mut fields = HeaderFields(&mut headers);
    rewrite::request_fields(&mut fields, &work.head, &work.head_bytes, &passage)?;
    // gRPC asks for it, and it concerns no connection of HTTP/2.
    rewrite::Fields::put(&mut fields, b"te", b"trailers");
    let host = rewrite::host(&work.head, &work.head_bytes, &passage);
    let mut target = Vec::new();
    let path = passage.target.map_or(work.head.target.of(&work.head_bytes), str::as_bytes);
    rewrite::push_target(&mut target, path);
    let secure = carriage.forward.group.group.ready.told.protocol == state::TargetProtocol::Https;
    let uri = Uri::builder()
        .scheme(if secure { "https" } else { "http" })
        .authority(host.as_slice())
        .path_and_query(target.as_slice())
        .build()
        .map_err(|_| Fault::BadRequest)?;
    let mut request = Request::new(());
    let method = work.head.method.of(&work.head_bytes);
    *request.method_mut() = http::Method::from_bytes(method).map_err(|_| Fault::BadRequest)?;
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The head of an answer as the rest of this crate reads it, with its text.
fn as_answer(parts: &http::response::Parts) -> (AnswerHead, Vec<u8>) {
    let mut text = Vec::new();
    let mut head = AnswerHead { status: parts.status.as_u16(), ..AnswerHead::default() };
    for (name, value) in &parts.headers {
        let start = text.len();
        text.extend_from_slice(name.as_str().as_bytes());
        let middle = text.len();
        text.extend_from_slice(value.as_bytes());
        head.fields.push(Field {
            name: Span::new(start, middle),
            value: Span::new(middle, text.len()),
            meaning: Name::of(name.as_str().as_bytes()),
        });
    }
    (head, text)
}

/// A session with the target.
async fn session(
    stream: &ClientStream<'_>,
    carriage: &Carriage<'_>,
    flight: &Flight,
) -> Result<SendRequest<Bytes>, ConnectError> {
    let sessions = &flight.target.pool.sessions;
    if let Some(session) = sessions.take(flight.target.in_flight()) {
        return Ok(session);
    }
    let address = flight.target.shared.address.ok_or(ConnectError::Timeout)?;
    let protocol = carriage.forward.group.group.ready.told.protocol;
    let tls = &stream.session.thread.shared.connector.http2;
    let io = connect(address, protocol, tls, limits::connect_within(carriage.attempt)).await?;
    let mut builder = h2::client::Builder::new();
    builder
        .max_header_list_size(u32::try_from(limits::ANSWER_HEAD).unwrap_or(u32::MAX))
        .initial_window_size(WINDOW)
        .initial_connection_window_size(4 * WINDOW)
        .enable_push(false);
    let (io, flusher) = gather(io);
    let shaken = timeout(limits::HANDSHAKE, builder.handshake::<_, Bytes>(io)).await;
    let refused = |error: h2::Error| ConnectError::Refused(std::io::Error::other(error));
    let (session, mut connection) = shaken.map_err(|_| ConnectError::Timeout)?.map_err(refused)?;
    let target = Rc::clone(&flight.target);
    tokio::task::spawn_local(async move {
        // How it ended is seen by its streams.
        poll_fn(|cx| {
            let ended = Pin::new(&mut connection).poll(cx).is_ready();
            let failed = matches!(flusher.poll(cx), Poll::Ready(Err(_)));
            if ended || failed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        target.pool.sessions.clear();
    });
    sessions.put(session.clone());
    Ok(session)
}

/// What a target may send of one answer before it is told that there is room again.
const WINDOW: u32 = 256 * 1024;

/// Notices that nothing has moved for too long, or that the target is gone.
struct Watch<'a> {
    timer: Timer,
    active: Instant,
    idle: core::time::Duration,
    moved: Rc<Cell<bool>>,
    flight: &'a Flight,
}

impl Watch<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        if self.flight.target.shared.is_gone() {
            return Poll::Ready(Fault::BadGateway);
        }
        if self.moved.take() {
            self.active = Instant::now();
        }
        if self.timer.has_passed(self.active + self.idle, cx) {
            return Poll::Ready(Fault::GatewayTimeout);
        }
        Poll::Pending
    }
}

/// Which side of a flow has failed.
enum Side {
    From,
    To,
}

/// A body and its trailers, carried one way.
struct Flow<'a> {
    from: &'a mut RecvStream,
    to: SendStream<Bytes>,
    waiting: Bytes,
    is_done: bool,
    moved: Rc<Cell<bool>>,
    carried: u64,
}

impl<'a> Flow<'a> {
    fn new(
        from: &'a mut RecvStream,
        to: SendStream<Bytes>,
        moved: Rc<Cell<bool>>,
        is_done: bool,
    ) -> Self {
        Self { from, to, waiting: Bytes::new(), is_done, moved, carried: 0 }
    }

    /// What is needed to go on with it.
    fn into_parts(self) -> (SendStream<Bytes>, Bytes, bool, u64) {
        (self.to, self.waiting, self.is_done, self.carried)
    }

    fn resume(
        from: &'a mut RecvStream,
        (to, waiting, is_done, carried): (SendStream<Bytes>, Bytes, bool, u64),
        moved: Rc<Cell<bool>>,
    ) -> Self {
        Self { from, to, waiting, is_done, moved, carried }
    }

    /// Whether nothing of the body has been taken.
    fn is_untouched(&self) -> bool {
        self.carried == 0 && self.waiting.is_empty()
    }

    /// Whether only its sender can bring it on.
    fn is_waiting_to_read(&self) -> bool {
        !self.is_done && self.waiting.is_empty()
    }

    /// Carries what can be carried now; `true` once all has been.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<bool, Side> {
        while !self.is_done {
            if !self.waiting.is_empty() {
                self.to.reserve_capacity(self.waiting.len());
                let room = match self.to.poll_capacity(cx) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Some(Ok(room))) => room.min(self.waiting.len()),
                    Poll::Ready(Some(Err(_)) | None) => return Err(Side::To),
                };
                let data = self.waiting.split_to(room);
                // Room is given back when what it held has gone on, so that a slow taker slows
                // the sender.
                let _ = self.from.flow_control().release_capacity(data.len());
                self.carried += data.len() as u64;
                self.moved.set(true);
                self.to.send_data(data, false).map_err(|_| Side::To)?;
                continue;
            }
            match self.from.poll_data(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Some(Ok(data))) => {
                    self.moved.set(true);
                    self.waiting = data;
                }
                Poll::Ready(Some(Err(_))) => return Err(Side::From),
                Poll::Ready(None) => match self.from.poll_trailers(cx) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Err(_)) => return Err(Side::From),
                    Poll::Ready(Ok(trailers)) => {
                        self.is_done = true;
                        let ended = match trailers {
                            Some(trailers) => self.to.send_trailers(fields::trailing(&trailers)),
                            None => self.to.send_data(Bytes::new(), true),
                        };
                        ended.map_err(|_| Side::To)?;
                    }
                },
            }
        }
        Ok(true)
    }
}
