//! A stream of an HTTP/2 client, carried to a target that speaks either version.

use core::future::poll_fn;
use core::task::Poll;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use state::ProtocolVersion;
use tokio::time::Instant;

use super::fields::HeaderFields;
use super::server::ClientStream;
use super::{http1_target, http2_target};
use crate::answer::Fault;
use crate::choose::Forward;
use crate::connect::ConnectError;
use crate::counters::Metric;
use crate::http1::answer_head::AnswerHead;
use crate::http1::exchange::answer_cookies;
use crate::http1::work::Work;
use crate::limits;
use crate::record::Record;
use crate::rewrite::{Fields as _, Passage, Return, answer_fields};
use crate::view::Serving;

/// How an exchange has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The answer has been passed on, whole.
    Answered,
    /// Nothing has been passed on: the client is to be answered with that.
    Fault(Fault),
    /// The target closed a connection that it had kept before it answered anything.
    Closed,
    /// A part of the answer has been passed on, and there will be no more of it.
    Cut,
    /// The client is gone.
    ClientGone,
}

/// What a request is carried with.
pub(super) struct Carriage<'a> {
    pub(super) serving: &'a Serving,
    pub(super) forward: &'a Forward,
    pub(super) trace: &'a str,
    /// Which of the attempts this is.
    pub(super) attempt: u32,
}

impl Carriage<'_> {
    /// Where the request came in.
    pub(super) fn passage<'a>(&'a self, stream: &'a ClientStream<'_>) -> Passage<'a> {
        let entrance = &self.serving.entrance;
        Passage {
            client: stream.session.caller.client,
            port: entrance.port.told.port,
            tls: stream.session.caller.tls.as_ref(),
            attributes: &entrance.balanced.attributes,
            listener: &entrance.attributes,
            trace: self.trace,
            host: self.forward.transformed.host.as_deref(),
            target: self.forward.transformed.target.as_deref(),
        }
    }

    /// The head of the answer as the client gets it.
    pub(super) fn response(
        &self,
        stream: &ClientStream<'_>,
        answer: &AnswerHead,
        head: &[u8],
    ) -> Option<Response<()>> {
        let thread = &stream.session.thread;
        let cookies = answer_cookies(thread, self.serving, self.forward, answer, head);
        let date = thread.date(Instant::now());
        let listener = &self.serving.entrance.attributes;
        let ours = Return { cookies: &cookies, listener, date: &date };
        let mut headers = HeaderMap::with_capacity(answer.fields.len() + cookies.len() + 2);
        answer_fields(&mut HeaderFields(&mut headers), answer, head, &ours);
        let mut response = Response::new(());
        *response.status_mut() = answer.status.try_into().ok()?;
        *response.headers_mut() = headers;
        Some(response)
    }
}

/// `100 Continue` and the like: passed on as they are.
pub(super) fn pass_early(respond: &mut SendResponse<Bytes>, answer: &AnswerHead, head: &[u8]) {
    let mut response = Response::new(());
    let Ok(status) = answer.status.try_into() else { return };
    *response.status_mut() = status;
    let mut fields = HeaderFields(response.headers_mut());
    for field in answer.fields.iter().filter(|it| !it.meaning.is_of_the_hop()) {
        fields.put(field.name.of(head), field.value.of(head));
    }
    // A client that is gone is noticed by what follows.
    let _ = respond.send_informational(response);
}

/// Carries a request to a target, and its answer back.
pub(super) async fn run(
    stream: &mut ClientStream<'_>,
    work: &mut Work,
    record: &mut Record,
    serving: &Serving,
    mut forward: Box<Forward>,
    trace: &str,
) {
    let thread = &stream.session.thread;
    let meter = std::sync::Arc::clone(&forward.group.meter);
    meter.add(Metric::Requests, 1);
    if forward.group.group.ready.told.version == Some(ProtocolVersion::Grpc) {
        meter.add(Metric::GrpcRequests, 1);
    }
    record.forwarded(&forward);
    let mut tried = Vec::new();
    let mut attempt = 0;
    let end = loop {
        attempt += 1;
        let Some(flight) = forward.begin() else { break End::Fault(Fault::NoTarget) };
        record.target = Some(std::rc::Rc::clone(&flight.target));
        let carriage = Carriage { serving, forward: &forward, trace, attempt };
        let is_first = attempt == 1;
        let carried = match forward.group.group.ready.told.version {
            Some(ProtocolVersion::Http2 | ProtocolVersion::Grpc) => {
                Box::pin(http2_target::carry(stream, work, record, &carriage, &flight)).await
            }
            Some(ProtocolVersion::Http1) | None => {
                http1_target::carry(stream, work, record, &carriage, (&flight, is_first)).await
            }
        };
        let error = match carried {
            // It had not read the request: another connection to the same target takes it.
            Ok(End::Closed) if is_first => continue,
            Ok(end) => {
                if matches!(end, End::Closed) {
                    flight.target.shared.failed();
                }
                break end;
            }
            Err(error) => error,
        };
        tried.push(forward.number);
        let now = thread.time(Instant::now());
        let is_last = attempt >= limits::ATTEMPTS;
        let other = !is_last && forward.choose_again(&tried, thread.dice(), now);
        if !other && !is_last && matches!(error, ConnectError::Timeout) {
            // There is nobody else: it has the rest of the time.
            attempt = limits::ATTEMPTS - 1;
            continue;
        }
        let fault = note(&meter, &error);
        flight.target.shared.failed();
        if !other {
            break End::Fault(fault);
        }
    };
    finish(stream, record, end);
}

fn note(meter: &crate::counters::Meter, error: &ConnectError) -> Fault {
    let (metric, fault) = match error {
        ConnectError::Timeout => (Metric::TargetConnectionErrors, Fault::GatewayTimeout),
        ConnectError::Refused(_) => (Metric::TargetConnectionErrors, Fault::BadGateway),
        ConnectError::Tls(_) => (Metric::TargetTlsErrors, Fault::BadGateway),
    };
    meter.add(metric, 1);
    fault
}

fn finish(stream: &mut ClientStream<'_>, record: &mut Record, end: End) {
    match end {
        // What still comes of the request is not wanted: `h2` says so when the stream is dropped.
        End::Answered => {}
        End::Fault(fault) => stream.refuse(fault, record),
        End::Closed => stream.refuse(Fault::BadGateway, record),
        End::Cut => stream.respond.send_reset(h2::Reason::INTERNAL_ERROR),
        End::ClientGone => {
            if record.target_status.is_none() {
                record.status = Fault::ClientClosed.status();
            }
        }
    }
}

/// The connection to a target that was used last and is still good.
pub(super) async fn pooled(flight: &crate::view::Flight) -> Option<crate::stream::Stream> {
    poll_fn(|cx| Poll::Ready(flight.target.pool.take(cx))).await
}
