//! Unpacked layers: `layers/<chain>/`, each whole or not there at all.

use std::path::{Path, PathBuf};

use super::blobs::Blobs;
use super::claim::{Afterwards, Claim};
use super::error::{StoreError, failed};
use super::scratch::Scratch;
use crate::Digest;
use crate::unpack::{Helper, Limits, UnpackError};

/// Digits of a chain ID in a directory's name. All 64 would be unique beyond doubt, but the
/// names of all layers of an image have to fit into one page of mount options on kernels before
/// 6.5; with 32, mounted relative to `layers/`, even 124 layers do. Choosing another's digits is
/// as hard as breaking a 128-bit hash.
const NAME_DIGITS: usize = 32;

/// The unpacked layers of a store.
#[derive(Debug, Clone)]
pub(crate) struct Layers {
    directory: PathBuf,
    work: PathBuf,
    helper: Helper,
    limits: Limits,
}

/// One layer of an image, to be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Names the result.
    pub(crate) chain: Digest,
    /// The compressed content.
    pub(crate) blob: Digest,
    /// Hash of the uncompressed content.
    pub(crate) diff_id: Digest,
}

impl Layers {
    pub(crate) fn new(root: &Path, helper: Helper, limits: Limits) -> Self {
        Self { directory: root.join("layers"), work: root.join("work"), helper, limits }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The name of a layer's directory.
    pub(crate) fn name(chain: &Digest) -> String {
        chain.hex().chars().take(NAME_DIGITS).collect()
    }

    pub(crate) fn path(&self, chain: &Digest) -> PathBuf {
        self.directory.join(Self::name(chain))
    }

    pub(crate) fn has(&self, chain: &Digest) -> bool {
        self.path(chain).exists()
    }

    /// Whether the layer hides everything below it.
    ///
    /// Overlayfs takes no notice of an opaque root directory, so whoever stacks layers has to.
    pub(crate) fn is_opaque(&self, chain: &Digest) -> bool {
        let mut value = [0_u8; 1];
        let read = rustix::fs::lgetxattr(self.path(chain), "trusted.overlay.opaque", &mut value);
        read == Ok(1) && value == *b"y"
    }

    /// Waits to be the one who unpacks a layer, blocking the thread.
    pub(crate) fn wait(&self, chain: &Digest) -> Result<Claim, StoreError> {
        let path = self.claim_path(chain);
        Claim::wait(&path, Afterwards::Remove).map_err(failed("claim", &path))
    }

    /// Waits to be the one who unpacks a layer.
    pub(crate) async fn ask(&self, chain: &Digest) -> Result<Claim, StoreError> {
        let path = self.claim_path(chain);
        Claim::ask(&path, Afterwards::Remove).await.map_err(failed("claim", &path))
    }

    fn claim_path(&self, chain: &Digest) -> PathBuf {
        self.work.join(format!("{}.layer", Self::name(chain)))
    }

    /// Unpacks a layer unless that is done; the claim says that nobody else does.
    ///
    /// The tree grows beside the others and is renamed when it is whole, checked and on disk, so
    /// that neither a killed process nor a power cut leaves half of one.
    pub(crate) fn unpack(
        &self,
        layer: &Layer,
        blobs: &Blobs,
        claim: Claim,
    ) -> Result<(), StoreError> {
        if self.has(&layer.chain) {
            return Ok(());
        }
        let blob = blobs.open(&layer.blob)?;
        let tree = Scratch::new(&self.work, "tree")?;
        let unpacked = self.helper.unpack(blob, tree.path(), &self.limits)?;
        if unpacked.diff_id != layer.diff_id {
            let wrong =
                UnpackError::WrongContent { expected: layer.diff_id, found: unpacked.diff_id };
            return Err(wrong.into());
        }
        tree.keep(&self.path(&layer.chain))?;
        drop(claim);
        Ok(())
    }
}
