//! What a region signs certificates with.

use minicbor::{Decode, Encode};
use types::Timestamp;

/// The region's own certificate authority: a single row, made once.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Authority {
    /// The authority's certificate in PEM, for everybody to trust.
    #[n(0)]
    pub certificate: String,
    /// Its private key in PEM (PKCS #8). Never shown by any operation.
    #[n(1)]
    pub key: String,
    /// When it was made.
    #[n(2)]
    pub created_at: Timestamp,
}

impl core::fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Authority").field("created_at", &self.created_at).finish_non_exhaustive()
    }
}
