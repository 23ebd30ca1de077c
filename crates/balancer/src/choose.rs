//! What becomes of a request: the one place where a request meets the routing table.

use core::time::Duration;
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

use plan::routing::attributes::Sticky;
use plan::routing::{Head, Headers, Step};
use plan::stickiness::{
    APPLICATION_COOKIE, COOKIE_LIFE, Claim, GROUP_COOKIE, GROUP_COOKIE_CORS, Mark, TARGET_COOKIE,
    TARGET_COOKIE_CORS,
};
use state::ProtocolVersion;
use types::{Timestamp, Zone};

use crate::answer::{Fault, Made};
use crate::cookies;
use crate::counters::Metric;
use crate::date;
use crate::http1::field::Name;
use crate::http1::request_head::RequestHead;
use crate::rewrite::{encoded, host_name};
use crate::transform::Transformed;
use crate::view::{Flight, GroupView, LocalTarget, Serving};

/// A request's head and what it was read from.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) head: &'a RequestHead,
    pub(crate) buffer: &'a [u8],
    pub(crate) client: IpAddr,
    pub(crate) over: Over,
}

/// What the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Http1,
    Http2,
}

/// What becomes of a request.
pub(crate) struct Decision {
    /// `None` is the default rule; `Some(None)` is none at all.
    pub(crate) priority: Option<u32>,
    pub(crate) fate: Fate,
}

pub(crate) enum Fate {
    Forward(Box<Forward>),
    Redirect(Made),
    Fixed(Made),
    Fault(Fault),
}

/// A request that goes to a target.
pub(crate) struct Forward {
    pub(crate) group: Rc<GroupView>,
    pub(crate) number: u32,
    pub(crate) zone: Option<Zone>,
    pub(crate) transformed: Transformed,
    /// Values of `Set-Cookie` that the answer gets.
    pub(crate) cookies: Vec<String>,
    /// Name of the application's cookie, and what its answer is bound with.
    pub(crate) bound: Option<(String, Claim)>,
}

impl Forward {
    pub(crate) fn target(&self) -> Option<&Rc<LocalTarget>> {
        self.group.targets.get(self.number as usize)
    }

    /// The request is under way from now on.
    pub(crate) fn begin(&self) -> Option<Flight> {
        Some(Flight::new(Rc::clone(self.target()?), self.zone.clone()))
    }

    /// Another target for a request that has not reached the ones that were tried.
    pub(crate) fn choose_again(&mut self, tried: &[u32], dice: u64, now: Timestamp) -> bool {
        let next = self.group.with(self.zone.as_ref(), now, |rotation| {
            let draws = (0..DRAWS).filter_map(|it| rotation.next(dice.wrapping_add(it), now));
            draws.into_iter().find(|it| !tried.contains(it))
        });
        if let Some(number) = next {
            self.number = number;
        }
        next.is_some()
    }
}

/// How often another target is drawn, before it is taken that there is none.
const DRAWS: u64 = 8;

/// The fields of a head as routing looks at them.
struct Fields<'a>(Asked<'a>);

impl Headers for Fields<'_> {
    fn any(&self, name: &str, wanted: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Asked { head, buffer, .. } = self.0;
        head.fields
            .iter()
            .filter(|it| it.name.of(buffer).eq_ignore_ascii_case(name.as_bytes()))
            .any(|it| wanted(it.value.of(buffer)))
    }
}

