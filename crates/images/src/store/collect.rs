//! Garbage: images that nobody has used for a while, and content without a name.
//!
//! The knobs are those of the ECS agent: an image goes when no task holds it and it was pulled
//! at least `min_age` ago, the longest unused first, so many in one cycle. One that was loaded from a
//! file stays while it has a tag; once its tag has moved on, as long as a service may ask for it again.
//! Source: Amazon ECS Developer Guide, "Automated task and image cleanup".

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use types::Timestamp;

use super::claim::{Afterwards, Claim};
use super::error::{StoreError, failed};
use super::holds::names;
use super::refs::{Entry, Origin, Refs};
use super::{Layers, Store, durable};
use crate::Digest;
use crate::config::{CONFIG_BYTES_MAX, ConfigDocument};
use crate::manifest::{Document, MANIFEST_BYTES_MAX, Manifest};

/// When the collector takes an image away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `ECS_IMAGE_MINIMUM_CLEANUP_AGE`: an image stays at least this long after it was pulled.
    pub min_age: Duration,
    /// `ECS_NUM_IMAGES_DELETE_PER_CYCLE`.
    pub max_per_cycle: usize,
    /// How long a loaded image whose tag has moved on stays after its last use: a service whose
    /// revision names its digest may start another task of it, and no registry has it.
    pub superseded_age: Duration,
}

impl Policy {
    /// `ECS_IMAGE_CLEANUP_INTERVAL`: how often [`Store::collect`] wants to be called.
    pub const INTERVAL: Duration = Duration::from_mins(30);
}

impl Default for Policy {
    fn default() -> Self {
        let superseded_age = Duration::from_hours(7 * 24);
        Self { min_age: Duration::from_hours(1), max_per_cycle: 5, superseded_age }
    }
}

/// What a cycle took away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// Names of images.
    pub images: Vec<String>,
    /// Unpacked layers.
    pub layers: usize,
    /// Files of content.
    pub blobs: usize,
    /// Bytes of those files.
    pub bytes: u64,
}

/// What has to stay.
#[derive(Debug, Default)]
struct Needed {
    blobs: BTreeSet<Digest>,
    layers: BTreeSet<String>,
}

impl Store {
    /// One cycle: takes away images as the policy says, then everything without a name.
    ///
    /// Never touches an image or a layer that a task holds or that is being pulled. A crash at
    /// any point leaves garbage that the next cycle finds.
    pub fn collect(&self, policy: &Policy, now: Timestamp) -> Result<Collected, StoreError> {
        let lock = self.lock()?;
        let mut refs = self.0.table.read()?;
        let used = |entry: &Entry| self.0.holds.used(&entry.digest);
        let doomed = doomed(&refs, &used, &self.held_digests()?, policy, now);
        for name in &doomed {
            refs.remove(name);
        }
        let named = refs.values().map(|it| it.digest).collect();
        if !doomed.is_empty() {
            self.0.table.write(refs)?;
        }
        self.0.holds.forget(&named)?;
        let mut collected = self.sweep(&lock)?;
        collected.images = doomed;
        self.sweep_work(policy, now)?;
        drop(lock);
        self.empty_trash()?;
        Ok(collected)
    }

    fn held_digests(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let mut held = BTreeSet::new();
        for holder in self.0.holds.holders()? {
            held.extend(self.0.holds.read(&holder)?.into_iter().map(|it| it.digest));
        }
        Ok(held)
    }

    /// Moves content that nothing needs to the trash. The lock says that no name, hold or pin
    /// changes meanwhile.
    pub(super) fn sweep(&self, _lock: &Claim) -> Result<Collected, StoreError> {
        let needed = self.needed()?;
        let mut collected = Collected::default();
        let trash = self.0.root.join("trash");

        // Layers first: a layer is only reached through the blobs that name it.
        let layers = self.0.layers.directory();
        for name in names(layers)?.into_iter().filter(|it| !needed.layers.contains(it)) {
            throw(&layers.join(&name), &trash)?;
            collected.layers += 1;
        }
        let blobs = self.0.blobs.directory();
        for name in names(blobs)? {
            if Digest::from_hex(&name).is_some_and(|it| needed.blobs.contains(&it)) {
                continue;
            }
            let path = blobs.join(&name);
            collected.bytes += fs::metadata(&path).map_or(0, |it| it.len());
            collected.blobs += 1;
            throw(&path, &trash)?;
        }
        Ok(collected)
    }

