//! What is kept of a request until it is over, to be counted and logged.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::time::Instant;

use crate::access_log::{self, Entry, Kind, Line};
use crate::choose::{Forward, text};
use crate::counters::Metric;
use crate::http1::desync::Reason;
use crate::http1::field::Name;
use crate::http1::request_head::{RequestHead, Version};
use crate::rewrite::TlsFacts;
use crate::thread::Thread;
use crate::transform::Transformed;
use crate::view::{GroupView, LocalTarget, Serving};

/// Who asks, for as long as the connection stands.
pub(crate) struct Caller {
    pub(crate) client: SocketAddr,
    pub(crate) tls: Option<TlsFacts>,
    /// What the access log knows the connection by.
    pub(crate) number: u64,
}

/// What of a request is kept until it is over.
pub(crate) struct Record {
    pub(crate) began: Instant,
    pub(crate) sent_on: Option<Instant>,
    pub(crate) answered: Option<Instant>,
    pub(crate) status: u16,
    pub(crate) target_status: Option<u16>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) done: Done,
    /// `Some(0)` is the default rule.
    pub(crate) priority: Option<u32>,
    pub(crate) group: Option<Rc<GroupView>>,
    pub(crate) target: Option<Rc<LocalTarget>>,
    pub(crate) found: Option<Reason>,
    pub(crate) is_upgraded: bool,
    /// Only if the load balancer has access logs.
    pub(crate) text: Option<Box<Text>>,
}

/// What was done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    Nothing,
    Forward,
    Redirect(String),
    Fixed,
}

/// What of a head is logged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    kind: Option<Kind>,
    request: String,
    user_agent: String,
    trace: String,
    transformed: Transformed,
}

impl Record {
    pub(crate) fn new(began: Instant) -> Self {
        Self {
            began,
            sent_on: None,
            answered: None,
            status: 0,
            target_status: None,
            received: 0,
            sent: 0,
            done: Done::Nothing,
            priority: None,
            group: None,
            target: None,
            found: None,
            is_upgraded: false,
            text: None,
        }
    }

    /// Keeps what is logged of a head.
    pub(crate) fn keep_text(
        &mut self,
        (head, buffer): (&RequestHead, &[u8]),
        trace: &str,
        serving: &Serving,
        (tls, over_http2): (Option<&TlsFacts>, bool),
    ) {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let version = match (head.version, over_http2) {
            (_, true) => "HTTP/2.0",
            (Version::Http10, _) => "HTTP/1.0",
            (Version::Http11, _) => "HTTP/1.1",
        };
        let port = serving.entrance.port.told.port;
        let host = text(crate::rewrite::host_name(head.authority.of(buffer)));
        let target = text(head.target.of(buffer));
        let method = text(head.method.of(buffer));
        let value = |wanted: Name| {
            let field = head.fields.iter().find(|it| it.meaning == wanted);
            field.map_or_else(|| "-".to_owned(), |it| text(it.value.of(buffer)).into_owned())
        };
        let is_grpc = head.fields.iter().any(|it| {
            it.name.of(buffer).eq_ignore_ascii_case(b"content-type")
                && it.value.of(buffer).starts_with(b"application/grpc")
        });
        self.text = Some(Box::new(Text {
            kind: over_http2.then_some(if is_grpc { Kind::Grpcs } else { Kind::H2 }),
            request: format!("{method} {scheme}://{host}:{port}{target} {version}"),
            user_agent: value(Name::UserAgent),
            trace: trace.to_owned(),
            transformed: Transformed::default(),
        }));
    }

    /// Notes where the request goes.
    pub(crate) fn forwarded(&mut self, forward: &Forward) {
        self.done = Done::Forward;
        self.group = Some(Rc::clone(&forward.group));
        if let Some(text) = &mut self.text {
            text.transformed = forward.transformed.clone();
        }
    }

    /// Counts the request, and logs it if its load balancer has access logs.
    pub(crate) fn finish(&self, thread: &Thread, serving: &Serving, caller: &Caller) {
        self.count(serving);
        if serving.entrance.balanced.attributes.access_logs {
            self.log(thread, serving, caller, Instant::now());
        }
    }

