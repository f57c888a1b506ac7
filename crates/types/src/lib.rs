//! The vocabulary of `regent` as types: resources, labels, paths, lifecycle metadata. Pure data, no IO.
//!
//! ```text
//! sensitive   values that never print            labels     marks on Kubernetes objects
//! path        SecretPath in the `secret/` mount  version    (number, created_time)
//! policy      rotation policy, custom_metadata   condition  the one way to set a condition
//! resources/  regent.dev and external-secrets.io access/    who may do what: the one table
//! seal        shares as ciphertext               install/   what an installation consists of
//! explain     errors that say what to do
//! ```
//!
//! **Architecture invariant `types-are-data`:** nothing here opens a socket, a file or a clock.

pub mod access;
pub mod condition;
pub mod explain;
pub mod install;
pub mod labels;
pub mod path;
pub mod policy;
pub mod resources;
pub mod seal;
pub mod sensitive;
pub mod version;

pub use explain::{Advice, Explain};
pub use path::SecretPath;
pub use sensitive::{SecretData, Sensitive};
pub use version::VersionPair;
