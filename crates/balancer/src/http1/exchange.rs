//! One request to a target, and its answer back: both at once, because a target may answer before
//! it has read everything.

use core::task::{Context, Poll};
use core::time::Duration;

use tokio::time::Instant;

use super::answer_head::{AnswerHead, Asked, Malformed};
use super::body::Framing;
use super::field::Name;
use super::pump::{Broken, Coding};
use super::request_head::Version;
use super::work::Work;
use crate::answer::{Fault, reason};
use crate::binding::Binding;
use crate::choose::Forward;
use crate::limits;
use crate::record::Record;
use crate::rewrite::{Fields as _, Lines, Return, answer_fields, itoa};
use crate::stream::{Stream, poll_read};
use crate::thread::Thread;
use crate::timer::Timer;
use crate::view::{Flight, Serving};

/// How an exchange has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The answer has been passed on, whole.
    Answered,
    /// The target goes on in another protocol; its answer has been passed on.
    Upgraded,
    /// Nothing has been passed on: the client is to be answered with that.
    Fault(Fault),
    /// The target closed before it answered anything.
    Closed,
    /// A part of the answer has been passed on, and there will be no more of it.
    Cut,
    /// The client is gone.
    ClientGone,
}

/// What an exchange works with.
pub(crate) struct Exchange<'a> {
    pub(crate) thread: &'a Thread,
    pub(crate) serving: &'a Serving,
    pub(crate) forward: &'a Forward,
    pub(crate) flight: &'a Flight,
    pub(crate) client: &'a mut Stream,
    pub(crate) target: &'a mut Stream,
    pub(crate) work: &'a mut Work,
    pub(crate) record: &'a mut Record,
    pub(crate) timer: &'a mut Timer,
    pub(crate) idle: Duration,
    /// Whether the client's connection may go on after this; false once it may not.
    pub(crate) keep_alive: &'a mut bool,
    pub(crate) state: State,
}

/// How far an exchange is.
#[derive(Debug)]
pub(crate) struct State {
    stage: Stage,
    upload: Upload,
    active: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upload {
    Going,
    Done,
    /// The target takes no more.
    Failed,
}

impl State {
    pub(crate) fn new(now: Instant) -> Self {
        Self { stage: Stage::Head, upload: Upload::Going, active: now }
    }

