//! What load balancing looks for: who names a group, who drains, which instance a machine is.

use std::collections::{BTreeMap, BTreeSet};

use types::{InstanceId, Timestamp};

use crate::record::{
    Action, ClassicInstance, ContainerInstance, InstanceStatus, Rule, Target, TargetKey,
};

/// The indexes of load balancing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Balancing {
    /// ARNs of rules by the target groups that they name.
    rules: BTreeMap<String, BTreeSet<String>>,
    draining: BTreeSet<(Timestamp, TargetKey)>,
    /// Instances that are not INACTIVE by their EC2 ids. An id is of one machine, which may have
    /// joined several clusters.
    instances: BTreeMap<String, BTreeSet<InstanceId>>,
}

impl Balancing {
    pub(super) fn rules_of_group(&self, group: &str) -> impl Iterator<Item = &String> {
        self.rules.get(group).into_iter().flatten()
    }

    pub(super) fn draining(&self) -> &BTreeSet<(Timestamp, TargetKey)> {
        &self.draining
    }

    pub(super) fn ec2_instance(&self, id: &str) -> Option<InstanceId> {
        self.instances.get(id)?.first().copied()
    }

    pub(super) fn rule(&mut self, before: Option<&Rule>, after: Option<&Rule>) {
        for (rule, group) in before.into_iter().flat_map(named) {
            super::drop_from(&mut self.rules, group, &rule.arn);
        }
        for (rule, group) in after.into_iter().flat_map(named) {
            self.rules.entry(group.clone()).or_default().insert(rule.arn.clone());
        }
    }

    pub(super) fn target(&mut self, before: Option<&Target>, after: Option<&Target>) {
        if let Some((it, draining)) = before.and_then(|it| Some((it, it.draining?))) {
            self.draining.remove(&(draining.until, it.key.clone()));
        }
        if let Some((it, draining)) = after.and_then(|it| Some((it, it.draining?))) {
            self.draining.insert((draining.until, it.key.clone()));
        }
    }

    pub(super) fn classic_instance(
        &mut self,
        before: Option<&ClassicInstance>,
        after: Option<&ClassicInstance>,
    ) {
        if let Some((it, draining)) = before.and_then(|it| Some((it, it.draining?))) {
            self.draining.remove(&(draining.until, it.key.as_target()));
        }
        if let Some((it, draining)) = after.and_then(|it| Some((it, it.draining?))) {
            self.draining.insert((draining.until, it.key.as_target()));
        }
    }

    pub(super) fn container_instance(
        &mut self,
        before: Option<&ContainerInstance>,
        after: Option<&ContainerInstance>,
    ) {
        let standing = |it: &&ContainerInstance| it.status != InstanceStatus::Inactive;
        if let Some(it) = before.filter(standing) {
            super::drop_from(&mut self.instances, &it.ec2_instance_id, &it.id);
        }
        if let Some(it) = after.filter(standing) {
            self.instances.entry(it.ec2_instance_id.clone()).or_default().insert(it.id);
        }
    }
}

/// The target groups that a rule names.
fn named(rule: &Rule) -> Vec<(&Rule, &String)> {
    match &rule.action {
        Action::Forward { groups, .. } => groups.iter().map(|it| (rule, &it.group)).collect(),
        Action::Redirect(_) | Action::Fixed { .. } => Vec::new(),
    }
}
