//! The machine's addresses of load balancers, which every balancer of a region sets: the one that
//! knows most has the word, so that one that lags behind takes away nothing that it does not know.

use core::time::Duration;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use plan::routing::Generation;
use types::Timestamp;

/// Name of the file, in a region's run folder, that says which table's addresses were set last.
const NOTE: &str = "addresses";
/// A word that is older has no speaker any more: balancers say theirs every second.
const FRESH: Duration = Duration::from_secs(5);

/// Where the balancers of a region on this machine meet.
pub(super) struct Desk(PathBuf);

impl Desk {
    /// That of the region with this run folder.
    pub(super) fn of(run: &Path) -> Self {
        Self(run.join(NOTE))
    }

    /// Sets the addresses of a table, unless those of a newer one have just been set. Nobody else
    /// sets any meanwhile.
    ///
    /// # Errors
    ///
    /// What `set` says.
    pub(super) fn settle<E>(
        &self,
        generation: Generation,
        now: Timestamp,
        set: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        // Without a note each one has its way, which ends well within a second.
        let mut note = self.open().ok();
        let last = note.as_mut().and_then(|it| read(it).ok().flatten());
        if last.is_some_and(|(last, at)| last > generation && now.since(at) < FRESH) {
            return Ok(());
        }
        set()?;
        if let Some(note) = &mut note {
            drop(write(note, generation, now));
        }
        Ok(())
    }

    /// The note, for this process alone until it is dropped.
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).read(true).write(true).open(&self.0)?;
        file.lock()?;
        Ok(file)
    }
}

fn read(note: &mut File) -> io::Result<Option<(Generation, Timestamp)>> {
    let mut text = String::new();
    note.read_to_string(&mut text)?;
    let mut numbers = text.split_whitespace();
    let mut next = || numbers.next()?.parse::<u64>().ok();
    let found = next().zip(next()).zip(next());
    Ok(found.map(|((epoch, version), at)| {
        (Generation { epoch, version }, Timestamp(i64::try_from(at).unwrap_or(0)))
    }))
}

fn write(note: &mut File, generation: Generation, now: Timestamp) -> io::Result<()> {
    note.set_len(0)?;
    note.rewind()?;
    write!(note, "{} {} {}", generation.epoch, generation.version, now.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lags_behind_takes_nothing_away_while_somebody_knows_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let desk = Desk::of(folder.path());
        let set = |version, at| {
            let mut was_set = false;
            let generation = Generation { epoch: 1, version };
            desk.settle(generation, Timestamp(at), || {
                was_set = true;
                Ok::<(), ()>(())
            })
            .expect("nothing fails");
            was_set
        };
        assert!(set(7, 1_000));
        assert!(!set(6, 1_001));
        assert!(set(7, 1_002));
        assert!(set(8, 1_003));
        assert!(!set(7, 6_002));
        // Who knew more is gone: a region may have begun anew.
        assert!(set(7, 6_003));
    }

    #[test]
    fn without_a_folder_each_one_has_its_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let desk = Desk::of(&folder.path().join("gone"));
        for version in [2, 1] {
            let generation = Generation { epoch: 1, version };
            assert_eq!(desk.settle(generation, Timestamp(0), || Err("set")), Err("set"));
        }
    }
}
