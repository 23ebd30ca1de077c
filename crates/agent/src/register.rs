//! Makes the instance known to its cluster, and remembers under which name.

use core::time::Duration;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shapes::ecs;
use types::{Port, Protocol};

use crate::api::{Api, CallError};
use crate::config::Config;
use crate::durable;
use crate::error::AgentError;

/// The version this agent goes by; of the genuine agent's kind, so that version constraints hold.
pub(crate) const AGENT_VERSION: &str = "1.105.1";
/// Tells builds apart; ours have no other name.
pub(crate) const AGENT_HASH: &str = concat!("landfall-", env!("CARGO_PKG_VERSION"));
/// What stands where the genuine agent names its Docker.
pub(crate) const RUNTIME_VERSION: &str = concat!("landfall: ", env!("CARGO_PKG_VERSION"));

/// Waits between attempts, from the first failure on.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(2);

/// Features of task definitions that this agent carries out (handbook 3.11).
const CAPABILITIES: [&str; 16] = [
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "com.amazonaws.ecs.capability.logging-driver.awslogs",
    "com.amazonaws.ecs.capability.logging-driver.none",
    "com.amazonaws.ecs.capability.privileged-container",
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.container-restart-policy",
    "ecs.capability.docker-plugin.local",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.full-sync",
    "ecs.capability.network.container-port-range",
    "ecs.capability.pid-ipc-namespace-sharing",
    "ecs.capability.task-cpu-mem-limit",
    "ecs.capability.landfall.v1",
];
/// Versions of Docker's API whose features task definitions may ask for.
const DOCKER_API: core::ops::RangeInclusive<u32> = 17..=44;

/// What an agent must not forget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Makes names that nobody can guess.
    pub(crate) secret: String,
    /// ARN of the container instance, once registered.
    pub(crate) instance: Option<String>,
    /// In which cluster.
    pub(crate) cluster: String,
    /// The machine's own name, `i-…`.
    pub(crate) instance_id: String,
}

impl Note {
    fn path(data: &Path) -> PathBuf {
        data.join("agent.json")
    }

    /// Reads the note, or begins one.
    pub(crate) fn open(config: &Config) -> Result<Self, AgentError> {
        let path = Self::path(&config.data);
        match fs::read(&path) {
            Ok(bytes) => {
                let note: Option<Self> = serde_json::from_slice(&bytes).ok();
                if let Some(mut note) = note {
                    let given = config.identity.instance_id.as_ref();
                    let renamed = given.is_some_and(|it| *it != note.instance_id);
                    if renamed || note.cluster != config.cluster {
                        note.instance = None;
                        note.cluster.clone_from(&config.cluster);
                        note.instance_id = given.cloned().unwrap_or(note.instance_id);
                    }
                    return Ok(note);
                }
                tracing::error!(path = %path.display(), "the agent's note is damaged: beginning anew");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(AgentError::file("read", path)(error)),
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|it| AgentError::Randomness(it.to_string()))?;
        let mut name = [0; 9];
        getrandom::fill(&mut name).map_err(|it| AgentError::Randomness(it.to_string()))?;
        // Instance ids have 17 digits.
        let made_up = || format!("i-{}", hex::encode(name).get(..17).unwrap_or_default());
        let note = Self {
            secret: hex::encode(secret),
            instance: None,
            cluster: config.cluster.clone(),
            instance_id: config.identity.instance_id.clone().unwrap_or_else(made_up),
        };
        note.keep(&config.data)?;
        Ok(note)
    }

    /// Writes the note; durable when this returns.
    pub(crate) fn keep(&self, data: &Path) -> Result<(), AgentError> {
        let path = Self::path(data);
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        durable::write(&path, &bytes).map_err(AgentError::file("write", &path))
    }
}

/// Registers the instance, trying until the region answers. Gives the ARN.
///
/// # Errors
///
/// [`AgentError::Refused`] if the region does not want it.
pub(crate) async fn register(
    api: &Api,
    config: &Config,
    note: &Note,
) -> Result<String, AgentError> {
    let mut known = note.instance.as_deref();
    let mut wait = RETRY_FIRST;
    let token = client_token()?;
    loop {
        let ask = ecs::RegisterContainerInstanceRequest {
            client_token: Some(token.clone()),
            ..request(config, note, known)
        };
        match api.call::<ecs::RegisterContainerInstance>(&ask).await {
            Ok(answer) => {
                let arn = answer.container_instance.and_then(|it| it.container_instance_arn);
                return arn.ok_or_else(|| AgentError::Refused("an answer without a name".into()));
            }
            Err(error) if error.is_final() && forgotten(&error) && known.is_some() => {
                tracing::warn!(%error, "the region does not know this instance: registering anew");
                known = None;
            }
            Err(error) if error.is_final() => return Err(AgentError::Refused(error.to_string())),
            Err(error) => {
                tracing::warn!(%error, "the instance is not registered yet");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY_LAST);
            }
        }
    }
}

