//! `regent dev`: everything in one process, each part under its own identity.
//!
//! ```text
//! phase 0   trust       the root of trust, a private file       example   the repository's content
//! phase 1   folder      where it lives, and what is kept        install   CRDs, RBAC, accounts (as the admin)
//! phase 2…  system      API server, authority, components       tokens    plays the kubelet: projected tokens
//!           authority   hosts the embedded authority            drill     plays the one human act
//! shows     view        facts seen from outside (pure)          watch     keeps them current
//!           run         prints phases, waits, sums up           summary   timings, access, audit trail
//! ```
//!
//! The parts meet only in Kubernetes objects and the Vault API; `dev` itself looks as the cluster's admin and
//! as a reader of the authority.

mod authority;
mod components;
mod drill;
mod example;
mod folder;
mod install;
mod run;
mod summary;
mod system;
mod tokens;
mod trust;
pub mod view;
mod watch;

pub use example::ExampleError;
pub use run::{Goal, run};
pub use system::{Options, System};
pub use trust::Trust;
pub use watch::Watch;

/// One YAML document as JSON, as the scenarios write objects.
pub fn yaml(text: &str) -> anyhow::Result<serde_json::Value> {
    Ok(serde_saphyr::from_str(text)?)
}
