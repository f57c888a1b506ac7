//! Intent: what Git says, and nothing else, becomes objects on the API server (PROTOCOLS.md §2;
//! S5.2-1).
//!
//! ```text
//!   GitSource ─► fetch ─► scan ─► compile ─► apply ─► prune ─► status
//!               (gix)   (files,   (objects,  (server-  (only after all
//!                        lint)     pure)      side)     were applied)
//! ```
//!
//! It sees ciphertext only: a sealed Secret becomes an EncryptedManifest, byte for byte. A
//! repository that holds a plaintext Secret, a private key or an object of a kind that intent may
//! not write is refused as a whole, and nothing changes.
//!
//! **Architecture invariant `intent-sees-ciphertext`:** nothing here decrypts, and no Secret is
//! read but the credentials that a GitSource names. Held by: RBAC (`regent-intent` may get one
//! Secret by name).
//!
//! For https repositories the process must have installed ring as rustls' default crypto provider
//! before [`run`] is called: gix builds its HTTP client from the process default.

mod apply;
mod args;
mod compile;
mod ctx;
mod document;
mod error;
mod fetch;
mod head;
mod impersonate;
mod kinds;
mod lint_rule;
mod location;
mod object;
mod prune;
mod reconcile;
mod scan;
mod status;
mod sync;

pub use args::Args;
use error::IntentError;

use std::sync::Arc;

use futures::StreamExt;
use kube::Api;
use kube::runtime::controller;
use regent_api::GitSource;

use regent_operator::Context;
use regent_operator::object_watch;

/// GitSources synced at the same time.
const CONCURRENCY: u16 = 8;

/// Follows every GitSource of the system namespace until the signal to stop.
pub async fn run(cx: Context, args: Args) {
    let sources: Api<GitSource> = Api::namespaced(cx.api.clone(), &args.system_namespace);
    let stop = cx.shutdown.clone();
    let ctx = Arc::new(ctx::Ctx::new(cx, args));
    tracing::info!(component = "intent", "started");
    object_watch::controller(sources)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(stop.wait())
        .run(reconcile::reconcile, reconcile::error_policy, ctx)
        .for_each(regent_operator::watch_error::log_broken_watches("intent"))
        .await;
    tracing::info!(component = "intent", "stopped");
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_http;
#[cfg(test)]
mod tests_reconcile;
#[cfg(test)]
mod tests_run;
