//! Names of the region's own: hosted zones and their record sets (Route 53).

use minicbor::{Decode, Encode};
use types::Timestamp;

use super::Tag;

/// A hosted zone.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct HostedZone {
    /// Such as `Z0123456789ABCDEFGHIJ`.
    #[n(0)]
    pub id: String,
    /// Its name in lower case, with the dot at its end.
    #[n(1)]
    pub name: String,
    /// By which a repeated CreateHostedZone is known.
    #[n(2)]
    pub caller_reference: String,
    /// As the client gave it.
    #[n(3)]
    pub comment: Option<String>,
    /// Ids of VPCs that it is for; none is a public zone.
    #[n(4)]
    pub vpcs: Vec<String>,
    /// Set by ChangeTagsForResource.
    #[n(5)]
    pub tags: Vec<Tag>,
    /// When it was made.
    #[n(6)]
    pub created_at: Timestamp,
}

/// What a record set is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct RecordSetKey {
    /// Id of its zone.
    #[n(0)]
    pub zone: String,
    /// Its name in lower case with the dot at its end, labels from the right (`com.example.www`), as
    /// Route 53 lists them.
    #[n(1)]
    pub reversed: String,
    /// Such as `A` or `CNAME`.
    #[n(2)]
    pub kind: String,
    /// Tells sets of one name and type apart; empty in simple routing.
    #[n(3)]
    pub identifier: String,
}

/// The records of one name and type.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct RecordSet {
    /// What it is found by.
    #[n(0)]
    pub key: RecordSetKey,
    /// Its name in lower case, with the dot at its end.
    #[n(1)]
    pub name: String,
    /// What it says.
    #[n(2)]
    pub answer: Answer,
}

/// What a record set says.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Answer {
    /// These values.
    #[n(0)]
    Values {
        /// How long it may be kept, in seconds.
        #[n(0)]
        ttl: u32,
        /// In the form of a zone file.
        #[n(1)]
        values: Vec<String>,
    },
    /// What another name says at the moment.
    #[n(1)]
    Alias {
        /// In lower case, with the dot at its end.
        #[n(0)]
        name: String,
        /// The zone of that name, as the client gave it.
        #[n(1)]
        zone: String,
        /// Whether a target without healthy targets counts as gone.
        #[n(2)]
        evaluate_health: bool,
    },
}
