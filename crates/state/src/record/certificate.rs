//! Certificates that load balancers show.

use minicbor::{Decode, Encode};
use types::Timestamp;

use super::Tag;

/// A certificate with its key.
#[derive(Clone, PartialEq, Encode, Decode)]
pub struct Certificate {
    /// Its whole ARN.
    #[n(0)]
    pub arn: String,
    /// The first name it is for.
    #[n(1)]
    pub domain: String,
    /// Every name it is for.
    #[n(2)]
    pub names: Vec<String>,
    /// The certificate in PEM.
    #[n(3)]
    pub body: String,
    /// The rest of its chain in PEM.
    #[n(4)]
    pub chain: Option<String>,
    /// The private key in PEM. Never shown by any operation.
    #[n(5)]
    pub key: String,
    /// Where it came from.
    #[n(6)]
    pub origin: Origin,
    /// Start of its validity.
    #[n(7)]
    pub not_before: Timestamp,
    /// End of its validity.
    #[n(8)]
    pub not_after: Timestamp,
    /// When it was imported or made.
    #[n(9)]
    pub created_at: Timestamp,
    /// Set by ImportCertificate, RequestCertificate and AddTagsToCertificate.
    #[n(10)]
    pub tags: Vec<Tag>,
    /// By which a repeated RequestCertificate is known.
    #[n(11)]
    pub token: Option<String>,
    /// When the region's own authority made it anew last. Set by the reconciler of expiring
    /// certificates.
    #[n(12)]
    pub renewed_at: Option<Timestamp>,
}

/// Where a certificate came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Origin {
    /// ImportCertificate.
    #[n(0)]
    Imported,
    /// The region's own authority signed it.
    #[n(1)]
    Issued,
}

impl core::fmt::Debug for Certificate {
    /// Without the key.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Certificate")
            .field("arn", &self.arn)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
