//! What becomes of a request: the one place where a request meets the routing table.

use core::time::Duration;
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

use plan::routing::attributes::{ClassicCookie, Sticky};
use plan::routing::{Head, Headers, Step};
use plan::stickiness::{
    APPLICATION_COOKIE, CLASSIC_COOKIE, CLASSIC_COOKIE_CORS, Claim, GROUP_COOKIE,
    GROUP_COOKIE_CORS, TARGET_COOKIE, TARGET_COOKIE_CORS,
};
use state::ProtocolVersion;
use types::{Timestamp, Zone};

use crate::answer::{Fault, Made};
use crate::cookies;
use crate::counters::Metric;
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
    /// For how long the client is to stay with the group, if it is told so with the answer.
    pub(crate) settle: Option<Duration>,
    pub(crate) came: Came,
}

/// Where a client belongs by its cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// Nowhere in this group.
    Free,
    /// At a target that this group had, and its number if it has it still.
    Bound(Option<u32>),
}

impl Forward {
    pub(crate) fn target(&self) -> Option<&Rc<LocalTarget>> {
        self.group.targets.get(self.number as usize)
    }

    /// Whether the request goes to the target that the client had before.
    pub(crate) fn has_stayed(&self) -> bool {
        self.came == Came::Bound(Some(self.number))
    }

    /// The request is under way from now on.
    pub(crate) fn begin(&self) -> Option<Flight> {
        Some(Flight::new(Rc::clone(self.target()?), self.zone.clone()))
    }

    /// Another target for a request that has not reached the ones that were tried, in another zone if
    /// that is possible: theirs may be lost as a whole.
    pub(crate) fn choose_again(&mut self, tried: &[u32], dice: u64, now: Timestamp) -> bool {
        let zone = self.zone.as_ref();
        let near = self.in_zones_of(tried);
        let next = self.group.with(zone, now, |rotation| {
            let other = rotation.next_but(&near, dice, now);
            other.or_else(|| rotation.next_but(tried, dice, now))
        });
        if let Some(number) = next {
            self.number = number;
        }
        next.is_some()
    }

    /// The targets in the zones of these, and these.
    fn in_zones_of(&self, tried: &[u32]) -> Vec<u32> {
        let targets = &self.group.group.ready.told.targets;
        let zone = |it: &u32| targets.get(*it as usize)?.zone.as_ref();
        let zones: Vec<&Zone> = tried.iter().filter_map(zone).collect();
        let is_near =
            |it: &plan::routing::Target| it.zone.as_ref().is_some_and(|it| zones.contains(&it));
        let near = (0..).zip(targets).filter(|it| tried.contains(&it.0) || is_near(it.1));
        near.map(|it| it.0).collect()
    }
}

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
    classic: Option<Claim>,
}

impl Claims {
    fn of(asked: Asked<'_>, seal: &[u8], now: Timestamp) -> Self {
        let mut claims = Self::default();
        for field in asked.head.fields.iter().filter(|it| it.meaning == Name::Cookie) {
            let value = field.value.of(asked.buffer);
            if memchr::memmem::find(value, b"AWS").is_none() {
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
            claims.classic = claims
                .classic
                .or_else(|| claim(CLASSIC_COOKIE))
                .or_else(|| claim(CLASSIC_COOKIE_CORS));
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
        let came = self.came(view);
        let kept = if let Came::Bound(before) = came { before } else { None };
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
        let group = Rc::clone(view);
        Fate::Forward(Box::new(Forward { group, number, zone, transformed, settle, came }))
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
    fn came(&self, view: &GroupView) -> Came {
        let claims = self.claims;
        let claim = view.sticky().and_then(|it| match it {
            Sticky::LoadBalancer(_) => claims.target,
            Sticky::Application { name, .. } => {
                claims.application.filter(|_| self.has_cookie(name))
            }
            Sticky::Classic(ClassicCookie::Own(_)) => claims.classic,
            Sticky::Classic(ClassicCookie::As(name)) => {
                claims.classic.filter(|_| self.has_cookie(name))
            }
            Sticky::SourceIp => None,
        });
        let ready = &view.group.ready;
        let target = claim.and_then(|it| it.target_of(ready.mark));
        target.map_or(Came::Free, |it| Came::Bound(ready.target_number(it)))
    }

    fn has_cookie(&self, name: &str) -> bool {
        let Asked { head, buffer, .. } = self.asked;
        let mut fields = head.fields.iter().filter(|it| it.meaning == Name::Cookie);
        fields.any(|it| cookies::values(it.value.of(buffer), name).next().is_some())
    }
}

/// Text of a head, for logs.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