/// Tells the attempts of this process from those of one that had another memory.
fn client_token() -> Result<String, AgentError> {
    let mut token = [0; 16];
    getrandom::fill(&mut token).map_err(|it| AgentError::Randomness(it.to_string()))?;
    Ok(hex::encode(token))
}

/// Whether a refusal says that the region does not know the instance, or no longer wants it.
fn forgotten(error: &CallError) -> bool {
    matches!(error.code(), Some("InvalidParameterException" | "ClientException"))
}

fn request(
    config: &Config,
    note: &Note,
    known: Option<&str>,
) -> ecs::RegisterContainerInstanceRequest {
    ecs::RegisterContainerInstanceRequest {
        cluster: Some(config.cluster.clone()),
        container_instance_arn: known.map(str::to_owned),
        instance_identity_document: Some(identity_document(config, &note.instance_id)),
        attributes: Some(attributes(config)),
        total_resources: Some(resources(config)),
        version_info: Some(ecs::VersionInfo {
            agent_hash: Some(AGENT_HASH.into()),
            agent_version: Some(AGENT_VERSION.into()),
            docker_version: Some(RUNTIME_VERSION.into()),
        }),
        ..ecs::RegisterContainerInstanceRequest::default()
    }
}

fn identity_document(config: &Config, instance_id: &str) -> String {
    let identity = &config.identity;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    serde_json::json!({
        "instanceId": instance_id,
        "availabilityZone": identity.zone,
        "architecture": architecture,
        "region": config.region,
        "privateIp": config.address.map(|it| it.to_string()),
        "version": "2017-09-30",
    })
    .to_string()
}

fn attributes(config: &Config) -> Vec<ecs::Attribute> {
    let attribute = |name: String, value: Option<String>| ecs::Attribute {
        name: Some(name),
        value,
        ..ecs::Attribute::default()
    };
    let mut all: Vec<_> = CAPABILITIES.iter().map(|it| attribute((*it).to_owned(), None)).collect();
    all.extend(DOCKER_API.map(|it| {
        attribute(format!("com.amazonaws.ecs.capability.docker-remote-api.1.{it}"), None)
    }));
    if has_vpc(&config.network.place) {
        all.push(attribute("ecs.capability.task-eni".into(), None));
    }
    all.push(attribute("ecs.availability-zone".into(), Some(config.identity.zone.clone())));
    let own = config.address.map(|it| ("landfall.address".to_owned(), it.to_string()));
    let mut given = config.attributes.clone();
    given.extend(own);
    all.extend(
        given
            .into_iter()
            .map(|(name, value)| attribute(name, Some(value).filter(|it| !it.is_empty()))),
    );
    all
}

fn has_vpc(place: &network::Place) -> bool {
    match place {
        network::Place::Region(_) => true,
        network::Place::Machine { vpc } => vpc.is_some(),
    }
}

fn resources(config: &Config) -> Vec<ecs::Resource> {
    let resources = &config.resources;
    let integer = |name: &str, value: u32| ecs::Resource {
        name: Some(name.into()),
        r#type: Some("INTEGER".into()),
        integer_value: i32::try_from(value).ok(),
        ..ecs::Resource::default()
    };
    let set = |name: &str, values: Vec<String>| ecs::Resource {
        name: Some(name.into()),
        r#type: Some("STRINGSET".into()),
        string_set_value: Some(values),
        ..ecs::Resource::default()
    };
    let ports = |protocol: Protocol| {
        let own = resources.reserved_ports.iter().filter(|it| it.protocol == protocol);
        own.map(|it: &Port| it.number.to_string()).collect::<Vec<_>>()
    };
    let mut all = vec![
        integer("CPU", resources.cpu.0),
        integer("MEMORY", resources.memory.0),
        set("PORTS", ports(Protocol::Tcp)),
        set("PORTS_UDP", ports(Protocol::Udp)),
    ];
    if !resources.gpus.is_empty() {
        all.push(set("GPU", resources.gpus.iter().cloned().collect()));
    }
    all
}
