//! The images of an instance: pulled or loaded, checked, unpacked and kept until nobody needs them.
//!
//! Everything but a pull is plain synchronous code. Time comes as an argument where something is
//! decided by it.

mod build;
mod config;
mod digest;
mod import;
mod manifest;
mod pull;
mod reference;
mod registry;
mod store;
mod unpack;

pub use build::{Content, ImageFile, Recipe, SelfImageError, self_image, write_oci_archive};
pub use config::ImageConfig;
pub use digest::{Digest, DigestError};
pub use import::ImportError;
pub use manifest::{ManifestError, Platform};
pub use pull::{PullCause, PullError, PullRequest, Pulled, Puller, Watch};
pub use reference::{Reference, ReferenceError, Version};
pub use registry::{Credentials, Options, RegistryError, Roots};
pub use store::{
    Collected, Config, Image, Listed, Loaded, Origin, Policy, Progress, Store, StoreError,
};
pub use unpack::{Helper, Limits, Refusal, UnpackError, Unpacked, unpack_main};
