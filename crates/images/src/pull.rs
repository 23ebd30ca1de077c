//! Pulls an image: manifest, configuration, layers, each checked, all at once unpacked.
//!
//! Several pulls of the same content, in this process or another, do the work once: whoever
//! comes second waits for the first and finds it done.

mod download;
mod error;
mod tally;

use std::sync::Arc;

use http::HeaderMap;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use types::Timestamp;

use self::error::{Kind, Stage};
pub use self::error::{PullCause, PullError};
use self::tally::Tally;
use crate::config::{CONFIG_BYTES_MAX, ConfigDocument};
use crate::manifest::{ACCEPT, Document, MANIFEST_BYTES_MAX, Manifest, ManifestError};
use crate::registry::{Ask, Credentials, Dialer, Options, RegistryError, Repository};
use crate::store::{Layer, Origin, Pin, Progress, Store, StoreError, stack};
use crate::{Digest, Reference, Version};

/// Layers downloaded at a time, as Docker does; more only helps those with slow registries.
const DOWNLOADS_AT_ONCE: usize = 3;
/// Layers unpacked at a time, by all pulls of a process: each takes a processor.
const UNPACKS_AT_ONCE: usize = 2;
/// Attempts at a manifest, or at a blob that does not move on.
const ATTEMPTS_MAX: u32 = 4;

/// Pulls images into a store. One for each agent; cloning is cheap.
#[derive(Clone)]
pub struct Puller {
    store: Store,
    dialer: Arc<Dialer>,
    unpacks: Arc<Semaphore>,
}

/// Told how far a pull is, often, from several threads.
pub type Watch = Arc<dyn Fn(Progress) + Send + Sync>;

/// What to pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Any form of the image's name.
    pub name: String,
    /// For registries that ask who we are.
    pub credentials: Option<Credentials>,
    /// The image counts as pulled now.
    pub now: Timestamp,
}

/// An image that is here now. While this lives the collector leaves the content alone, so that
/// there is time to [`Store::hold`] it.
#[derive(Debug)]
pub struct Pulled {
    /// Full name.
    pub name: String,
    /// What the name means at its registry now: an index, or a manifest.
    pub digest: Digest,
    /// The manifest for this platform.
    pub manifest_digest: Digest,
    _pin: Pin,
}

impl Puller {
    /// Pulls into this store, reaching registries as the options say.
    pub fn new(store: Store, options: Options) -> Self {
        let dialer = Arc::new(Dialer::new(options));
        Self { store, dialer, unpacks: Arc::new(Semaphore::new(UNPACKS_AT_ONCE)) }
    }

    /// Brings an image here, or makes sure it still is what the registry has.
    ///
    /// Takes as long as it takes; the caller sets a limit (`ECS_IMAGE_PULL_TIMEOUT`). Cancelling
    /// leaves what came so far, and the next pull goes on from there.
    pub async fn pull(&self, ask: &PullRequest, watch: Watch) -> Result<Pulled, PullError> {
        let reference = Reference::parse(&ask.name)
            .map_err(|it| PullError::new(&ask.name, Stage::Name, Kind::Reference(it)))?;
        let image = reference.to_string();
        let fail = |stage| {
            let image = image.clone();
            move |kind: Kind| PullError::new(&image, stage, kind)
        };
        if reference.is_built_in() {
            return Err(fail(Stage::Name)(Kind::BuiltIn));
        }
        let repository = Repository::find(
            self.dialer.clone(),
            reference.host(),
            reference.repository(),
            ask.credentials.clone(),
        );
        let repository = repository.await.map_err(|it| fail(Stage::Manifest)(it.into()))?;
        let pull = Pull {
            store: self.store.clone(),
            repository: Arc::new(repository),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_AT_ONCE)),
            unpacks: self.unpacks.clone(),
            pause: self.dialer.options().pause,
            tally: Arc::new(Tally::new(watch)),
        };
        let documents = pull.documents(reference.version()).await.map_err(fail(Stage::Manifest))?;
        let pin = pull.keep(&documents).await.map_err(fail(Stage::Content))?;
        pull.content(&documents.manifest).await.map_err(fail(Stage::Content))?;

        let Documents { digest, manifest_digest, .. } = documents;
        let (store, now) = (self.store.clone(), ask.now);
        blocking(move || store.name(&reference, digest, Origin::Pulled, now))
            .await
            .map_err(|it| fail(Stage::Content)(it.into()))?;
        Ok(Pulled { name: image, digest, manifest_digest, _pin: pin })
    }
}

/// One pull on its way.
#[derive(Clone)]
struct Pull {
    store: Store,
    repository: Arc<Repository>,
    downloads: Arc<Semaphore>,
    unpacks: Arc<Semaphore>,
    pause: std::time::Duration,
    tally: Arc<Tally>,
}

/// The documents of an image as they came.
struct Documents {
    /// Of the first document, which the name means.
    digest: Digest,
    manifest_digest: Digest,
    manifest: Manifest,
    /// To be kept.
    texts: Vec<Vec<u8>>,
}

