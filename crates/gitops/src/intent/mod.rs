//! Intent: what Git says, and nothing else, becomes objects on the API server (PROTOCOLS.md §2;
//! S5.2-1).
//!
//! ```text
//!   GitSource ─► fetch ─► scan ─► compile ─► apply ─► prune ─► status
//!               (gix)   (files,   (objects,  (server-  (only after all
//!                        lint)     pure)      side)     were applied)
//!                                              ▲
//!                       follow ─► drift ───────┘ which objects are as they were left
//! ```
//!
//! It sees ciphertext only: a sealed Secret becomes an EncryptedManifest, byte for byte. A file
//! that cannot be read, holds a plaintext Secret or a kind that intent may not write is refused at
//! its line; everything else of the commit is applied, and nothing is removed meanwhile. Only a key that opens manifests
//! refuses the repository as a whole (S5.2-5).
//!
//! **Architecture invariant `intent-sees-ciphertext`:** nothing here decrypts, and no Secret is
//! read but the credentials that a GitSource names. Held by: RBAC (`regent-intent` may get one
//! Secret by name).
//!
//! For https repositories the process must have installed ring as rustls' default crypto provider
//! before [`run`] is called: gix builds its HTTP client from the process default.

mod apply;
mod args;
mod bounded_http;
mod compile;
mod ctx;
mod document;
mod drift;
mod error;
mod fetch;
mod follow;
mod head;
mod impersonate;
mod inventory;
mod keep;
mod kinds;
mod lint_rule;
mod location;
mod object;
mod problems;
mod prune;
mod reconcile;
mod remote;
mod remove;
mod report;
mod scan;
mod status;
mod sync;
mod unreadable;
mod words;

pub use args::Args;
use error::IntentError;
pub use remote::fetch as fetch_remote;

use std::sync::Arc;

use futures::StreamExt;
use kube::Api;
use kube::runtime::controller;
use regent_api::GitSource;

use regent_operator::Context;
use regent_operator::guarded::guarded;
use regent_operator::object_watch;

/// GitSources synced at the same time.
const CONCURRENCY: u16 = 8;

/// Follows every GitSource of the system namespace until the signal to stop.
pub async fn run(cx: Context, args: Args) {
    let sources: Api<GitSource> = Api::namespaced(cx.api.clone(), &args.system_namespace);
    let stop = cx.shutdown.clone();
    let api = cx.api.clone();
    let ctx = Arc::new(ctx::Ctx::new(cx, args));
    tracing::info!(component = "intent", "started");
    let followed = follow::objects(api, &ctx.args.system_namespace, Arc::clone(&ctx.drift));
    let synced = object_watch::controller(sources)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(stop.wait())
        .run(guarded("intent", reconcile::reconcile), reconcile::error_policy, ctx)
        .for_each(regent_operator::watch_error::log_broken_watches("intent"));
    tokio::select! {
        () = synced => {}
        () = followed => {}
    }
    tracing::info!(component = "intent", "stopped");
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_http;
#[cfg(test)]
mod tests_large;
#[cfg(test)]
mod tests_reconcile;
#[cfg(test)]
mod tests_run;
