//! Faults that a user has asked for: which instances of the region are dead or stand still, until
//! when, and whether it has been done.
//!
//! They lie in the region's folder as files, so that they outlast `up`. `landfall fault` writes what
//! it asks for; the keeper of the instance carries it out and writes that down beside it.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;
use types::Timestamp;

use super::fleet::told;
use crate::clock::now;

/// How often is looked whether something else is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What becomes of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Its agent and everything of its tasks is killed, and nothing starts again.
    Killed,
    /// Nothing of it gets any time of the processor.
    Paused,
}

/// What a user has asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// When it ends by itself, in milliseconds since 1970.
    pub(crate) until: Option<i64>,
}

/// What has come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) kind: Kind,
    /// Why not all of it could be done.
    pub(crate) problem: Option<String>,
}

/// The faults of a region, by name of the instance.
#[derive(Debug, Clone)]
pub(crate) struct Faults(PathBuf);

impl Faults {
    /// Those of the region in this folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self(folder.join("faults"))
    }

    /// Asks for a fault; it is held until [`Self::heal`] or its time.
    pub(crate) fn ask(&self, instance: &str, fault: &Fault) -> anyhow::Result<()> {
        fs::create_dir_all(&self.0).with_context(|| format!("cannot make {}", self.0.display()))?;
        write(&self.asked(instance), fault)
    }

    /// Asks for the end of a fault; whether there was one.
    pub(crate) fn heal(&self, instance: &str) -> anyhow::Result<bool> {
        remove(&self.asked(instance))
    }

    /// Asks for the end of all faults.
    pub(crate) fn heal_all(&self) -> anyhow::Result<()> {
        for name in self.names(".fault") {
            self.heal(&name)?;
        }
        Ok(())
    }

    /// Names of the instances about which there is a file of this kind.
    fn names(&self, kind: &str) -> Vec<String> {
        let files = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let names = files.filter_map(|it| {
            let name = it.file_name().to_str()?.to_owned();
            name.strip_suffix(kind).map(str::to_owned)
        });
        names.collect()
    }

    /// What is asked for, by name of the instance. What is over is asked for no longer.
    pub(crate) fn all(&self, now: Timestamp) -> BTreeMap<String, Fault> {
        let read = self
            .names(".fault")
            .into_iter()
            .filter_map(|it| Some((it.clone(), read(&self.asked(&it))?)));
        read.filter(|(_, it): &(_, Fault)| it.until.is_none_or(|until| until > now.0)).collect()
    }

    /// Looks again and again what is asked for, until the region ends.
    pub(super) async fn watch(
        self,
        tell: watch::Sender<BTreeMap<String, Fault>>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            let all = self.all(now());
            tell.send_if_modified(|known| {
                let news = *known != all;
                *known = all;
                news
            });
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = told(&mut stop) => return,
            }
        }
    }

    /// What has come of a fault; `None` where nothing is done, or it has been undone.
    pub(crate) fn done(&self, instance: &str) -> Option<Done> {
        read(&self.outcome(instance))
    }

    /// Notes what has come of a fault.
    pub(super) fn note(&self, instance: &str, done: &Done) {
        if let Err(error) = write(&self.outcome(instance), done) {
            tracing::error!(instance, error = format!("{error:#}"), "a fault cannot be noted");
        }
    }

    /// Notes that the instance is as before.
    pub(super) fn forget(&self, instance: &str) {
        for path in [self.outcome(instance), self.asked(instance)] {
            if let Err(error) = remove(&path) {
                tracing::error!(
                    instance,
                    error = format!("{error:#}"),
                    "a fault cannot be forgotten"
                );
            }
        }
    }

    /// Forgets all of them, with the region.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.with_context(|| format!("cannot remove {}", self.0.display())),
        }
    }

    fn asked(&self, instance: &str) -> PathBuf {
        self.0.join(format!("{instance}.fault"))
    }

    fn outcome(&self, instance: &str) -> PathBuf {
        self.0.join(format!("{instance}.done"))
    }
}

/// Whole or not at all: the other side may read at any time.
fn write(path: &Path, what: &impl Serialize) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    let text = serde_json::to_vec(what)?;
    fs::write(&fresh, text)
        .and_then(|()| fs::rename(&fresh, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn remove(path: &Path) -> anyhow::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_asked_for_until_its_time_or_until_it_is_healed() {
        let folder = tempfile::tempdir().expect("a folder");
        let faults = Faults::of(folder.path());
        assert!(faults.all(Timestamp(0)).is_empty());
        let of = |kind, until| Fault { kind, until };
        faults.ask("a1", &of(Kind::Killed, None)).expect("asks");
        faults.ask("b1", &of(Kind::Paused, Some(1000))).expect("asks");
        assert_eq!(faults.all(Timestamp(999)).len(), 2);
        let later = faults.all(Timestamp(1000));
        assert_eq!(later, BTreeMap::from([("a1".to_owned(), of(Kind::Killed, None))]));

        assert_eq!(faults.done("a1"), None, "nobody has done it");
        faults.note("a1", &Done { kind: Kind::Killed, problem: None });
        assert!(faults.heal("a1").expect("heals") && !faults.heal("a1").expect("was healed"));
        assert!(faults.done("a1").is_some(), "nobody has undone it");
        faults.forget("a1");
        assert_eq!(faults.done("a1"), None);
        faults.clear().expect("clears");
        faults.clear().expect("nothing is left to clear");
        assert!(!folder.path().join("faults").exists());
    }
}
