//! What a container or task is given on the network, and what it may ask for.

use core::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use types::Protocol;

use crate::address::Mac;
use crate::error::Error;

/// Names an attachment: the id of a container (bridge mode) or of a task.
///
/// 1 to 128 letters, digits, `-` and `_`, so that it can name a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// Reads an id; [`Error::Invalid`] if it breaks the rule.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=128).contains(&text.len()) && text.bytes().all(valid) {
            return Ok(Self(text.to_owned()));
        }
        let wanted = "an id of 1 to 128 letters, digits, - and _";
        Err(Error::Invalid { text: text.to_owned(), wanted })
    }

    /// The id itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ports in a row, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortSpan {
    /// At least 1.
    first: u16,
    /// At least `first`.
    last: u16,
}

impl PortSpan {
    /// The ports from `first` to `last`; [`Error::Invalid`] for port 0 or the wrong order.
    pub fn new(first: u16, last: u16) -> Result<Self, Error> {
        if first == 0 || last < first {
            let wanted = "a range of ports from 1 to 65535";
            return Err(Error::Invalid { text: format!("{first}-{last}"), wanted });
        }
        Ok(Self { first, last })
    }

    /// A single port; [`Error::Invalid`] for port 0.
    pub fn one(port: u16) -> Result<Self, Error> {
        Self::new(port, port)
    }

    /// The lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub fn last(self) -> u16 {
        self.last
    }

    /// How many ports, less one: the full range has more ports than a `u16` counts.
    pub(crate) fn extent(self) -> u16 {
        self.last - self.first
    }

    /// How many ports.
    pub fn count(self) -> usize {
        usize::from(self.extent()) + 1
    }

    /// As many ports as this, from another first port; `None` past the end.
    pub(crate) fn moved_to(self, first: u16) -> Option<Self> {
        Some(Self { first, last: first.checked_add(self.extent())? })
    }

    /// Whether the port is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// The ports one by one.
    pub fn ports(self) -> impl DoubleEndedIterator<Item = u16> {
        self.first..=self.last
    }
}

/// Where a container's ports should appear on its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPorts {
    /// Wherever there is room in the dynamic range, in a row.
    Dynamic,
    /// From this port on.
    Static(u16),
}

/// One wish for host ports. Source: Amazon ECS API Reference, `PortMapping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMapping {
    /// Which port space.
    pub protocol: Protocol,
    /// The ports the container listens on.
    pub container: PortSpan,
    /// Where they should appear.
    pub host: HostPorts,
}

/// Host ports that lead to ports of a container, pair by pair; the spans are equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// Which port space.
    pub protocol: Protocol,
    /// The ports the container listens on.
    pub container: PortSpan,
    /// Where they appear.
    pub host: PortSpan,
}

/// The network interface of a task in `awsvpc` mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its address in the VPC.
    pub address: Ipv4Addr,
    /// Length of the prefix that it reaches without the gateway, in bits.
    pub prefix: u8,
    /// The router of the VPC.
    pub gateway: Ipv4Addr,
}

/// How an attachment is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// An address of the instance's own container bridge; host ports lead to it.
    Bridge {
        /// The container's address, known on this instance only.
        address: Ipv4Addr,
    },
    /// A task interface in the VPC.
    Vpc(Interface),
    /// Only the loopback interface.
    Isolated,
}

/// An attachment as it is: its namespace, its connection and its host ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Whose it is.
    pub id: Id,
    /// The file that names the network namespace, for the container runtime to join.
    pub netns: PathBuf,
    /// How it is connected.
    pub connection: Connection,
    /// Host ports that lead to it, in the order of the mappings that asked for them.
    pub bindings: Vec<Binding>,
}

impl Attached {
    /// The address its processes have as seen by the agent at the task endpoint; `None` if it has
    /// no connection.
    pub fn address(&self) -> Option<Ipv4Addr> {
        match &self.connection {
            Connection::Bridge { address } => Some(*address),
            Connection::Vpc(interface) => Some(interface.address),
            Connection::Isolated => None,
        }
    }
}
