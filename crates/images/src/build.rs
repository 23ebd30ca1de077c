//! Makes images out of files: the built-in one, and those of tests.

mod elf;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};
use types::Timestamp;

pub use self::elf::{SelfImageError, self_image};

use crate::config::{ConfigDocument, ImageConfig};
use crate::digest::Hashing;
use crate::manifest::{Descriptor, Index, Manifest, OCI_CONFIG, OCI_INDEX, OCI_LAYER_TAR};
use crate::manifest::{OCI_MANIFEST, Platform};
use crate::store::{Blobs, Loaded, Origin, Store, StoreError};
use crate::{Digest, Reference};

/// What an image is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipe {
    /// Its files. Parents that are not listed are made, owned by root, mode 0755.
    pub files: Vec<ImageFile>,
    /// What it runs.
    pub config: ImageConfig,
}

/// One file of an image; owned by root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Absolute path in the image.
    pub path: String,
    /// Permission bits, setuid and sticky bit included.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

/// What a file of an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A file with the bytes of this file of the host, links followed.
    Host(PathBuf),
    /// A directory.
    Directory,
    /// A symbolic link to this path.
    Symlink(String),
}

impl ImageFile {
    /// A file of the host under a path of the image.
    pub fn host(path: &str, from: impl Into<PathBuf>, mode: u32) -> Self {
        Self { path: path.to_owned(), mode, content: Content::Host(from.into()) }
    }

    /// A file with these bytes.
    pub fn bytes(path: &str, bytes: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self { path: path.to_owned(), mode, content: Content::Bytes(bytes.into()) }
    }

    /// An empty directory.
    pub fn directory(path: &str, mode: u32) -> Self {
        Self { path: path.to_owned(), mode, content: Content::Directory }
    }
}

/// The documents of an image with one layer.
struct Assembled {
    config: Vec<u8>,
    manifest: Vec<u8>,
}

impl Store {
    /// Makes an image and gives it a name. The same recipe makes the same image, whose layer is
    /// not unpacked again.
    pub fn build(&self, name: &str, recipe: &Recipe, now: Timestamp) -> Result<Loaded, StoreError> {
        let reference = Reference::parse(name)?;
        let scratch = self.scratch("build")?;
        let layer = Blobs::stage_by(&mut |to| write_layer(&recipe.files, to), &scratch)?;

        let made = assemble(&recipe.config, self.platform(), layer.digest, layer.size);
        let digest = Digest::of(&made.manifest);
        let _pin = self.pin(&[digest])?;
        self.blobs().put(&made.manifest)?;
        self.settle()?;
        self.blobs().put(&made.config)?;
        self.settle()?;
        self.blobs().name(&layer)?;
        self.unpack_all(&digest, &|_| {})?;
        self.name(&reference, digest, Origin::Loaded, now)?;
        Ok(Loaded { name: reference.to_string(), digest })
    }

    /// Unpacks all layers of an image whose content is here.
    pub(crate) fn unpack_all(
        &self,
        digest: &Digest,
        unpacked: &dyn Fn(usize),
    ) -> Result<(), StoreError> {
        for (index, layer) in self.describe(digest)?.layers.iter().enumerate() {
            if !self.layers().has(&layer.chain) {
                let claim = self.layers().wait(&layer.chain)?;
                self.layers().unpack(layer, self.blobs(), claim)?;
            }
            unpacked(index + 1);
        }
        Ok(())
    }
}

/// Writes an image of one layer as an OCI archive: a plain tar of an OCI layout, as
/// `skopeo copy … oci-archive:` makes and every tool reads.
pub fn write_oci_archive(path: &Path, name: &str, recipe: &Recipe) -> io::Result<()> {
    let mut layer = Hashing::new(Vec::new());
    write_layer(&recipe.files, &mut layer)?;
    let (bytes, layer) = (layer.inner, layer.hasher.finish());
    let made = assemble(&recipe.config, &Platform::here(), layer, bytes.len() as u64);
    let digest = Digest::of(&made.manifest);
    let entry = Descriptor {
        annotations: Some(
            [("org.opencontainers.image.ref.name".to_owned(), name.to_owned())].into(),
        ),
        ..Descriptor::new(OCI_MANIFEST, digest, made.manifest.len() as u64)
    };
    let index =
        Index { schema_version: 2, media_type: OCI_INDEX.to_owned(), manifests: vec![entry] };

    let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
    let mut add = |name: String, bytes: &[u8]| {
        archive.append_data(&mut header(0o644, bytes.len() as u64), name, bytes)
    };
    let blob = |digest: Digest| format!("blobs/sha256/{}", digest.hex());
    add("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add("index.json".into(), &json(&index))?;
    add(blob(digest), &made.manifest)?;
    add(blob(Digest::of(&made.config)), &made.config)?;
    add(blob(layer), &bytes)?;
    archive.into_inner()?.flush()
}

fn assemble(config: &ImageConfig, platform: &Platform, layer: Digest, size: u64) -> Assembled {
    let config = json(&ConfigDocument::new(config, platform, &[layer]));
    let manifest = Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.to_owned(),
        config: Descriptor::new(OCI_CONFIG, Digest::of(&config), config.len() as u64),
        layers: vec![Descriptor::new(OCI_LAYER_TAR, layer, size)],
    };
    Assembled { manifest: json(&manifest), config }
}

pub(crate) fn json(document: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("plain values")
}

/// Writes the files as a plain layer. Times are zero, so that equal files make equal layers.
fn write_layer(files: &[ImageFile], to: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    for file in files {
        let path = file.path.trim_start_matches('/');
        let mut append = |size, content: &mut dyn Read| {
            archive.append_data(&mut header(file.mode, size), path, content)
        };
        match &file.content {
            Content::Bytes(bytes) => append(bytes.len() as u64, &mut Cursor::new(bytes))?,
            Content::Host(from) => {
                let host = File::open(from)?;
                append(host.metadata()?.len(), &mut BufReader::new(host))?;
            }
            Content::Directory => {
                let mut header = header(file.mode, 0);
                header.set_entry_type(EntryType::Directory);
                archive.append_data(&mut header, path, io::empty())?;
            }
            Content::Symlink(target) => {
                let mut header = header(file.mode, 0);
                header.set_entry_type(EntryType::Symlink);
                archive.append_link(&mut header, path, target)?;
            }
        }
    }
    archive.into_inner()?.flush()
}

fn header(mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
