//! `regent dev`: the whole system on this machine, each part under its own identity.
//!
//! ```text
//! phase 0   trust       the root of trust, a private file       example   the repository's content
//! phase 1   folder      where it lives, and what is kept        install   CRDs, RBAC, accounts (as the admin)
//!           repository  the user's own, a kept one, the example options   how it is set up
//! phase 2…  system      API server, authority, components       tokens    plays the kubelet: projected tokens
//!           cluster     in this process, or a real one          components  tasks here, or processes of their own
//!           drill       plays the one human act                 serving   the embedded authority: here, or a process
//!                                                               projected plays the kubelet: certificate and CA
//! shows     view        facts seen from outside (pure)          watch     keeps them current
//!           settled     whether triggers are at rest (pure)
//!           run         prints phases, waits, sums up           summary   timings, access, audit trail
//!           measure     what the bench has measured
//! ```
//!
//! The parts meet only in Kubernetes objects and the Vault API; `dev` itself looks as the cluster's admin and
//! as a reader of the authority.

pub mod cluster;
mod components;
mod drill;
mod example;
mod folder;
mod install;
mod measure;
pub mod options;
mod projected;
mod repository;
mod run;
mod serving;
mod settled;
mod summary;
mod system;
mod tokens;
mod trust;
pub mod view;
mod watch;

pub use example::ExampleError;
pub use measure::Samples;
pub use options::{AuthorityChoice, External, Options};
pub use run::{Goal, run};
pub use system::System;
pub use trust::Trust;
pub use watch::Watch;

/// One YAML document as JSON, as the scenarios write objects.
pub fn yaml(text: &str) -> anyhow::Result<serde_json::Value> {
    Ok(serde_saphyr::from_str(text)?)
}
