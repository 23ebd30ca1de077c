//! A request to register, read as far as more than one rule needs it.

use shapes::ecs as shape;
use state::NetworkMode;

use super::sizes;
use crate::ecs::Error;

/// What is to be registered.
pub(super) struct Asked<'a> {
    /// The request itself.
    pub(super) ask: &'a shape::RegisterTaskDefinitionRequest,
    /// Its containers; at least one.
    pub(super) containers: &'a [shape::ContainerDefinition],
    /// How they reach the network.
    pub(super) network: NetworkMode,
    /// CPU units of the whole task, if it says.
    pub(super) cpu: Option<u32>,
    /// MiB of the whole task, if it says.
    pub(super) memory: Option<u32>,
}

impl<'a> Asked<'a> {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`Error::Client`] if it has no containers, or a size or mode that is none.
    pub(super) fn read(ask: &'a shape::RegisterTaskDefinitionRequest) -> Result<Self, Error> {
        let containers = ask.container_definitions.as_deref().unwrap_or_default();
        if containers.is_empty() {
            return Err(Error::client("Container list cannot be empty."));
        }
        Ok(Self {
            ask,
            containers,
            network: network(ask.network_mode.as_ref())?,
            cpu: ask.cpu.as_deref().map(sizes::cpu).transpose()?,
            memory: ask.memory.as_deref().map(sizes::memory).transpose()?,
        })
    }

    /// Whether the request demands this compatibility.
    pub(super) fn requires(&self, what: &shape::Compatibility) -> bool {
        self.ask.requires_compatibilities.as_deref().unwrap_or_default().contains(what)
    }

    /// The container of that name.
    pub(super) fn container(&self, name: &str) -> Option<&'a shape::ContainerDefinition> {
        self.containers.iter().find(|it| it.name.as_deref() == Some(name))
    }
}

/// The name of a container; rules that ask have seen that it has one.
pub(super) fn name(container: &shape::ContainerDefinition) -> &str {
    container.name.as_deref().unwrap_or_default()
}

/// Whether the task ends with this container: yes unless it says no.
pub(super) fn essential(container: &shape::ContainerDefinition) -> bool {
    container.essential.unwrap_or(true)
}

/// Whether an image lies in Amazon's registry: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/…`.
pub(super) fn is_ecr(image: &str) -> bool {
    let host = image.split('/').next().unwrap_or(image);
    host.contains(".dkr.ecr.") || host.contains(".dkr-ecr.")
}

fn network(mode: Option<&shape::NetworkMode>) -> Result<NetworkMode, Error> {
    match mode {
        None | Some(shape::NetworkMode::Bridge) => Ok(NetworkMode::Bridge),
        Some(shape::NetworkMode::Host) => Ok(NetworkMode::Host),
        Some(shape::NetworkMode::Awsvpc) => Ok(NetworkMode::Awsvpc),
        Some(shape::NetworkMode::None) => Ok(NetworkMode::None),
        Some(shape::NetworkMode::Other(other)) => {
            Err(Error::client(format!("Invalid network mode '{other}'.")))
        }
    }
}