/// What becomes of a request.
pub(crate) fn choose(serving: &Serving, asked: Asked<'_>, dice: u64, now: Timestamp) -> Decision {
    let Asked { head, buffer, .. } = asked;
    let host = String::from_utf8_lossy(host_name(head.authority.of(buffer)));
    let target = String::from_utf8_lossy(head.target.of(buffer));
    let (path, query) = split(&target);
    let method = head.method.of(buffer);
    if method == b"TRACE" {
        return Decision { priority: None, fate: Fate::Fault(Fault::MethodNotAllowed) };
    }
    let fields = Fields(asked);
    let routed = Head {
        method: core::str::from_utf8(method).unwrap_or_default(),
        host: &host,
        path,
        query,
        source: asked.client,
        headers: &fields,
    };
    let claims = Claims::of(asked, &serving.snapshot.seal, now);
    let entrance = &serving.entrance;
    let compiled = &serving.snapshot.compiled;
    let Some(route) = entrance.port.route(compiled, &routed, claims.group.as_ref(), dice) else {
        return Decision { priority: None, fate: Fate::Fault(Fault::NoTarget) };
    };
    if route.rule.priority.is_some() {
        serving.meter.add(Metric::RuleEvaluations, 1);
    }
    let fate = match route.step {
        Step::Forward { group, settle } => {
            let transformed = entrance.transforms.apply(&route.rule.arn, &host, &target);
            let choice = Choice { serving, asked, claims: &claims, dice, now };
            choice.forward(group, settle, transformed)
        }
        Step::Nowhere => Fate::Fault(Fault::NoTarget),
        Step::Redirect { status, location } => {
            Fate::Redirect(Made::redirect(status, encoded(&location)))
        }
        Step::Fixed { status, content_type, body } => {
            Fate::Fixed(Made::fixed(status, content_type, body))
        }
    };
    Decision { priority: route.rule.priority, fate }
}

fn split(target: &str) -> (&str, Option<&str>) {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    (if path.is_empty() { "/" } else { path }, query)
}

/// What the client's cookies claim, as far as it stands.
#[derive(Default)]
struct Claims {
    group: Option<Claim>,
    target: Option<Claim>,
    application: Option<Claim>,
}

impl Claims {
    fn of(asked: Asked<'_>, seal: &[u8], now: Timestamp) -> Self {
        let mut claims = Self::default();
        for field in asked.head.fields.iter().filter(|it| it.meaning == Name::Cookie) {
            let value = field.value.of(asked.buffer);
            if memchr::memmem::find(value, b"AWSALB").is_none() {
                continue;
            }
            let claim = |name: &str| {
                let mut opened =
                    cookies::values(value, name).filter_map(|it| cookies::open(it, seal));
                opened.find_map(|it| it.standing(now))
            };
            claims.group =
                claims.group.or_else(|| claim(GROUP_COOKIE)).or_else(|| claim(GROUP_COOKIE_CORS));
            claims.target = claims
                .target
                .or_else(|| claim(TARGET_COOKIE))
                .or_else(|| claim(TARGET_COOKIE_CORS));
            claims.application = claims.application.or_else(|| claim(APPLICATION_COOKIE));
        }
        claims
    }
}

struct Choice<'a> {
    serving: &'a Serving,
    asked: Asked<'a>,
    claims: &'a Claims,
    dice: u64,
    now: Timestamp,
}

