//! Bootstrap: encrypted manifests become bootstrap Secrets, inside the cluster, until the authority
//! takes over (PROTOCOLS.md §2; S5.2-1 … S5.2-7).
//!
//! ```text
//!   EncryptedManifest ─► open ─► plan ─► produce ─► Secret B ─► (orchestrator: handover)
//!                        (MAC,    (pure)  (create or             │
//!                        target)          update under rv)       ▼
//!   RuntimeSecret says `runtime` ◄───────────────────────── authority
//!   manifest deleted before that ─► retire ─► Secret B deleted
//!        └─► the manifest is silent from then on; another value in Git is reported, never applied
//! ```
//!
//! **Architecture invariant `bootstrap-silent-after-phase-3`:** once the RuntimeSecret that names a
//! bootstrap Secret is runtime, its manifest produces nothing. Held by: `plan`'s tables.
//!
//! **Architecture invariant `bootstrap-without-authority`:** nothing here talks to the authority.

mod args;
mod ctx;
mod error;
mod gone;
mod hmac;
mod holder;
mod keys;
mod metadata;
mod open;
mod plan;
mod produce;
mod reason;
mod reconcile;
mod refusal;
mod report;
mod retire;
mod source;
mod status;

pub use args::Args;
use error::BootstrapError;

use std::sync::Arc;

use futures::StreamExt;
use kube::Api;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, controller, reflector, watcher};
use regent_api::{EncryptedManifest, RuntimeSecret};

use regent_operator::guarded::guarded;
use regent_operator::object_watch;
use regent_operator::{Context, admission};

/// Manifests opened at the same time.
const CONCURRENCY: u16 = 8;

/// Follows every EncryptedManifest until the signal to stop, once admission guards what it writes.
pub async fn run(cx: Context, args: Args) {
    if !admission::enforced(&cx).await {
        return;
    }
    let manifests: Api<EncryptedManifest> = Api::all(cx.api.clone());
    let (secrets, writer) = reflector::store::<RuntimeSecret>();
    let changes =
        object_watch::watch(Api::<RuntimeSecret>::all(cx.api.clone()), watcher::Config::default())
            .reflect(writer)
            .touched_objects();
    let stop = cx.shutdown.clone();
    let ctx = Arc::new(ctx::Ctx::new(cx, args, secrets));
    tracing::info!(component = "bootstrap", "started");
    let told = Arc::clone(&ctx);
    let retired = retire::run(Arc::clone(&ctx));
    let produced = object_watch::controller_telling(manifests, move |event| told.gone.told(event))
        .watches_stream(changes, manifest_of)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(stop.wait())
        .run(guarded("bootstrap", reconcile::reconcile), reconcile::error_policy, ctx)
        .for_each(regent_operator::watch_error::log_broken_watches("bootstrap"));
    tokio::select! {
        () = produced => {}
        () = retired => {}
    }
    tracing::info!(component = "bootstrap", "stopped");
}

/// The manifest whose bootstrap Secret `secret` takes over: it has the same name.
fn manifest_of(secret: RuntimeSecret) -> Option<ObjectRef<EncryptedManifest>> {
    let namespace = secret.metadata.namespace?;
    let from = secret.spec.introduce.handover?;
    Some(ObjectRef::new(&from.bootstrap_secret).within(&namespace))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_reconcile;
#[cfg(test)]
mod tests_run;
