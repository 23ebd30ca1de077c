//! The image store: what is on this machine's disk, what it is called, and who needs it.
//!
//! ```text
//! blobs/sha256/<hex>   content by digest: indexes, manifests, configurations, layers
//! layers/<chain>/      unpacked layers, ready to be mounted
//! empty/               the only layer of an image without layers
//! refs.json            names
//! holds/<holder>       images that tasks need
//! used/<hex>           when an image was last used
//! pins/                content that work under way needs; ends with its process
//! work/                half-done things, each locked by who does it
//! trash/               on its way out
//! store.lock           taken for every change of names, holds and pins
//! ```
//!
//! Several processes may use one store. What a name means is whole: the name is written after
//! the content, and content goes after its last name. So a crash leaves garbage, never a hole.

mod blobs;
mod claim;
mod collect;
mod durable;
mod error;
mod holds;
mod layers;
mod refs;
mod scratch;

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use types::Timestamp;

pub(crate) use self::blobs::{Blobs, Loose};
pub(crate) use self::claim::Claim;
pub use self::collect::{Collected, Policy};
pub use self::error::StoreError;
pub(crate) use self::error::failed;
pub(crate) use self::holds::Pin;
use self::holds::{Held, Holds};
pub(crate) use self::layers::{Layer, Layers};
pub use self::refs::Origin;
use self::refs::{Entry, Table};
pub(crate) use self::scratch::Scratch;
use crate::config::{CONFIG_BYTES_MAX, ConfigDocument, ImageConfig};
use crate::digest::chain;
use crate::manifest::{Document, MANIFEST_BYTES_MAX, Manifest, ManifestError, Platform};
use crate::unpack::{Helper, Limits};
use crate::{Digest, Reference};

/// What a store is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its directory; made if it is missing, readable by its owner only.
    pub directory: PathBuf,
    /// How layers are unpacked.
    pub helper: Helper,
    /// How much a layer may be.
    pub limits: Limits,
    /// Which images of an index run here.
    pub platform: Platform,
}

impl Config {
    /// A store in this directory for this machine, unpacking by this program.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            helper: Helper::this_program(),
            limits: Limits::default(),
            platform: Platform::here(),
        }
    }
}

/// The image store of an instance, or of several on one machine. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    blobs: Blobs,
    layers: Layers,
    table: Table,
    holds: Holds,
    platform: Platform,
}

/// All that a runtime needs to run an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Full name.
    pub name: String,
    /// What the name means at its registry: an index, or a manifest.
    pub digest: Digest,
    /// The manifest for this platform.
    pub manifest_digest: Digest,
    /// Where it came from.
    pub origin: Origin,
    /// What to run.
    pub config: ImageConfig,
    /// Directories to mount with overlayfs, **top first**, as `lowerdir` wants them. Never empty.
    pub layers: Vec<PathBuf>,
}

/// One line of the list of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Full name.
    pub name: String,
    /// What it means.
    pub digest: Digest,
    /// Where it came from.
    pub origin: Origin,
    /// When it was pulled or loaded.
    pub added: Timestamp,
    /// When a task last took it or let go of it.
    pub used: Timestamp,
    /// Bytes of its content as stored, compressed. Zero if its documents cannot be read.
    pub bytes: u64,
    /// Tasks that need it.
    pub holders: Vec<String>,
}

/// An image that has been loaded or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Full name.
    pub name: String,
    /// Its index or manifest.
    pub digest: Digest,
}

/// How far a pull or a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes of content here, of those that were missing and those that were not.
    pub bytes_done: u64,
    /// Bytes of all content, once known.
    pub bytes_total: u64,
    /// Layers unpacked.
    pub layers_done: usize,
    /// Layers of the image.
    pub layers_total: usize,
}

/// The documents of an image, read and checked against each other.
pub(crate) struct Described {
    pub(crate) manifest_digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) config: ConfigDocument,
    /// Lowest first.
    pub(crate) layers: Vec<Layer>,
}

