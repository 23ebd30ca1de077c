//! Client tokens of RunTask, remembered (handbook 1.2).

use minicbor::{Decode, Encode};
use types::{ClusterName, TaskId, Timestamp};

/// A token means one request within one cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct TokenKey {
    /// The cluster of the request.
    #[n(0)]
    pub cluster: ClusterName,
    /// As the client sent it.
    #[n(1)]
    pub token: String,
}

/// What a token stands for: the request, told by its digest, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Token {
    /// The token.
    #[n(0)]
    pub key: TokenKey,
    /// SHA-256 of the request in canonical form.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub digest: Vec<u8>,
    /// The tasks it started, in the order of the answer.
    #[n(2)]
    pub tasks: Vec<TaskId>,
    /// The `failures` of the answer, each in stored form.
    #[n(3)]
    pub failures: Vec<minicbor::bytes::ByteVec>,
    /// When it was first used.
    #[n(4)]
    pub created_at: Timestamp,
    /// When it is forgotten: 24 hours after the first use, or an hour after its last task stopped,
    /// whichever comes first.
    #[n(5)]
    pub expires_at: Timestamp,
    /// Audit row of the request that made it.
    #[n(6)]
    pub audit: u64,
}
