//! Tags, the same for every resource.

use minicbor::{Decode, Encode};

/// A tag of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Tag {
    /// 1 to 128 characters.
    #[n(0)]
    pub key: String,
    /// Up to 256 characters.
    #[n(1)]
    pub value: String,
}
