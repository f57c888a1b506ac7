//! The components: one responsibility and one identity each (DESIGN.md §2), a folder each.
//!
//! ```text
//!   Git ─► intent ─► objects ─► bootstrap ─► bootstrap Secrets
//!                       │                        │
//!                    triggers ─► WorkflowRuns ─► orchestrator ─► authority ◄─ warden
//!                                                                │     ▲
//!                       materialized Secrets ◄─ materializer ◄───┘     └── publisher ◄─ source Secrets
//! ```
//!
//! They meet only in Kubernetes objects and in the Vault API. **Architecture invariant
//! `no-side-channels`:** no component module names another component module.

pub mod admission;
#[cfg(feature = "bootstrap")]
pub mod bootstrap;
mod broken;
pub mod context;
pub mod defined;
pub mod gitrepo;
#[cfg(any(feature = "materializer", feature = "publisher"))]
mod home;
#[cfg(feature = "intent")]
pub mod intent;
mod lean;
pub mod lease;
pub mod ledger;
mod listed;
#[cfg(feature = "materializer")]
pub mod materializer;
#[cfg(any(feature = "publisher", feature = "warden"))]
mod named;
#[cfg(feature = "orchestrator")]
pub mod orchestrator;
mod patience;
#[cfg(feature = "publisher")]
pub mod publisher;
mod retry;
#[cfg(feature = "triggers")]
pub mod triggers;
#[cfg(any(feature = "materializer", feature = "publisher", feature = "triggers"))]
pub mod unserved;
#[cfg(feature = "warden")]
pub mod warden;

pub use context::{Context, Endpoints, Shutdown};
