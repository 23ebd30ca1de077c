//! The archive that `docker save` writes: `manifest.json`, configurations, layers.

use serde::Deserialize;

use super::shelf::Shelf;
use super::{Found, ImportError};
use crate::build::json;
use crate::manifest::{
    Descriptor, LAYERS_MAX, Manifest, ManifestError, OCI_CONFIG, OCI_LAYER_TAR, OCI_MANIFEST,
};

/// One image of the archive.
///
/// Source: moby, "Docker Image Specification v1.2", `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Reads the images. The archive has no manifests by digest, so we make them; their digests are
/// our own, but the same archive always has the same.
pub(super) fn read(shelf: &Shelf<'_>) -> Result<Vec<Found>, ImportError> {
    let bytes = shelf.read("manifest.json")?;
    let entries: Vec<Entry> = serde_json::from_slice(&bytes)
        .map_err(|it| ManifestError::Malformed(format!("manifest.json: {it}")))?;
    entries.iter().map(|it| found(shelf, it)).collect()
}

fn found(shelf: &Shelf<'_>, entry: &Entry) -> Result<Found, ImportError> {
    if entry.layers.len() > LAYERS_MAX {
        return Err(ManifestError::TooManyLayers(entry.layers.len()).into());
    }
    let describe = |name: &str, kind: &str| {
        shelf.named(name).map(|it| Descriptor::new(kind, it.digest, it.size))
    };
    let layers: Result<Vec<_>, _> =
        entry.layers.iter().map(|it| describe(it, OCI_LAYER_TAR)).collect();
    let manifest = Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.to_owned(),
        config: describe(&entry.config, OCI_CONFIG)?,
        layers: layers?,
    };
    let digest = shelf.add(&json(&manifest))?;
    Ok(Found { names: entry.repo_tags.clone().unwrap_or_default(), digest })
}
