//! What can go wrong, by what a caller would do about it.

use std::io;
use std::net::Ipv4Addr;

use types::Port;

use crate::address::Ipv4Range;
use crate::attachment::Id;

/// Why the network did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel or the file system refused.
    #[error("could not {action}")]
    Kernel {
        /// What was attempted on what.
        action: String,
        /// Its answer.
        source: io::Error,
    },
    /// There is no `nft` command.
    #[error("nft is not installed (mend: apt-get install nftables)")]
    NftMissing,
    /// `nft` refused a ruleset.
    #[error("nft refused the ruleset: {text}")]
    Nft {
        /// What it said.
        text: String,
    },
    /// A name or setting breaks its rule.
    #[error("{text:?} is not {wanted}")]
    Invalid {
        /// What was given.
        text: String,
        /// What it should have been.
        wanted: &'static str,
    },
    /// Another process looks after this host's network.
    #[error("another process looks after the network of this host")]
    Busy,
    /// No range is free on this machine.
    #[error("every candidate range overlaps a route of this machine: {0}")]
    NoRange(String),
    /// The range that was asked for is in use on this machine.
    #[error("the range {wanted} overlaps {taken}, which this machine routes already")]
    RangeTaken {
        /// What was asked for.
        wanted: Ipv4Range,
        /// What it overlaps.
        taken: Ipv4Range,
    },
    /// Every address for containers is in use.
    #[error("no address left in {0}")]
    NoAddress(Ipv4Range),
    /// Another task of this instance has the address.
    #[error("the address {0} belongs to another task of this instance")]
    AddressInUse(Ipv4Addr),
    /// A static host port is held by another container or by a process of the instance.
    #[error("host port {}/{} is in use", .0.number, .0.protocol.as_str())]
    PortInUse(Port),
    /// No free dynamic host ports in a row.
    #[error("no {wanted} free dynamic host ports in a row")]
    NoPorts {
        /// How many were wanted.
        wanted: usize,
    },
    /// More host ports than one container may have.
    #[error("{wanted} host ports are more than the {limit} one container may have")]
    TooManyPorts {
        /// How many were wanted.
        wanted: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The identifier is attached already, in another way than asked for now.
    #[error("{0} is attached already, with other settings")]
    Attached(Id),
    /// Task interfaces need a bridge into the VPC, which this instance has not.
    #[error("this instance has no bridge into a VPC for task interfaces")]
    NoVpc,
}

/// Adds what was attempted to an error of the kernel.
pub(crate) trait Doing<T> {
    /// The action continues the sentence "could not …".
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Kernel { action: action(), source })
    }
}
