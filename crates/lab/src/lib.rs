//! The laboratory: the whole system on this machine, each part under its own identity, as `regent dev` and the tests
//! start it.
//!
//! ```text
//! phase 0   trust       the root of trust, a private file       example   the repository's content
//! phase 1   folder      where it lives, and what is kept        install   CRDs, RBAC, accounts (as the admin)
//!           repository  the user's own, a kept one, the example options   how it is set up
//! phase 2…  system      API server, authority, components       tokens    plays the kubelet: projected tokens
//!           cluster     in this process, or a real one          components  tasks here, or processes of their own
//!           drill       plays the one human act                 authority_server  the embedded one: here, or a process
//!           watch       facts seen from outside, kept current   projected plays the kubelet: certificate and CA
//!           wiring      what all of them share                  loopback  where they are reached
//!           account     that intent acts as for further kinds
//! ```
//!
//! The parts meet only in Kubernetes objects and the Vault API; the laboratory itself looks as the cluster's admin and
//! as a reader of the authority.

mod account;
mod authority_server;
pub mod cluster;
mod components;
pub mod drill;
mod example;
mod folder;
mod install;
mod loopback;
pub mod options;
mod projected;
mod repository;
pub mod system;
pub mod tokens;
pub mod trust;
pub mod watch;
mod wiring;

pub use example::ExampleError;
pub use options::{AuthorityChoice, External, Options};
pub use repository::prefetch;
pub use system::System;
pub use trust::Trust;
pub use watch::Watch;

/// One YAML document as JSON, as the scenarios write objects.
pub fn yaml(text: &str) -> anyhow::Result<serde_json::Value> {
    Ok(serde_saphyr::from_str(text)?)
}
