//! What a region decides about itself once, at its first start.

use minicbor::{Decode, Encode};
use types::Zone;

/// A subnet of the default VPC: one for each zone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Subnet {
    /// `subnet-` and 17 hexadecimal digits.
    #[n(0)]
    pub id: String,
    /// The zone it lies in.
    #[n(1)]
    pub zone: Zone,
    /// First address, as a number.
    #[n(2)]
    pub base: u32,
    /// Length of its prefix in bits.
    #[n(3)]
    pub prefix: u8,
}

/// The region itself: a single row.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RegionRow {
    /// `vpc-` and 17 hexadecimal digits.
    #[n(0)]
    pub vpc: String,
    /// First address of the default VPC, as a number.
    #[n(1)]
    pub vpc_base: u32,
    /// Length of its prefix in bits.
    #[n(2)]
    pub vpc_prefix: u8,
    /// `sg-` and 17 hexadecimal digits: the one security group.
    #[n(3)]
    pub security_group: String,
    /// In the order of the zones' names.
    #[n(4)]
    pub subnets: Vec<Subnet>,
    /// Sequence number of the newest audit row; rows before the oldest kept one are gone.
    #[n(5)]
    pub audited: u64,
}
