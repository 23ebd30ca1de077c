//! A snapshot as one thread serves it: whose turn it is, connections that are kept, counters.

use core::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use plan::balancing::Rotation;
use plan::routing::attributes::Sticky;
use state::Action;
use types::{Timestamp, Zone};

use crate::counters::{Meter, Subject};
use crate::pool::Pool;
use crate::snapshot::{Entrance, Snapshot};
use crate::targets::{Group, Target};
use crate::thread::Thread;

/// A snapshot as one thread serves it.
#[derive(Default)]
pub(crate) struct View {
    /// In the order of the snapshot's groups.
    pub(crate) groups: Vec<Rc<GroupView>>,
    pub(crate) doors: BTreeMap<SocketAddr, Rc<Serving>>,
}

/// What is served at one address.
pub(crate) struct Serving {
    pub(crate) entrance: Arc<Entrance>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) groups: Rc<Vec<Rc<GroupView>>>,
    pub(crate) meter: Arc<Meter>,
}

/// A target group on one thread.
pub(crate) struct GroupView {
    pub(crate) group: Arc<Group>,
    pub(crate) targets: Vec<Rc<LocalTarget>>,
    pub(crate) meter: Arc<Meter>,
    rotations: RefCell<Vec<Zonal>>,
}

/// The rotation over a zone's targets, or over all.
struct Zonal {
    zone: Option<Zone>,
    rotation: Rotation,
    /// The count of changes of health that the rotation has seen.
    seen: u64,
}

/// A target on one thread.
pub(crate) struct LocalTarget {
    pub(crate) shared: Arc<Target>,
    pub(crate) pool: Pool,
    /// Where its group counts what it has under way now, by the newest table.
    home: RefCell<(Weak<GroupView>, u32)>,
    in_flight: Cell<u32>,
}

impl View {
    /// The view of a snapshot, with what this thread knows from the one before.
    pub(crate) fn new(snapshot: Arc<Snapshot>, thread: &Thread) -> Rc<Self> {
        let before = thread.view();
        let owners = owners(&snapshot);
        let mut standing: HashMap<*const Target, Rc<LocalTarget>> = HashMap::new();
        for target in before.groups.iter().flat_map(|it| &it.targets) {
            standing.insert(Arc::as_ptr(&target.shared), Rc::clone(target));
        }
        let old: HashMap<&str, &Rc<GroupView>> =
            before.groups.iter().map(|it| (it.group.ready.told.arn.as_str(), it)).collect();
        let now = (thread.shared.clock)();
        let subject = |group: &Group| {
            let arn = &group.ready.told.arn;
            let load_balancer = owners.get(arn.as_str()).copied().unwrap_or_default().to_owned();
            Subject { load_balancer, group: Some(arn.clone()) }
        };
        let groups: Vec<Rc<GroupView>> = snapshot
            .groups
            .iter()
            .map(|group| {
                let before = old.get(group.ready.told.arn.as_str()).copied();
                match before.filter(|it| Arc::ptr_eq(&it.group, group)) {
                    Some(same) => Rc::clone(same),
                    None => {
                        let meter = thread.meter(subject(group));
                        GroupView::new(group, before, &mut standing, (meter, now))
                    }
                }
            })
            .collect();
        let shared_groups = Rc::new(groups.clone());
        let serve = |entrance: &Arc<Entrance>| {
            let load_balancer = entrance.balanced.told.arn.clone();
            Rc::new(Serving {
                entrance: Arc::clone(entrance),
                snapshot: Arc::clone(&snapshot),
                groups: Rc::clone(&shared_groups),
                meter: thread.meter(Subject { load_balancer, group: None }),
            })
        };
        let doors =
            snapshot.doors.iter().map(|(address, entrance)| (*address, serve(entrance))).collect();
        let known =
            |arn: &str| snapshot.compiled.load_balancers.iter().any(|it| it.told.arn == arn);
        thread.forget_meters(|subject| known(&subject.load_balancer));
        Rc::new(Self { groups, doors })
    }
}

/// The load balancer that each group serves, by ARNs.
fn owners(snapshot: &Snapshot) -> HashMap<&str, &str> {
    let mut owners = HashMap::new();
    for balanced in &snapshot.compiled.load_balancers {
        for rule in balanced.told.listeners.iter().flat_map(|it| &it.rules) {
            if let Action::Forward { groups, .. } = &rule.action {
                for share in groups {
                    owners.insert(share.group.as_str(), balanced.told.arn.as_str());
                }
            }
        }
    }
    owners
}