impl Store {
    /// Opens a store, or makes one.
    pub fn open(config: Config) -> Result<Self, StoreError> {
        let root = config.directory;
        for name in ["blobs/sha256", "layers", "holds", "used", "pins", "work", "trash"] {
            let path = root.join(name);
            // Unpacked layers hold programs with setuid: nobody else may walk in.
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&path).map_err(failed("make", &path))?;
        }
        let empty = root.join("empty");
        fs::create_dir_all(&empty)
            .and_then(|()| fs::set_permissions(&empty, fs::Permissions::from_mode(0o755)))
            .map_err(failed("make", &empty))?;
        Ok(Self(Arc::new(Inner {
            blobs: Blobs::new(&root),
            layers: Layers::new(&root, config.helper, config.limits),
            table: Table::new(&root),
            holds: Holds::new(&root),
            platform: config.platform,
            root,
        })))
    }

    /// The directory that holds the layers. A mount made there can name them by their last parts
    /// alone, which keeps its options within a page.
    pub fn layers_directory(&self) -> &Path {
        self.0.layers.directory()
    }

    /// What an image's name means here, without asking any registry: short and full names are
    /// the same, and a digest finds any tag of its repository that has it.
    pub fn resolve(&self, name: &str) -> Result<Image, StoreError> {
        let refs = self.0.table.read()?;
        let reference = Reference::parse(name)?;
        let (name, entry) = refs::find(&refs, &reference)
            .ok_or_else(|| StoreError::Unknown(reference.to_string()))?;
        self.image(name, entry)
    }

    /// Resolves an image and keeps it, whatever its name comes to mean, until
    /// [`Store::release`]. `holder` is the task; it may hold several images. Asked for a name again,
    /// it gets what it holds under that name. The hold outlives this process, as the task does.
    pub fn hold(&self, holder: &str, name: &str, now: Timestamp) -> Result<Image, StoreError> {
        let reference = Reference::parse(name)?;
        let _lock = self.lock()?;
        let mut refs = self.0.table.read()?;
        let mut holding = self.0.holds.read(holder)?;
        // A container that is made anew is of the image that it was made of before.
        let full = reference.to_string();
        if let (Some(held), Some(entry)) =
            (holding.iter().find(|it| it.name == full), refs.get_mut(&full))
        {
            entry.digest = held.digest;
        }
        let (full, entry) = refs::find(&refs, &reference).ok_or(StoreError::Unknown(full))?;
        let image = self.image(full, entry)?;

        let file_name = |it: &PathBuf| Some(it.file_name()?.to_str()?.to_owned());
        let held = Held {
            name: full.clone(),
            digest: entry.digest,
            layers: image.layers.iter().filter_map(file_name).collect(),
        };
        if holding.insert(held) {
            self.0.holds.write(holder, &holding)?;
        }
        self.0.holds.touch(&entry.digest, now)?;
        Ok(image)
    }

    /// Lets go of all images of a holder. Nothing happens if there are none.
    pub fn release(&self, holder: &str, now: Timestamp) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        // The time first: without it the image would look long unused. What cannot be read holds
        // nothing any more.
        for held in self.0.holds.read(holder).unwrap_or_default() {
            self.0.holds.touch(&held.digest, now)?;
        }
        self.0.holds.remove(holder)
    }

    /// Everyone who holds an image, so that an agent that comes back can release the tasks that
    /// are gone.
    pub fn holders(&self) -> Result<Vec<String>, StoreError> {
        self.0.holds.holders()
    }

    /// All images, by name.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let mut holders: Vec<(String, Held)> = Vec::new();
        for holder in self.0.holds.holders()? {
            let holding = self.0.holds.read(&holder)?;
            holders.extend(holding.into_iter().map(|it| (holder.clone(), it)));
        }
        let listed = |(name, entry): (String, Entry)| Listed {
            holders: holders
                .iter()
                .filter(|(_, it)| it.name == name && it.digest == entry.digest)
                .map(|(holder, _)| holder.clone())
                .collect(),
            bytes: self.describe(&entry.digest).map_or(0, |it| it.manifest.bytes()),
            digest: entry.digest,
            origin: entry.origin,
            added: Timestamp(entry.added),
            used: self.used(&entry),
            name,
        };
        Ok(self.0.table.read()?.into_iter().map(listed).collect())
    }

    /// Takes a name away, and the content that no other name and no task needs.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let reference = Reference::parse(name)?;
        let lock = self.lock()?;
        let listed = self.list()?;
        let mut refs = self.0.table.read()?;
        let full = refs::find(&refs, &reference)
            .map(|(name, _)| name.clone())
            .ok_or_else(|| StoreError::Unknown(reference.to_string()))?;
        if let Some(it) = listed.into_iter().find(|it| it.name == full && !it.holders.is_empty()) {
            return Err(StoreError::InUse { name: full, holders: it.holders });
        }
        refs.remove(&full);
        self.0.table.write(refs)?;
        self.sweep(&lock)?;
        drop(lock);
        self.empty_trash()
    }

    /// Takes the lock of names, holds and pins; held for milliseconds.
    fn lock(&self) -> Result<Claim, StoreError> {
        let path = self.0.root.join("store.lock");
        Claim::wait(&path, claim::Afterwards::Keep).map_err(failed("lock", &path))
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    pub(crate) fn layers(&self) -> &Layers {
        &self.0.layers
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.0.platform
    }

    /// Where half-done things lie.
    fn work(&self) -> PathBuf {
        self.0.root.join("work")
    }

    /// A directory to make something in.
    pub(crate) fn scratch(&self, purpose: &str) -> Result<Scratch, StoreError> {
        Scratch::new(&self.work(), purpose)
    }

    /// Keeps content of these digests, and what they name, from being collected.
    pub(crate) fn pin(&self, digests: &[Digest]) -> Result<Pin, StoreError> {
        let _lock = self.lock()?;
        self.0.holds.pin(digests)
    }

    /// Waits for a sweep that began before the documents that are on disk now: what these name
    /// is looked for only afterwards, lest it is there and then thrown away.
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        self.lock().map(drop)
    }

    /// Writes a name for content that is complete.
    pub(crate) fn name(
        &self,
        reference: &Reference,
        digest: Digest,
        origin: Origin,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        let mut refs = self.0.table.read()?;
        let entry = Entry { digest, origin, added: now.0, superseded: None };
        refs::set(&mut refs, reference, entry);
        self.0.table.write(refs)
    }

    /// Reads the documents of an image from its index or manifest.
    pub(crate) fn describe(&self, digest: &Digest) -> Result<Described, StoreError> {
        let blobs = &self.0.blobs;
        let mut manifest_digest = *digest;
        let mut document = Document::parse(&blobs.read(digest, MANIFEST_BYTES_MAX)?)?;
        if let Document::Index(index) = &document {
            manifest_digest = index.choose(&self.0.platform)?.digest;
            document = Document::parse(&blobs.read(&manifest_digest, MANIFEST_BYTES_MAX)?)?;
        }
        let Document::Manifest(manifest) = document else {
            return Err(ManifestError::Malformed("an index inside an index".into()).into());
        };
        let config = blobs.read(&manifest.config.digest, CONFIG_BYTES_MAX)?;
        let config = ConfigDocument::parse(&config)?;
        let layers = stack(&manifest, &config)?;
        Ok(Described { manifest_digest, manifest, config, layers })
    }

    fn image(&self, name: &str, entry: &Entry) -> Result<Image, StoreError> {
        let described = self.describe(&entry.digest)?;
        Ok(Image {
            name: name.to_owned(),
            digest: entry.digest,
            manifest_digest: described.manifest_digest,
            origin: entry.origin,
            layers: self.mounts(&described.layers)?,
            config: described.config.image_config(),
        })
    }

    /// Directories to mount, top first, down to one that hides the rest.
    fn mounts(&self, layers: &[Layer]) -> Result<Vec<PathBuf>, StoreError> {
        let mut mounts = Vec::with_capacity(layers.len());
        for layer in layers.iter().rev() {
            if !self.0.layers.has(&layer.chain) {
                let problem = "is not unpacked".into();
                return Err(StoreError::Broken { digest: layer.blob, problem });
            }
            mounts.push(self.0.layers.path(&layer.chain));
            if self.0.layers.is_opaque(&layer.chain) {
                break;
            }
        }
        if mounts.is_empty() {
            mounts.push(self.0.root.join("empty"));
        }
        Ok(mounts)
    }

    /// When an image was last used, or else when it came.
    fn used(&self, entry: &Entry) -> Timestamp {
        let added = Timestamp(entry.added);
        self.0.holds.used(&entry.digest).map_or(added, |it| it.max(added))
    }

    /// Whether somebody, perhaps we ourselves, has locked a file of the store.
    fn is_locked(path: &Path) -> bool {
        File::open(path).is_ok_and(|it| it.try_lock().is_err())
    }
}

/// Pairs the manifest's layers with the configuration's hashes.
pub(crate) fn stack(
    manifest: &Manifest,
    config: &ConfigDocument,
) -> Result<Vec<Layer>, ManifestError> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        return Err(ManifestError::Malformed(format!(
            "it has {} layers, but its configuration has {}",
            manifest.layers.len(),
            diff_ids.len()
        )));
    }
    let layers = chain(diff_ids).into_iter().zip(diff_ids).zip(&manifest.layers);
    Ok(layers
        .map(|((chain, diff_id), layer)| Layer { chain, diff_id: *diff_id, blob: layer.digest })
        .collect())
}
