//! An image's configuration: what its author wants run, and how.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::{Port, Protocol};

use crate::{Digest, manifest::ManifestError};

/// Largest configuration we read; real ones are a few KiB, mostly history.
pub(crate) const CONFIG_BYTES_MAX: u64 = 8 << 20;

/// What a container of the image runs unless its container definition says otherwise.
///
/// A health check of the image is left out on purpose: ECS looks only at the one of the
/// container definition (Amazon ECS API Reference, `HealthCheck`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageConfig {
    /// First words of the command line; empty if the image has none.
    pub entrypoint: Vec<String>,
    /// The words after it.
    pub cmd: Vec<String>,
    /// `NAME=VALUE` lines.
    pub env: Vec<String>,
    /// Working directory; empty means `/`.
    pub workdir: String,
    /// `user`, `uid`, `user:group` or `uid:gid`; empty means root.
    pub user: String,
    /// Ports the image says it listens on.
    pub exposed: Vec<Port>,
    /// Paths that want a volume.
    pub volumes: Vec<String>,
    /// Signal that asks the main process to end, such as `SIGTERM` or `15`.
    pub stop_signal: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// The configuration document as it is stored. Docker and OCI agree on all of this.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ConfigDocument {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    config: Option<ConfigMembers>,
    pub(crate) rootfs: RootFs,
}

/// The hashes of the unpacked layers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type", default)]
    kind: String,
    /// Of the uncompressed layers, lowest first.
    #[serde(default)]
    pub(crate) diff_ids: Vec<Digest>,
}

// Tools write `null` for what is empty, so every member is an option.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigMembers {
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, String>>,
}

impl ConfigDocument {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        serde_json::from_slice(bytes)
            .map_err(|it| ManifestError::Malformed(format!("its configuration: {it}")))
    }

    /// The document of an image made here.
    pub(crate) fn new(config: &ImageConfig, platform: &crate::Platform, layers: &[Digest]) -> Self {
        let set = |items: &[String]| {
            items.iter().map(|it| (it.clone(), serde_json::json!({}))).collect::<BTreeMap<_, _>>()
        };
        let ports: Vec<_> = config
            .exposed
            .iter()
            .map(|it| format!("{}/{}", it.number, it.protocol.as_str()))
            .collect();
        let members = ConfigMembers {
            entrypoint: some(&config.entrypoint),
            cmd: some(&config.cmd),
            env: some(&config.env),
            working_dir: (!config.workdir.is_empty()).then(|| config.workdir.clone()),
            user: (!config.user.is_empty()).then(|| config.user.clone()),
            exposed_ports: (!ports.is_empty()).then(|| set(&ports)),
            volumes: (!config.volumes.is_empty()).then(|| set(&config.volumes)),
            stop_signal: config.stop_signal.clone(),
            labels: (!config.labels.is_empty()).then(|| config.labels.clone()),
        };
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            config: Some(members),
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: layers.to_vec() },
        }
    }

    pub(crate) fn image_config(self) -> ImageConfig {
        let it = self.config.unwrap_or_default();
        ImageConfig {
            entrypoint: it.entrypoint.unwrap_or_default(),
            cmd: it.cmd.unwrap_or_default(),
            env: it.env.unwrap_or_default(),
            workdir: it.working_dir.unwrap_or_default(),
            user: it.user.unwrap_or_default(),
            exposed: it
                .exposed_ports
                .unwrap_or_default()
                .keys()
                .filter_map(|it| port(it))
                .collect(),
            volumes: it.volumes.unwrap_or_default().into_keys().collect(),
            stop_signal: it.stop_signal.filter(|it| !it.is_empty()),
            labels: it.labels.unwrap_or_default(),
        }
    }
}

fn some(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}

/// Reads `80`, `80/tcp` or `53/udp`; an image that exposes anything else exposes nothing by it.
fn port(text: &str) -> Option<Port> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    number.parse().ok().filter(|it| *it > 0).map(|number| Port { protocol, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_survives_being_written_and_read() {
        let config = ImageConfig {
            entrypoint: vec!["/app".into()],
            cmd: vec!["web".into(), "--port".into()],
            env: vec!["A=b".into()],
            workdir: "/srv".into(),
            user: "1000:1000".into(),
            exposed: vec![Port::udp(53), Port::tcp(80)],
            volumes: vec!["/data".into()],
            stop_signal: Some("SIGQUIT".into()),
            labels: [("a".to_owned(), "b".to_owned())].into(),
        };
        let document = ConfigDocument::new(&config, &crate::Platform::here(), &[Digest::of(b"x")]);
        let bytes = serde_json::to_vec(&document).expect("plain values");
        let again = ConfigDocument::parse(&bytes).expect("our own writing");
        assert_eq!(again.rootfs.diff_ids, [Digest::of(b"x")]);
        assert_eq!(again.image_config(), config);
    }

    #[test]
    fn null_and_missing_members_are_empty() {
        for text in [
            r#"{"rootfs":{"type":"layers","diff_ids":[]}}"#,
            r#"{"config":null,"rootfs":{}}"#,
            r#"{"config":{"Cmd":null,"Env":null,"ExposedPorts":null,"StopSignal":""},"rootfs":{}}"#,
            r#"{"config":{"ExposedPorts":{"x":{},"0/tcp":{},"1/sctp":{}}},"rootfs":{}}"#,
        ] {
            let document = ConfigDocument::parse(text.as_bytes()).expect(text);
            assert_eq!(document.image_config(), ImageConfig::default(), "{text}");
        }
        assert!(ConfigDocument::parse(b"{}").is_err(), "an image without layers' hashes is none");
    }
}
