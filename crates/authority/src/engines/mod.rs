//! The contract between the pipeline and what answers below a mount.
//!
//! ```text
//! pipeline ── Call ──▶ Engine::call(cx, call) ──▶ Result<Reply, Fault> ── pipeline
//!                         cx.view      this mount's encrypted storage
//!                         cx.mount     its path, options, lease bounds
//!                         cx.services  token store, policy store, token reviewer
//! ```
//!
//! An engine knows no HTTP, no other mount and no clock: `call.now` is the time. Its own file
//! layout is one folder, `mod.rs` telling the story. The list of engines is [`Kind`]; there is no
//! other registry. A call runs in a task of its own, so a client that hangs up never cuts a call in
//! half.

mod call;
mod fault;
pub(crate) mod fields;
pub(crate) mod kubernetes;
pub(crate) mod kv;
mod reply;
pub(crate) mod sys;
pub(crate) mod token;
pub(crate) mod wipe;

use std::sync::Arc;

use futures::future::BoxFuture;

pub(crate) use self::call::{Call, Caller, Operation};
pub(crate) use self::fault::{Cause, Fault};
pub(crate) use self::reply::{AuthReply, Reply, ReplyStatus, Shape};
use self::token::TokenStore;
pub(crate) use self::wipe::{Data, Payload};
use crate::TokenReviewer;
use crate::mounts::{Kind, Mount};
use crate::policies::PolicyStore;
use crate::storage::view::View;

/// What an engine may touch while it answers one call.
#[derive(Clone, Copy)]
pub(crate) struct Cx<'a> {
    /// This mount's part of the encrypted storage.
    pub(crate) view: &'a View,
    /// This mount: path, options, lease bounds.
    pub(crate) mount: &'a Mount,
    /// What engines share.
    pub(crate) services: &'a Services,
}

/// What engines share, made anew at each unseal.
pub(crate) struct Services {
    /// Issues, finds and revokes tokens (`engines/token`).
    pub(crate) tokens: TokenStore,
    /// Finds policies and builds ACLs.
    pub(crate) policies: PolicyStore,
    /// Asks Kubernetes who a token belongs to.
    pub(crate) reviewer: Arc<dyn TokenReviewer>,
}

/// What answers below a mount.
pub(crate) trait Engine: Send + Sync {
    /// Whether what a write names is there already: `Some(false)` makes the write a `Create` for
    /// policy, `Some(true)` an `Update`, `None` means the engine draws no such line (`Update`).
    fn exists<'a>(
        &'a self,
        cx: Cx<'a>,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<Option<bool>, Fault>>;

    /// Answers one call. `Operation::Create` is what policy granted: an engine that answers
    /// `exists` looks again under its own lock, and treats a `Create` that finds something as a
    /// failed `cas=0` (400), so that two creates at once never make an update that policy denies.
    fn call<'a>(&'a self, cx: Cx<'a>, call: Call) -> BoxFuture<'a, Result<Reply, Fault>>;

    /// Paths below the mount that need no token: exact, or a prefix when they end in `*`.
    fn unauthenticated(&self) -> &'static [&'static str] {
        &[]
    }

    /// Paths below the mount that need the `sudo` capability too: exact, or a prefix when they end
    /// in `*`.
    fn sudo(&self) -> &'static [&'static str] {
        &[]
    }
}

/// The engine of a kind; `sys` is no engine: it acts on the core itself.
pub(crate) fn engine(kind: Kind) -> Option<&'static dyn Engine> {
    match kind {
        Kind::Kv => Some(&kv::KvEngine),
        Kind::Kubernetes => Some(&kubernetes::KubernetesEngine),
        Kind::Token => Some(&token::TokenEngine),
        Kind::System => None,
    }
}

/// Whether `path` is one of `patterns`: exact, or a prefix when the pattern ends in `*`.
pub(crate) fn matches(patterns: &[&str], path: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => *pattern == path,
    })
}