    fn count(&self, serving: &Serving) {
        let meter = &serving.meter;
        meter.add(Metric::ProcessedBytes, self.received + self.sent);
        if self.found.is_some() {
            meter.add(Metric::NonCompliantRequests, 1);
        }
        match (self.target_status, &self.done) {
            (Some(status), _) => self.count_target(status),
            (None, Done::Redirect(_)) => {
                meter.add(Metric::Redirects, 1);
                meter.add(Metric::Elb3xx, 1);
            }
            (None, Done::Fixed) => meter.add(Metric::FixedResponses, 1),
            (None, Done::Nothing | Done::Forward) => {
                let by_class = match self.status {
                    400..=499 => Some(Metric::Elb4xx),
                    500..=599 => Some(Metric::Elb5xx),
                    _ => None,
                };
                let by_code = match self.status {
                    500 => Some(Metric::Elb500),
                    502 => Some(Metric::Elb502),
                    503 => Some(Metric::Elb503),
                    504 => Some(Metric::Elb504),
                    _ => None,
                };
                for metric in by_class.into_iter().chain(by_code) {
                    meter.add(metric, 1);
                }
            }
        }
    }

    fn count_target(&self, status: u16) {
        let Some(group) = &self.group else { return };
        let metric = match status {
            200..=299 => Some(Metric::Target2xx),
            300..=399 => Some(Metric::Target3xx),
            400..=499 => Some(Metric::Target4xx),
            500..=599 => Some(Metric::Target5xx),
            _ => None,
        };
        if let Some(metric) = metric {
            group.meter.add(metric, 1);
        }
        if status >= 500
            && let Some(target) = &self.target
        {
            target.shared.failed();
        }
        if let (Some(sent), Some(answered)) = (self.sent_on, self.answered) {
            group.meter.time(answered.duration_since(sent));
        }
    }

    fn log(&self, thread: &Thread, serving: &Serving, caller: &Caller, now: Instant) {
        let nothing = Text::default();
        let text = self.text.as_deref().unwrap_or(&nothing);
        let balanced = &serving.entrance.balanced.told;
        let kind = match (text.kind, self.is_upgraded, &caller.tls) {
            (Some(kind), _, _) => kind,
            (None, true, Some(_)) => Kind::Wss,
            (None, true, None) => Kind::Ws,
            (None, false, Some(_)) => Kind::Https,
            (None, false, None) => Kind::Http,
        };
        let reached = self.target_status.is_some();
        let between = |from: Option<Instant>, to: Option<Instant>| {
            Some(to?.duration_since(from?)).filter(|_| reached)
        };
        let (actions, redirect) = match &self.done {
            Done::Nothing => ("-", "-"),
            Done::Forward => ("forward", "-"),
            Done::Redirect(to) => ("redirect", to.as_str()),
            Done::Fixed => ("fixed-response", "-"),
        };
        let scheme = if caller.tls.is_some() { "https" } else { "http" };
        let port = serving.entrance.port.told.port;
        let unread = format!("- {scheme}://-:{port}- -");
        let or_none = |it: &'_ str| if it.is_empty() { "-".to_owned() } else { it.to_owned() };
        let entry = Entry {
            kind,
            ended: thread.time(now),
            load_balancer: balanced.arn.split_once("loadbalancer/").map_or("-", |it| it.1),
            client: caller.client,
            target: self.target.as_ref().and_then(|it| it.shared.address),
            times: [
                between(Some(self.began), self.sent_on),
                between(self.sent_on, self.answered),
                between(self.answered, self.answered),
            ],
            status: self.status,
            target_status: self.target_status,
            received: self.received,
            sent: self.sent,
            request: if text.request.is_empty() { &unread } else { &text.request },
            user_agent: &or_none(&text.user_agent),
            tls: caller.tls.as_ref(),
            group: self.group.as_ref().map(|it| it.group.ready.told.arn.as_str()),
            trace: &or_none(&text.trace),
            priority: self.priority,
            began: thread.time(self.began),
            actions,
            redirect,
            found: self.found,
            connection: caller.number,
            transformed: &text.transformed,
        };
        let line = Line { load_balancer: balanced.arn.clone(), text: access_log::line(&entry) };
        thread.shared.log.put(line);
    }
}
