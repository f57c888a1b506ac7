//! The contract between the pipeline and an engine.

use futures::future::BoxFuture;

use super::sys::system_access::SystemAccess;
use crate::barrier::View;
use crate::error::ApiError;
use crate::lifecycle::Services;
use crate::mounts::Mount;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Operation};

/// What an engine may touch while it answers one call.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// This mount's part of the encrypted storage.
    pub(crate) view: &'a View,
    /// This mount: path, options, lease bounds.
    pub(crate) mount: &'a Mount,
    /// Token store, policy store and token reviewer, shared by all engines.
    pub(crate) services: &'a Services,
    /// The authority itself, which only `sys` can look into.
    pub(crate) system: SystemAccess<'a>,
}

/// What answers below a mount.
pub(crate) trait Engine: Send + Sync {
    /// Whether what a write names is there already: `Some(false)` makes the write a `Create` for
    /// policy, `Some(true)` an `Update`, `None` means the engine draws no such line (`Update`).
    fn exists<'a>(
        &'a self,
        cx: Context<'a>,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<Option<bool>, ApiError>>;

    /// Answers one call. `Operation::Create` is what policy granted: an engine that answers
    /// `exists` looks again under its own lock, and treats a `Create` that finds something as a
    /// failed `cas=0` (400), so that two creates at once never make an update that policy denies.
    fn call<'a>(&'a self, cx: Context<'a>, call: Call) -> BoxFuture<'a, Result<Reply, ApiError>>;

    /// The fields of requests at `path` below the mount. The pipeline judges a request by them before it
    /// is called, and names in the answer what it left aside.
    fn fields(&self, path: &str, op: Operation) -> Schema;

    /// Paths below the mount that need no token: exact, or a prefix when they end in `*`.
    fn unauthenticated(&self) -> &'static [&'static str] {
        &[]
    }

    /// Paths below the mount that need the `sudo` capability too: exact, or a prefix when they end
    /// in `*`.
    fn sudo(&self) -> &'static [&'static str] {
        &[]
    }

    /// Paths below the mount for which a good token is enough: the engine itself looks at what its
    /// policies allow. Exact, or a prefix when they end in `*`. One that needs no token either looks at
    /// one that is shown.
    fn policy_free(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Whether `path` is one of `patterns`: exact, or a prefix when the pattern ends in `*`.
pub(crate) fn matches(patterns: &[&str], path: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => *pattern == path,
    })
}
