//! Stores in temporary directories, and images made of layers.

use std::path::{Path, PathBuf};

use images::{Config, Digest, Helper, Image, ImportError, Limits, Store};
use serde_json::{Value, json};
use types::Timestamp;

use crate::tarball::Tarball;

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// A store that goes away with the value.
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = config(directory.path());
        change(&mut config);
        Self { store: Store::open(config).expect("a store"), directory }
    }

    /// The same store, opened again as another process would.
    pub(crate) fn again(&self) -> Store {
        Store::open(config(self.directory.path())).expect("a store")
    }

    /// Loads an image of these layers (uncompressed) as `test`.
    pub(crate) fn load(&self, layers: &[Vec<u8>]) -> Result<Image, ImportError> {
        self.load_blobs(&Content::new(layers, layers))
    }

    pub(crate) fn load_blobs(&self, content: &Content) -> Result<Image, ImportError> {
        self.load_as("test", content)
    }

    pub(crate) fn load_as(&self, name: &str, content: &Content) -> Result<Image, ImportError> {
        let archive = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(archive.path(), content.oci_archive(name)).expect("writes");
        self.store.import(archive.path(), NOW, &|_| {})?;
        Ok(self.store.resolve(name).expect("just loaded"))
    }

    /// Names in one of the store's directories.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        names(&self.directory.path().join(directory))
    }

    /// Nothing half-done, and no layer.
    #[track_caller]
    pub(crate) fn assert_no_layers(&self) {
        for directory in ["layers", "work", "trash", "pins"] {
            assert_eq!(self.names(directory), Vec::<String>::new(), "in {directory}");
        }
    }
}

pub(crate) fn config(directory: &Path) -> Config {
    Config { helper: helper(), limits: Limits::default(), ..Config::new(directory) }
}

/// The helper as its own program: a test's program is not the product.
pub(crate) fn helper() -> Helper {
    Helper { program: PathBuf::from(env!("CARGO_BIN_EXE_images-unpack")), first_words: vec![] }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|it| it.expect("an entry").file_name().into_string().expect("plain"))
        .collect();
    names.sort();
    names
}

/// All documents and blobs of an image.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    /// As transported.
    pub(crate) layers: Vec<Vec<u8>>,
}

impl Content {
    /// An image whose layers unpack to `plain` and are transported as `blobs`.
    pub(crate) fn new(plain: &[Vec<u8>], blobs: &[Vec<u8>]) -> Self {
        let diff_ids: Vec<_> = plain.iter().map(|it| Digest::of(it).to_string()).collect();
        let config = json!({
            "architecture": images::Platform::here().architecture, "os": "linux",
            "config": { "Cmd": ["/bin/true"], "Env": ["A=b"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = config.to_string().into_bytes();
        // The media type is often a lie; so is this one.
        let gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        let layers: Vec<_> = blobs.iter().map(|it| descriptor(gzip, it)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": descriptor("application/vnd.docker.container.image.v1+json", &config),
            "layers": layers,
        });
        Self { manifest: manifest.to_string().into_bytes(), config, layers: blobs.to_vec() }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        [&self.manifest, &self.config].into_iter().chain(&self.layers)
    }

    pub(crate) fn oci_archive(&self, name: &str) -> Vec<u8> {
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &self.manifest);
        entry["annotations"] = json!({
            "io.containerd.image.name": format!("docker.io/library/{name}:latest"),
            "org.opencontainers.image.ref.name": name,
        });
        let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |name: String, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, bytes).expect("memory");
        };
        // Content before the documents that name it, to make it harder.
        for blob in self.blobs() {
            add(format!("blobs/sha256/{}", Digest::of(blob).hex()), blob);
        }
        add("./index.json".into(), index.as_bytes());
        add("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#);
        archive.into_inner().expect("memory")
    }
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() })
}

/// An image of one layer with one file of this content.
pub(crate) fn small(content: &str) -> Content {
    let layer = Tarball::default().file("file", content).bytes();
    Content::new(std::slice::from_ref(&layer), std::slice::from_ref(&layer))
}
