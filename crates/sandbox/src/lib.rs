//! A Kubernetes API in memory: for `regent dev` and for tests, over the same axum router in process and on a
//! loopback listener.
//!
//! ```text
//! request ─► auth ─► rbac ─► api: resource, verb ─► admission ─► store ─► watchers
//! server  how it starts    state   what it holds
//! serve   TLS listener, kubeconfig, in-process clients    certificates   under which it is reached
//! auth/   who is asking: the admin's token, ServiceAccount tokens, impersonation
//! rbac    may they
//! kinds   what is served: built-in kinds and CustomResourceDefinitions
//! api/    verbs, discovery, tables, reviews
//! admission/ ValidatingAdmissionPolicies
//! schema/ pruning, defaults, validation, CEL of custom resources
//! patch/  JSON patch, merge patch, strategic merge, server-side apply
//! store   objects, resource versions, history for watches
//! git     a Git server beside it, which lets everything through
//! ```
//!
//! It answers what regent's components and a person with `kubectl` use; the real API server is right wherever
//! the two differ. **Architecture invariant `sandbox-knows-no-component`:** nothing here names a component.

mod admission;
mod api;
mod auth;
mod certificates;
mod error;
pub mod git;
mod kinds;
mod patch;
mod rbac;
mod schema;
mod seed;
mod serve;
mod server;
mod state;
mod status;
mod store;

pub use error::Error;
pub use serve::Serving;
pub use server::{Options, Sandbox};
