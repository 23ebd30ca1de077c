//! How targets were when the balancer before this one looked last: what is not known better is taken
//! to be so still, until the first checks have come to something.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plan::routing::session::{Report, TargetReport};
use plan::routing::{Compiled, Group};
use state::{TargetHealth, TargetKey};
use types::Timestamp;

fn path(folder: &Path) -> PathBuf {
    folder.join("health")
}

/// Remembers what a report says. It need not outlive the machine: after that targets are others.
pub(crate) fn keep(folder: &Path, report: &Report) -> io::Result<()> {
    let bytes = minicbor::to_vec(report).map_err(io::Error::other)?;
    let fresh = folder.join("health.new");
    fs::write(&fresh, bytes)?;
    fs::rename(fresh, path(folder))
}

fn key(group: &str, id: &str, port: u16) -> TargetKey {
    TargetKey { group: group.to_owned(), id: id.to_owned(), port }
}

/// What is remembered of targets, with when they were registered.
#[derive(Debug, Default)]
pub(crate) struct Remembered(BTreeMap<TargetKey, (Timestamp, TargetHealth)>);

impl Remembered {
    /// What was remembered last; nothing if that cannot be read.
    pub(crate) fn load(folder: &Path) -> Self {
        let bytes = fs::read(path(folder)).unwrap_or_default();
        let report = minicbor::decode::<Report>(&bytes).unwrap_or_default();
        let of = |it: TargetReport| {
            let key = TargetKey { group: it.group, id: it.id, port: it.port };
            (key, (it.registered_at, it.health))
        };
        Self(report.targets.into_iter().map(of).collect())
    }

    /// Forgets targets that a table does not have, or has by another registration, and those that are
    /// known better.
    pub(crate) fn settle(
        &mut self,
        compiled: &Compiled,
        found: impl Fn(&TargetKey) -> TargetHealth,
    ) {
        if self.0.is_empty() {
            return;
        }
        let mut kept = BTreeMap::new();
        for group in compiled.groups.iter().map(|it| &it.told) {
            for target in &group.targets {
                let known = self.of(group, &target.id, target.port);
                let Some(known) = known.filter(|it| it.0 == target.registered_at) else { continue };
                let key = key(&group.arn, &target.id, target.port);
                if found(&key) == TargetHealth::Initial {
                    kept.insert(key, known.clone());
                }
            }
        }
        self.0 = kept;
    }

    /// What is known of a target of a group, which may be checked in another one.
    fn of(&self, group: &Group, id: &str, port: u16) -> Option<&(Timestamp, TargetHealth)> {
        let Some(checked_in) = &group.checked_in else {
            return self.0.get(&key(&group.arn, id, port));
        };
        let (there, known) = self.0.range(key(checked_in, id, 0)..).next()?;
        (there.group == *checked_in && there.id == id).then_some(known)
    }

    /// How a target is by what was `found`, or else by what is remembered.
    pub(crate) fn or(&self, key: &TargetKey, found: TargetHealth) -> TargetHealth {
        match found {
            TargetHealth::Initial => {
                self.0.get(key).map_or(TargetHealth::Initial, |it| it.1.clone())
            }
            found => found,
        }
    }
}
