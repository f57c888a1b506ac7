//! Values on their way to those who use them, and published ones on their way in.
//!
//! ```text
//!   authority ─► materializer ─► materialized Secrets
//!   source Secrets ─► publisher ─► authority
//! ```
//!
//! The components meet only in Kubernetes objects and in the Vault API. **Architecture invariant `no-side-channels`:**
//! no component's module names another's.

mod fingerprint;
pub mod materializer;
mod not_ready;
pub mod publisher;
#[cfg(test)]
mod rig;
mod secret_values;
mod served_namespaces;
mod store;
mod unanswered;
