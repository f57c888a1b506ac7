//! The embedded runtime authority: a server for the part of the Vault API that `regent` and Vault
//! clients use.
//!
//! ```text
//! authority  what the crate's users hold: open, router, close
//! http/      axum: bytes → Request, Reply or ApiError → status and body; all HTTP is in it
//! pipeline   token → policy → audit → engine → audit, on one screen
//! engines/   sys, token, kubernetes, kv: what answers below a mount
//! wrapping   an answer kept under a token that fetches it once
//! lifecycle/ sealed or unsealed; init, unseal, seal, recover, generate-root
//! snapshot/  all records at a place outside, each restored on trial; restore
//! audit/     one JSON line per request and per response, values as HMACs
//! seal/      Shamir shares, the key-encryption key, sealed shares
//! tokens/    whose a token is             policies  where the policies' texts live
//! mounts/    what answers where           policy/   ACL policies: parser and evaluation
//! request/   Request, Call, Caller, Operation, fields     reply, wipe, error: ApiError, random
//! barrier/   everything at rest is AES-256-GCM under the keyring; views per mount
//! storage/   redb, one committer thread
//! ```
//!
//! Imports go down this list only: the request model and the error stand below all that answers.
//! `reviews` stands between them and `reviewer`. `options`, `reviewer` and `open_error` are what an authority is started with, and why it was not.
//!
//! **Architecture invariant `authority-ignores-git`:** nothing here knows Kubernetes objects, Git
//! or the components. It takes tokens, HTTP and a [`TokenReviewer`], and owns one data file.

mod audit;
mod authority;
mod barrier;
mod engines;
mod error;
mod http;
mod lifecycle;
mod mounts;
mod open_error;
mod options;
mod pipeline;
mod policies;
mod policy;
mod random;
mod reply;
mod request;
mod reviewer;
mod reviews;
mod seal;
mod snapshot;
mod storage;
#[cfg(test)]
mod tests;
mod tokens;
mod wipe;
mod wrapping;

pub use crate::authority::Authority;
pub use crate::open_error::OpenError;
pub use crate::options::{Audit, Clock, Options, SnapshotOptions, Storage};
pub use crate::reviewer::{Review, ReviewError, ReviewTarget, TokenReviewer};
pub use crate::snapshot::{RestoreError, RestoredFile, restore};
