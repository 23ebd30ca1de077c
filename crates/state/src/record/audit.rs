//! The audit trail: one row for each request that could change something.

use minicbor::{Decode, Encode};
use types::Timestamp;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// It was carried out.
    #[n(0)]
    Done,
    /// A repeat of an earlier request: that one's row number.
    #[n(1)]
    Replayed(#[n(0)] u64),
    /// Refused; nothing changed.
    #[n(2)]
    Refused {
        /// AWS's error code.
        #[n(0)]
        code: String,
        /// What the client was told.
        #[n(1)]
        message: String,
    },
}

/// Who asked for what, and what became of it. Shaped after a `CloudTrail` record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Audit {
    /// Row number: 1, 2, 3, ….
    #[n(0)]
    pub number: u64,
    /// When it was handled.
    #[n(1)]
    pub at: Timestamp,
    /// The request's id, 128 bits.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub request_id: Vec<u8>,
    /// Such as `ecs.amazonaws.com`.
    #[n(3)]
    pub source: String,
    /// Name of the operation.
    #[n(4)]
    pub operation: String,
    /// ARN of the principal.
    #[n(5)]
    pub caller: String,
    /// The key that signed.
    #[n(6)]
    pub access_key: String,
    /// Where from.
    #[n(7)]
    pub source_ip: String,
    /// With what.
    #[n(8)]
    pub user_agent: String,
    /// The client token of the request, if it had one.
    #[n(9)]
    pub token: Option<String>,
    /// How it ended.
    #[n(10)]
    pub outcome: Outcome,
    /// ARNs of what it made or changed.
    #[n(11)]
    pub resources: Vec<String>,
}
