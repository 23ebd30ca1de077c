//! The documents that describe an image: index, manifest, and how they name other content.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// Largest manifest or index we read. The distribution specification asks registries to take
/// at least 4 MiB; nothing real is larger.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// Most layers of an image: what Docker allows, and less than overlayfs does.
pub(crate) const LAYERS_MAX: usize = 127;
/// Most entries of an index that we look through.
const INDEX_ENTRIES_MAX: usize = 1000;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+";

/// What we tell a registry we can read.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A pointer to content: its name and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    /// Bytes.
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<std::collections::BTreeMap<String, String>>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, platform: None, annotations: None }
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

/// Operating system and processor that an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Such as `amd64` or `arm64`, in Go's words.
    pub architecture: String,
    /// Such as `linux`.
    pub os: String,
    /// Such as `v7` or `v8` of an ARM processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on the processor that this program was compiled for.
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { architecture: architecture.to_owned(), os: "linux".to_owned(), variant: None }
    }

    /// Whether an image made for `offered` runs here.
    pub(crate) fn takes(&self, offered: &Self) -> bool {
        // ARM's v8 is what every arm64 is; a stranger variant may need more than we have.
        let plain = offered.variant.as_deref().is_none_or(|it| it.is_empty() || it == "v8");
        offered.os == self.os && offered.architecture == self.architecture && plain
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// An image of one platform: its configuration and its layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// The same image for several platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) manifests: Vec<Descriptor>,
}

/// One or the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// Why a document is not one we can run an image from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not of the form the specification gives.
    #[error("the manifest cannot be read: {0}")]
    Malformed(String),
    /// Docker's first format, given up by registries in 2023.
    #[error("the manifest has the old Docker schema 1; push the image again with a current tool")]
    Schema1,
    /// An OCI artifact that is not an image (a chart, a signature).
    #[error("the manifest is of type {0}, which is not a container image")]
    NotAnImage(String),
    /// More layers than can be mounted.
    #[error("the image has {0} layers; at most {LAYERS_MAX} can be mounted")]
    TooManyLayers(usize),
    /// No entry of the index is for this machine.
    #[error(
        "image Manifest does not contain descriptor matching platform '{wanted}' (it has {offered})"
    )]
    NoPlatform {
        /// What this instance runs.
        wanted: String,
        /// What the index offers.
        offered: String,
    },
}

impl Document {
    /// Reads a manifest or an index; what it is, its members tell, not its media type, because
    /// registries and archives mislabel both.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let malformed = |source: serde_json::Error| ManifestError::Malformed(source.to_string());
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(malformed)?;
        let media_type = value.get("mediaType").and_then(|it| it.as_str()).unwrap_or_default();
        let has = |member| value.get(member).is_some_and(serde_json::Value::is_array);
        let is_schema1 = value.get("schemaVersion").and_then(serde_json::Value::as_u64) == Some(1);
        if is_schema1 || media_type.starts_with(DOCKER_SCHEMA1) {
            return Err(ManifestError::Schema1);
        }
        match media_type {
            "" | OCI_INDEX | OCI_MANIFEST | DOCKER_INDEX | DOCKER_MANIFEST => {}
            other => return Err(ManifestError::NotAnImage(other.chars().take(100).collect())),
        }
        // A document that could be read both ways would mean different things to different tools
        // (CVE-2021-41190).
        match (has("manifests"), has("layers")) {
            (true, true) => Err(ManifestError::Malformed("both an index and a manifest".into())),
            (true, false) => {
                let index: Index = serde_json::from_value(value).map_err(malformed)?;
                Ok(Self::Index(index))
            }
            (false, true) => {
                let manifest: Manifest = serde_json::from_value(value).map_err(malformed)?;
                manifest.check().map(Self::Manifest)
            }
            (false, false) => Err(ManifestError::Malformed("neither layers nor manifests".into())),
        }
    }
}

impl Manifest {
    /// Bytes of all content it names.
    pub(crate) fn bytes(&self) -> u64 {
        self.layers.iter().fold(self.config.size, |sum, it| sum.saturating_add(it.size))
    }

    fn check(self) -> Result<Self, ManifestError> {
        if self.layers.len() > LAYERS_MAX {
            return Err(ManifestError::TooManyLayers(self.layers.len()));
        }
        let kind = &self.config.media_type;
        let is_config = kind.contains("container.image") || kind == OCI_CONFIG || kind.is_empty();
        if is_config { Ok(self) } else { Err(ManifestError::NotAnImage(kind.clone())) }
    }
}

