//! Which target a flow goes to: the one that a hash of the flow and the target likes best
//! (rendezvous hashing), so that a target that comes or goes moves as few clients as it can.

use core::hash::{BuildHasher as _, Hash, Hasher as _};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::net::SocketAddr;
use std::sync::Arc;

use plan::balancing::Rotation;
use plan::routing::attributes::Sticky;
use types::{Timestamp, Zone};

use crate::snapshot::{Entrance, Snapshot};
use crate::targets::{Group, Target};

/// Who talks to whom. The transport is that of the socket that it came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    pub(super) client: SocketAddr,
    pub(super) at: SocketAddr,
}

/// Where a flow goes.
pub(super) struct Choice {
    pub(super) group: Arc<Group>,
    pub(super) target: Arc<Target>,
    pub(super) address: SocketAddr,
}

/// The target of a flow that has not reached the ones that were `tried`; `None` if there is nobody.
/// O(targets of the group).
pub(super) fn choose(
    snapshot: &Snapshot,
    entrance: &Entrance,
    flow: Flow,
    (seed, tried): (u64, &[Arc<Target>]),
) -> Option<Choice> {
    let number = entrance.port.flow_group(draw(seed, flow))?;
    let group = snapshot.groups.get(number)?;
    let attributes = &group.ready.attributes;
    let crosses = attributes.cross_zone.unwrap_or(entrance.balanced.attributes.cross_zone);
    let zone = entrance.zone.as_ref().filter(|_| !crosses);
    // Differs: a node whose zone has no targets sends its flows to those of other zones, where AWS
    // takes the node out of the load balancer's name.
    let rotation = match rotation(group, zone) {
        it if it.is_empty() => rotation(group, None),
        it => it,
    };
    let is_sticky = attributes.sticky == Some(Sticky::SourceIp);
    let key = if is_sticky { draw(seed, flow.client.ip()) } else { draw(seed, flow) };
    let is_tried = |target: &Arc<Target>| tried.iter().any(|it| Arc::ptr_eq(it, target));
    let eligible = (0..).zip(&group.targets).filter(|it| rotation.is_eligible(it.0));
    let eligible = eligible.filter(|it| !is_tried(it.1));
    let (_, target) = eligible.max_by_key(|(number, target)| {
        // Equal draws are as good as impossible; the number makes them equal everywhere.
        (draw(key, (&target.key.id, target.key.port)), *number)
    })?;
    let address = target.address?;
    Some(Choice { group: Arc::clone(group), target: Arc::clone(target), address })
}

fn rotation(group: &Group, zone: Option<&Zone>) -> Rotation {
    Rotation::new(&group.ready, zone, group, Timestamp(0), None)
}

fn draw(seed: u64, what: impl Hash) -> u64 {
    let mut hasher = BuildHasherDefault::<DefaultHasher>::default().build_hasher();
    seed.hash(&mut hasher);
    what.hash(&mut hasher);
    hasher.finish()
}