    fn needed(&self) -> Result<Needed, StoreError> {
        let mut needed = Needed::default();
        let mut roots: BTreeSet<Digest> = self.0.holds.pinned()?;
        roots.extend(self.0.table.read()?.into_values().map(|it| it.digest));
        for holder in self.0.holds.holders()? {
            for held in self.0.holds.read(&holder)? {
                needed.layers.extend(held.layers);
                roots.insert(held.digest);
            }
        }
        for root in roots {
            self.mark(&root, &mut needed);
        }
        Ok(needed)
    }

    /// Marks an index or a manifest and all it names. What cannot be read names nothing: a
    /// pinned manifest may not be here yet, and the layers of held images are written down.
    fn mark(&self, digest: &Digest, needed: &mut Needed) {
        needed.blobs.insert(*digest);
        match self.document(digest) {
            Some(Document::Manifest(manifest)) => self.mark_manifest(&manifest, needed),
            Some(Document::Index(index)) => {
                for child in index.manifests.iter().map(|it| &it.digest) {
                    needed.blobs.insert(*child);
                    if let Some(Document::Manifest(manifest)) = self.document(child) {
                        self.mark_manifest(&manifest, needed);
                    }
                }
            }
            None => {}
        }
    }

    fn document(&self, digest: &Digest) -> Option<Document> {
        if !self.0.blobs.has(digest) {
            return None;
        }
        Document::parse(&self.0.blobs.read(digest, MANIFEST_BYTES_MAX).ok()?).ok()
    }

    fn mark_manifest(&self, manifest: &Manifest, needed: &mut Needed) {
        let Manifest { config, layers, .. } = manifest;
        needed.blobs.insert(config.digest);
        needed.blobs.extend(layers.iter().map(|it| it.digest));
        let Ok(bytes) = self.0.blobs.read(&config.digest, CONFIG_BYTES_MAX) else { return };
        let Ok(config) = ConfigDocument::parse(&bytes) else { return };
        let chain = crate::digest::chain(&config.rootfs.diff_ids);
        needed.layers.extend(chain.iter().map(Layers::name));
    }

    /// Throws away half-done work that nobody is doing any more. What is left of a download
    /// stays as long as a young image would, so that a later pull can go on with it.
    fn sweep_work(&self, policy: &Policy, now: Timestamp) -> Result<(), StoreError> {
        let work = self.work();
        for path in names(&work)?.iter().map(|it| work.join(it)) {
            let Ok(changed) = fs::symlink_metadata(&path).and_then(|it| it.modified()) else {
                continue;
            };
            let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
            let changed = Timestamp(i64::try_from(changed.as_millis()).unwrap_or(i64::MAX));
            if now.since(changed) >= policy.min_age && !Self::is_locked(&path) {
                throw(&path, &self.0.root.join("trash"))?;
            }
        }
        Ok(())
    }

    /// Removes what was thrown away, unless somebody else is at it.
    pub(super) fn empty_trash(&self) -> Result<(), StoreError> {
        let lock = self.0.root.join("trash.lock");
        let Some(_claim) = Claim::take(&lock, Afterwards::Keep).map_err(failed("lock", &lock))?
        else {
            return Ok(());
        };
        let trash = self.0.root.join("trash");
        for path in names(&trash)?.iter().map(|it| trash.join(it)) {
            let is_directory = fs::symlink_metadata(&path).is_ok_and(|it| it.is_dir());
            let removed =
                if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(failed("remove", &path))?;
        }
        Ok(())
    }
}

