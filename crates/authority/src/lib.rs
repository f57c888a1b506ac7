//! The embedded runtime authority: a server for the part of the Vault API that `regent` and Vault
//! clients use.
//!
//! ```text
//! http/      axum: request → Call, Reply → status and body; the only place with HTTP in it
//! pipeline   token → policy → audit → engine → audit, on one screen
//! lifecycle/ sealed or active; init, unseal, seal, recover, generate-root
//! mounts     what answers where               policy/   ACL policies: parser and evaluation
//! engines/   sys, token, kubernetes, kv       policies  where the policies' texts live
//! audit/     one JSON line per request and per response, values as HMACs
//! seal/      Shamir shares, the key-encryption key, sealed shares
//! barrier/   everything at rest is AES-256-GCM under the keyring
//! storage/   redb, one committer thread, views per mount
//! ```
//!
//! **Architecture invariant `authority-ignores-git`:** nothing here knows Kubernetes objects, Git
//! or the components. It takes tokens, HTTP and a [`TokenReviewer`], and owns one data file.

mod audit;
mod barrier;
mod engines;
mod error;
mod http;
mod lifecycle;
mod mounts;
mod options;
mod pipeline;
mod policies;
mod policy;
mod random;
mod reviewer;
mod seal;
mod storage;
#[cfg(test)]
mod tests;

pub use crate::error::OpenError;
pub use crate::lifecycle::Authority;
pub use crate::options::{Audit, Clock, Options, Storage};
pub use crate::reviewer::{Review, ReviewError, ReviewTarget, TokenReviewer};