    /// Whether all of the request has been passed on.
    pub(crate) fn has_uploaded(&self) -> bool {
        self.upload == Upload::Done
    }
}

impl Exchange<'_> {
    /// Does what can be done now.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let thread = self.thread;
        let mut scratch = thread.scratch.borrow_mut();
        if let Some(end) = self.step(cx, &mut scratch) {
            return Poll::Ready(end);
        }
        if self.flight.target.shared.is_gone() {
            return Poll::Ready(self.broken(Fault::BadGateway));
        }
        if self.work.up.take_moved() | self.work.down.take_moved() {
            self.state.active = Instant::now();
        }
        if self.timer.has_passed(self.state.active + self.idle, cx) {
            let fault = match self.state.upload {
                Upload::Going if self.work.up.is_waiting_to_read() => Fault::RequestTimeout,
                _ => Fault::GatewayTimeout,
            };
            return Poll::Ready(self.broken(fault));
        }
        Poll::Pending
    }

    fn step(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<End> {
        if self.state.upload == Upload::Going
            && let Some(end) = self.upload(cx, scratch)
        {
            return Some(end);
        }
        if self.state.stage == Stage::Head
            && let Some(end) = self.await_head(cx, scratch)
        {
            return Some(end);
        }
        if self.state.stage == Stage::Body {
            return self.download(cx, scratch);
        }
        self.watch_client(cx, scratch)
    }

    fn upload(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<End> {
        let Work { up, input, .. } = &mut *self.work;
        match up.poll(cx, self.client, input, self.target, scratch) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                self.state.upload = Upload::Done;
                let now = Instant::now();
                self.record.sent_on.get_or_insert(now);
                self.work.up.take_moved();
                self.state.active = now;
            }
            Poll::Ready(Err(Broken::To)) => self.state.upload = Upload::Failed,
            Poll::Ready(Err(Broken::From)) => return Some(End::ClientGone),
            Poll::Ready(Err(Broken::Malformed)) => return Some(self.broken(Fault::BadRequest)),
        }
        None
    }

    /// What an exchange comes to that cannot go on.
    fn broken(&self, fault: Fault) -> End {
        match self.state.stage {
            Stage::Head if self.work.down.is_untouched() => End::Fault(fault),
            Stage::Head | Stage::Body => End::Cut,
        }
    }

    fn await_head(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<End> {
        while self.state.stage == Stage::Head {
            let Poll::Ready(read) = poll_read(self.target, cx, scratch) else { break };
            let read = match read {
                Ok(count) if count > 0 => scratch.get(..count).unwrap_or_default(),
                _ if self.work.down.is_untouched() && self.work.answer_input.is_empty() => {
                    return Some(End::Closed);
                }
                _ => return Some(self.broken(Fault::BadGateway)),
            };
            self.state.active = Instant::now();
            if let Err(end) = self.take_heads(cx, read) {
                return Some(end);
            }
        }
        // An answer before the final one goes on at once.
        if self.state.stage == Stage::Head && !self.work.down.is_untouched() {
            return self.flush(cx, scratch);
        }
        None
    }

    fn flush(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<End> {
        let Work { down, answer_input, .. } = &mut *self.work;
        match down.poll(cx, self.target, answer_input, self.client, scratch) {
            Poll::Ready(Err(_)) => Some(End::ClientGone),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        }
    }

    /// Takes heads out of what was read: answers before the final one, and the final one.
    fn take_heads(&mut self, cx: &mut Context<'_>, read: &[u8]) -> Result<(), End> {
        let mut whole = Vec::new();
        let mut rest = read;
        if !self.work.answer_input.is_empty() {
            whole.extend_from_slice(self.work.answer_input.rest());
            whole.extend_from_slice(read);
            self.work.answer_input.clear();
            rest = &whole;
        }
        let asked = match self.work.head.method.of(&self.work.head_bytes) {
            b"HEAD" => Asked::Head,
            _ => Asked::Other,
        };
        loop {
            match self.work.answer.read(rest, asked) {
                Err(Malformed) => return Err(self.broken(Fault::BadGateway)),
                Ok(false) => {
                    self.work.answer_input.push(rest);
                    return Ok(());
                }
                Ok(true) => {}
            }
            let (head, after) = rest.split_at_checked(self.work.answer.len).unwrap_or_default();
            rest = after;
            match self.work.answer.status {
                101 => return Err(self.upgrade(head, rest)),
                100..=199 => self.pass_early(head),
                _ => {
                    self.begin_answer(head);
                    let Work { down, answer_input, .. } = &mut *self.work;
                    let used = down.take(cx, rest, self.client).map_err(|broken| match broken {
                        Broken::To => End::ClientGone,
                        Broken::From | Broken::Malformed => End::Cut,
                    })?;
                    answer_input.push(rest.get(used..).unwrap_or_default());
                    return Ok(());
                }
            }
        }
    }

    /// `100 Continue` and the like: passed on as they are to who understands them.
    fn pass_early(&mut self, head: &[u8]) {
        if self.work.head.version == Version::Http11 {
            let Work { down, answer, .. } = &mut *self.work;
            write_first_line(down.head(), answer, head);
            let mut lines = Lines(down.head());
            for field in answer.fields.iter().filter(|it| !it.meaning.is_of_the_hop()) {
                lines.put(field.name.of(head), field.value.of(head));
            }
            down.head().extend_from_slice(b"\r\n");
            down.note_early();
        }
    }

    fn note_answer(&mut self) {
        // When it was read.
        let now = self.state.active;
        self.record.sent_on.get_or_insert(now);
        self.record.answered = Some(now);
        self.record.target_status = Some(self.work.answer.status);
        self.record.status = self.work.answer.status;
    }

    fn begin_answer(&mut self, head: &[u8]) {
        self.note_answer();
        self.state.stage = Stage::Body;
        // What is not read of the request would be taken for the next one.
        *self.keep_alive &= self.work.up.has_read_all() && self.state.upload != Upload::Failed;
        let is_new = self.work.head.version == Version::Http11;
        let framing = self.work.answer.framing;
        let coding = match framing {
            Framing::Chunked | Framing::UntilClose if is_new => Coding::Chunked,
            _ => Coding::Plain,
        };
        *self.keep_alive &=
            coding == Coding::Chunked || !matches!(framing, Framing::Chunked | Framing::UntilClose);
        self.write_answer(head, coding);
        self.work.down.go_on(framing, coding);
    }

    fn write_answer(&mut self, head: &[u8], coding: Coding) {
        let cookies = self.cookies(head);
        let date = self.thread.date(self.state.active);
        let Work { down, answer, .. } = &mut *self.work;
        write_first_line(down.head(), answer, head);
        let mut lines = Lines(down.head());
        let listener = &self.serving.entrance.attributes;
        answer_fields(
            &mut lines,
            answer,
            head,
            &Return { cookies: &cookies, listener, date: &date },
        );
        if coding == Coding::Chunked {
            lines.put(b"Transfer-Encoding", b"chunked");
        }
        lines.put(b"Connection", if *self.keep_alive { b"keep-alive" } else { b"close" });
        down.head().extend_from_slice(b"\r\n");
    }

    /// The cookies that go with the answer.
    fn cookies(&self, head: &[u8]) -> Vec<String> {
        answer_cookies(self.thread, self.serving, self.forward, &self.work.answer, head)
    }

    fn upgrade(&mut self, head: &[u8], rest: &[u8]) -> End {
        if self.work.head.upgrade.is_none() {
            return self.broken(Fault::BadGateway);
        }
        self.note_answer();
        let cookies = self.cookies(head);
        let date = self.thread.date(self.state.active);
        let Work { down, answer, .. } = &mut *self.work;
        write_first_line(down.head(), answer, head);
        let mut lines = Lines(down.head());
        let listener = &self.serving.entrance.attributes;
        answer_fields(
            &mut lines,
            answer,
            head,
            &Return { cookies: &cookies, listener, date: &date },
        );
        if let Some(field) = answer.fields.iter().find(|it| it.meaning == Name::Upgrade) {
            lines.put(b"Upgrade", field.value.of(head));
        }
        lines.put(b"Connection", b"Upgrade");
        down.head().extend_from_slice(b"\r\n");
        down.go_on(Framing::UntilClose, Coding::Plain);
        self.work.answer_input.push(rest);
        End::Upgraded
    }

    fn download(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<End> {
        let Work { down, answer_input, .. } = &mut *self.work;
        match down.poll(cx, self.target, answer_input, self.client, scratch) {
            Poll::Pending => None,
            Poll::Ready(Ok(())) => Some(End::Answered),
            Poll::Ready(Err(Broken::To)) => Some(End::ClientGone),
            Poll::Ready(Err(Broken::From | Broken::Malformed)) => Some(End::Cut),
        }
    }

    /// A client that closes while it waits is not waited for. What it sends is the next request.
    fn watch_client(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<End> {
        if self.state.upload == Upload::Going || !self.work.input.is_empty() {
            return None;
        }
        let space = scratch.get_mut(..limits::HEAD_BUFFER).unwrap_or_default();
        match poll_read(self.client, cx, space) {
            Poll::Pending => None,
            Poll::Ready(Ok(count)) if count > 0 => {
                self.work.input.push(scratch.get(..count).unwrap_or_default());
                None
            }
            Poll::Ready(_) => Some(End::ClientGone),
        }
    }
}

/// The cookies that go with an answer.
pub(crate) fn answer_cookies(
    thread: &Thread,
    serving: &Serving,
    forward: &Forward,
    answer: &AnswerHead,
    head: &[u8],
) -> Vec<String> {
    if forward.settle.is_none() && forward.group.sticky().is_none() {
        return Vec::new();
    }
    let seal = &serving.snapshot.seal;
    let binding = Binding { forward, seal, now: thread.time(Instant::now()) };
    let set =
        answer.fields.iter().filter(|it| it.name.of(head).eq_ignore_ascii_case(b"set-cookie"));
    binding.cookies(set.map(|it| it.value.of(head)))
}

fn write_first_line(out: &mut Vec<u8>, answer: &AnswerHead, head: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa(answer.status.into()).text());
    out.push(b' ');
    match answer.reason.of(head) {
        [] => out.extend_from_slice(reason(answer.status).as_bytes()),
        words => out.extend_from_slice(words),
    }
    out.extend_from_slice(b"\r\n");
}