/// Names to take away: all names of an image or none.
fn doomed(
    refs: &Refs,
    used: &dyn Fn(&Entry) -> Option<Timestamp>,
    held: &BTreeSet<Digest>,
    policy: &Policy,
    now: Timestamp,
) -> Vec<String> {
    let mut images: BTreeMap<Digest, Vec<(&String, &Entry)>> = BTreeMap::new();
    for (name, entry) in refs {
        images.entry(entry.digest).or_default().push((name, entry));
    }
    let may_go = |entry: &Entry| match (entry.origin, entry.superseded) {
        (Origin::Pulled, _) => now.since(Timestamp(entry.added)) >= policy.min_age,
        (Origin::Loaded, None) => false,
        (Origin::Loaded, Some(at)) => {
            // What no task ever ran, no service asks for.
            let age = used(entry).map_or(policy.min_age, |_| policy.superseded_age);
            now.since(used(entry).unwrap_or_default().max(Timestamp(at))) >= age
        }
    };
    let mut idle: Vec<_> = images
        .into_iter()
        .filter(|(digest, names)| !held.contains(digest) && names.iter().all(|it| may_go(it.1)))
        .map(|(_, names)| {
            let used = names.iter().map(|it| used(it.1).unwrap_or_default().0.max(it.1.added));
            let used = used.max().unwrap_or_default();
            (used, names.into_iter().map(|it| it.0.clone()).collect::<Vec<_>>())
        })
        .collect();
    idle.sort();
    idle.into_iter().take(policy.max_per_cycle).flat_map(|it| it.1).collect()
}

/// Moves a file or directory to the trash, out of everyone's sight at once.
fn throw(path: &Path, trash: &Path) -> Result<(), StoreError> {
    let mut to = durable::fresh_name(trash, "trash");
    while to.symlink_metadata().is_ok() {
        to = durable::fresh_name(trash, "trash");
    }
    match fs::rename(path, &to) {
        Err(it) if it.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved.map_err(failed("throw away", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One image per line: name, digest's content, `pulled` or `loaded`, added and last used (s; 0 is
    /// never), and when its tag moved on.
    #[track_caller]
    fn check(picture: &str, held: &[&str], max_per_cycle: usize, expected: &str) {
        let mut refs = Refs::new();
        let mut times = BTreeMap::new();
        for line in picture.lines().filter(|it| !it.trim().is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            let number = |index: usize| words[index].parse::<i64>().expect("a number") * 1000;
            let origin = if words[2] == "pulled" { Origin::Pulled } else { Origin::Loaded };
            let digest = Digest::of(words[1].as_bytes());
            let superseded = words.get(5).map(|_| number(5));
            let entry = Entry { digest, origin, added: number(3), superseded };
            refs.insert(words[0].to_owned(), entry);
            times.insert(digest, Some(number(4)).filter(|it| *it > 0).map(Timestamp));
        }
        let used = |entry: &Entry| times[&entry.digest];
        let held = held.iter().map(|it| Digest::of(it.as_bytes())).collect();
        let (min_age, superseded_age) = (Duration::from_secs(100), Duration::from_secs(500));
        let policy = Policy { min_age, max_per_cycle, superseded_age };
        let found = doomed(&refs, &used, &held, &policy, Timestamp(1_000_000));
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn the_longest_unused_go_first_and_only_so_many() {
        let three = "
            a A pulled 1 30
            b B pulled 1 10
            c C pulled 1 20
        ";
        check(three, &[], 5, "b c a");
        check(three, &[], 2, "b c");
        check(three, &[], 0, "");
    }

    #[test]
    fn held_young_and_loaded_images_stay() {
        check("a A pulled 1 1\nb B pulled 1 1", &["A"], 5, "b");
        check("young A pulled 901 901\nold B pulled 900 990", &[], 5, "old");
        check("a A loaded 1 1", &[], 5, "");
    }

    #[test]
    fn a_loaded_image_whose_tag_has_moved_on_stays_while_it_may_be_asked_for() {
        check("run A loaded 1 501 2\nlong-ago B loaded 1 500 2", &[], 5, "long-ago");
        check("moved-late A loaded 1 2 501\nearlier B loaded 1 2 500", &[], 5, "earlier");
        check("never-run A loaded 1 0 900\nof-late B loaded 1 0 901", &[], 5, "never-run");
        check("a A loaded 1 2 3", &["A"], 5, "");
    }

    #[test]
    fn an_image_goes_with_all_its_names_or_stays() {
        check("a A pulled 1 9\nb A pulled 1 9\nc C pulled 1 5", &[], 1, "c");
        check("a A pulled 1 9\nb A pulled 1 2", &[], 1, "a b");
        check("a A pulled 1 1\nb A loaded 1 1\nc A pulled 990 1", &[], 5, "");
    }
}