impl Choice<'_> {
    fn forward(&self, group: usize, settle: Option<Duration>, transformed: Transformed) -> Fate {
        let Some(view) = self.serving.groups.get(group) else {
            return Fate::Fault(Fault::NoTarget);
        };
        if !self.speaks(view) {
            return Fate::Fault(Fault::VersionMismatch);
        }
        let zone = self.zone(view);
        let kept = self.kept(view);
        let number = view.with(zone.as_ref(), self.now, |rotation| {
            if rotation.fails_open() {
                view.meter.add(Metric::UnhealthyRoutingRequests, 1);
            }
            kept.filter(|it| rotation.is_eligible(*it))
                .or_else(|| rotation.next(self.dice.rotate_left(32), self.now))
        });
        let Some(number) = number else { return Fate::Fault(Fault::NoTarget) };
        if view.sticky().is_some() && kept != Some(number) {
            view.meter.add(Metric::NonStickyRequests, 1);
        }
        let mut forward = Forward {
            group: Rc::clone(view),
            number,
            zone,
            transformed,
            cookies: Vec::new(),
            bound: None,
        };
        self.bind(&mut forward, settle);
        Fate::Forward(Box::new(forward))
    }

    /// Whether the group's targets can be given what the client speaks.
    ///
    /// Source: Application Load Balancers User Guide, "HTTP 464".
    fn speaks(&self, view: &GroupView) -> bool {
        let Asked { head, buffer, over, .. } = self.asked;
        let is_grpc = || {
            head.fields.iter().any(|it| {
                it.name.of(buffer).eq_ignore_ascii_case(b"content-type")
                    && it.value.of(buffer).starts_with(b"application/grpc")
            })
        };
        match (view.group.ready.told.version, over) {
            (Some(ProtocolVersion::Http2 | ProtocolVersion::Grpc), Over::Http1) => false,
            (Some(ProtocolVersion::Grpc), Over::Http2) => head.method.of(buffer) == b"POST",
            (Some(ProtocolVersion::Http1) | None, Over::Http2) => !is_grpc(),
            (Some(ProtocolVersion::Http2), Over::Http2)
            | (Some(ProtocolVersion::Http1) | None, Over::Http1) => true,
        }
    }

    /// The zone whose targets may be chosen; `None` is all.
    fn zone(&self, view: &GroupView) -> Option<Zone> {
        let attributes = &view.group.ready.attributes;
        let crosses =
            attributes.cross_zone.unwrap_or(self.serving.entrance.balanced.attributes.cross_zone);
        let zone = self.serving.entrance.zone.clone().filter(|_| !crosses)?;
        // Differs: AWS takes a node of a Classic Load Balancer whose zone has no instance in service
        // out of the load balancer's name; here it sends to those of other zones.
        let is_alone = attributes.fail_open.is_none()
            && view.with(Some(&zone), self.now, |rotation| rotation.is_empty());
        (!is_alone).then_some(zone)
    }

    /// The target that the client had before.
    fn kept(&self, view: &GroupView) -> Option<u32> {
        let claim = match view.sticky()? {
            Sticky::LoadBalancer(_) => self.claims.target?,
            Sticky::Application { name, .. } if self.has_cookie(name) => self.claims.application?,
            Sticky::Application { .. } | Sticky::SourceIp => return None,
        };
        let ready = &view.group.ready;
        ready.target_number(claim.target_of(ready.mark)?)
    }

    fn has_cookie(&self, name: &str) -> bool {
        let Asked { head, buffer, .. } = self.asked;
        let mut fields = head.fields.iter().filter(|it| it.meaning == Name::Cookie);
        fields.any(|it| cookies::values(it.value.of(buffer), name).next().is_some())
    }

    /// The cookies that the answer gets.
    fn bind(&self, forward: &mut Forward, settle: Option<Duration>) {
        let mark = forward.group.group.ready.mark;
        if let Some(duration) = settle {
            let claim = Claim { group: mark, target: None, until: self.now.after(duration) };
            self.set(&mut forward.cookies, [GROUP_COOKIE, GROUP_COOKIE_CORS], &claim);
        }
        match forward.group.sticky() {
            None | Some(Sticky::SourceIp) => {}
            Some(Sticky::LoadBalancer(duration)) => {
                if let Some(claim) = self.claim(forward, mark, *duration) {
                    self.set(&mut forward.cookies, [TARGET_COOKIE, TARGET_COOKIE_CORS], &claim);
                }
            }
            Some(Sticky::Application { name, duration }) => {
                let claim = self.claim(forward, mark, *duration);
                let name = name.clone();
                forward.bound = claim.map(|it| (name, it));
            }
        }
    }

    fn claim(&self, forward: &Forward, group: Mark, duration: Duration) -> Option<Claim> {
        let target = forward.group.group.ready.target_mark(forward.number);
        Some(Claim { group, target: Some(target?), until: self.now.after(duration) })
    }

    fn set(&self, to: &mut Vec<String>, [name, cors]: [&str; 2], claim: &Claim) {
        let value = cookies::seal(claim, &self.serving.snapshot.seal);
        let expires = date::http(self.now.after(COOKIE_LIFE));
        to.push(format!("{name}={value}; Expires={expires}; Path=/"));
        to.push(format!("{cors}={value}; Expires={expires}; Path=/; SameSite=None; Secure"));
    }
}

/// The cookie that keeps a client with its target as long as the application's own cookie lives.
pub(crate) fn application_cookie(claim: &Claim, seal: &[u8], now: Timestamp) -> String {
    let value = cookies::seal(claim, seal);
    let expires = date::http(now.after(COOKIE_LIFE));
    format!("{APPLICATION_COOKIE}={value}; Expires={expires}; Path=/")
}

/// Text of a head, for logs.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
