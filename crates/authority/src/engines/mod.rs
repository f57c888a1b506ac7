//! What answers below a mount.
//!
//! ```text
//! pipeline ── Call ──▶ Engine::call(cx, call) ──▶ Result<Reply, ApiError> ── pipeline
//!                         cx.view      this mount's encrypted storage
//!                         cx.mount     its path, options, lease bounds
//!                         cx.services  token store, policy store, token reviewer
//!                         cx.system    the authority itself: opaque to all engines but sys
//! ```
//!
//! An engine knows no HTTP, no other mount and no clock: `call.now` is the time. Its own file
//! layout is one folder, `mod.rs` telling the story. The list of engines is [`engine()`], total over
//! [`MountKind`]; there is no other registry. A call runs in a task of its own, so a client that hangs up
//! never cuts a call in half.

pub(crate) mod engine;
mod glob;
pub(crate) mod kubernetes;
pub(crate) mod kv;
pub(crate) mod sys;
pub(crate) mod token;

use self::engine::Engine;
use crate::mounts::MountKind;

/// The engine of a kind of mount. A new kind does not compile before it has one.
pub(crate) fn engine(kind: MountKind) -> &'static dyn Engine {
    match kind {
        MountKind::Kv => &kv::KvEngine,
        MountKind::Kubernetes => &kubernetes::KubernetesEngine,
        MountKind::Token => &token::TokenEngine,
        MountKind::System => &sys::SystemEngine,
    }
}
