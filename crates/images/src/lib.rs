//! The images of an instance: pulled or loaded, checked, unpacked and kept until nobody needs them.
//!
//! Everything but a pull is plain synchronous code. Time comes as an argument where something is
//! decided by it.

mod config;
mod digest;
mod manifest;
mod reference;
mod store;
mod unpack;

pub use config::ImageConfig;
pub use digest::{Digest, DigestError};
pub use manifest::{ManifestError, Platform};
pub use reference::{Reference, ReferenceError, Version};
pub use store::{
    Collected, Config, Image, Listed, Loaded, Origin, Policy, Progress, Store, StoreError,
};
pub use unpack::{Helper, Limits, Refusal, UnpackError, Unpacked, unpack_main};
