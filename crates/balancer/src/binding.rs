//! The cookies that an answer gets, so that its client is known again.
//!
//! They are made when the answer comes: only then it is known which target has given it.

use core::time::Duration;

use plan::routing::attributes::{ClassicCookie, Sticky};
use plan::stickiness::{
    APPLICATION_COOKIE, CLASSIC_COOKIE, CLASSIC_COOKIE_CORS, COOKIE_LIFE, Claim, GROUP_COOKIE,
    GROUP_COOKIE_CORS, TARGET_COOKIE, TARGET_COOKIE_CORS,
};
use types::Timestamp;

use crate::choose::{Came, Forward};
use crate::cookies;
use crate::date;

/// What a request of a client is bound with.
pub(crate) struct Binding<'a> {
    pub(crate) forward: &'a Forward,
    /// The region's key for cookies.
    pub(crate) seal: &'a [u8],
    pub(crate) now: Timestamp,
}

impl Binding<'_> {
    /// The cookies that the answer gets. `set` are the `Set-Cookie` fields that its target gave it.
    pub(crate) fn cookies<'a>(&self, mut set: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(duration) = self.forward.settle {
            let claim = Claim { target: None, ..self.claim(self.now.after(duration)) };
            self.week([GROUP_COOKIE, GROUP_COOKIE_CORS], &claim, &mut all);
        }
        match self.forward.group.sticky() {
            None | Some(Sticky::SourceIp) => {}
            Some(Sticky::LoadBalancer(duration)) => {
                let claim = self.claim(self.now.after(*duration));
                self.week([TARGET_COOKIE, TARGET_COOKIE_CORS], &claim, &mut all);
            }
            Some(Sticky::Application { name, duration }) => {
                if set.any(|it| cookies::values(it, name).next().is_some()) {
                    let value = self.sealed(&self.claim(self.now.after(*duration)));
                    let expires = date::http(self.now.after(COOKIE_LIFE));
                    all.push(format!("{APPLICATION_COOKIE}={value}; Expires={expires}; Path=/"));
                }
            }
            Some(Sticky::Classic(ClassicCookie::Own(period))) => self.own(*period, &mut all),
            Some(Sticky::Classic(ClassicCookie::As(name))) => {
                all.extend(self.followed(name, set));
            }
        }
        all
    }

    /// What a client is to come back with.
    fn claim(&self, until: Timestamp) -> Claim {
        let ready = &self.forward.group.group.ready;
        Claim { group: ready.mark, target: ready.target_mark(self.forward.number), until }
    }

    /// The cookie of a Classic Load Balancer with one of its own, which is not made anew as long as
    /// the client stays with its target.
    fn own(&self, period: Option<Duration>, all: &mut Vec<String>) {
        if self.forward.has_stayed() {
            return;
        }
        let value = self.lasting();
        let age = period.map_or_else(String::new, |it| format!(";MAX-AGE={}", it.as_secs()));
        all.push(format!("{CLASSIC_COOKIE}={value};PATH=/{age}"));
        all.push(format!("{CLASSIC_COOKIE_CORS}={value};PATH=/{age};SECURE;SAMESITE=None"));
    }

    /// The cookie of a Classic Load Balancer that lasts as long as the application's: made when that
    /// is, and when the client had to go to another target, with which it stays from then on.
    fn followed<'a>(&self, name: &str, mut set: impl Iterator<Item = &'a [u8]>) -> Option<String> {
        if let Some(attributes) = set.find_map(|it| cookies::attributes_of(it, name)) {
            return Some(format!("{CLASSIC_COOKIE}={}{attributes}", self.lasting()));
        }
        let has_moved = self.forward.came != Came::Free && !self.forward.has_stayed();
        has_moved.then(|| format!("{CLASSIC_COOKIE}={};PATH=/", self.lasting()))
    }

    /// A claim that stands whenever it comes.
    fn lasting(&self) -> String {
        self.sealed(&self.claim(Timestamp(i64::MAX)))
    }

    fn week(&self, [name, cors]: [&str; 2], claim: &Claim, all: &mut Vec<String>) {
        let value = self.sealed(claim);
        let expires = date::http(self.now.after(COOKIE_LIFE));
        all.push(format!("{name}={value}; Expires={expires}; Path=/"));
        all.push(format!("{cors}={value}; Expires={expires}; Path=/; SameSite=None; Secure"));
    }

    fn sealed(&self, claim: &Claim) -> String {
        cookies::seal(claim, self.seal)
    }
}
