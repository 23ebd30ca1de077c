//! Instances of Classic Load Balancers as targets: who registers, checks and drains them need not know
//! that they are rows of a table of their own.

use super::{ClassicInstance, ClassicInstanceKey, Target, TargetKey};

/// How the groups of Classic Load Balancers begin. No ARN does, and none is more.
const START: &str = "classic/";

/// What the instances of a Classic Load Balancer have for a group.
pub fn classic_group(load_balancer: &str) -> String {
    format!("{START}{load_balancer}")
}

/// The name of the Classic Load Balancer that a group is of.
pub fn classic_name(group: &str) -> Option<&str> {
    group.strip_prefix(START).filter(|it| !it.contains('/'))
}

impl ClassicInstanceKey {
    /// As a target is found by. It has no port: those of the listeners are many.
    pub fn as_target(&self) -> TargetKey {
        TargetKey { group: classic_group(&self.load_balancer), id: self.id.clone(), port: 0 }
    }

    /// The instance that a target is, if it is one.
    pub fn of(target: &TargetKey) -> Option<Self> {
        let load_balancer = classic_name(&target.group)?.to_owned();
        Some(Self { load_balancer, id: target.id.clone() })
    }
}

impl ClassicInstance {
    /// The same as a target.
    pub fn as_target(&self) -> Target {
        let it = self.clone();
        Target {
            key: it.key.as_target(),
            address: it.address,
            zone: it.zone,
            registered_at: it.registered_at,
            draining: it.draining,
            seen: it.seen,
            service: it.service,
        }
    }

    /// The instance that a target is, if it is one.
    pub fn of(target: &Target) -> Option<Self> {
        let key = ClassicInstanceKey::of(&target.key)?;
        let it = target.clone();
        Some(Self {
            key,
            address: it.address,
            zone: it.zone,
            registered_at: it.registered_at,
            draining: it.draining,
            seen: it.seen,
            service: it.service,
        })
    }
}
