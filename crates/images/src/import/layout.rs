//! An OCI image layout: `index.json` and `blobs/`.

use std::collections::BTreeMap;

use super::shelf::Shelf;
use super::{Found, ImportError};
use crate::Digest;
use crate::manifest::{Descriptor, Document, Index, ManifestError, Platform};

/// The full name that containerd and Docker write beside the specification's, which often is
/// only a tag.
const NAME_FULL: &str = "io.containerd.image.name";
/// Source: OCI image specification, "Pre-Defined Annotation Keys".
const NAME: &str = "org.opencontainers.image.ref.name";

/// Reads the images: every entry of the index, unless it is for another platform.
pub(super) fn read(shelf: &Shelf<'_>, platform: &Platform) -> Result<Vec<Found>, ImportError> {
    let Document::Index(index) = Document::parse(&shelf.read("index.json")?)? else {
        return Err(ManifestError::Malformed("index.json is not an index".into()).into());
    };
    // One image may have several names, each with an entry.
    let mut images: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for entry in runnable(&index, platform)? {
        let name = entry.annotation(NAME_FULL).or(entry.annotation(NAME));
        images.entry(entry.digest).or_default().extend(name.map(str::to_owned));
    }
    Ok(images.into_iter().map(|(digest, names)| Found { names, digest }).collect())
}

fn runnable<'a>(
    index: &'a Index,
    platform: &Platform,
) -> Result<Vec<&'a Descriptor>, ManifestError> {
    let fits = |it: &&Descriptor| it.platform.as_ref().is_none_or(|it| platform.takes(it));
    let fitting: Vec<_> = index.manifests.iter().filter(fits).collect();
    if fitting.is_empty() {
        // Says what it has instead.
        index.choose(platform)?;
    }
    Ok(fitting)
}
