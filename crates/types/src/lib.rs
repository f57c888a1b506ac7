//! The vocabulary of `regent` as types. Pure data, no IO, no Kubernetes client.
//!
//! ```text
//! sensitive   values that never print               explain    errors that say what to do
//! identity    who acts: one ServiceAccount each     labels     marks on Kubernetes objects
//! path        SecretPath in the `secret/` mount     grant      paths beyond the own tree
//! version     (number, created_time)                lifecycle  where a secret stands
//! policy      rotation policy, custom_metadata      login      how components log in
//! seal        shares as ciphertext                  authority_names, neighbour  names in the authority
//! remote_ref  what a key in a manifest leads to  json    JSON with its numbers as written
//! ```
//!
//! **Architecture invariant `types-are-data`:** nothing here opens a socket, a file or a clock.

pub mod authority_names;
pub mod explain;
pub mod grant;
pub mod identity;
pub mod json;
pub mod labels;
pub mod lifecycle;
pub mod login;
pub mod neighbour;
pub mod path;
pub mod policy;
pub mod remote_ref;
pub mod seal;
pub mod sensitive;
pub mod version;

pub use explain::{Advice, Explain};
pub use json::Json;
pub use path::SecretPath;
pub use sensitive::{SecretData, Sensitive};
pub use version::VersionPair;
