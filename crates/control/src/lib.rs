//! What decides when power changes hands: runs are made, carried out, and the authority is kept in order.
//!
//! ```text
//!   triggers ─► WorkflowRuns ─► orchestrator ─► authority ◄─ warden
//! ```
//!
//! The components meet only in Kubernetes objects and in the Vault API. **Architecture invariant `no-side-channels`:**
//! no component's module names another's.

pub mod orchestrator;
pub mod triggers;
pub mod warden;