impl Pull {
    /// Gets the manifest, through an index if that is what the name means.
    async fn documents(&self, version: &Version) -> Result<Documents, Kind> {
        let first = self.document(version).await?;
        let digest = Digest::of(&first);
        let chosen = match Document::parse(&first)? {
            Document::Manifest(manifest) => {
                let texts = vec![first];
                return Ok(Documents { digest, manifest_digest: digest, manifest, texts });
            }
            Document::Index(index) => index.choose(self.store.platform())?.digest,
        };
        let second = self.document(&Version::Digest(chosen)).await?;
        let Document::Manifest(manifest) = Document::parse(&second)? else {
            return Err(ManifestError::Malformed("an index inside an index".into()).into());
        };
        let texts = vec![first, second];
        Ok(Documents { digest, manifest_digest: chosen, manifest, texts })
    }

    /// Gets one document and checks it: against its name, or against what the registry says its
    /// digest is.
    async fn document(&self, version: &Version) -> Result<Vec<u8>, Kind> {
        let name = match version {
            Version::Tag(tag) => tag.clone(),
            Version::Digest(digest) => {
                if self.store.blobs().has(digest) {
                    return Ok(self.store.blobs().read(digest, MANIFEST_BYTES_MAX)?);
                }
                digest.to_string()
            }
        };
        let ask = Ask { path: format!("manifests/{name}"), accept: Some(ACCEPT), offset: 0 };
        let (headers, bytes) = self.ask_patiently(&ask).await?;
        let expected = match version {
            Version::Tag(_) => headers
                .get("docker-content-digest")
                .and_then(|it| Digest::parse(it.to_str().ok()?).ok()),
            Version::Digest(digest) => Some(*digest),
        };
        let found = Digest::of(&bytes);
        match expected.filter(|it| *it != found) {
            Some(expected) => Err(Kind::Digest { what: "manifest", expected, found }),
            None => Ok(bytes),
        }
    }

    async fn ask_patiently(&self, ask: &Ask<'_>) -> Result<(HeaderMap, Vec<u8>), RegistryError> {
        let mut attempt = 1;
        loop {
            match self.ask_once(ask).await {
                Err(it) if it.is_passing() && attempt < ATTEMPTS_MAX => {
                    self.wait(attempt).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn ask_once(&self, ask: &Ask<'_>) -> Result<(HeaderMap, Vec<u8>), RegistryError> {
        let (head, body) = self.repository.get(ask).await?.into_parts();
        Ok((head.headers, body.read_all(MANIFEST_BYTES_MAX).await?))
    }

    /// Pauses before a further attempt.
    async fn wait(&self, attempt: u32) {
        tokio::time::sleep(self.pause.saturating_mul(1 << attempt.min(10).saturating_sub(1))).await;
    }

    /// Pins and keeps the documents, and with them all that they name.
    async fn keep(&self, documents: &Documents) -> Result<Pin, Kind> {
        let store = self.store.clone();
        let digests = [documents.digest, documents.manifest_digest];
        let texts = documents.texts.clone();
        let kept = move || {
            let pin = store.pin(&digests)?;
            for text in &texts {
                store.blobs().put(text)?;
            }
            store.settle()?;
            Ok(pin)
        };
        Ok(blocking(kept).await?)
    }

    /// Gets the configuration, then all layers, and unpacks them.
    async fn content(&self, manifest: &Manifest) -> Result<(), Kind> {
        self.tally.expect(manifest.bytes(), manifest.layers.len());
        self.download(&manifest.config, "configuration", CONFIG_BYTES_MAX).await?;
        let store = self.store.clone();
        let config = manifest.config.digest;
        let read = move || {
            store.settle()?;
            store.blobs().read(&config, CONFIG_BYTES_MAX)
        };
        let config = ConfigDocument::parse(&blocking(read).await?)?;

        let layers = stack(manifest, &config)?;
        // A layer may stand twice in an image, with different ones below; each is a task.
        let mut tasks = JoinSet::new();
        for (layer, descriptor) in layers.into_iter().zip(manifest.layers.clone()) {
            let pull = self.clone();
            tasks.spawn(async move { pull.layer(layer, descriptor).await });
        }
        // The first failure ends the others: dropping the set aborts them.
        while let Some(done) = tasks.join_next().await {
            done.map_err(Kind::Ended)??;
        }
        Ok(())
    }

    /// Gets a layer and unpacks it, unless it is unpacked already.
    async fn layer(
        &self,
        layer: Layer,
        descriptor: crate::manifest::Descriptor,
    ) -> Result<(), Kind> {
        if self.store.layers().has(&layer.chain) {
            self.tally.add(descriptor.size);
            self.tally.layer_done();
            return Ok(());
        }
        let permit = self.downloads.acquire().await.expect("never closed");
        self.download(&descriptor, "layer", download::LAYER_BYTES_MAX).await?;
        drop(permit);

        let claim = self.store.layers().ask(&layer.chain).await?;
        let _permit = self.unpacks.acquire().await.expect("never closed");
        let store = self.store.clone();
        // Cancelled here, the layer is unpacked to its end, and the next pull finds it.
        blocking(move || store.layers().unpack(&layer, store.blobs(), claim)).await?;
        self.tally.layer_done();
        Ok(())
    }
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}
