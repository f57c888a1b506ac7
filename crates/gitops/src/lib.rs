//! From Git to bootstrap Secrets: what exists is declared in Git, encrypted where it is a secret.
//!
//! ```text
//!   Git ─► gitrepo ─► intent ─► objects ─► bootstrap ─► bootstrap Secrets
//! ```
//!
//! The two components meet only in Kubernetes objects. **Architecture invariant `no-side-channels`:** no component's
//! module names another's.

pub mod bootstrap;
pub mod gitrepo;
pub mod intent;
#[cfg(test)]
mod test_api;
