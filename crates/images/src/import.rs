//! Images from files: what `docker save` writes, and OCI layouts, packed or as directories.

mod docker;
mod layout;
mod shelf;

use std::io;
use std::path::{Path, PathBuf};

use types::Timestamp;

use self::shelf::Shelf;
use crate::manifest::{Document, ManifestError};
use crate::store::{Loaded, Origin, Progress, Store, StoreError};
use crate::{Digest, Reference, ReferenceError};

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file is no archive, or not whole.
    #[error("{path} is damaged: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The archive is not one of images.
    #[error(
        "{0} holds no image: it has neither manifest.json (docker save) nor index.json (OCI layout)"
    )]
    NoImage(PathBuf),
    /// The archive names content that it does not hold, or that is not what its name says.
    #[error("the archive's {name} {problem}")]
    Content {
        /// A name in the archive.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The archive is larger than we take.
    #[error("the archive has more than {allowed} {limit}")]
    Limit {
        /// Which limit.
        limit: &'static str,
        /// Its value.
        allowed: u64,
    },
    /// The archive gives its image a name that is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A document of the archive is not that of an image.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An image found in an archive, its content staged, not yet in the store.
struct Found {
    /// As the archive has them; empty if it has none.
    names: Vec<String>,
    /// Index or manifest.
    digest: Digest,
}

impl Store {
    /// Loads all images of a file or directory: a `docker save` archive or an OCI layout, plain
    /// or compressed with gzip or zstd, told apart by what is inside.
    ///
    /// An image without a name gets that of the file. All content is checked against its
    /// digests. Either all images are loaded or an error says which was not.
    pub fn import(
        &self,
        path: &Path,
        now: Timestamp,
        progress: &dyn Fn(Progress),
    ) -> Result<Vec<Loaded>, ImportError> {
        let shelf = Shelf::fill(self, path, progress)?;
        // An archive of a current Docker is both; the OCI documents are the originals.
        let found = if shelf.has("index.json") {
            layout::read(&shelf, self.platform())?
        } else if shelf.has("manifest.json") {
            docker::read(&shelf)?
        } else {
            return Err(ImportError::NoImage(path.to_owned()));
        };
        let named = names(path, &found)?;
        let mut loaded = Vec::new();
        for (image, names) in found.iter().zip(named) {
            self.admit(&image.digest, &shelf, progress)?;
            for name in names {
                self.name(&name, image.digest, Origin::Loaded, now)?;
                loaded.push(Loaded { name: name.to_string(), digest: image.digest });
            }
        }
        Ok(loaded)
    }

    /// Takes an image's content over from the archive and unpacks it.
    fn admit(
        &self,
        digest: &Digest,
        shelf: &Shelf<'_>,
        progress: &dyn Fn(Progress),
    ) -> Result<(), ImportError> {
        let _pin = self.pin(&[*digest])?;
        // What names comes before what is named: the pin reaches content through the documents.
        let mut document = shelf.document(digest)?;
        shelf.keep(digest)?;
        if let Document::Index(index) = &document {
            let chosen = index.choose(self.platform())?.digest;
            document = shelf.document(&chosen)?;
            shelf.keep(&chosen)?;
        }
        let Document::Manifest(manifest) = document else {
            return Err(ManifestError::Malformed("an index inside an index".into()).into());
        };
        self.settle()?;
        shelf.keep(&manifest.config.digest)?;
        self.settle()?;
        for layer in &manifest.layers {
            shelf.keep(&layer.digest)?;
        }
        let layers_total = manifest.layers.len();
        self.unpack_all(digest, &|layers_done| {
            progress(Progress { layers_done, layers_total, ..shelf.progress() });
        })?;
        Ok(())
    }
}

/// The full names of the images found: as the archive has them, else after the file.
fn names(path: &Path, found: &[Found]) -> Result<Vec<Vec<Reference>>, ReferenceError> {
    let stem = stem(path);
    let full = |image: &Found| {
        if image.names.is_empty() {
            let short: String = image.digest.hex().chars().take(12).collect();
            let tag = if found.len() == 1 { "latest" } else { &short };
            return Ok(vec![Reference::parse(&format!("{stem}:{tag}"))?]);
        }
        let parse = |name: &String| {
            // OCI layouts often hold only a tag.
            let is_full = name.contains(['/', ':', '@']);
            let full = if is_full { name.clone() } else { format!("{stem}:{name}") };
            Reference::parse(&full)
        };
        image.names.iter().map(parse).collect()
    };
    found.iter().map(full).collect()
}

/// The start of a file's name as a repository's name: `My App-1.tar.gz` is `my-app-1`.
fn stem(path: &Path) -> String {
    let name = path.file_name().map(|it| it.to_string_lossy().to_lowercase()).unwrap_or_default();
    let words: Vec<_> = name
        .split('.')
        .next()
        .unwrap_or_default()
        .split(|it: char| !it.is_ascii_alphanumeric())
        .filter(|it| !it.is_empty())
        .collect();
    if words.is_empty() { "image".to_owned() } else { words.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, names_inside: &[&[&str]], expected: &[&str]) {
        let image = |names: &&[&str]| Found {
            names: names.iter().map(|it| (*it).to_owned()).collect(),
            digest: Digest::of(names.concat().as_bytes()),
        };
        let found: Vec<_> = names_inside.iter().map(image).collect();
        let named = names(Path::new(file), &found).expect("names");
        let named: Vec<_> = named.concat().iter().map(Reference::to_string).collect();
        assert_eq!(named, expected, "{file}");
    }

    #[test]
    fn an_image_without_a_name_gets_that_of_its_file() {
        check("/x/My App-1.tar.gz", &[&[]], &["docker.io/library/my-app-1:latest"]);
        check("busybox.tar", &[&["1.36"]], &["docker.io/library/busybox:1.36"]);
        check("a.tar", &[&["b:1", "r.io/c:2"]], &["docker.io/library/b:1", "r.io/c:2"]);
        check(
            "two.tar",
            &[&[], &["b:1"]],
            &["docker.io/library/two:e3b0c44298fc", "docker.io/library/b:1"],
        );
    }
}