impl GroupView {
    fn new(
        group: &Arc<Group>,
        before: Option<&Rc<Self>>,
        standing: &mut HashMap<*const Target, Rc<LocalTarget>>,
        (meter, now): (Arc<Meter>, Timestamp),
    ) -> Rc<Self> {
        let local = |target: &Arc<Target>| {
            let found = standing.get(&Arc::as_ptr(target)).cloned();
            found.unwrap_or_else(|| Rc::new(LocalTarget::new(Arc::clone(target))))
        };
        let targets: Vec<_> = group.targets.iter().map(local).collect();
        let rotations = before.map(|before| {
            let carry = |it: &Zonal| {
                let known = Some((&*before.group.ready, &it.rotation));
                Zonal::new(group, it.zone.clone(), now, known)
            };
            before.rotations.borrow().iter().map(carry).collect()
        });
        let rotations = RefCell::new(rotations.unwrap_or_default());
        let view = Rc::new(Self { group: Arc::clone(group), targets, meter, rotations });
        for (number, target) in (0..).zip(&view.targets) {
            target.home.replace((Rc::downgrade(&view), number));
        }
        view
    }

    /// Does something with the rotation over a zone's targets, as healthy as they are now.
    pub(crate) fn with<T>(
        &self,
        zone: Option<&Zone>,
        now: Timestamp,
        use_it: impl FnOnce(&mut Rotation) -> T,
    ) -> T {
        let mut rotations = self.rotations.borrow_mut();
        let place = rotations.iter().position(|it| it.zone.as_ref() == zone);
        let place = place.unwrap_or_else(|| {
            rotations.push(Zonal::new(&self.group, zone.cloned(), now, None));
            rotations.len() - 1
        });
        let Some(zonal) = rotations.get_mut(place) else {
            return use_it(&mut Rotation::default());
        };
        let changes = self.group.health_changes();
        if zonal.seen != changes {
            zonal.seen = changes;
            zonal.rotation.refresh(&self.group.ready, zone, &*self.group, now);
        }
        use_it(&mut zonal.rotation)
    }

    /// How this group knows clients again.
    pub(crate) fn sticky(&self) -> Option<&Sticky> {
        self.group.ready.attributes.sticky.as_ref()
    }

    fn count(&self, zone: Option<&Zone>, change: impl FnOnce(&mut Rotation)) {
        let mut rotations = self.rotations.borrow_mut();
        if let Some(zonal) = rotations.iter_mut().find(|it| it.zone.as_ref() == zone) {
            change(&mut zonal.rotation);
        }
    }
}

impl Zonal {
    fn new(
        group: &Group,
        zone: Option<Zone>,
        now: Timestamp,
        before: Option<(&plan::routing::ReadyGroup, &Rotation)>,
    ) -> Self {
        let seen = group.health_changes();
        let rotation = Rotation::new(&group.ready, zone.as_ref(), group, now, before);
        Self { zone, rotation, seen }
    }
}

impl LocalTarget {
    fn new(shared: Arc<Target>) -> Self {
        Self {
            shared,
            pool: Pool::default(),
            home: RefCell::new((Weak::new(), 0)),
            in_flight: Cell::new(0),
        }
    }

    /// How many requests this thread has under way to it.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }
}

/// A request or tunnel that is under way to a target; counted until it is dropped.
pub(crate) struct Flight {
    pub(crate) target: Rc<LocalTarget>,
    zone: Option<Zone>,
}

impl Flight {
    pub(crate) fn new(target: Rc<LocalTarget>, zone: Option<Zone>) -> Self {
        target.shared.entered();
        target.in_flight.set(target.in_flight.get() + 1);
        let flight = Self { target, zone };
        flight.count(Rotation::began);
        flight
    }

    fn count(&self, change: impl FnOnce(&mut Rotation, u32)) {
        let home = self.target.home.borrow();
        if let Some(group) = home.0.upgrade() {
            group.count(self.zone.as_ref(), |rotation| change(rotation, home.1));
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.target.shared.left();
        self.target.in_flight.set(self.target.in_flight.get().saturating_sub(1));
        self.count(Rotation::ended);
    }
}