impl Index {
    /// The first entry for this platform, as Docker chooses.
    pub(crate) fn choose(&self, platform: &Platform) -> Result<&Descriptor, ManifestError> {
        let entries = || self.manifests.iter().take(INDEX_ENTRIES_MAX);
        let named = entries().find(|it| it.platform.as_ref().is_some_and(|it| platform.takes(it)));
        // An index of one image without a platform, as small tools write it, means that image.
        let only = match self.manifests.as_slice() {
            [only] if only.platform.is_none() => Some(only),
            _ => None,
        };
        named.or(only).ok_or_else(|| {
            let offered: Vec<_> = entries()
                .filter_map(|it| it.platform.as_ref())
                .filter(|it| it.os != "unknown")
                .take(20)
                .map(Platform::to_string)
                .collect();
            let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
            ManifestError::NoPlatform { wanted: platform.to_string(), offered }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(kind: &str) -> String {
        format!(r#"{{"mediaType":"{kind}","digest":"{}","size":3}}"#, Digest::of(b"abc"))
    }

    #[test]
    fn a_document_is_what_its_members_say() {
        let config = descriptor(OCI_CONFIG);
        let docker = descriptor("application/vnd.docker.container.image.v1+json");
        let chart = descriptor("application/vnd.cncf.helm.config.v1+json");
        for (text, expected) in [
            (format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#), "manifest"),
            (format!(r#"{{"schemaVersion":2,"config":{docker},"layers":[]}}"#), "manifest"),
            (format!(r#"{{"schemaVersion":2,"config":{chart},"layers":[]}}"#), "not an image"),
            (r#"{"schemaVersion":2,"manifests":[]}"#.into(), "index"),
            (r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#.into(), "malformed"),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#.into(), "schema 1"),
            (r#"{"schemaVersion":2}"#.into(), "malformed"),
            (r#"{"mediaType":"text/plain","layers":[]}"#.into(), "not an image"),
            ("[".into(), "malformed"),
        ] {
            let found = match Document::parse(text.as_bytes()) {
                Ok(Document::Manifest(_)) => "manifest",
                Ok(Document::Index(_)) => "index",
                Err(ManifestError::Schema1) => "schema 1",
                Err(ManifestError::NotAnImage(_)) => "not an image",
                Err(_) => "malformed",
            };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_image_with_too_many_layers_is_refused() {
        let layers = vec![descriptor(OCI_LAYER_TAR); LAYERS_MAX + 1].join(",");
        let text = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{layers}]}}"#,
            descriptor(OCI_CONFIG)
        );
        assert_eq!(Document::parse(text.as_bytes()), Err(ManifestError::TooManyLayers(128)));
    }

    #[test]
    fn the_platform_of_the_machine_is_chosen() {
        let entry =
            |os: &str, architecture: &str, variant: Option<&str>, content: &[u8]| Descriptor {
                platform: Some(Platform {
                    os: os.into(),
                    architecture: architecture.into(),
                    variant: variant.map(Into::into),
                }),
                ..Descriptor::new(OCI_MANIFEST, Digest::of(content), 1)
            };
        let index = Index {
            schema_version: 2,
            media_type: String::new(),
            manifests: vec![
                entry("unknown", "unknown", None, b"attestation"),
                entry("windows", "amd64", None, b"windows"),
                entry("linux", "arm64", Some("v9"), b"newer"),
                entry("linux", "arm64", Some("v8"), b"arm"),
                entry("linux", "amd64", None, b"intel"),
            ],
        };
        let here = |architecture: &str| Platform {
            os: "linux".into(),
            architecture: architecture.into(),
            variant: None,
        };
        assert_eq!(index.choose(&here("amd64")).map(|it| it.digest), Ok(Digest::of(b"intel")));
        assert_eq!(index.choose(&here("arm64")).map(|it| it.digest), Ok(Digest::of(b"arm")));
        let refusal = index.choose(&here("riscv64")).expect_err("no such platform").to_string();
        assert!(
            refusal.contains("'linux/riscv64'") && refusal.contains("linux/amd64"),
            "{refusal}"
        );
    }
}
